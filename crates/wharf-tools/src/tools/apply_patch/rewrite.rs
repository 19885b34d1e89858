//! The files of a patch that an editor has: all rewritten there, or taken back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_protocol::ToolError;

use super::{decode, nothing_changed};
use crate::blocking::change;
use crate::editor::{Buffer, Want, make_parents};
use crate::name;
use crate::patch::{FileAction, FilePatch};
use crate::text::Text;
use crate::tools::FILE_MAX_BYTES;
use crate::workspace::Place;
use crate::{CallContext, Workspace};

/// One file that is rewritten in an editor.
pub(super) struct Rewrite {
    pub(super) buffer: Buffer,
    pub(super) new: String,
}

/// What editors have of the files that are named.
pub(super) async fn buffers(
    context: &CallContext,
    files: &[FilePatch],
) -> Result<BTreeMap<PathBuf, Buffer>, ToolError> {
    let mut buffers = BTreeMap::new();
    for file in files {
        // A new file is nobody's; whether its place is free, the disk says.
        if matches!(file.action, FileAction::Create { .. }) {
            continue;
        }
        if let Some(buffer) = Buffer::open(context, &file.path, Want::Change).await? {
            buffers.entry(buffer.rel.clone()).or_insert(buffer);
        }
    }
    Ok(buffers)
}

/// The text that is on disk, where the editor has no other one: what is done to the file happens on disk.
pub(super) fn saved(place: &mut Place, name: &str, in_editor: Option<&Text>) -> Result<Text, ToolError> {
    let stored = decode(&place.read(FILE_MAX_BYTES)?, name)?;
    if in_editor.is_some_and(|text| text.text == stored.text) {
        return Ok(stored);
    }
    let text = format!("{name}: the editor has changes of it that are not saved. Ask the user to save the file");
    Err(nothing_changed(ToolError::Failed(text)))
}

/// Files that were rewritten, in order.
pub(super) struct Written(Vec<Rewrite>);

impl Written {
    /// Rewrites all, or none; says what is to be known besides.
    pub(super) async fn write(context: &CallContext, rewrites: Vec<Rewrite>) -> Result<(Self, Vec<String>), ToolError> {
        for rewrite in rewrites.iter().filter(|rewrite| rewrite.buffer.exists) {
            rewrite.buffer.check(&context.workspace, &context.cancel).await?;
        }
        let (mut written, mut notes) = (Self(Vec::new()), Vec::new());
        for rewrite in rewrites {
            match write_one(context, &rewrite).await {
                Ok(more) => notes.extend(more.iter().map(|note| format!("{}: {note}", name::of(&rewrite.buffer.rel)))),
                Err(error) => return Err(written.take_back(context, error).await),
            }
            written.0.push(rewrite);
        }
        Ok((written, notes))
    }

    /// Puts the old texts back after `error`, which is returned with what came of that.
    pub(super) async fn take_back(self, context: &CallContext, error: ToolError) -> ToolError {
        if self.0.is_empty() {
            return error;
        }
        let mut left = Vec::new();
        for Rewrite { buffer, .. } in self.0.into_iter().rev() {
            let back = if buffer.exists {
                buffer.restore(&context.workspace).await
            } else {
                let (workspace, rel) = (Arc::clone(&context.workspace), buffer.rel.clone());
                change(move || remove(&workspace, &rel)).await
            };
            if back.is_err() {
                left.push(name::of(&buffer.rel));
            }
        }
        match error {
            ToolError::Failed(text) if left.is_empty() => {
                ToolError::Failed(format!("{text}\nEverything else is as it was before"))
            }
            ToolError::Failed(text) => {
                ToolError::Failed(format!("{text}\nThese could not be taken back: {}", left.join(", ")))
            }
            stopped => stopped,
        }
    }
}

async fn write_one(context: &CallContext, rewrite: &Rewrite) -> Result<Vec<String>, ToolError> {
    if !rewrite.buffer.exists {
        let (workspace, rel) = (Arc::clone(&context.workspace), rewrite.buffer.rel.clone());
        change(move || make_parents(&workspace, &rel)).await?;
    }
    rewrite.buffer.write(&context.workspace, &rewrite.new, &context.cancel).await
}

fn remove(workspace: &Workspace, rel: &Path) -> Result<(), ToolError> {
    let place = workspace.locate_named(rel)?;
    if place.exists() {
        let mut removal = place.prepare_removal()?;
        removal.commit()?;
        removal.keep();
    }
    Ok(())
}
