//! Appending: the one module of the engine that can. Everybody else has the store as [`Logs`], which append nothing.
//!
//! What goes onto a log goes to disk first, and is shown after that.

use std::sync::Arc;
use std::time::Duration;

use wharf_failpoints::{mistake, point};
use wharf_protocol::{Event, EventBody, Seq, Session, SessionId, Timestamp};
use wharf_store::{Append, AppendError, Entry, Lease, Logs, NewLog, StagedLog, Store, StoreError};

use crate::EngineError;
use crate::feed::Feed;

/// How long an append may take before the session counts as failed. A disk that slow serves nobody.
const APPEND_TIMEOUT: Duration = Duration::from_secs(30);

/// The store with the right to append, which nobody gets out of here.
pub(crate) struct Appender(Arc<dyn Store>);

impl Appender {
    /// The two views of one store.
    pub(crate) fn of(store: Arc<dyn Store>) -> (Self, Arc<dyn Logs>) {
        let logs: Arc<dyn Logs> = Arc::clone(&store) as _;
        (Self(store), logs)
    }

    /// Begins a session's log with its first event.
    pub(crate) async fn begin(&self, created: Event, session: Session) -> Result<Lease, AppendError> {
        let entries = [Entry::new(created)].into();
        self.0.create(NewLog { entries, session }).await
    }

    /// Appends one event to a log that is not read: what stands before it may be what is wrong. `view` is the stored one.
    pub(crate) async fn append_unread(
        &self,
        feed: &Feed,
        lease: &Lease,
        mut view: Session,
        body: EventBody,
    ) -> Result<Session, EngineError> {
        let expected = view.last_seq;
        let event = Event {
            seq: expected.max(lease.skip_to.unwrap_or_default()).next(),
            session_id: feed.session.clone(),
            turn_id: None,
            timestamp: Timestamp::now(),
            body,
        };
        view.apply(&event);
        let entries: Arc<[Entry]> = [Entry::new(event)].into();
        let append = Append { fence: lease.fence, expected, entries: Arc::clone(&entries), session: view.clone() };
        self.0.append(append).await?;
        feed.skip_to(expected);
        show(feed, &entries);
        Ok(view)
    }

    /// Begins a log out of sight, for a copy.
    pub(crate) async fn stage(&self, session: &SessionId) -> Result<StagedLog, AppendError> {
        self.0.stage(session).await
    }

    pub(crate) async fn add(&self, staged: &StagedLog, entries: Vec<Entry>) -> Result<(), AppendError> {
        self.0.stage_events(staged, entries.into()).await
    }

    /// Brings a copy to light, as a whole.
    pub(crate) async fn publish(
        &self,
        staged: &StagedLog,
        created: Entry,
        view: Session,
    ) -> Result<Lease, AppendError> {
        self.0.publish(staged, created, view).await
    }

    pub(crate) async fn discard(&self, staged: &StagedLog) -> Result<(), StoreError> {
        self.0.discard(staged).await
    }
}

/// The log of a live session: its owner holds the lease.
pub(crate) struct OpenLog {
    feed: Arc<Feed>,
    pub(crate) lease: Lease,
    last: Seq,
    /// Shown and not written: a mistake that the crash harness seeds.
    early: Vec<Entry>,
}

impl OpenLog {
    /// A log that ends at `last`.
    pub(crate) fn new(feed: &Arc<Feed>, lease: Lease, last: Seq) -> Self {
        feed.skip_to(last);
        Self { feed: Arc::clone(feed), lease, last, early: Vec::new() }
    }

    /// The last seq on disk.
    pub(crate) fn last(&self) -> Seq {
        self.last
    }

    /// Events to disk, then to the clients. `view` is the session's view after them.
    pub(crate) async fn append(
        &mut self,
        appender: &Appender,
        events: Vec<Event>,
        view: &Session,
    ) -> Result<(), EngineError> {
        let mut entries: Arc<[Entry]> = events.into_iter().map(Entry::new).collect();
        let shows_early = mistake("reuse_seq");
        if shows_early {
            let Some(all) = self.show_early(&entries) else { return Ok(()) };
            entries = all;
        }
        let append = Append {
            fence: self.lease.fence,
            expected: self.last,
            entries: Arc::clone(&entries),
            session: view.clone(),
        };
        point("engine.before_append");
        let appended = tokio::time::timeout(APPEND_TIMEOUT, appender.0.append(append)).await;
        let late = || StoreError::Unavailable(format!("an append took longer than {APPEND_TIMEOUT:?}"));
        appended.map_err(|_| EngineError::Storage(late()))??;
        self.last = view.last_seq;
        point("engine.after_append");
        if !shows_early {
            show(&self.feed, &entries);
        }
        point("engine.after_publish");
        Ok(())
    }

    /// The mistake: what is said is shown at once and written with what comes after it, so that a death in between sets numbers free
    /// that were seen. `None`: not yet.
    fn show_early(&mut self, entries: &[Entry]) -> Option<Arc<[Entry]>> {
        show(&self.feed, entries);
        self.early.extend_from_slice(entries);
        let is_chunk = |entry: &Entry| entry.encoded.kind.is_chunk();
        (!entries.iter().all(is_chunk)).then(|| std::mem::take(&mut self.early).into())
    }
}

fn show(feed: &Feed, entries: &[Entry]) {
    feed.publish(entries.iter().map(|entry| entry.encoded.clone()));
}
