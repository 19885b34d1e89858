//! What a pattern may measure before a library compiles it: globs, lines of ignore files, regular expressions, rules.
//!
//! The libraries recurse over groups, panic where a compiled pattern is too large, and spend time and memory on wildcards. So
//! each pattern that a repository, a model or a client writes is measured here first. Openings are counted and never closed:
//! no reading of escapes or classes, which could differ from the library's own, is needed to know that the nesting is no
//! deeper.

use thiserror::Error;

/// What one pattern of a kind may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In bytes.
    pub length: usize,
    /// Brackets of every kind that open: an upper bound of how deep they nest.
    pub openings: usize,
    /// `*` and `?`.
    pub wildcards: usize,
}

/// Globs of calls, and lines of ignore files. A line end is as long as a path can be; no pattern that people write comes near
/// the other two. What exceeds one is refused with the reason.
pub const GLOB: Limits = Limits { length: 4096, openings: 64, wildcards: 128 };

/// Regular expressions. How deep they nest and how large they become is limited by the library as well, as its own limits are
/// reached without recursion only up to some thousand groups.
pub const REGEX: Limits = Limits { length: 16 * 1024, openings: 1000, wildcards: 2000 };

/// A pattern that no library is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TooLarge {
    #[error("it is longer than {0} bytes")]
    Length(usize),
    #[error("it has more than {0} opening brackets")]
    Openings(usize),
    #[error("it has more than {0} wildcards")]
    Wildcards(usize),
}

impl Limits {
    /// Whether a library may have `pattern`.
    pub fn check(&self, pattern: &str) -> Result<(), TooLarge> {
        if pattern.len() > self.length {
            return Err(TooLarge::Length(self.length));
        }
        let count = |of: &[u8]| pattern.bytes().filter(|byte| of.contains(byte)).count();
        if count(b"([{") > self.openings {
            return Err(TooLarge::Openings(self.openings));
        }
        if count(b"*?") > self.wildcards {
            return Err(TooLarge::Wildcards(self.wildcards));
        }
        Ok(())
    }
}

/// How much a set of globs costs together: an automaton is built of all that are more than a name, and each path runs through it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Patterns of every kind.
    pub patterns: usize,
    /// States of the automaton, estimated from above.
    pub states: usize,
}

impl Cost {
    /// Of one glob, without compiling it.
    #[must_use]
    pub fn of(glob: &str) -> Self {
        // A name is looked up in a table; whatever else there is becomes part of the automaton.
        let specials = glob.bytes().filter(|byte| b"*?[]{},\\".contains(byte)).count();
        let states = if specials == 0 { 0 } else { STATES_OF_PATTERN + STATES_OF_SPECIAL * specials + glob.len() };
        Self { patterns: 1, states }
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let patterns = self.patterns.saturating_add(other.patterns);
        Self { patterns, states: self.states.saturating_add(other.states) }
    }

    /// What is left when `other` is no longer there.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        let patterns = self.patterns.saturating_sub(other.patterns);
        Self { patterns, states: self.states.saturating_sub(other.states) }
    }

    #[must_use]
    pub fn fits(self, budget: Self) -> bool {
        self.patterns <= budget.patterns && self.states <= budget.states
    }
}

/// What leads to a pattern and away from it: any directory before it, and its end.
const STATES_OF_PATTERN: usize = 16;
/// `**/` is the largest of them.
const STATES_OF_SPECIAL: usize = 6;

#[cfg(test)]
mod tests;
