//! `write_file`: a whole file, new or replaced, in one step.

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use wharf_protocol::tool::FileDiff;
use wharf_protocol::{CallOutcome, Seen, ToolError, ToolKind, ToolOutput};

use super::typed::{About, Subject, TypedTool};
use super::{FILE_MAX_BYTES, FILE_TIMEOUT_MS, location};
use crate::blocking::{Stop, change};
use crate::diff::{binary_diff, file_diff};
use crate::editor::{Buffer, Want, make_parents};
use crate::text::Text;
use crate::workspace::{PathError, Place};
use crate::{CallContext, Guard, Workspace, name, seen};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// The file, in the workspace.
    #[serde(alias = "file_path", alias = "filename", alias = "file", alias = "filePath", alias = "target_file")]
    path: String,
    /// The whole new content.
    #[serde(alias = "contents", alias = "text", alias = "file_text", deserialize_with = "content")]
    #[schemars(with = "String")]
    content: String,
}

/// The text; a model that writes a JSON file may send the value itself.
fn content<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        value @ (Value::Object(_) | Value::Array(_)) => Ok(format!("{value:#}\n")),
        other => Err(serde::de::Error::custom(format!("content must be a text, got {other}"))),
    }
}

pub(super) struct WriteFile;

impl TypedTool for WriteFile {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "write_file",
            description: "Create a file or replace its whole content.",
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
        let path = &arguments.path;
        let buffer = match Buffer::open(&context, path, Want::Change).await? {
            Some(buffer) => buffer,
            None => match Buffer::create(&context, path).await? {
                Some(buffer) => buffer,
                None => {
                    let guard = Arc::clone(&context.guard);
                    return change(move || write(&workspace, &arguments, &guard, &stop)).await;
                }
            },
        };
        in_editor(&context, buffer, arguments).await
    }
}

/// What was there before.
enum Old {
    Nothing,
    Text(Text),
    /// No text, or too large to be compared.
    Other,
}

/// What the call would change at this moment.
async fn diffs(arguments: Arguments, context: &CallContext) -> Result<Vec<FileDiff>, ToolError> {
    let workspace = Arc::clone(&context.workspace);
    let buffer = match Buffer::open(context, &arguments.path, Want::Change).await? {
        Some(buffer) => Some(buffer),
        None => Buffer::create(context, &arguments.path).await?,
    };
    let buffer = buffer.map(|buffer| {
        let old = of_buffer(&buffer);
        (buffer.rel, old)
    });
    change(move || {
        let (rel, old) = match buffer {
            Some(buffer) => buffer,
            None => {
                let (place, old) = on_disk(&workspace, &arguments.path)?;
                (place.rel().to_path_buf(), old)
            }
        };
        Ok(report(&workspace, &rel, &arguments.content, &old, 0).diffs)
    })
    .await
}

/// The place of the file, and what is there.
fn on_disk(workspace: &Workspace, path: &str) -> Result<(Place, Old), ToolError> {
    let mut place = workspace.locate(path)?;
    let old = if place.exists() {
        match place.read(FILE_MAX_BYTES) {
            Ok(bytes) => Text::decode(&bytes).map_or(Old::Other, Old::Text),
            Err(PathError::TooLarge { .. }) => Old::Other,
            Err(error) => return Err(error.into()),
        }
    } else {
        Old::Nothing
    };
    Ok((place, old))
}

fn of_buffer(buffer: &Buffer) -> Old {
    match buffer.file() {
        Ok(None) => Old::Nothing,
        Ok(Some(text)) => Old::Text(text),
        Err(_) => Old::Other,
    }
}

fn write(workspace: &Workspace, arguments: &Arguments, guard: &Guard, stop: &Stop) -> CallOutcome {
    let (place, old) = on_disk(workspace, &arguments.path)?;
    let bytes = old.encode(&arguments.content);
    let rel = place.rel().to_path_buf();
    let output = report(workspace, &rel, &arguments.content, &old, bytes.len());
    guard.is_as_shown(&output.diffs)?;
    stop.check()?;
    let mut prepared = place.prepare(&bytes, None)?;
    stop.check()?;
    prepared.commit()?;
    prepared.keep();
    Ok(output.noted(&prepared.lost()))
}

/// Writes the file where an editor has it, or is to have it.
async fn in_editor(context: &CallContext, buffer: Buffer, arguments: Arguments) -> CallOutcome {
    let old = of_buffer(&buffer);
    if !matches!(old, Old::Nothing) {
        buffer.check(&context.workspace, &context.cancel).await?;
    }
    let new =
        String::from_utf8(old.encode(&arguments.content)).map_err(|error| ToolError::Failed(error.to_string()))?;
    let (workspace, rel, guard) = (Arc::clone(&context.workspace), buffer.rel.clone(), Arc::clone(&context.guard));
    let size = new.len();
    let output = change(move || {
        let output = report(&workspace, &rel, &arguments.content, &old, size);
        guard.is_as_shown(&output.diffs)?;
        Ok(output)
    })
    .await?;
    let (workspace, rel) = (Arc::clone(&context.workspace), buffer.rel.clone());
    if !buffer.exists {
        change(move || make_parents(&workspace, &rel)).await?;
    }
    let notes = buffer.write(&context.workspace, &new, &context.cancel).await?;
    Ok(output.noted(&notes))
}

impl Old {
    /// `content` stored as the file was.
    fn encode(&self, content: &str) -> Vec<u8> {
        match self {
            Self::Text(text) => text.encode_whole(content.strip_prefix('\u{feff}').unwrap_or(content)),
            Self::Nothing | Self::Other => content.to_owned().into_bytes(),
        }
    }
}

fn report(workspace: &Workspace, rel: &Path, content: &str, old: &Old, size: usize) -> ToolOutput {
    let name = name::of(rel);
    let lines = content.lines().count();
    let path = workspace.absolute_text(rel);
    let folded = content.replace("\r\n", "\n");
    let (result, diff) = match old {
        Old::Nothing => {
            (format!("created {name} ({lines} lines, {size} bytes)"), file_diff(path, &name, None, Some(content)))
        }
        Old::Text(old) => {
            let new = if old.ends.is_mostly_crlf() { folded.as_str() } else { content };
            let encoding = old.encoding.name().map(|name| format!("; it stays {name}"));
            let ends = old.ends.note_whole().map(|note| format!("; {note}"));
            let kept: String = encoding.into_iter().chain(ends).collect();
            let same = if old.text == new { " The content is the same as before." } else { "" };
            (
                format!("replaced {name} ({lines} lines, {size} bytes){kept}.{same}"),
                file_diff(path, &name, Some(&old.text), Some(new)),
            )
        }
        Old::Other => (
            format!("replaced {name} ({lines} lines, {size} bytes); before, it was no text or very large"),
            binary_diff(path, &name, Some(content)),
        ),
    };
    ToolOutput { result, diffs: vec![diff], locations: vec![location(workspace, rel, None)], ..ToolOutput::default() }
}

#[cfg(test)]
mod tests;
