//! Deadlines: when the core wants to be woken, and what is due then.

use wharf_protocol::Timestamp;
use wharf_protocol::event::CallErrorReason;

use crate::core::Core;
use crate::state::{Ending, ModelState, RunningCall};

/// A tool keeps its own time limit; only one that fails to is stopped from here, so much later.
const TIMEOUT_SLACK_MS: u64 = 5_000;

impl RunningCall {
    /// When it has to be stopped, or has to have stopped.
    fn deadline(&self, stop_grace_ms: u64) -> Timestamp {
        match self.stopping {
            Some((since, _)) => since.after_ms(stop_grace_ms),
            None => self.since.after_ms(self.timeout_ms.saturating_add(TIMEOUT_SLACK_MS)),
        }
    }
}

impl Core {
    /// When [`Input::Tick`](crate::Input::Tick) is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if self.deleted {
            return None;
        }
        let permissions = self.permissions.open.iter().map(|permission| permission.expires_at);
        let running = self.calls.iter().filter_map(|call| call.running.as_ref());
        let calls = running.map(|running| running.deadline(self.config.stop_grace_ms));
        permissions
            .chain(calls)
            .chain(self.turn_deadline())
            .chain(self.retry_at())
            .chain(self.compaction_deadline())
            .min()
    }

    /// When the turn's time is up.
    pub(crate) fn turn_deadline(&self) -> Option<Timestamp> {
        let turn = self.turn.as_ref().filter(|turn| !turn.is_ending())?;
        turn.time.deadline(self.config.max_turn_ms)
    }

    fn retry_at(&self) -> Option<Timestamp> {
        match self.turn.as_ref()?.model {
            ModelState::Waiting { until } => Some(until),
            ModelState::Idle | ModelState::Asked { .. } => None,
        }
    }

    pub(crate) fn tick(&mut self) {
        let now = self.now;
        let is_due = |deadline: Option<Timestamp>| deadline.is_some_and(|deadline| deadline <= now);
        // The turn first: a call that would begin after an answer must not begin in a turn whose time is up.
        if is_due(self.turn_deadline()) {
            self.begin_ending(Ending::TimedOut);
        }
        self.tick_compaction();
        self.expire_permissions();
        self.expire_calls();
        if is_due(self.retry_at())
            && let Some(turn) = &mut self.turn
        {
            turn.model = ModelState::Idle;
        }
    }

    /// Stops calls whose time is up, and closes those that did not stop when told to.
    fn expire_calls(&mut self) {
        let grace_ms = self.config.stop_grace_ms;
        let due = self.calls.iter().filter_map(|call| {
            let running = call.running.as_ref().filter(|running| running.deadline(grace_ms) <= self.now)?;
            Some((call.proposal.call_id.clone(), running.stopping))
        });
        for (call_id, stopping) in due.collect::<Vec<_>>() {
            match stopping {
                None => self.stop_call(&call_id, CallErrorReason::TimedOut),
                Some((_, CallErrorReason::TimedOut)) => {
                    self.close_call(&call_id, CallErrorReason::TimedOut, "the call's time was up, and it did not stop");
                }
                Some((_, reason)) => self.close_call(&call_id, reason, "cancelled; the call did not stop in time"),
            }
        }
    }
}
