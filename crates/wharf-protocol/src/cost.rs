//! Money: what models cost, and what was spent. Whole numbers throughout: sums stay exact, and logs hold no fractions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Usage;

/// Who says what something costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriceSource {
    /// The user, in the configuration.
    Configuration,
    /// The provider itself.
    Provider,
    /// The table that comes with Wharf.
    Catalogue,
}

/// What a model costs: in millionths of a US dollar per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Price {
    pub input: u64,
    pub output: u64,
    /// Tokens of the prompt that were read from the provider's cache; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Tokens of the prompt that were written to it; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// For long prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<PriceStep>,
    /// It also depends on what no reply tells, so that the cost of a call is not known: on the hour, say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub varies: bool,
    pub source: PriceSource,
}

/// What all tokens of a request cost whose prompt has more than `prompt_tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PriceStep {
    pub prompt_tokens: u64,
    pub input: u64,
    pub output: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
}

/// What one model call has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallCost {
    /// In billionths of a US dollar.
    pub nano_usd: u64,
    pub source: PriceSource,
}

/// What several model calls have cost, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// In billionths of a US dollar; of the calls whose cost is known.
    #[serde(default)]
    pub nano_usd: u64,
    /// Calls whose cost is known.
    #[serde(default)]
    pub priced_calls: u64,
    /// Calls whose cost is not known: they are in no sum.
    #[serde(default)]
    pub unpriced_calls: u64,
}

impl Price {
    /// What a call has cost that took so many tokens; nothing where a part of it has no known price.
    #[must_use]
    pub fn of(&self, usage: &Usage) -> Option<CallCost> {
        if self.varies {
            return None;
        }
        let step = self.above.filter(|step| usage.prompt_tokens > step.prompt_tokens);
        let (input, output, cache_read, cache_write) = match step {
            Some(step) => (step.input, step.output, step.cache_read, step.cache_write),
            None => (self.input, self.output, self.cache_read, self.cache_write),
        };
        // Millionths of a dollar per million tokens: millionths of a millionth per token.
        let part = |tokens: u64, price: Option<u64>| match tokens {
            0 => Some(0),
            _ => Some(u128::from(tokens) * u128::from(price?)),
        };
        let cached = usage.cached_tokens.saturating_add(usage.cache_write_tokens);
        let parts = [
            part(usage.prompt_tokens.saturating_sub(cached), Some(input))?,
            part(usage.cached_tokens, cache_read)?,
            part(usage.cache_write_tokens, cache_write)?,
            part(usage.completion_tokens, Some(output))?,
        ];
        let nano_usd = u64::try_from((parts.iter().sum::<u128>() + 500) / 1_000).unwrap_or(u64::MAX);
        Some(CallCost { nano_usd, source: self.source })
    }
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.nano_usd = self.nano_usd.saturating_add(other.nano_usd);
        self.priced_calls = self.priced_calls.saturating_add(other.priced_calls);
        self.unpriced_calls = self.unpriced_calls.saturating_add(other.unpriced_calls);
    }
}

impl Cost {
    /// Counts one call more.
    pub fn add(&mut self, call: Option<CallCost>) {
        match call {
            Some(call) => {
                self.nano_usd = self.nano_usd.saturating_add(call.nano_usd);
                self.priced_calls = self.priced_calls.saturating_add(1);
            }
            None => self.unpriced_calls = self.unpriced_calls.saturating_add(1),
        }
    }

    /// No call was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `$0.0123`; with a word where calls are missing from the sum, and `unknown` where nothing is known.
impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.priced_calls, self.unpriced_calls) {
            (0, _) => f.write_str("unknown"),
            (_, 0) => f.write_str(&dollars(self.nano_usd)),
            (_, 1) => write!(f, "{} and 1 call of unknown price", dollars(self.nano_usd)),
            (_, missing) => write!(f, "{} and {missing} calls of unknown price", dollars(self.nano_usd)),
        }
    }
}

/// Dollars with as many digits as say something: at least cents, and the first two that are not zero.
#[must_use]
pub fn dollars(nano_usd: u64) -> String {
    let (whole, part) = (nano_usd / 1_000_000_000, nano_usd % 1_000_000_000);
    let digits = format!("{part:09}");
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let shown = if whole > 0 || part == 0 { 2 } else { (leading + 2).clamp(2, 9) };
    format!("${whole}.{}", &digits[..shown])
}

#[cfg(test)]
mod tests;
