//! The way on: what a session does by itself, from wherever it stands.

use crate::core::Core;
use crate::state::ModelState;

impl Core {
    /// Does everything that can be done now. What it finds to do follows from the state alone, so that it takes up a
    /// session from its log as well as it goes on after an input.
    pub(crate) fn advance(&mut self) {
        if self.deleted || !self.is_taken_up {
            return;
        }
        self.advance_direct_calls();
        loop {
            let Some(turn) = &self.turn else {
                if self.compaction.is_some() {
                    self.go_on_compacting();
                    if self.compaction.is_some() {
                        break;
                    }
                }
                if self.start_next() {
                    continue;
                }
                break;
            };
            if turn.is_ending() {
                if self.has_turn_calls() {
                    break;
                }
                self.finish_ending();
            } else if self.has_turn_calls() {
                self.advance_turn_calls();
                if self.has_turn_calls() {
                    break;
                }
            } else if self.compaction.is_some() {
                self.go_on_compacting();
                if self.compaction.is_some() {
                    break;
                }
            } else if turn.model == ModelState::Idle {
                self.step();
            } else {
                break;
            }
        }
        self.show_status();
        self.finish_deleting();
    }
}
