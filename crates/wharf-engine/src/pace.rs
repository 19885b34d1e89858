//! How often sessions put text onto their logs when many stream at once.
//!
//! A chunk costs about the same whatever its size: an append, a wake-up of each reader, a write to each. Few sessions show every piece of text
//! at once. Many share a number of chunks per second: each rests after a chunk, and what its model has said meanwhile is one chunk. A model
//! is read no further while its session rests, so that what waits is in the connection and is bounded by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What all sessions together put onto their logs: about what one core carries. A thousand sessions rest for 80 ms each.
const CHUNKS_PER_SECOND: u32 = 12_500;
/// A shorter rest merges little and costs a timer: with 25 sessions at most there is none.
const SHORTEST_REST: Duration = Duration::from_millis(2);
/// However many stream, text is still seen to flow. Beyond 3,125 sessions there are more chunks per second instead.
const LONGEST_REST: Duration = Duration::from_millis(250);

/// The model calls that are under way, of all sessions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace(Arc<AtomicUsize>);

/// One of them, as long as it lives.
#[derive(Debug)]
pub(crate) struct Streaming {
    pace: Pace,
    rests_until: Option<Instant>,
}

impl Pace {
    pub(crate) fn join(&self) -> Streaming {
        self.0.fetch_add(1, Ordering::Relaxed);
        Streaming { pace: self.clone(), rests_until: None }
    }

    fn rest(&self) -> Option<Duration> {
        let streaming = u32::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let rest = (Duration::from_secs(1) / CHUNKS_PER_SECOND).saturating_mul(streaming).min(LONGEST_REST);
        (rest > SHORTEST_REST).then_some(rest)
    }
}

impl Streaming {
    /// A chunk was taken; the next one comes after the rest.
    pub(crate) fn took(&mut self) {
        self.rests_until = self.pace.rest().map(|rest| Instant::now() + rest);
    }

    /// Waits for the end of the rest. Safe to drop.
    pub(crate) async fn rested(&self) {
        if let Some(until) = self.rests_until {
            sleep_until(until).await;
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.pace.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
