//! The way to a server, whatever carries it: messages out, messages in, and an end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::message::{Incoming, Outgoing};

/// Messages that wait to be sent. A server that takes no more of them is given up.
const OUTGOING: usize = 256;
/// Messages that wait to be read; the server waits when there are more.
const INCOMING: usize = 4;
/// For a server to be left in good order: a program may take 2 s to end by itself and 2.6 s to be killed.
const CLOSE_LIMIT: Duration = Duration::from_secs(6);
/// So much of what a program writes to its standard error is kept.
const TAIL_BYTES: usize = 8 << 10;

/// What comes from a server.
#[derive(Debug)]
pub(crate) enum Arrival {
    Message(Incoming),
    /// This request got no answer, and will get none.
    Failed {
        id: u64,
        reason: String,
    },
    /// Nothing more comes.
    Ended(String),
}

pub(crate) struct Link {
    pub(crate) outgoing: mpsc::Sender<Outgoing>,
    pub(crate) incoming: mpsc::Receiver<Arrival>,
    task: AbortOnDropHandle<()>,
}

impl Link {
    /// A link that `carry` serves until the sender of its messages is gone.
    #[expect(
        clippy::disallowed_methods,
        reason = "the link owns it: it is closed within a limit, or aborted when dropped"
    )]
    pub(crate) fn new<F>(carry: impl FnOnce(mpsc::Receiver<Outgoing>, mpsc::Sender<Arrival>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (outgoing, to_send) = mpsc::channel(OUTGOING);
        let (arrived, incoming) = mpsc::channel(INCOMING);
        let task = AbortOnDropHandle::new(tokio::spawn(carry(to_send, arrived)));
        Self { outgoing, incoming, task }
    }

    /// Leaves the server in good order, within a limit.
    pub(crate) async fn close(self) {
        let Self { outgoing, incoming, task } = self;
        drop((outgoing, incoming));
        // Aborted where it takes longer: a program's keeper sees its socket end, and kills.
        let _ = timeout(CLOSE_LIMIT, task).await;
    }
}

/// The end of what a program wrote to its standard error.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        let over = kept.len().saturating_sub(TAIL_BYTES);
        kept.drain(..over);
    }

    pub(crate) fn text(&self) -> Option<String> {
        let kept: Vec<u8> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let text = wharf_foreign::visible::text(String::from_utf8_lossy(&kept).trim());
        (!text.is_empty()).then_some(text)
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
