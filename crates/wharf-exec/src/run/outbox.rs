//! A command's output on its way to the engine, within fixed memory.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::until;
use crate::context::RunContext;

/// Small pieces are put together up to this.
const PIECE_BYTES: usize = 16 * 1024;

/// Output on its way to the engine.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pieces: VecDeque<String>,
    /// What the pieces hold.
    pub(super) bytes: usize,
    abandoned: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, text: String) {
        if text.is_empty() || self.abandoned {
            return;
        }
        self.bytes += text.len();
        match self.pieces.back_mut() {
            Some(last) if last.len() + text.len() <= PIECE_BYTES => last.push_str(&text),
            _ => self.pieces.push_back(text),
        }
    }

    /// Sends the next piece as soon as the engine takes it; waits for ever where there is none.
    pub(super) async fn send(&mut self, context: &RunContext) {
        if self.pieces.is_empty() {
            return std::future::pending().await;
        }
        // Until the permit is there the piece stays here: a call that stops meanwhile loses nothing.
        match context.progress.0.reserve().await {
            Ok(permit) => {
                if let Some(piece) = self.pieces.pop_front() {
                    self.bytes -= piece.len();
                    permit.send(piece);
                }
            }
            // Nobody listens: the result is all that is wanted.
            Err(_) => {
                self.abandoned = true;
                self.pieces.clear();
                self.bytes = 0;
            }
        }
    }

    /// Hands over what the engine takes at once; from here on the result alone carries the output.
    pub(super) fn abandon(&mut self, context: &RunContext) {
        for piece in self.pieces.drain(..) {
            if context.progress.0.try_send(piece).is_err() {
                break;
            }
        }
        self.abandoned = true;
        self.bytes = 0;
    }

    pub(super) async fn flush(&mut self, context: &RunContext, deadline: Option<Instant>) {
        while !self.pieces.is_empty() {
            tokio::select! {
                biased;
                () = context.cancel.cancelled() => return,
                () = until(deadline) => return,
                () = self.send(context) => {}
            }
        }
    }
}
