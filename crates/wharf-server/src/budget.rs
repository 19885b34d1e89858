//! Bytes that clients have sent and that nothing was made of yet: unfinished frames, bodies, lines of imports, headers. One budget
//! for the whole server, because as many clients may send as may connect.
//!
//! At the limit the connection whose bytes find no room is told to come back (503, close code 1013); no other one notices:
//!
//! * Each connection has a little that is not counted, so ordinary requests pass at any time.
//! * The last quarter is for holders of little: a few large bodies cannot shut out medium ones.
//! * Whoever has shown no key gets an eighth, together with all others of the kind, and never anything of the rest.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Not counted of what a connection with a key holds.
const FREE_BYTES: usize = 64 << 10;
/// Not counted of what a connection without one holds: what is allocated for it anyway, and more than the header of a request needs.
const STRANGER_FREE_BYTES: usize = 8 << 10;
/// Holders of more than this do not get the last quarter.
const LITTLE_BYTES: usize = 1 << 20;

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

#[derive(Debug)]
pub(crate) struct Budget {
    most: usize,
    known: AtomicUsize,
    strangers: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, known: AtomicUsize::new(0), strangers: AtomicUsize::new(0) })
    }

    /// For something that a connection with a key sends.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        Hold { budget: Arc::clone(self), state: Mutex::new(State { who: Who::Known, bytes: 0 }) }
    }

    /// For a new connection.
    pub(crate) fn hold_for_stranger(self: &Arc<Self>) -> Hold {
        Hold { budget: Arc::clone(self), state: Mutex::new(State { who: Who::Stranger, bytes: 0 }) }
    }

    fn account(&self, who: Who) -> &AtomicUsize {
        match who {
            Who::Stranger => &self.strangers,
            Who::Known => &self.known,
        }
    }

    /// How far an account may go for a holder of `charge`.
    fn limit(&self, who: Who, charge: usize) -> usize {
        let for_strangers = self.most / 8;
        match who {
            Who::Stranger => for_strangers,
            Who::Known if charge > LITTLE_BYTES => (self.most - for_strangers) / 4 * 3,
            Who::Known => self.most - for_strangers,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Stranger,
    Known,
}

impl Who {
    /// What is counted of so many bytes.
    fn charge(self, bytes: usize) -> usize {
        bytes.saturating_sub(match self {
            Self::Stranger => STRANGER_FREE_BYTES,
            Self::Known => FREE_BYTES,
        })
    }
}

/// What one connection or request holds; given back when dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    budget: Arc<Budget>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    who: Who,
    bytes: usize,
}

impl Hold {
    /// So many bytes more, or none of them.
    pub(crate) fn grow(&self, bytes: usize) -> Result<(), Full> {
        let mut state = self.state();
        let who = state.who;
        let wanted = state.bytes.saturating_add(bytes);
        let charge = who.charge(wanted);
        let more = charge - who.charge(state.bytes);
        if more > 0 {
            let limit = self.budget.limit(who, charge);
            let fits = |used: usize| used.checked_add(more).filter(|used| *used <= limit);
            let account = self.budget.account(who);
            account.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map_err(|_| Full)?;
        }
        state.bytes = wanted;
        Ok(())
    }

    /// Something was made of so many bytes.
    pub(crate) fn shrink(&self, bytes: usize) {
        let mut state = self.state();
        let left = state.bytes.saturating_sub(bytes);
        self.set(&mut state, left);
    }

    /// Something was made of all of them.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        self.set(&mut state, 0);
    }

    /// The connection has shown a key.
    pub(crate) fn known(&self) {
        let mut state = self.state();
        if state.who == Who::Stranger {
            self.set(&mut state, 0);
            state.who = Who::Known;
        }
    }

    pub(crate) fn is_strangers(&self) -> bool {
        self.state().who == Who::Stranger
    }

    fn set(&self, state: &mut State, bytes: usize) {
        let less = state.who.charge(state.bytes) - state.who.charge(bytes);
        self.budget.account(state.who).fetch_sub(less, Ordering::Relaxed);
        state.bytes = bytes;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests;
