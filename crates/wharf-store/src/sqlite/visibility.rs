//! What may be shown: which commits still wait for the disk, and the last position before the first of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use wharf_protocol::Seq;

use crate::{Position, StoreError};

/// A session's part of a commit that waits for the disk: the key of its log, and the first seq of it.
pub(super) type Part = (i64, Seq);

/// Numbers the commits that wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

impl Ticket {
    pub fn number(self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
pub(super) struct Visibility {
    state: Mutex<State>,
    head: watch::Sender<Position>,
}

#[derive(Debug, Default)]
struct State {
    committed: i64,
    last_ticket: u64,
    /// The first position of each waiting commit.
    waiting: VecDeque<(Ticket, i64)>,
    sessions: HashMap<i64, VecDeque<(Ticket, Seq)>>,
    failure: Option<StoreError>,
}

impl Visibility {
    pub fn new(head: i64) -> Self {
        let state = State { committed: head, ..State::default() };
        Self { state: Mutex::new(state), head: watch::Sender::new(position(head)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    pub fn committed(&self) -> i64 {
        self.lock().committed
    }

    pub fn waits(&self, key: i64) -> bool {
        self.lock().sessions.contains_key(&key)
    }

    /// Readers must not show this seq of the session, nor later ones.
    pub fn hidden_from(&self, key: i64) -> Option<Seq> {
        self.lock().sessions.get(&key).and_then(|parts| parts.front()).map(|(_, seq)| *seq)
    }

    /// Says what is about to be committed and has to be synced. Before the commit: a reader that sees the rows must find them
    /// hidden.
    pub fn announce(&self, first: i64, parts: &[Part]) -> Ticket {
        let mut state = self.lock();
        state.last_ticket += 1;
        let ticket = Ticket(state.last_ticket);
        state.waiting.push_back((ticket, first));
        for (key, seq) in parts {
            state.sessions.entry(*key).or_default().push_back((ticket, *seq));
        }
        ticket
    }

    /// The commit did not come about.
    pub fn retract(&self, retracted: Ticket) {
        self.lock().forget(|ticket| ticket == retracted);
    }

    pub fn commit(&self, last: i64) {
        let mut state = self.lock();
        state.committed = state.committed.max(last);
        self.advance(&state);
    }

    /// Everything up to this commit is on disk.
    pub fn synced(&self, through: Ticket) {
        let mut state = self.lock();
        state.forget(|ticket| ticket <= through);
        self.advance(&state);
    }

    /// A sync failed, or the files are not those on disk: what is there is not known. Nothing is acknowledged until [`Self::recovered`].
    pub fn fail(&self, why: StoreError) {
        self.lock().failure.get_or_insert(why);
    }

    pub fn failure(&self) -> Option<StoreError> {
        self.lock().failure.clone()
    }

    /// All that was committed was written and synced again.
    pub fn recovered(&self) {
        let mut state = self.lock();
        state.failure = None;
        state.forget(|_| true);
        self.advance(&state);
    }

    fn advance(&self, state: &State) {
        let shown = state.waiting.front().map_or(state.committed, |(_, first)| first - 1);
        self.head.send_if_modified(|head| {
            let moved = position(shown) > *head;
            if moved {
                *head = position(shown);
            }
            moved
        });
    }
}

impl State {
    fn forget(&mut self, gone: impl Fn(Ticket) -> bool) {
        self.waiting.retain(|(ticket, _)| !gone(*ticket));
        self.sessions.retain(|_, parts| {
            parts.retain(|(ticket, _)| !gone(*ticket));
            !parts.is_empty()
        });
    }
}

pub(super) fn position(id: i64) -> Position {
    Position(super::error::count(id))
}
