//! A file's text as an attached client's editor has it, with what is not saved: read, compared, written.
//!
//! The workspace is asked first, and what it refuses no client sees. What no editor can answer for is done on disk: images,
//! large files, encodings that an editor may change, and everything once the client has gone.
//!
//! The disk is looked at before and after ([`settling`]): what belongs to the file and not to its text comes from there
//! ([`style`]), and an editor that wrote something else than it was given is found out.

mod settling;
mod style;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use wharf_protocol::ToolError;

use crate::blocking::change;
use crate::text::{Encoding, NotText, Text};
use crate::workspace::{OpenFile, PathError};
use crate::{CallContext, ClientHost, HostError, Offers, Workspace};
use style::Style;

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
    disk: Option<OnDisk>,
}

/// A file as it is stored.
struct OnDisk {
    bytes: Vec<u8>,
    text: Text,
}

impl OnDisk {
    fn stored(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }
}

/// What the disk says of a path.
struct Found {
    rel: PathBuf,
    disk: Option<OnDisk>,
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
        let Some(Found { rel, disk }) = change(move || Ok(find(&workspace, &path, want))).await? else {
            return Ok(None);
        };
        let exists = disk.is_some();
        let path = context.workspace.absolute(&rel);
        let name = crate::name::of(&rel);
        match context.unless_cancelled(host.read_text(&path)).await? {
            Ok(text) => Ok(Some(Self { host, path, rel, text, exists, disk })),
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
        Self { host, path: workspace.absolute(&rel), rel, text: String::new(), exists: false, disk: None }
    }

    fn name(&self) -> String {
        crate::name::of(&self.rel)
    }

    /// The file to change: as it is stored, with what the user has typed. `None`: neither disk nor editor has anything.
    pub(crate) fn file(&self) -> Result<Option<Text>, NotText> {
        let Some(disk) = &self.disk else {
            let is_new = !self.exists && self.text.is_empty();
            return if is_new { Ok(None) } else { Text::decode(self.text.as_bytes()).map(Some) };
        };
        if style::is_alike(disk.stored(), &self.text) {
            return Ok(Some(disk.text.clone()));
        }
        Text::decode(&self.style().stored(&disk.text, &self.text)).map(Some)
    }

    fn style(&self) -> Style {
        Style::of(self.disk.as_ref().map_or("", OnDisk::stored), &self.text)
    }

    /// Refuses where the text is another one than when it was read, in the editor or on disk.
    pub(crate) async fn check(&self, workspace: &Arc<Workspace>, cancel: &CancellationToken) -> Result<(), ToolError> {
        if self.stored(workspace).await? != self.disk.as_ref().map(|disk| disk.bytes.clone()) {
            return Err(PathError::Changed { path: self.name() }.into());
        }
        let read = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(ToolError::stopped()),
            read = self.host.read_text(&self.path) => read,
        };
        match read {
            Ok(text) if text == self.text => Ok(()),
            Ok(_) => Err(PathError::Changed { path: self.name() }.into()),
            Err(error) => Err(ToolError::Failed(format!("{}: the editor: {error}. Nothing was changed", self.name()))),
        }
    }

    /// Makes `meant`, as it is to be stored, the file's content; says what is to be known besides. The protocol has no comparing
    /// write, so between [`Buffer::check`] and this lies one message.
    pub(crate) async fn write(
        &self,
        workspace: &Arc<Workspace>,
        meant: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<String>, ToolError> {
        let sent = if self.disk.is_some() { self.style().sent(meant) } else { meant.into() };
        self.send(&sent, cancel).await?;
        self.settled(workspace, meant, &sent).await
    }

    /// Gives the editor the text back that it had.
    pub(crate) async fn restore(&self, workspace: &Arc<Workspace>) -> Result<(), ToolError> {
        // Also after a cancel.
        self.send(&self.text, &CancellationToken::new()).await?;
        let stored = self.file().ok().flatten().map(|file| file.encode(&file.text));
        match stored.and_then(|stored| String::from_utf8(stored).ok()) {
            Some(stored) => self.settled(workspace, &stored, &self.text).await.map(drop),
            None => Ok(()),
        }
    }

    /// Once begun it is waited for: nothing happens after the call's end.
    async fn send(&self, new: &str, cancel: &CancellationToken) -> Result<(), ToolError> {
        let name = self.name();
        if new.len() > BUFFER_MAX_BYTES {
            let text = format!("{name}: {} bytes are too many for the editor; at most {BUFFER_MAX_BYTES}", new.len());
            return Err(ToolError::Failed(text));
        }
        if cancel.is_cancelled() {
            return Err(ToolError::stopped());
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
            let rel = open.rel.clone();
            let bytes = content(open)?;
            // An editor shows it as text, and can write it back as it was.
            let text = Text::decode(&bytes).ok()?;
            let is_utf8 = matches!(text.encoding, Encoding::Utf8 | Encoding::Utf8Bom);
            is_utf8.then_some(Found { rel, disk: Some(OnDisk { bytes, text }) })
        }
        Err(PathError::NotFound { .. }) => {
            let rel = workspace.locate(path).ok()?.rel().to_path_buf();
            Some(Found { rel, disk: None })
        }
        Err(_) => None,
    }
}

/// All that is in it; `None`: too much for an editor.
fn content(open: OpenFile) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    open.file.take(BUFFER_MAX_BYTES as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= BUFFER_MAX_BYTES).then_some(bytes)
}

/// Refuses a change on disk of a file that has changes in an editor which shows its texts and takes none.
async fn refuse_unsaved(context: &CallContext, path: &str) -> Result<(), ToolError> {
    let Some(buffer) = Box::pin(Buffer::open(context, path, Want::Look)).await? else { return Ok(()) };
    if buffer.disk.as_ref().is_none_or(|disk| style::is_alike(disk.stored(), &buffer.text)) {
        return Ok(());
    }
    Err(ToolError::Failed(format!(
        "{}: the editor has changes of it that are not saved, and takes none from here. Ask the user to save the file",
        buffer.name()
    )))
}

/// Makes the directories that a new file needs: editors differ in whether they do.
pub(crate) fn make_parents(workspace: &Workspace, rel: &Path) -> Result<(), ToolError> {
    workspace.locate_named(rel)?.make_parents()?;
    Ok(())
}

#[cfg(test)]
mod tests;
