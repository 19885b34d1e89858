//! How long and how deep foreign text is, found without recursion.

use thiserror::Error;

/// What a piece of foreign text may measure at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// In bytes.
    pub length: usize,
    /// Open brackets of every kind at one time.
    pub depth: usize,
}

/// Foreign text that no library is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TooMuch {
    #[error("longer than {0} bytes")]
    Length(usize),
    #[error("nested deeper than {0} levels")]
    Depth(usize),
}
