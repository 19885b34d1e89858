//! `apply_patch`: changes of several files, all of them or none.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wharf_protocol::{ToolKind, ToolSpec};

use super::edit_file::decode;
use super::{About, FILE_MAX_BYTES, FILE_TIMEOUT_MS, location, shown};
use crate::blocking::{Stop, change};
use crate::diff::file_diff;
use crate::patch::{Action, FilePatch, apply, parse};
use crate::text::Text;
use crate::workspace::{Place, Prepared};
use crate::{CallContext, Tool, ToolError, ToolOutput, Workspace};

/// All files of one patch, before and after, are held in memory.
const TOTAL_MAX_BYTES: usize = 128 * 1024 * 1024;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The patch.
    #[serde(alias = "input", alias = "patch_text", alias = "diff", alias = "patchText")]
    patch: String,
}

pub(super) struct ApplyPatch {
    spec: Arc<ToolSpec>,
}

impl ApplyPatch {
    pub(super) fn new() -> Self {
        let about = About {
            name: "apply_patch",
            description: "Change several files at once, all or nothing. Takes a unified diff, or:\n*** Begin Patch\n*** Update File: src/a.rs\n@@ fn main() {\n context line\n-old line\n+new line\n*** Add File: src/b.rs\n+whole content\n*** Delete File: src/c.rs\n*** End Patch",
            category: "files",
            kind: ToolKind::Edit,
            read_only: false,
            // It names several files: rules see the call as a whole.
            subject: None,
            timeout_ms: FILE_TIMEOUT_MS,
        };
        Self { spec: about.with_arguments::<Arguments>() }
    }
}

#[async_trait]
impl Tool for ApplyPatch {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    /// Every file that the patch names.
    fn subjects(&self, arguments: &Value) -> Vec<String> {
        let arguments = crate::arguments::parse::<Arguments>(&self.spec, arguments.clone());
        let files = arguments.ok().and_then(|arguments| parse(&arguments.patch).ok()).unwrap_or_default();
        let names = |file: FilePatch| {
            let target = match file.action {
                Action::Update { rename_to, .. } => rename_to,
                Action::Create { .. } | Action::Delete => None,
            };
            [Some(file.path), target].into_iter().flatten()
        };
        files.into_iter().flat_map(names).collect()
    }

    async fn run(&self, arguments: Value, context: CallContext) -> Result<ToolOutput, ToolError> {
        let Arguments { patch } = crate::arguments::parse(&self.spec, arguments)?;
        let stop = Stop::new(&context.cancel);
        let workspace = Arc::clone(&context.workspace);
        let done = change(move || {
            let plan = Plan::make(&workspace, &patch)?;
            stop.check()?;
            plan.carry_out(&workspace, &stop)
        })
        .await?;
        let bounded = crate::output::bounded(done.result, &context).await;
        Ok(ToolOutput { diffs: done.diffs, locations: done.locations, ..bounded })
    }
}

/// What a patch comes to, computed from the files as they are. Nothing was written.
#[derive(Debug)]
struct Plan {
    files: BTreeMap<PathBuf, Planned>,
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
}

impl Plan {
    fn make(workspace: &Workspace, patch: &str) -> Result<Self, ToolError> {
        let files = parse(patch).map_err(|error| ToolError::Failed(format!("{error}. Nothing was changed")))?;
        let mut plan = Self { files: BTreeMap::new(), summary: Vec::new() };
        for file in files {
            plan.add(workspace, file).map_err(|error| ToolError::Failed(format!("{error}\nNothing was changed")))?;
        }
        Ok(plan)
    }

    fn add(&mut self, workspace: &Workspace, file: FilePatch) -> Result<(), ToolError> {
        let FilePatch { path, action } = file;
        let rel = self.look_at(workspace, &path)?;
        let name = shown(&rel);
        let missing = || ToolError::Failed(format!("{path}: not found"));
        match action {
            Action::Create { text, mode } => {
                let planned = self.files.get_mut(&rel).ok_or_else(missing)?;
                if planned.new.is_some() {
                    let text = format!("{path}: the file exists already; update it, or delete it first");
                    return Err(ToolError::Failed(text));
                }
                planned.new = Some(Text::plain(text));
                planned.mode = mode;
                self.summary.push(format!("A {name}"));
            }
            Action::Delete => {
                let planned = self.files.get_mut(&rel).filter(|planned| planned.new.is_some()).ok_or_else(missing)?;
                planned.new = None;
                self.summary.push(format!("D {name}"));
            }
            Action::Update { rename_to, hunks, mode } => {
                let planned = self.files.get_mut(&rel).ok_or_else(missing)?;
                let mut text = planned.new.clone().ok_or_else(missing)?;
                let applied =
                    apply(&text.text, &hunks).map_err(|problem| ToolError::Failed(format!("{name}: {problem}")))?;
                text.text = applied.text;
                let notes: String = applied.notes.iter().map(|note| format!("; {note}")).collect();
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
                        self.summary.push(format!("R {name} -> {}{notes}", shown(&rel)));
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

    /// Takes the file `path` into the plan; a patch may name one file several times.
    fn look_at(&mut self, workspace: &Workspace, path: &str) -> Result<PathBuf, ToolError> {
        let mut place = workspace.locate(path)?;
        let rel = place.rel().to_path_buf();
        if !self.files.contains_key(&rel) {
            let old = if place.exists() { Some(decode(&place.read(FILE_MAX_BYTES)?, &shown(&rel))?) } else { None };
            let planned = Planned { place, new: old.clone(), old, mode: None };
            self.files.insert(rel.clone(), planned);
        }
        Ok(rel)
    }

    /// Prepares every file, then puts all in place. An error on the way takes back what was done: `Prepared` undoes
    /// itself when it is dropped before it is kept.
    fn carry_out(self, workspace: &Workspace, stop: &Stop) -> Result<ToolOutput, ToolError> {
        let failed = |error: crate::PathError| ToolError::Failed(format!("{error}\nNothing was changed"));
        let mut output = ToolOutput::default();
        let mut prepared = Batch::default();
        for (rel, planned) in self.files {
            let Planned { place, old, new, mode } = planned;
            if old == new && mode.is_none_or(|mode| place.mode() == Some(mode)) {
                continue;
            }
            let name = shown(&rel);
            let text = |text: &Option<Text>| text.as_ref().map(|text| text.text.clone());
            let (before, after) = (text(&old), text(&new));
            output.diffs.push(file_diff(workspace.absolute_text(&rel), &name, before.as_deref(), after.as_deref()));
            output.locations.push(location(workspace, &rel, None));
            prepared.0.push(match new {
                Some(new) => place.prepare(&new.encode(&new.text), mode).map_err(failed)?,
                None => place.prepare_removal().map_err(failed)?,
            });
            stop.check()?;
        }
        prepared.commit().map_err(failed)?;
        output.result = format!("the patch is applied:\n{}", self.summary.join("\n"));
        Ok(output)
    }
}

/// The files of one patch, in the order in which they are put in place; taken back in the opposite one, so that
/// directories made for the first are empty by then.
#[derive(Debug, Default)]
struct Batch(Vec<Prepared>);

impl Batch {
    fn commit(&mut self) -> Result<(), crate::PathError> {
        for file in &mut self.0 {
            file.commit()?;
        }
        for file in &mut self.0 {
            file.keep();
        }
        Ok(())
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
