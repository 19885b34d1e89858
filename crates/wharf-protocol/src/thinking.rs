//! How much a model is to think before it answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much the model thinks before it answers, where it can be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// As the model does by itself: it is told nothing.
    #[default]
    Default,
    Off,
    Low,
    Medium,
    High,
}

impl Thinking {
    pub const ALL: [Thinking; 5] = [Thinking::Default, Thinking::Off, Thinking::Low, Thinking::Medium, Thinking::High];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Thinking::Default => "default",
            Thinking::Off => "off",
            Thinking::Low => "low",
            Thinking::Medium => "medium",
            Thinking::High => "high",
        }
    }
}

impl std::fmt::Display for Thinking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Thinking {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Thinking::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| format!("unknown thinking level {text:?}: use default, off, low, medium or high"))
    }
}
