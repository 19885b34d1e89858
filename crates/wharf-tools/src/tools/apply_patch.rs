//! `apply_patch`: changes of several files, all of them or none.

mod rewrite;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::tool::FileDiff;
use wharf_protocol::{CallOutcome, Seen, ToolError, ToolKind, ToolOutput};

use super::edit_file::{decode, of_buffer};
use super::typed::{About, TypedTool};
use super::{FILE_MAX_BYTES, FILE_TIMEOUT_MS, location};
use crate::blocking::{Stop, change};
use crate::diff::file_diff;
use crate::editor::Buffer;
use crate::patch::{FileAction, FilePatch, apply, parse};
use crate::text::Text;
use crate::workspace::{Place, Prepared};
use crate::{CallContext, ClientHost, Workspace, name, seen};
use rewrite::{Rewrite, Written, buffers, saved};

/// All files of one patch, before and after, are held in memory.
const TOTAL_MAX_BYTES: usize = 128 * 1024 * 1024;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// The patch.
    #[serde(alias = "input", alias = "patch_text", alias = "diff", alias = "patchText")]
    patch: String,
}

pub(super) struct ApplyPatch;

impl TypedTool for ApplyPatch {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "apply_patch",
            description: "Change several files at once, all or nothing. Takes a unified diff, or:\n*** Begin Patch\n*** Update File: src/a.rs\n@@ fn main() {\n context line\n-old line\n+new line\n*** Add File: src/b.rs\n+whole content\n*** Delete File: src/c.rs\n*** End Patch",
            category: "files",
            kind: ToolKind::Edit,
            read_only: false,
            // It names several files: rules see the call as a whole.
            subject: None,
            timeout_ms: FILE_TIMEOUT_MS,
        }
    }

    /// Every file that the patch names.
    fn subjects(&self, Arguments { patch }: &Arguments) -> Vec<String> {
        let files = parse(patch).unwrap_or_default();
        let names = |file: FilePatch| {
            let target = match file.action {
                FileAction::Update { rename_to, .. } => rename_to,
                FileAction::Create { .. } | FileAction::Delete => None,
            };
            [Some(file.path), target].into_iter().flatten()
        };
        files.into_iter().flat_map(names).collect()
    }

    async fn look(&self, arguments: Arguments, context: &CallContext, preview: bool) -> Seen {
        let seen = seen::writing(context, self.subjects(&arguments)).await;
        if preview { seen::with_preview(seen, diffs(&arguments.patch, context).await) } else { seen }
    }

    async fn run(&self, Arguments { patch }: Arguments, context: CallContext) -> CallOutcome {
        let stop = Stop::new(&context.cancel);
        let workspace = Arc::clone(&context.workspace);
        let files = parse(&patch).map_err(|error| ToolError::Failed(format!("{error}. Nothing was changed")))?;
        let buffers = buffers(&context, &files).await?;
        let creator = context.clients.that(|offers| offers.write_text);
        let guard = Arc::clone(&context.guard);
        let Ready { disk, editor, output: done } = change(move || {
            let plan = Plan::make(&workspace, files, buffers)?;
            guard.is_as_shown(&plan.diffs(&workspace))?;
            stop.check()?;
            plan.prepare(&workspace, creator.as_ref(), &stop)
        })
        .await?;
        let (written, notes) = Written::write(&context, editor).await?;
        let committed = change(move || {
            let mut disk = disk;
            disk.commit().map_err(|error| nothing_changed(error.into()))
        });
        let lost = match committed.await {
            Ok(lost) => lost,
            Err(error) => return Err(written.take_back(&context, error).await),
        };
        let done = done.noted(&notes).noted(&lost);
        let bounded = crate::output::bounded(done.result, &context).await;
        Ok(ToolOutput { diffs: done.diffs, locations: done.locations, ..bounded })
    }
}

/// What the patch would change at this moment.
async fn diffs(patch: &str, context: &CallContext) -> Result<Vec<FileDiff>, ToolError> {
    let workspace = Arc::clone(&context.workspace);
    let files = parse(patch).map_err(|error| ToolError::Failed(error.to_string()))?;
    let buffers = buffers(context, &files).await?;
    change(move || Ok(Plan::make(&workspace, files, buffers)?.diffs(&workspace))).await
}

fn nothing_changed(error: ToolError) -> ToolError {
    match error {
        ToolError::Failed(text) => ToolError::Failed(format!("{text}\nNothing was changed")),
        stopped => stopped,
    }
}

/// What a patch comes to, computed from the files as they are. Nothing was written.
#[derive(Debug)]
struct Plan {
    files: BTreeMap<PathBuf, Planned>,
    /// What editors have of the files that the patch names.
    buffers: BTreeMap<PathBuf, Buffer>,
    summary: Vec<String>,
}

/// One file: as it is, and as it will be.
#[derive(Debug)]
struct Planned {
    place: Place,
    /// As it is stored; absent where there is no file.
    old: Option<Text>,
    new: Option<Text>,
    mode: Option<u32>,
    /// An editor has it; `old` is its text there.
    buffer: Option<Buffer>,
}

impl Planned {
    /// The mode that it gets, where that is another one.
    fn new_mode(&self) -> Option<u32> {
        self.mode.filter(|mode| self.place.mode() != Some(*mode))
    }

    fn is_change(&self) -> bool {
        self.old != self.new || self.new_mode().is_some()
    }

    fn diff(&self, workspace: &Workspace, rel: &Path) -> FileDiff {
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.text.clone());
        let (before, after) = (text(&self.old), text(&self.new));
        let mut diff = file_diff(workspace.absolute_text(rel), &name::of(rel), before.as_deref(), after.as_deref());
        if let Some(mode) = self.new_mode() {
            diff.patch.insert_str(0, &format!("new mode 100{mode:o}\n"));
        }
        diff
    }
}

/// Everything that a patch needs to be put in place.
struct Ready {
    disk: Batch,
    editor: Vec<Rewrite>,
    output: ToolOutput,
}

impl Plan {
    fn make(
        workspace: &Workspace,
        files: Vec<FilePatch>,
        buffers: BTreeMap<PathBuf, Buffer>,
    ) -> Result<Self, ToolError> {
        let mut plan = Self { files: BTreeMap::new(), buffers, summary: Vec::new() };
        for file in files {
            plan.add(workspace, file).map_err(nothing_changed)?;
        }
        Ok(plan)
    }

    fn add(&mut self, workspace: &Workspace, file: FilePatch) -> Result<(), ToolError> {
        let FilePatch { path, action } = file;
        let rel = self.look_at(workspace, &path)?;
        let name = name::of(&rel);
        let missing = || ToolError::Failed(format!("{path}: not found"));
        match action {
            FileAction::Create { text, mode } => {
                let planned = self.files.get_mut(&rel).ok_or_else(missing)?;
                if planned.new.is_some() {
                    let text = format!("{path}: the file exists already; update it, or delete it first");
                    return Err(ToolError::Failed(text));
                }
                planned.new = Some(Text::plain(text));
                planned.mode = mode;
                self.summary.push(format!("A {name}"));
            }
            FileAction::Delete => {
                let planned = self.files.get_mut(&rel).filter(|planned| planned.new.is_some()).ok_or_else(missing)?;
                planned.new = None;
                self.summary.push(format!("D {name}"));
            }
            FileAction::Update { rename_to, hunks, mode } => {
                let planned = self.files.get_mut(&rel).ok_or_else(missing)?;
                let mut text = planned.new.clone().ok_or_else(missing)?;
                let applied =
                    apply(&text.text, &hunks).map_err(|problem| ToolError::Failed(format!("{name}: {problem}")))?;
                text.text = applied.text;
                let notes = applied.notes.into_iter().chain(text.ends.note());
                let notes: String = notes.map(|note| format!("; {note}")).collect();
                match rename_to {
                    None => {
                        planned.new = Some(text);
                        planned.mode = mode.or(planned.mode);
                        self.summary.push(format!("M {name}{notes}"));
                    }
                    Some(target) => {
                        let mode = mode.or(planned.mode).or(planned.place.mode());
                        planned.new = None;
                        let rel = self.look_at(workspace, &target)?;
                        let planned = self.files.get_mut(&rel).ok_or_else(missing)?;
                        if planned.new.is_some() {
                            return Err(ToolError::Failed(format!("{target}: the file exists already")));
                        }
                        planned.new = Some(text);
                        planned.mode = mode;
                        self.summary.push(format!("R {name} -> {}{notes}", name::of(&rel)));
                    }
                }
            }
        }
        let held = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.text.len());
        let total: usize = self.files.values().map(|planned| held(&planned.old) + held(&planned.new)).sum();
        if total > TOTAL_MAX_BYTES {
            return Err(ToolError::Failed(format!("the patch changes more than {TOTAL_MAX_BYTES} bytes of files")));
        }
        Ok(())
    }

    /// What becomes of each file.
    fn diffs(&self, workspace: &Workspace) -> Vec<FileDiff> {
        let changed = self.files.iter().filter(|(_, planned)| planned.is_change());
        changed.map(|(rel, planned)| planned.diff(workspace, rel)).collect()
    }

    /// Takes the file `path` into the plan; a patch may name one file several times.
    fn look_at(&mut self, workspace: &Workspace, path: &str) -> Result<PathBuf, ToolError> {
        let mut place = workspace.locate(path)?;
        let rel = place.rel().to_path_buf();
        if !self.files.contains_key(&rel) {
            let buffer = self.buffers.remove(&rel);
            let old = match &buffer {
                Some(Buffer { exists: false, text, .. }) if text.is_empty() => None,
                Some(buffer) => Some(of_buffer(buffer)?),
                None if place.exists() => Some(decode(&place.read(FILE_MAX_BYTES)?, &name::of(&rel))?),
                None => None,
            };
            let planned = Planned { place, new: old.clone(), old, mode: None, buffer };
            self.files.insert(rel.clone(), planned);
        }
        Ok(rel)
    }

    /// Prepares every file. An error on the way takes back what was done: `Prepared` undoes itself when it is dropped
    /// before it is kept.
    fn prepare(
        self,
        workspace: &Workspace,
        creator: Option<&Arc<dyn ClientHost>>,
        stop: &Stop,
    ) -> Result<Ready, ToolError> {
        let mut ready = Ready { disk: Batch::default(), editor: Vec::new(), output: ToolOutput::default() };
        let output = &mut ready.output;
        for (rel, planned) in self.files {
            if !planned.is_change() {
                continue;
            }
            output.diffs.push(planned.diff(workspace, &rel));
            let mode = planned.new_mode();
            let Planned { mut place, old, new, buffer, .. } = planned;
            let name = name::of(&rel);
            output.locations.push(location(workspace, &rel, None));
            let prepared = match (new, buffer) {
                // An editor changes texts; it removes nothing and sets no mode.
                (Some(new), Some(buffer)) if mode.is_none() => {
                    let new = String::from_utf8(new.encode(&new.text));
                    let new = new.map_err(|error| nothing_changed(ToolError::Failed(error.to_string())))?;
                    ready.editor.push(Rewrite { buffer, new });
                    continue;
                }
                (Some(Text { text: new, .. }), None)
                    if let Some(host) = creator
                        && !place.exists()
                        && mode.is_none() =>
                {
                    let buffer = Buffer::missing(Arc::clone(host), workspace, rel);
                    ready.editor.push(Rewrite { buffer, new });
                    continue;
                }
                (new, buffer) => {
                    let stored = match buffer.filter(|_| place.exists()) {
                        Some(_) => Some(saved(&mut place, &name, old.as_ref())?),
                        None => None,
                    };
                    match new {
                        Some(new) => {
                            let bytes = stored.as_ref().unwrap_or(&new).encode(&new.text);
                            place.prepare(&bytes, mode)
                        }
                        None => place.prepare_removal(),
                    }
                }
            };
            ready.disk.0.push((name, prepared.map_err(|error| nothing_changed(error.into()))?));
            stop.check()?;
        }
        output.result = format!("the patch is applied:\n{}", self.summary.join("\n"));
        Ok(ready)
    }
}

/// The files of one patch, in the order in which they are put in place; taken back in the opposite one, so that
/// directories made for the first are empty by then.
#[derive(Debug, Default)]
struct Batch(Vec<(String, Prepared)>);

impl Batch {
    /// Says what the files do not keep.
    fn commit(&mut self) -> Result<Vec<String>, crate::PathError> {
        for (_, file) in &mut self.0 {
            file.commit()?;
        }
        let mut lost = Vec::new();
        for (name, file) in &mut self.0 {
            file.keep();
            lost.extend(file.lost().into_iter().map(|what| format!("{name}: {what}")));
        }
        Ok(lost)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        while let Some(last) = self.0.pop() {
            drop(last);
        }
    }
}

#[cfg(test)]
mod tests;
