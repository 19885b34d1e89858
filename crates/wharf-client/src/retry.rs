//! Trying again: how often, and after which wait.

use std::time::Duration;

use crate::ids::random_part;

/// When a failed attempt is repeated. Only requests that are safe to repeat are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all of one request; 1 never repeats.
    pub attempts: u32,
    /// Attempts in all to bring a lost stream back, before [`crate::Timeouts::reconnect_total`] is over.
    pub reconnects: u32,
    /// The first wait; doubles each time.
    pub base: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, reconnects: 30, base: Duration::from_millis(100), max: Duration::from_secs(5) }
    }
}

impl Retry {
    /// The wait before attempt `attempt` (2 is the first repetition): between half and the whole of the doubled base, so that
    /// clients which lost the same server do not come back at the same moment.
    #[must_use]
    pub fn wait(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(2).min(16);
        let whole = self.base.saturating_mul(1 << doublings).min(self.max);
        whole.mul_f64(0.5 + random_part() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_one() {
        let retry = Retry { base: Duration::from_millis(100), max: Duration::from_millis(700), ..Retry::default() };
        for (attempt, whole) in [(2, 100), (3, 200), (4, 400), (5, 700), (60, 700), (u32::MAX, 700)] {
            for _ in 0..20 {
                let wait = retry.wait(attempt).as_millis();
                assert!((whole / 2..=whole).contains(&wait), "attempt {attempt} waits {wait} ms");
            }
        }
    }
}
