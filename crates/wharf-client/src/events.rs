//! The one receive loop: events from a cursor on, each once and in order, across lost connections.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::Stream;
use tokio::sync::watch;
use tokio::time::Instant;
use wharf_protocol::event::AnyEvent;
use wharf_protocol::{Event, EventKind, Seq};

use crate::backend::{Backend, Feed};
use crate::feed::{FeedItem, Followed, Located};
use crate::{ClientError, Retry, Timeouts};

/// Which events to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follow {
    after: Option<u64>,
    kinds: Option<Vec<EventKind>>,
    once: bool,
    may_answer: bool,
}

impl Follow {
    /// What happens from here on.
    #[must_use]
    pub fn present() -> Self {
        Self { after: None, kinds: None, once: false, may_answer: true }
    }

    /// Everything that the log has, and what follows.
    #[must_use]
    pub fn start() -> Self {
        Self::after(Seq::ZERO)
    }

    #[must_use]
    pub fn after(seq: Seq) -> Self {
        Self::after_position(seq.0)
    }

    /// The same for the events of all sessions: after [`Located::position`].
    #[must_use]
    pub fn after_position(position: u64) -> Self {
        Self { after: Some(position), ..Self::present() }
    }

    /// Only events of these types.
    #[must_use]
    pub fn only(mut self, kinds: impl Into<Vec<EventKind>>) -> Self {
        self.kinds = Some(kinds.into());
        self
    }

    /// Ends after the first event that this version knows.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Nobody is here who answers permissions: questions do not wait for this stream.
    #[must_use]
    pub fn observing(mut self) -> Self {
        self.may_answer = false;
        self
    }
}

/// How a stream's connection is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    Connecting,
    Connected,
    /// Lost; attempt `attempt` (1 is the first) to come back is under way or due.
    Reconnecting {
        attempt: u32,
        reason: String,
    },
    /// Nothing follows.
    Ended,
}

/// A stream of events that survives its connections. Pull it with [`EventStream::next`]; it does nothing by itself, and a
/// caller that is slow costs the server nothing.
pub struct EventStream {
    backend: Backend,
    followed: Followed,
    follow: Follow,
    timeouts: Timeouts,
    retry: Retry,
    feed: Option<Feed>,
    /// Everything up to here was given, or lies before the cursor. `None` until the present is known.
    last: Option<u64>,
    ready: VecDeque<Located>,
    /// The connection has told where the log ends.
    greeted: bool,
    /// A connection has stood before: from then on it is worth more attempts.
    connected_before: bool,
    outage: Outage,
    state: watch::Sender<ConnectionState>,
    ended: bool,
}

/// Since when a stream does not get on.
#[derive(Debug, Default)]
struct Outage {
    attempts: u32,
    since: Option<Instant>,
    retry_at: Option<Instant>,
    connected_at: Option<Instant>,
}

impl EventStream {
    pub(crate) fn new(backend: Backend, followed: Followed, follow: Follow, timeouts: Timeouts, retry: Retry) -> Self {
        let last = follow.after;
        Self {
            backend,
            followed,
            follow,
            timeouts,
            retry,
            feed: None,
            last,
            ready: VecDeque::new(),
            greeted: false,
            connected_before: false,
            outage: Outage::default(),
            state: watch::Sender::new(ConnectionState::Connecting),
            ended: false,
        }
    }

    /// Connects now, so that a wrong session or cursor shows at once, and so that a stream of the present misses nothing that
    /// happens after this returns.
    pub(crate) async fn open(&mut self) -> Result<(), ClientError> {
        while !self.ended && (self.feed.is_none() || (self.last.is_none() && !self.greeted)) {
            if let Err(error) = self.pump().await {
                self.on_error(error)?;
            }
        }
        Ok(())
    }

    /// The next event; `None` when nothing follows. May be dropped at any point without losing an event. What a newer server says and
    /// this version does not know is left out: [`EventStream::next_located`] has it.
    pub async fn next(&mut self) -> Option<Result<Event, ClientError>> {
        loop {
            match self.next_located().await? {
                Ok(located) => {
                    if let Some(event) = located.event.into_known() {
                        return Some(Ok(event));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The next event with the place to go on from, whether this version knows it or not.
    pub async fn next_located(&mut self) -> Option<Result<Located, ClientError>> {
        loop {
            while let Some(located) = self.ready.pop_front() {
                if self.is_wanted(&located.event) {
                    if self.follow.once {
                        self.ready.clear();
                        self.end();
                    }
                    return Some(Ok(located));
                }
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.pump().await
                && let Err(fatal) = self.on_error(error)
            {
                return Some(Err(fatal));
            }
        }
    }

    /// The cursor: everything up to here was received.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.last
    }

    /// How the connection is doing, as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.subscribe()
    }

    /// The same events as a [`Stream`].
    pub fn into_stream(self) -> impl Stream<Item = Result<Event, ClientError>> + Send {
        futures_util::stream::unfold(self, |mut events| async move { Some((events.next().await?, events)) })
    }

    fn is_wanted(&self, event: &AnyEvent) -> bool {
        match (&self.follow.kinds, event.kind()) {
            (None, None) => !self.follow.once,
            (None, Some(_)) => true,
            (Some(kinds), kind) => kind.is_some_and(|kind| kinds.contains(&kind)),
        }
    }

    /// One step: waits out a pause, connects, or takes what the connection gives.
    async fn pump(&mut self) -> Result<(), ClientError> {
        if let Some(at) = self.outage.retry_at {
            tokio::time::sleep_until(at).await;
            self.outage.retry_at = None;
        }
        let Some(feed) = &mut self.feed else {
            let feed = self.backend.open_feed(&self.followed, self.last, self.follow.may_answer).await?;
            self.feed = Some(feed);
            self.outage.connected_at = Some(Instant::now());
            self.set_state(ConnectionState::Connected);
            return Ok(());
        };
        for item in feed.next().await? {
            self.take(item);
        }
        self.settle();
        Ok(())
    }

    fn take(&mut self, item: FeedItem) {
        match item {
            FeedItem::Connected { last } => {
                self.greeted = true;
                self.connected_before = true;
                if self.last.is_none() {
                    self.last = last;
                }
            }
            FeedItem::Event(located) => {
                // A connection may repeat what the one before it gave.
                if self.last.is_some_and(|last| located.position <= last) {
                    return;
                }
                self.last = Some(located.position);
                self.connected_before = true;
                self.outage.since = None;
                self.outage.attempts = 0;
                if located.event.kind() == Some(EventKind::SessionDeleted)
                    && matches!(self.followed, Followed::Session(_))
                {
                    self.end();
                }
                self.ready.push_back(located);
            }
        }
    }

    /// A connection that has stood for a while ends the outage, also when nothing happens in the session. One that breaks at
    /// once does not: its attempts count together.
    fn settle(&mut self) {
        if self.outage.connected_at.is_some_and(|at| at.elapsed() > self.retry.max) {
            self.outage.since = None;
            self.outage.attempts = 0;
        }
    }

    /// Plans the next attempt, or gives the error back where another attempt would not help.
    fn on_error(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.feed = None;
        self.greeted = false;
        self.outage.connected_at = None;
        let since = *self.outage.since.get_or_insert_with(Instant::now);
        self.outage.attempts += 1;
        let attempt = self.outage.attempts;
        let most = if self.connected_before { self.retry.reconnects } else { self.retry.attempts.saturating_sub(1) };
        let is_over = attempt > most || since.elapsed() > self.timeouts.reconnect_total;
        if !error.is_transient() || is_over || !self.backend.can_reconnect() {
            self.end();
            return Err(error);
        }
        let wait = error.retry_after().unwrap_or_else(|| self.retry.wait(attempt + 1));
        self.outage.retry_at = Some(Instant::now() + wait.min(self.timeouts.reconnect_total));
        tracing::debug!(attempt, wait_ms = millis(wait), reason = %error, "a stream of events was lost");
        self.set_state(ConnectionState::Reconnecting { attempt, reason: error.to_string() });
        Ok(())
    }

    fn end(&mut self) {
        self.ended = true;
        self.feed = None;
        self.set_state(ConnectionState::Ended);
    }

    fn set_state(&self, state: ConnectionState) {
        self.state.send_replace(state);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
