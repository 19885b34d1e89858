//! For whom a command runs.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;
use wharf_protocol::CallId;

/// The call that a command runs for: it names the command's files, hears its output and may stop it.
#[derive(Debug, Clone)]
pub struct RunContext {
    pub call_id: CallId,
    /// Cancelled by the user or because the time is up.
    pub cancel: CancellationToken,
    pub progress: Progress,
    /// Most bytes of output that are handed back; all of it is in a file under `output_dir`.
    pub output_limit: usize,
    /// Ours, outside the workspace; made when first needed.
    pub output_dir: PathBuf,
}

/// Where a running call sends its output as it comes.
#[derive(Debug, Clone)]
pub struct Progress(pub(crate) tokio::sync::mpsc::Sender<String>);

impl Progress {
    /// Pieces that may wait for the engine; a call that puts out more waits.
    pub const CAPACITY: usize = 32;

    #[must_use]
    pub fn channel() -> (Self, tokio::sync::mpsc::Receiver<String>) {
        let (sender, receiver) = tokio::sync::mpsc::channel(Self::CAPACITY);
        (Self(sender), receiver)
    }

    /// Waits while the engine is behind; nothing is lost while somebody listens.
    pub async fn send(&self, output: String) {
        // Nobody listens once the call was abandoned: then its output has no reader.
        let _ = self.0.send(output).await;
    }

    /// Leaves it out while the engine is behind: for news that later news replaces.
    pub fn offer(&self, output: String) {
        let _ = self.0.try_send(output);
    }
}
