//! `edit_file`: replaces a passage of a file that is given by its text.

mod matching;

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::tool::FileDiff;
use wharf_protocol::{CallOutcome, Seen, ToolError, ToolKind, ToolOutput};

use super::typed::{About, Subject, TypedTool};
use super::{FILE_MAX_BYTES, FILE_TIMEOUT_MS, location};
use crate::arguments::lenient;
use crate::blocking::{Stop, change};
use crate::diff::file_diff;
use crate::editor::{Buffer, Want};
use crate::text::{NotText, Text};
use crate::workspace::{PathError, Place};
use crate::{CallContext, Guard, Workspace, name, seen};
use matching::{Edited, Mismatch};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// The file, in the workspace.
    #[serde(alias = "file_path", alias = "filename", alias = "file", alias = "filePath", alias = "target_file")]
    path: String,
    /// Exact text, without line numbers.
    #[serde(alias = "old_str", alias = "old_text", alias = "oldString", alias = "search", alias = "old")]
    old_string: String,
    /// What to put there.
    #[serde(alias = "new_str", alias = "new_text", alias = "newString", alias = "replace", alias = "new")]
    new_string: String,
    /// Every occurrence.
    #[serde(default, alias = "replaceAll", alias = "all", deserialize_with = "lenient::flag")]
    replace_all: bool,
}

pub(super) struct EditFile;

impl TypedTool for EditFile {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "edit_file",
            description: "Replace old_string, which must be found exactly once unless replace_all is set. Read the file first.",
            category: "files",
            kind: ToolKind::Edit,
            read_only: false,
            subject: Some(Subject { name: "path", of: |arguments| &arguments.path }),
            timeout_ms: FILE_TIMEOUT_MS,
        }
    }

    async fn look(&self, arguments: Arguments, context: &CallContext, preview: bool) -> Seen {
        let seen = seen::writing(context, vec![arguments.path.clone()]).await;
        if preview { seen::with_preview(seen, diffs(arguments, context).await) } else { seen }
    }

    async fn run(&self, arguments: Arguments, context: CallContext) -> CallOutcome {
        let stop = Stop::new(&context.cancel);
        let workspace = Arc::clone(&context.workspace);
        let (guard, limit) = (Arc::clone(&context.guard), context.output_limit);
        let Some(buffer) = Buffer::open(&context, &arguments.path, Want::Change).await? else {
            return change(move || edit(&workspace, &arguments, limit, &guard, &stop)).await;
        };
        let (rel, file) = (buffer.rel.clone(), of_buffer(&buffer)?);
        let (new, output) = change(move || {
            let change = Change::make(file, &name::of(&rel), &arguments)?;
            let new = change.file.encode(&change.edited.text);
            let new = String::from_utf8(new).map_err(|error| ToolError::Failed(error.to_string()))?;
            let output = change.report(&workspace, &rel, limit);
            guard.is_as_shown(&output.diffs)?;
            Ok((new, output))
        })
        .await?;
        buffer.check(&context.workspace, &context.cancel).await?;
        let notes = buffer.write(&context.workspace, &new, &context.cancel).await?;
        Ok(output.noted(&notes))
    }
}

/// What the call would change at this moment.
async fn diffs(arguments: Arguments, context: &CallContext) -> Result<Vec<FileDiff>, ToolError> {
    let workspace = Arc::clone(&context.workspace);
    let buffer = Buffer::open(context, &arguments.path, Want::Change).await?;
    change(move || {
        let (rel, change) = match buffer {
            Some(buffer) => {
                let change = Change::make(of_buffer(&buffer)?, &name::of(&buffer.rel), &arguments)?;
                (buffer.rel, change)
            }
            None => {
                let (place, change) = on_disk(&workspace, &arguments)?;
                (place.rel().to_path_buf(), change)
            }
        };
        Ok(change.report(&workspace, &rel, usize::MAX).diffs)
    })
    .await
}

/// The file, and what becomes of it.
fn on_disk(workspace: &Workspace, arguments: &Arguments) -> Result<(Place, Change), ToolError> {
    let mut place = workspace.locate(&arguments.path)?;
    if !place.exists() {
        // `open_file` knows names that are close.
        let missing = workspace.open_file(&arguments.path).err();
        let text =
            missing.map_or_else(|| format!("{}: not found", arguments.path), |error: PathError| error.to_string());
        return Err(ToolError::Failed(format!("{text} (write_file creates files)")));
    }
    let name = name::of(place.rel());
    let change = Change::make(decode(&place.read(FILE_MAX_BYTES)?, &name)?, &name, arguments)?;
    Ok((place, change))
}

fn edit(workspace: &Workspace, arguments: &Arguments, limit: usize, guard: &Guard, stop: &Stop) -> CallOutcome {
    let (place, change) = on_disk(workspace, arguments)?;
    let (rel, new) = (place.rel().to_path_buf(), change.file.encode(&change.edited.text));
    let output = change.report(workspace, &rel, limit);
    guard.is_as_shown(&output.diffs)?;
    stop.check()?;
    let mut prepared = place.prepare(&new, None)?;
    stop.check()?;
    prepared.commit()?;
    prepared.keep();
    Ok(output.noted(&prepared.lost()))
}

/// What the call comes to. Nothing was written.
struct Change {
    file: Text,
    edited: Edited,
    /// How many lines the new passage has.
    new_lines: usize,
}

impl Change {
    fn make(file: Text, name: &str, arguments: &Arguments) -> Result<Self, ToolError> {
        let (old, new) = (file.ends.words(&arguments.old_string), file.ends.words(&arguments.new_string));
        let edited = matching::edit(&file.text, &old, &new, arguments.replace_all)
            .map_err(|mismatch| refusal(name, &mismatch))?;
        Ok(Self { file, edited, new_lines: new.lines().count() })
    }

    fn report(self, workspace: &Workspace, rel: &Path, limit: usize) -> ToolOutput {
        let Self { file, edited: Edited { text, lines, how }, new_lines } = self;
        let name = name::of(rel);
        let count = lines.len();
        let first = lines.first().copied().unwrap_or(1);
        let mut result = match count {
            1 => format!("edited {name} at line {first}"),
            _ => format!("edited {name}: {count} replacements, the first at line {first}"),
        };
        for note in how.map(str::to_owned).into_iter().chain(file.ends.note()) {
            result.push_str(&format!(". Note: {note}"));
        }
        result.push_str(&format!("\n{}", matching::excerpt(&text, first, new_lines)));
        result.truncate(result.floor_char_boundary(limit));
        ToolOutput {
            result,
            diffs: vec![file_diff(workspace.absolute_text(rel), &name, Some(&file.text), Some(&text))],
            locations: vec![location(workspace, rel, Some(first as u64))],
            ..ToolOutput::default()
        }
    }
}

/// The text of a file that is to be changed.
pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Text, ToolError> {
    Text::decode(bytes).map_err(|error| not_text(name, error))
}

/// The same, of a file that an editor has.
pub(super) fn of_buffer(buffer: &Buffer) -> Result<Text, ToolError> {
    let file = buffer.file().map_err(|error| not_text(&name::of(&buffer.rel), error))?;
    Ok(file.unwrap_or_else(|| Text::plain(String::new())))
}

fn not_text(name: &str, error: NotText) -> ToolError {
    ToolError::Failed(match error {
        NotText::Binary(kind) => format!("{name}: this is {kind}, not text"),
        NotText::InvalidUtf8 { at } => format!(
            "{name}: byte {at} is not UTF-8, so a change here would damage the file; use bash with a tool that knows its encoding"
        ),
    })
}

fn refusal(name: &str, mismatch: &Mismatch) -> ToolError {
    ToolError::Failed(match mismatch {
        Mismatch::Empty => {
            format!("{name}: old_string is empty. Give the text to replace; write_file replaces a whole file")
        }
        Mismatch::Same => format!("{name}: old_string and new_string are the same, there is nothing to change"),
        Mismatch::Several { lines, total } => {
            let shown: Vec<String> = lines.iter().map(ToString::to_string).collect();
            let more = if *total > lines.len() { ", ..." } else { "" };
            format!(
                "{name}: old_string is found {total} times, at lines {}{more}. Add lines around it until it is found once, or set replace_all",
                shown.join(", ")
            )
        }
        Mismatch::NotFound { closest, numbered } => {
            let hint =
                if *numbered { " It seems to contain the line numbers of read_file: leave them out." } else { "" };
            match closest {
                Some(region) => {
                    format!("{name}: old_string is not in the file.{hint} The closest passage is:\n{region}")
                }
                None => {
                    format!("{name}: old_string is not in the file, and nothing is like it.{hint} Read the file again")
                }
            }
        }
    })
}

#[cfg(test)]
mod tests;
