//! Cursors: how every transport reads a log, from any seq, up to the present and on.

use std::sync::Arc;

use tokio::sync::watch;
use wharf_failpoints::mistake;
use wharf_protocol::{EncodedEvent, Seq};
use wharf_store::{Head as StoreHead, Logs, Position};

use crate::EngineError;
use crate::feed::{Feed, Head};

/// Events that one read of the store brings, at most.
const READ_EVENTS: usize = 512;

/// What a reader gets at a time: events in order, at least one.
pub type Batch = Vec<EncodedEvent>;

/// How somebody watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watcher {
    /// Counts as somebody who may answer a permission, as long as the cursor lives.
    pub may_answer: bool,
}

/// A place in one session's log. It pulls: while nobody calls [`Cursor::next`], it costs nothing and holds nobody up.
pub struct Cursor {
    feed: Arc<Feed>,
    head: watch::Receiver<Head>,
    store: Arc<dyn Logs>,
    watcher: Watcher,
    position: Seq,
    last_seq: Seq,
}

impl Cursor {
    pub(crate) fn new(feed: Arc<Feed>, store: Arc<dyn Logs>, watcher: Watcher, after: Option<Seq>) -> Self {
        let head = feed.head();
        let last_seq = head.borrow().last;
        feed.add_watcher(watcher.may_answer);
        Self { feed, head, store, watcher, position: after.unwrap_or(last_seq), last_seq }
    }

    /// The log's last seq when the watch began.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// The last seq that was handed out; where to come back.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.position
    }

    /// Waits for events after the position: about `max_bytes` of them, at least one. Safe to drop at any await: nothing is
    /// lost. Ends with `SessionNotFound` once the session is deleted.
    pub async fn next(&mut self, max_bytes: usize) -> Result<Batch, EngineError> {
        loop {
            // Read before the tail: what is published in between rings the bell again.
            let head = *self.head.borrow_and_update();
            let tail = self.feed.read(self.position, max_bytes);
            let is_from_store = tail.is_none();
            let batch = match tail {
                Some(batch) => batch,
                None => match self.read_store(head.last, max_bytes).await {
                    // The log is gone with its session; what the tail still has ends with `session.deleted`.
                    Err(error @ EngineError::SessionNotFound(_)) => match self.feed.rest(self.position) {
                        rest if rest.is_empty() => return Err(error),
                        rest => rest,
                    },
                    read => read?,
                },
            };
            if let Some(event) = batch.last() {
                self.position = event.seq;
                if is_from_store && event.seq == head.last && mistake("drop_at_handover") {
                    self.position = event.seq.next();
                }
                return Ok(batch);
            }
            if head.ended {
                return Err(EngineError::SessionNotFound(self.feed.session.clone()));
            }
            if self.head.changed().await.is_err() {
                return Err(EngineError::Stopping);
            }
        }
    }

    /// Events from disk up to `visible`: what is committed but not yet synced is on disk and must not be shown.
    async fn read_store(&mut self, visible: Seq, max_bytes: usize) -> Result<Batch, EngineError> {
        let mut batch = self
            .store
            .read(&self.feed.session, self.position, READ_EVENTS, max_bytes)
            .await
            .map_err(|error| EngineError::from_read(error, self.position))?;
        batch.truncate(batch.partition_point(|event| event.seq <= visible));
        if batch.is_empty() && self.position < visible {
            // What lay between was dropped by retention: go on behind it.
            self.position = visible;
        }
        Ok(batch)
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.feed.remove_watcher(self.watcher.may_answer);
    }
}

/// A place in the log of all sessions.
pub struct AllCursor {
    store: Arc<dyn Logs>,
    head: StoreHead,
    position: Position,
}

impl AllCursor {
    pub(crate) fn new(store: Arc<dyn Logs>, after: Option<Position>) -> Self {
        let head = store.head();
        let position = after.unwrap_or(head.position());
        Self { store, head, position }
    }

    /// The last position that was handed out.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Waits for events after the position, in the order in which they became visible. Safe to drop at any await.
    pub async fn next(&mut self, max_bytes: usize) -> Result<Vec<(Position, EncodedEvent)>, EngineError> {
        loop {
            let head = self.head.seen();
            if self.position < head {
                let batch = self.store.read_all(self.position, READ_EVENTS, max_bytes).await?;
                if let Some((position, _)) = batch.last() {
                    self.position = *position;
                    return Ok(batch);
                }
                self.position = head;
            }
            if self.head.changed().await.is_err() {
                return Err(EngineError::Stopping);
            }
        }
    }
}
