//! A session's live end: the newest events in memory, and the bell that wakes whoever waits for the next ones.
//!
//! A feed exists while its session is live or somebody watches it. Readers pull: a feed never waits for one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use wharf_protocol::{EncodedEvent, EventKind, Seq, SessionId};

/// Events a tail holds, at most. A reader further behind reads from the store.
const TAIL_EVENTS: usize = 256;
/// Bytes a tail holds, at most (and always the newest event).
const TAIL_BYTES: usize = 256 << 10;

/// The live end of one session.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) session: SessionId,
    tail: Mutex<Tail>,
    /// The last seq that may be shown.
    head: watch::Sender<Head>,
    /// Rings when a turn ended, a prompt was withdrawn or the session was sealed; for those who wait for a turn and not for its text.
    turns: watch::Sender<u64>,
    /// How many of the watchers may answer a permission.
    answerers: watch::Sender<usize>,
    watchers: AtomicU64,
}

/// What the bell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) last: Seq,
    /// The session is gone: nothing follows.
    pub(crate) ended: bool,
}

#[derive(Debug, Default)]
struct Tail {
    events: VecDeque<EncodedEvent>,
    bytes: usize,
    /// Everything above this seq that is on the log is in `events`.
    complete_after: Seq,
}

impl Feed {
    /// A feed of a log that ends at `last`.
    pub(crate) fn new(session: SessionId, last: Seq) -> Arc<Self> {
        let tail = Tail { complete_after: last, ..Tail::default() };
        let (head, _) = watch::channel(Head { last, ended: false });
        let (turns, _) = watch::channel(0);
        let (answerers, _) = watch::channel(0);
        Arc::new(Self { session, tail: Mutex::new(tail), head, turns, answerers, watchers: AtomicU64::new(0) })
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        // A panic while the lock was held leaves at worst a shorter tail, which readers make up for from the store.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows events that are on disk.
    pub(crate) fn publish(&self, events: impl IntoIterator<Item = EncodedEvent>) {
        let mut last = None;
        let mut turn_ended = false;
        {
            let mut tail = self.tail();
            for event in events {
                last = Some(event.seq);
                turn_ended |= event.kind.ends_turn()
                    || matches!(event.kind, EventKind::PromptWithdrawn | EventKind::SessionSealed);
                tail.bytes += event.json.len();
                tail.events.push_back(event);
            }
            while tail.events.len() > TAIL_EVENTS || (tail.bytes > TAIL_BYTES && tail.events.len() > 1) {
                if let Some(dropped) = tail.events.pop_front() {
                    tail.bytes -= dropped.json.len();
                    tail.complete_after = dropped.seq;
                }
            }
        }
        if let Some(last) = last {
            self.head.send_modify(|head| head.last = last);
        }
        if turn_ended {
            self.turns.send_modify(|count| *count += 1);
        }
    }

    /// The log goes on from `last` without what came between having been published here (another process wrote it).
    pub(crate) fn skip_to(&self, last: Seq) {
        if self.last() >= last {
            return;
        }
        *self.tail() = Tail { complete_after: last, ..Tail::default() };
        self.head.send_modify(|head| head.last = last);
        self.turns.send_modify(|count| *count += 1);
    }

    /// Nothing follows.
    pub(crate) fn end(&self) {
        self.head.send_modify(|head| head.ended = true);
        self.turns.send_modify(|count| *count += 1);
    }

    pub(crate) fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    pub(crate) fn answerers(&self) -> watch::Receiver<usize> {
        self.answerers.subscribe()
    }

    /// Forgets the tail, so that an unloaded session costs nothing but its watchers.
    pub(crate) fn forget(&self) {
        let mut tail = self.tail();
        let complete_after = tail.events.back().map_or(tail.complete_after, |event| event.seq);
        *tail = Tail { complete_after, ..Tail::default() };
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.head.borrow().ended
    }

    pub(crate) fn head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    pub(crate) fn last(&self) -> Seq {
        self.head.borrow().last
    }

    /// Events after `after`, about `max_bytes` of them and at least one; `None` where the tail does not reach back so far.
    pub(crate) fn read(&self, after: Seq, max_bytes: usize) -> Option<Vec<EncodedEvent>> {
        let tail = self.tail();
        if after < tail.complete_after {
            return None;
        }
        let start = tail.events.partition_point(|event| event.seq <= after);
        let mut bytes = 0;
        let mut batch = Vec::with_capacity((tail.events.len() - start).min(64));
        for event in tail.events.range(start..) {
            bytes += event.json.len();
            if bytes > max_bytes && !batch.is_empty() {
                break;
            }
            batch.push(event.clone());
        }
        Some(batch)
    }

    /// What the tail has after `after`, though something may be missing before it.
    pub(crate) fn rest(&self, after: Seq) -> Vec<EncodedEvent> {
        self.tail().events.iter().filter(|event| event.seq > after).cloned().collect()
    }

    pub(crate) fn watcher_count(&self) -> u64 {
        self.watchers.load(Ordering::Relaxed)
    }

    pub(crate) fn add_watcher(&self, may_answer: bool) {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        if may_answer {
            self.answerers.send_modify(|count| *count += 1);
        }
    }

    pub(crate) fn remove_watcher(&self, may_answer: bool) {
        self.watchers.fetch_sub(1, Ordering::Relaxed);
        if may_answer {
            self.answerers.send_modify(|count| *count = count.saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests;
