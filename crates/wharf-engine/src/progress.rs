//! How much of a call's output stands on the log while it runs: its head, a look now and then, its tail.
//!
//! The result has what the model is told, the output file has the rest; the log is what every client gets and what stays on
//! disk, so a command that never stops talking must not fill it. What is left out is said in the event behind the gap.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The head: so much of a call's output is on the log as it comes. Behind it there are looks, then the tail.
const HEAD_BYTES: usize = 512 << 10;
/// All looks of one call; when they are used up, only the tail follows.
const LOOKS_BYTES: usize = 256 << 10;
/// One look: the newest output, for those who watch.
const LOOK_BYTES: usize = 2 << 10;
/// Between two looks: at first, and at most.
const LOOK_FIRST: Duration = Duration::from_secs(1);
const LOOK_LONGEST: Duration = Duration::from_secs(30);
/// The tail, where the head was not all. Together these stay below 1 MiB a call.
const TAIL_BYTES: usize = 128 << 10;
/// The tail where a budget is used up: about what a result takes.
const SHORT_TAIL_BYTES: usize = 4 << 10;

/// Of one session: so much at once, and so much more each second. Beyond it its calls have a short tail only.
const SESSION_BYTES: usize = 8 << 20;
const SESSION_BYTES_PER_SECOND: usize = 32 << 10;
/// Of all sessions together.
const SERVER_BYTES: usize = 64 << 20;
const SERVER_BYTES_PER_SECOND: usize = 1 << 20;

/// Bytes of progress that may be written, refilled with time.
#[derive(Debug)]
pub(crate) struct Budget {
    most: usize,
    per_second: usize,
    left: Mutex<(f64, Instant)>,
    /// Everything taken from this one is taken from that one too.
    above: Option<Arc<Budget>>,
}

impl Budget {
    pub(crate) fn of_server() -> Arc<Self> {
        Arc::new(Self::new(SERVER_BYTES, SERVER_BYTES_PER_SECOND, None))
    }

    pub(crate) fn of_session(server: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self::new(SESSION_BYTES, SESSION_BYTES_PER_SECOND, Some(Arc::clone(server))))
    }

    fn new(most: usize, per_second: usize, above: Option<Arc<Self>>) -> Self {
        Self { most, per_second, left: Mutex::new((most as f64, Instant::now())), above }
    }

    /// False: there is not so much left, and nothing is taken.
    fn take(&self, bytes: usize) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let refilled = left.0 + now.duration_since(left.1).as_secs_f64() * self.per_second as f64;
        *left = (refilled.min(self.most as f64), now);
        if left.0 < bytes as f64 || self.above.as_ref().is_some_and(|above| !above.take(bytes)) {
            return false;
        }
        left.0 -= bytes as f64;
        true
    }
}

/// A part of a call's output for the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) output: String,
    /// Bytes before it that are left out.
    pub(crate) omitted: u64,
}

/// What of one call's output goes onto the log.
#[derive(Debug)]
pub(crate) struct Progressing {
    budget: Arc<Budget>,
    /// Room left in the head; none, once something did not fit.
    head: usize,
    looks: usize,
    look_at: Instant,
    pause: Duration,
    /// The newest output that is not on the log, its older part dropped.
    held: String,
    /// What was dropped since the last piece.
    omitted: u64,
}

impl Progressing {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        let (look_at, pause) = (Instant::now(), LOOK_FIRST);
        Self { budget, head: HEAD_BYTES, looks: LOOKS_BYTES, look_at, pause, held: String::new(), omitted: 0 }
    }

    /// Takes what came, and gives what of it goes onto the log now.
    pub(crate) fn push(&mut self, output: String) -> Option<Piece> {
        if self.head > 0 {
            let weight = weight(&output);
            if weight <= self.head && self.budget.take(weight) {
                self.head -= weight;
                return Some(Piece { output, omitted: 0 });
            }
            self.head = 0;
            self.look_at = Instant::now() + self.pause;
        }
        self.hold(&output);
        (Instant::now() >= self.look_at).then(|| self.look()).flatten()
    }

    fn look(&mut self) -> Option<Piece> {
        self.look_at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LOOK_LONGEST);
        let from = start_of_last(&self.held, LOOK_BYTES);
        let weight = weight(&self.held[from..]);
        if weight > self.looks || !self.budget.take(weight) {
            return None;
        }
        self.looks -= weight;
        self.last(from)
    }

    /// The tail, when no more comes.
    pub(crate) fn finish(&mut self) -> Option<Piece> {
        let mut from = start_of_last(&self.held, TAIL_BYTES);
        if !self.budget.take(weight(&self.held[from..])) {
            from = start_of_last(&self.held, SHORT_TAIL_BYTES);
        }
        self.last(from)
    }

    fn last(&mut self, from: usize) -> Option<Piece> {
        let output = self.held.split_off(from);
        let omitted = std::mem::take(&mut self.omitted) + self.held.len() as u64;
        self.held.clear();
        (!output.is_empty()).then_some(Piece { output, omitted })
    }

    fn hold(&mut self, output: &str) {
        self.held.push_str(output);
        if self.held.len() > 2 * TAIL_BYTES {
            let cut = self.held.ceil_char_boundary(self.held.len() - TAIL_BYTES);
            self.omitted += cut as u64;
            self.held.drain(..cut);
        }
    }
}

/// What text takes on the log: JSON writes some characters with two or six.
fn weight(text: &str) -> usize {
    text.bytes().map(byte_weight).sum()
}

fn byte_weight(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

/// Where the last part of `text` begins that weighs at most so much.
fn start_of_last(text: &str, most: usize) -> usize {
    let mut weight = 0;
    let fits = text.bytes().rev().take_while(|&byte| {
        weight += byte_weight(byte);
        weight <= most
    });
    text.ceil_char_boundary(text.len() - fits.count())
}

#[cfg(test)]
mod tests;
