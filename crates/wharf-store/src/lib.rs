//! The log and its read models: one port, an implementation on SQLite, a twin in memory for tests.
//!
//! The only crate that knows how events lie on disk.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs"))]

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod memory;
mod page;
mod projection;
mod spending;
pub mod sqlite;

use std::sync::Arc;

pub use memory::{MemoryDisk, MemoryStore};
pub use sqlite::{SqliteConfig, SqliteStore};

use async_trait::async_trait;
use tokio::sync::watch;
use wharf_protocol::rest::{SessionPage, SessionQuery, UsageQuery, UsageReport};
use wharf_protocol::{EncodedEvent, Event, EventKind, MessageId, Seq, Session, SessionId, Timestamp, Turn, TurnId};

/// Durable logs, one a session, and the views that follow from them, as those see them who append nothing: they are read, held,
/// made shorter and removed.
#[async_trait]
pub trait Logs: Send + Sync + 'static {
    /// Takes the right to append to a session. A lease whose owner is gone is taken over with a higher fence.
    async fn acquire(&self, session: &SessionId) -> Result<Lease, AcquireError>;

    /// Gives the lease back.
    async fn release(&self, session: &SessionId, fence: u64) -> Result<(), StoreError>;

    /// Events after `after`, oldest first, at most `limit` of them and about `max_bytes` in all (always at least one, if there
    /// is one).
    async fn read(
        &self,
        session: &SessionId,
        after: Seq,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<EncodedEvent>, ReadError>;

    /// What a session's state is rebuilt from: every event that is not a chunk, and the chunks of texts that are still open; in
    /// order.
    async fn read_state(&self, session: &SessionId) -> Result<SavedState, ReadError>;

    /// Events of some kinds, for histories: up to `limit` after `after` going forward, or before `before` going backward.
    /// The answer is always oldest first.
    async fn read_kinds(
        &self,
        session: &SessionId,
        kinds: &[EventKind],
        window: Window,
        limit: usize,
    ) -> Result<Vec<EncodedEvent>, ReadError>;

    /// Events of all sessions after a position, in the order in which they became visible.
    async fn read_all(
        &self,
        after: Position,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<(Position, EncodedEvent)>, StoreError>;

    /// The last position that may be shown, as it grows.
    fn head(&self) -> Head;

    async fn session(&self, session: &SessionId) -> Result<Option<Session>, StoreError>;
    async fn sessions(&self, query: &SessionQuery) -> Result<SessionPage, QueryError>;
    async fn session_count(&self) -> Result<u64, StoreError>;

    /// What model calls took and cost, of all sessions that there were. Kept for some hundred days, and of a day only so many models and
    /// workspaces apart.
    async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError>;

    async fn turn(&self, session: &SessionId, turn: &TurnId) -> Result<Option<Turn>, StoreError>;
    /// The turn of a prompt, and the prompt's body hash.
    async fn turn_of_prompt(
        &self,
        session: &SessionId,
        prompt: &MessageId,
    ) -> Result<Option<(Turn, String)>, StoreError>;
    /// Newest first; `before` is the `first_seq` of the last one seen.
    async fn turns(&self, session: &SessionId, before: Option<Seq>, limit: usize) -> Result<Vec<Turn>, StoreError>;

    /// Sessions that have a turn running or queued, or a background command without an end, and are not sealed: what a start has
    /// to take up again. Those whose taking up never came to its end are last.
    async fn unfinished(&self) -> Result<Vec<SessionId>, StoreError>;

    /// Notes how often the session was begun to be taken up without coming to an end. Survives the process. An append of more
    /// than chunks sets it to 0, in its own transaction.
    async fn note_recovery(&self, session: &SessionId, fence: u64, count: u32) -> Result<(), AppendError>;

    /// Drops events up to and including `through`, after a `session.cleared`.
    async fn truncate(&self, session: &SessionId, fence: u64, through: Seq) -> Result<(), AppendError>;

    /// Removes a session: its row, its events but `session.deleted`. Its id is not given out again.
    async fn delete(&self, session: &SessionId, fence: u64) -> Result<(), AppendError>;

    /// Drops the chunks of turns that ended before `ended_before`, at most `limit` events; returns how many.
    async fn drop_chunks(&self, ended_before: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// A cheap question whether the store answers and can write.
    async fn check(&self) -> Result<(), StoreError>;

    /// Writes what is pending and gives every lease back. The store answers `Closed` afterwards.
    async fn close(&self);
}

/// The same with the right to append. Whoever is not to append is given the [`Logs`].
#[async_trait]
pub trait Store: Logs {
    /// Begins a log with its first events (the first is `session.created`) and takes its lease.
    async fn create(&self, append: NewLog) -> Result<Lease, AppendError>;

    /// Begins a log that nobody sees: for one that is too large to be written in one go. It comes to light as a whole with
    /// [`Store::publish`]; what its process leaves behind unpublished is removed.
    async fn stage(&self, session: &SessionId) -> Result<StagedLog, AppendError>;

    /// Adds events to a staged log; their seqs follow those that it has, from above 1: the first event comes with `publish`.
    async fn stage_events(&self, stage: &StagedLog, entries: Arc<[Entry]>) -> Result<(), AppendError>;

    /// Makes a staged log a session and takes its lease: all of its events are there at once, or none. Of them, the stream of all
    /// sessions has `created` only, its first event; the others are copies. `view` is the one after all of them.
    async fn publish(&self, stage: &StagedLog, created: Entry, view: Session) -> Result<Lease, AppendError>;

    /// Removes a staged log. Fine for one that is published or gone.
    async fn discard(&self, stage: &StagedLog) -> Result<(), StoreError>;

    /// Appends events whose seqs follow `expected`. Returns when they may be shown: committed, and synced if one of them has
    /// to be. All or nothing; nothing was written on an error.
    async fn append(&self, append: Append) -> Result<Position, AppendError>;
}

/// Where an event lies among those of all sessions. The cursor of `/events`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

/// Follows the last position that may be shown, whoever appended: how a backend learns of what others append (its own writer, a
/// notice of the database, another node) is its own affair.
#[derive(Debug, Clone)]
pub struct Head(watch::Receiver<Position>);

impl Head {
    #[must_use]
    pub fn new(positions: watch::Receiver<Position>) -> Self {
        Self(positions)
    }

    #[must_use]
    pub fn position(&self) -> Position {
        *self.0.borrow()
    }

    /// The position, which [`Head::changed`] does not wake anybody for any more.
    pub fn seen(&mut self) -> Position {
        *self.0.borrow_and_update()
    }

    /// Waits until it is another one than was seen. Safe to drop.
    ///
    /// # Errors
    /// `Closed`: nothing is appended any more.
    pub async fn changed(&mut self) -> Result<(), StoreError> {
        self.0.changed().await.map_err(|_| StoreError::Closed)
    }
}

/// An event and its bytes.
#[derive(Debug, Clone)]
pub struct Entry {
    pub event: Event,
    pub encoded: EncodedEvent,
}

impl Entry {
    #[must_use]
    pub fn new(event: Event) -> Self {
        let encoded = EncodedEvent::new(&event);
        Self { event, encoded }
    }
}

/// A new session's first events.
#[derive(Debug, Clone)]
pub struct NewLog {
    pub entries: Arc<[Entry]>,
    /// The view after them.
    pub session: Session,
}

/// A log that is being made out of sight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedLog {
    /// What it will be called; until then the id is free.
    pub session: SessionId,
    /// The backend's name for it, which says nothing to anybody else.
    pub(crate) key: i64,
}

/// Events to append.
#[derive(Debug, Clone)]
pub struct Append {
    pub fence: u64,
    /// The last seq that the caller knows of.
    pub expected: Seq,
    /// Not empty, in order, seqs growing from above `expected`.
    pub entries: Arc<[Entry]>,
    /// The view after the last of them.
    pub session: Session,
}

/// The right to append to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Grows with each taking; an append with an older one is refused.
    pub fence: u64,
    /// The last owner went without giving the lease back.
    pub taken_over: bool,
    /// Set when the last chunks may be lost though they were shown (with a file: a power cut): no seq up to this one may be used
    /// again.
    pub skip_to: Option<Seq>,
    /// How often the session was begun to be taken up since that last came to its end ([`Logs::note_recovery`]).
    pub recoveries: u32,
    /// A turn runs or waits on the log.
    pub is_unfinished: bool,
    /// The session's view says that it is sealed.
    pub is_sealed: bool,
}

/// What a session is rebuilt from.
#[derive(Debug, Clone)]
pub struct SavedState {
    pub session: Session,
    pub events: Vec<Event>,
}

/// Which part of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    After(Seq),
    /// The newest ones below this seq; `None`: the newest of all.
    Before(Option<Seq>),
}

/// The store failed. The variants say what can be done about it, and hold for every backend; the text is the backend's, about its
/// files or its connection, and for the log alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No space is left. Nothing was acknowledged; it works again when there is some.
    #[error("the store has no space left: {0}")]
    Full(String),
    /// It can be read, and takes no writes.
    #[error("the store takes no writes: {0}")]
    ReadOnly(String),
    /// What was stored is not there any more, or was replaced while it was in use.
    #[error("the store does not hold what it held: {0}")]
    Lost(String),
    /// It is damaged in a place that belongs to no one session.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// It does not answer, or does not take or give data. Nothing was acknowledged; it may work again later.
    #[error("the store does not take or give data: {0}")]
    Unavailable(String),
    /// What is stored was written by a newer version.
    #[error(
        "{place} was written by a newer Wharf (schema {found}; this one knows {known}): use that version, or store elsewhere"
    )]
    TooNew { place: String, found: i64, known: i64 },
    /// What is stored of one session cannot be read.
    #[error("the stored data of session {session} is damaged: {reason}")]
    Damaged { session: SessionId, reason: String },
    /// More is waiting than the store takes; try again.
    #[error("the store is busy")]
    Busy,
    #[error("the store is closed")]
    Closed,
}

/// Why events could not be appended to a session's log. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Another owner wrote, or took the lease. Reload the session.
    #[error("session {session} has another owner or moved past the expected seq")]
    Conflict { session: SessionId },
    /// With `create`: the id is or was in use.
    #[error("session {session} exists already")]
    Exists { session: SessionId },
    #[error("session {session} does not exist")]
    NotFound { session: SessionId },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a lease was not given.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    #[error("session {session} does not exist")]
    NotFound { session: SessionId },
    /// Another live owner works on it.
    #[error("session {session} is in use by another process ({owner})")]
    Held { session: SessionId, owner: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why events could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("session {session} does not exist")]
    NotFound { session: SessionId },
    /// The log begins at `first`: older events were removed.
    #[error("events before {first} are gone")]
    Expired { first: Seq },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why sessions could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("the cursor is not one that this server gave")]
    BadCursor,
    #[error(transparent)]
    Store(#[from] StoreError),
}
