//! What a model's name tells: how it thinks, how it is told to, and how much it may say.

use wharf_protocol::Thinking;

/// Most tokens of a reply where nobody said a number: room for a large file, and no bill without an end.
const MAX_TOKENS: u64 = 64_000;

/// The same for models whose limit is not known.
const UNKNOWN_MAX_TOKENS: u64 = 16_000;

/// Tokens for thinking that the API takes at least.
const MIN_BUDGET: u64 = 1_024;

/// One generation of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) thinks: Thinks,
    max_output: Option<u64>,
    /// Above 1,568 pixels a side.
    sees_more: bool,
}

/// How a model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinks {
    Never,
    /// Where it is given a number of tokens for it.
    Budget,
    /// As it sees fit, where it is asked to.
    Asked,
    /// As it sees fit, unless it is told not to.
    ByItself,
    /// The same, but it can be told only to think between tools.
    BetweenTools,
    /// As it sees fit, always.
    Always,
    /// Another vendor's model behind the same protocol.
    Unknown,
}

/// What a request says of thinking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) kind: Option<Kind>,
    pub(super) effort: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Enabled {
        budget: u64,
    },
    /// Newer models keep what they think to themselves unless they are asked for a summary: a client would see nothing for minutes.
    Adaptive,
    BetweenTools,
    Disabled,
}

impl Family {
    /// By the name as the provider knows it, or a router, or a cloud.
    pub(super) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let Some((_, rest)) = name.split_once("claude") else {
            return Self { thinks: Thinks::Unknown, max_output: None, sees_more: true };
        };
        let words: Vec<&str> =
            rest.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let is_number = |word: &&&str| word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit());
        let mut numbers = words.iter().skip_while(|word| !is_number(word)).take_while(is_number);
        let mut number = || numbers.next().and_then(|word| word.parse::<u32>().ok());
        let version = number().map(|major| (major, number().unwrap_or(0)));
        let is = |word: &str| words.contains(&word);
        let (thinks, max_output) = match version {
            None => (Thinks::Unknown, None),
            Some(version) if version < (3, 5) => (Thinks::Never, Some(4_096)),
            Some(version) if version < (3, 7) => (Thinks::Never, Some(8_192)),
            Some((4, 0 | 1)) if is("opus") => (Thinks::Budget, Some(32_000)),
            Some(version) if version < (4, 6) => (Thinks::Budget, Some(64_000)),
            Some((4, _)) => (Thinks::Asked, Some(128_000)),
            Some((5, 5)) if is("sonnet") => (Thinks::BetweenTools, Some(128_000)),
            Some((5, 5)) if is("haiku") => (Thinks::ByItself, Some(128_000)),
            Some((5, 0)) if is("sonnet") || is("opus") => (Thinks::ByItself, Some(128_000)),
            Some(_) => (Thinks::Always, Some(128_000)),
        };
        let sees_more = version.is_none_or(|version| version >= if is("opus") { (4, 7) } else { (5, 0) });
        Self { thinks, max_output, sees_more }
    }

    /// Whether the model sees more of an image than older ones do.
    pub(super) fn sees_more(self) -> bool {
        self.sees_more
    }

    /// Unsigned thinking is refused by the models that sign theirs, and wanted back by others.
    pub(super) fn signs(self) -> bool {
        self.thinks != Thinks::Unknown
    }

    /// The limit that a request needs where nobody set one.
    pub(super) fn max_tokens(self, context_tokens: Option<u64>) -> u64 {
        match self.max_output {
            Some(most) => most.min(MAX_TOKENS),
            None => context_tokens.map_or(UNKNOWN_MAX_TOKENS, |window| (window / 4).clamp(1, UNKNOWN_MAX_TOKENS)),
        }
    }

    /// `is_unfinished`: a call is being answered whose message lacks the thinking that led to it.
    pub(super) fn depth(self, wanted: Thinking, max_tokens: u64, is_unfinished: bool) -> Depth {
        let effort = match wanted {
            Thinking::Default | Thinking::Off => None,
            Thinking::Low => Some("low"),
            Thinking::Medium => Some("medium"),
            Thinking::High => Some("high"),
        };
        let adaptive = Some(Kind::Adaptive);
        match (self.thinks, wanted) {
            (Thinks::Never, _) => Depth::default(),
            // With a budget, thinking stands first in every message with calls, or the request is refused.
            (Thinks::Budget | Thinks::Unknown, _) if effort.is_some() && !is_unfinished => {
                Depth { kind: budget(wanted, max_tokens), effort: None }
            }
            (Thinks::Unknown, Thinking::Off) => Depth { kind: Some(Kind::Disabled), effort: None },
            (Thinks::Budget | Thinks::Unknown, _) => Depth::default(),
            (Thinks::Asked, Thinking::Default | Thinking::Off) => Depth::default(),
            (Thinks::ByItself, Thinking::Off) => Depth { kind: Some(Kind::Disabled), effort: None },
            (Thinks::BetweenTools, Thinking::Off) => Depth { kind: Some(Kind::BetweenTools), effort: None },
            // It cannot be switched off: as little as can be.
            (Thinks::Always, Thinking::Off) => Depth { kind: adaptive, effort: Some("low") },
            _ => Depth { kind: adaptive, effort },
        }
    }
}

/// Below the reply's own limit, of which it is a part.
fn budget(wanted: Thinking, max_tokens: u64) -> Option<Kind> {
    let budget = match wanted {
        Thinking::Default | Thinking::Off => return None,
        Thinking::Low => 4_096,
        Thinking::Medium => 10_000,
        Thinking::High => 24_000,
    };
    let budget = budget.min(max_tokens.saturating_sub(MIN_BUDGET));
    (budget >= MIN_BUDGET).then_some(Kind::Enabled { budget })
}
