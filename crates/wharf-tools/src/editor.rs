//! A file's text as an attached client's editor has it, with what is not saved: read, compared, written.
//!
//! The workspace is asked first, and what it refuses no client sees. What no editor can answer for is done on disk: images,
//! large files, encodings that an editor may change, and everything once the client has gone.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::blocking::{change, stopped};
use crate::text::{Encoding, binary_kind, image_type};
use crate::workspace::PathError;
use crate::{CallContext, ClientHost, HostError, Offers, ToolError, Workspace};

/// Larger files are handled on disk: messages have a limit, and escaped a text is longer.
pub(crate) const BUFFER_MAX_BYTES: usize = 4 << 20;
/// How long a write that was sent may still be confirmed after a cancel: a turn ends within 3 seconds.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What a call wants with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    Look,
    Change,
}

impl Want {
    /// A change compares before it writes, so that it takes nothing away that the user has typed meanwhile.
    fn is_met(self, offers: Offers) -> bool {
        offers.read_text && (self == Self::Look || offers.write_text)
    }
}

/// A file in a client's editor.
pub(crate) struct Buffer {
    host: Arc<dyn ClientHost>,
    path: PathBuf,
    /// Resolved; relative to the workspace, or absolute in a further directory.
    pub(crate) rel: PathBuf,
    /// As it was read.
    pub(crate) text: String,
    /// It is on disk.
    pub(crate) exists: bool,
}

/// What the disk says of a path.
struct Found {
    rel: PathBuf,
    exists: bool,
}

impl Buffer {
    /// The file as an editor has it. `None`: it is to be handled on disk, where also what is wrong with the path is said.
    pub(crate) async fn open(context: &CallContext, path: &str, want: Want) -> Result<Option<Self>, ToolError> {
        let Some(host) = context.clients.that(|offers| want.is_met(offers)) else {
            if want == Want::Change {
                refuse_unsaved(context, path).await?;
            }
            return Ok(None);
        };
        let (workspace, path) = (Arc::clone(&context.workspace), path.to_owned());
        let Some(Found { rel, exists }) = change(move || Ok(find(&workspace, &path, want))).await? else {
            return Ok(None);
        };
        let path = context.workspace.absolute(&rel);
        let name = crate::tools::shown(&rel);
        let read = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(stopped()),
            read = host.read_text(&path) => read,
        };
        match read {
            Ok(text) => Ok(Some(Self { host, path, rel, text, exists })),
            Err(HostError::Refused(words)) if exists => {
                Err(ToolError::Failed(format!("{name}: the editor could not read it: {words}")))
            }
            // It is in no editor and not on disk.
            Err(HostError::Refused(_)) => Ok(None),
            Err(HostError::Silent { after_ms }) if want == Want::Change => {
                // What the user has typed into it is not known.
                let text = format!("{name}: the editor did not answer within {after_ms} ms. Nothing was changed");
                Err(ToolError::Failed(text))
            }
            Err(error @ (HostError::Silent { .. } | HostError::Gone)) => {
                tracing::info!(session.id = %context.session_id, %error, "a file is read on disk, not in the editor");
                Ok(None)
            }
        }
    }

    /// A file that is to be made, by a client that writes. `None`: it is there already, or no client writes.
    pub(crate) async fn create(context: &CallContext, path: &str) -> Result<Option<Self>, ToolError> {
        let Some(host) = context.clients.that(|offers| offers.write_text) else { return Ok(None) };
        let (workspace, path) = (Arc::clone(&context.workspace), path.to_owned());
        let missing = move || match workspace.locate(&path) {
            Ok(place) if !place.exists() => Ok(Some(place.rel().to_path_buf())),
            _ => Ok(None),
        };
        Ok(change(missing).await?.map(|rel| Self::missing(host, &context.workspace, rel)))
    }

    /// A file that is not there yet.
    pub(crate) fn missing(host: Arc<dyn ClientHost>, workspace: &Workspace, rel: PathBuf) -> Self {
        Self { host, path: workspace.absolute(&rel), rel, text: String::new(), exists: false }
    }

    fn name(&self) -> String {
        crate::tools::shown(&self.rel)
    }

    /// Refuses where the text is another one than when it was read.
    pub(crate) async fn check(&self, cancel: &CancellationToken) -> Result<(), ToolError> {
        let read = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(stopped()),
            read = self.host.read_text(&self.path) => read,
        };
        match read {
            Ok(text) if text == self.text => Ok(()),
            Ok(_) => Err(PathError::Changed { path: self.name() }.into()),
            Err(error) => Err(ToolError::Failed(format!("{}: the editor: {error}. Nothing was changed", self.name()))),
        }
    }

    /// Makes `new` the file's text. Once begun it is waited for: nothing happens after the call's end. The protocol has no
    /// comparing write, so between [`Buffer::check`] and this lies one message.
    pub(crate) async fn write(&self, new: &str, cancel: &CancellationToken) -> Result<(), ToolError> {
        let name = self.name();
        if new.len() > BUFFER_MAX_BYTES {
            let text = format!("{name}: {} bytes are too many for the editor; at most {BUFFER_MAX_BYTES}", new.len());
            return Err(ToolError::Failed(text));
        }
        if cancel.is_cancelled() {
            return Err(stopped());
        }
        let writing = self.host.write_text(&self.path, new);
        tokio::pin!(writing);
        let written = tokio::select! {
            written = &mut writing => written,
            () = cancel.cancelled() => match tokio::time::timeout(LAST_WORD, &mut writing).await {
                Ok(written) => written,
                Err(_) => {
                    let output = format!("{name}: the editor was writing it and had not confirmed the change");
                    return Err(ToolError::Stopped { output });
                }
            },
        };
        written.map_err(|error| {
            ToolError::Failed(match error {
                HostError::Refused(words) => format!("{name}: the editor did not take the change: {words}"),
                error @ (HostError::Silent { .. } | HostError::Gone) => format!(
                    "{name}: the editor was writing it: {error}. Whether it has the change is not known; read it again"
                ),
            })
        })
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Where the file is, if an editor may be asked about it.
fn find(workspace: &Workspace, path: &str, want: Want) -> Option<Found> {
    if want == Want::Change {
        workspace.locate(path).ok()?;
    }
    match workspace.open_file(path) {
        Ok(open) => {
            let size = usize::try_from(open.stat.st_size).ok()?;
            let mut start = Vec::new();
            open.file.take(8 * 1024).read_to_end(&mut start).ok()?;
            (size <= BUFFER_MAX_BYTES && is_plain(&start)).then_some(Found { rel: open.rel, exists: true })
        }
        Err(PathError::NotFound { .. }) => {
            let rel = workspace.locate(path).ok()?.rel().to_path_buf();
            Some(Found { rel, exists: false })
        }
        Err(_) => None,
    }
}

/// Whether an editor shows it as text, and writes it back as it was.
fn is_plain(start: &[u8]) -> bool {
    !matches!(Encoding::of(start), Encoding::Utf16Le | Encoding::Utf16Be)
        && image_type(start).is_none()
        && binary_kind(start).is_none()
}

/// Refuses a change on disk of a file that has changes in an editor which shows its texts and takes none.
async fn refuse_unsaved(context: &CallContext, path: &str) -> Result<(), ToolError> {
    let Some(buffer) = Box::pin(Buffer::open(context, path, Want::Look)).await? else { return Ok(()) };
    let (workspace, rel) = (Arc::clone(&context.workspace), buffer.rel.clone());
    let on_disk = change(move || Ok(on_disk(&workspace, &rel))).await?;
    if on_disk.is_none_or(|text| text == buffer.text.replace("\r\n", "\n")) {
        return Ok(());
    }
    Err(ToolError::Failed(format!(
        "{}: the editor has changes of it that are not saved, and takes none from here. Ask the user to save the file",
        buffer.name()
    )))
}

/// The file's text on disk, with `\n` as line end.
pub(crate) fn on_disk(workspace: &Workspace, rel: &Path) -> Option<String> {
    let open = workspace.open_named(rel).ok()?;
    let mut bytes = Vec::new();
    open.file.take(BUFFER_MAX_BYTES as u64 + 1).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8(bytes).ok()?.replace("\r\n", "\n"))
}

/// Makes the directories that a new file needs: editors differ in whether they do.
pub(crate) fn make_parents(workspace: &Workspace, rel: &Path) -> Result<(), ToolError> {
    workspace.locate_named(rel)?.make_parents()?;
    Ok(())
}

#[cfg(test)]
mod tests;
