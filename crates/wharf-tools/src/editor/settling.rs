//! After an editor has taken a text: what became of it.

use std::path::Path;
use std::sync::Arc;

use wharf_protocol::ToolError;

use super::{BUFFER_MAX_BYTES, Buffer, content, style};
use crate::Workspace;
use crate::blocking::change;
use crate::diff::file_diff;
use crate::workspace::PathError;

/// Most bytes of a difference that the model is told.
const DIFFERENCE_MAX_BYTES: usize = 4_000;

const UNSAVED: &str = "the editor has the change and has not saved it: commands see the file as it was";
const RESTORED: &str = "the editor had saved it with other line ends, another byte order mark or another end of the last line; what the file had was \
     restored on disk";

impl Buffer {
    /// The bytes of the file on disk; `None`: there is none, or too much.
    pub(super) async fn stored(&self, workspace: &Arc<Workspace>) -> Result<Option<Vec<u8>>, ToolError> {
        let (workspace, rel) = (Arc::clone(workspace), self.rel.clone());
        change(move || Ok(workspace.open_named(&rel).ok().and_then(content))).await
    }

    /// Compares what is on disk, or in the editor where it has not saved, with what was `meant`. What an editor's way has changed
    /// is restored; anything else is an error with both.
    pub(super) async fn settled(
        &self,
        workspace: &Arc<Workspace>,
        meant: &str,
        sent: &str,
    ) -> Result<Vec<String>, ToolError> {
        let now = self.stored(workspace).await?;
        if now.as_deref() == Some(meant.as_bytes()) {
            return Ok(Vec::new());
        }
        if now.as_ref() == self.disk.as_ref().map(|disk| &disk.bytes) {
            return self.held(meant, sent).await;
        }
        let Some(found) = now else {
            let text = format!("{}: the editor took the change, and the file is not on disk any more", self.name());
            return Err(ToolError::Failed(text));
        };
        match std::str::from_utf8(&found) {
            Ok(text) if style::is_alike(text, meant) || style::is_alike(text, sent) => {
                let (workspace, rel, meant) = (Arc::clone(workspace), self.rel.clone(), meant.to_owned());
                change(move || put(&workspace, &rel, &found, &meant)).await?;
                Ok(vec![RESTORED.to_owned()])
            }
            _ => Err(self.difference("the editor saved", meant, &String::from_utf8_lossy(&found))),
        }
    }

    /// The disk is as it was before: the editor has to have the change.
    async fn held(&self, meant: &str, sent: &str) -> Result<Vec<String>, ToolError> {
        if self.host.offers().read_text
            && let Ok(read) = self.host.read_text(&self.path).await
            && !style::is_alike(&read, meant)
            && !style::is_alike(&read, sent)
        {
            return Err(self.difference("the editor took the change, but shows", meant, &read));
        }
        Ok(vec![UNSAVED.to_owned()])
    }

    fn difference(&self, what: &str, meant: &str, found: &str) -> ToolError {
        let name = self.name();
        let mut patch = file_diff(String::new(), &name, Some(meant), Some(found)).patch;
        if patch.len() > DIFFERENCE_MAX_BYTES {
            patch.truncate(patch.floor_char_boundary(DIFFERENCE_MAX_BYTES));
            patch.push_str("\n...");
        }
        ToolError::Failed(format!(
            "{name}: {what} something else than was meant. It may format what it saves, or read from disk what it has open: then the \
             user may have lost a change. Read the file again before you go on. From what was meant (-) to what is there (+):\n{patch}"
        ))
    }
}

/// Gives the file what it is to have, where it is still what was `found`.
fn put(workspace: &Workspace, rel: &Path, found: &[u8], meant: &str) -> Result<(), ToolError> {
    let mut place = workspace.locate_named(rel)?;
    if place.read(BUFFER_MAX_BYTES as u64)? != found {
        return Err(PathError::Changed { path: crate::name::of(rel) }.into());
    }
    let mut prepared = place.prepare(meant.as_bytes(), None)?;
    prepared.commit()?;
    prepared.keep();
    Ok(())
}
