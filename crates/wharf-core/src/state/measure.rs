//! How the provider of the session's model counts tokens, beside our own estimate.

/// What a provider that has not counted yet is taken to count for what is estimated as a thousand tokens.
const UNMEASURED: u64 = 1_000;

/// What is not counted takes so much more than estimated, in per mille: the error of the estimate.
pub(crate) const SPARE: u64 = 1_150;

/// A provider that counts less or more than this for an estimate of a thousand is not believed: it left cached tokens out, or cut the
/// request without a word; or it counted hidden text.
const MEASURED: std::ops::RangeInclusive<u64> = 500..=4_000;

/// Requests of fewer tokens say next to nothing about a provider's counting.
const MIN_MEASURED: u64 = 500;

/// What a provider has counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measure {
    /// The last request, where that still is what is shown.
    pub(crate) counted: Option<Counted>,
    /// What it counts for what is estimated as a thousand tokens.
    per_mille: u64,
}

/// The last request as its provider counted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) tokens: u64,
    /// The estimate of the messages in it.
    pub(crate) shown: u64,
}

impl Default for Measure {
    fn default() -> Self {
        Self { counted: None, per_mille: UNMEASURED }
    }
}

impl Measure {
    /// The provider has counted a request that was estimated. Whether it is believed.
    pub(crate) fn take(&mut self, counted: u64, estimated: u64) -> bool {
        let per_mille = counted.saturating_mul(1_000) / estimated.max(1);
        let is_believed = estimated >= MIN_MEASURED && MEASURED.contains(&per_mille);
        if is_believed {
            self.per_mille = per_mille;
        }
        is_believed
    }

    /// What the provider will count at most for what is estimated.
    pub(crate) fn scaled(&self, tokens: u64) -> u64 {
        tokens.saturating_mul(self.per_mille) / 1_000 * SPARE / 1_000
    }

    /// The estimate of what the provider will count.
    pub(crate) fn unscaled(&self, tokens: u64) -> u64 {
        tokens.saturating_mul(1_000) / self.per_mille.max(1) * 1_000 / SPARE
    }
}
