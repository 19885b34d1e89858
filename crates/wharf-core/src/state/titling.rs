//! The title that a small model is asked for.

/// The title that is being asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Titling {
    /// The first words, which the model's title takes the place of.
    pub(crate) first_words: String,
    pub(crate) prompt: String,
    pub(crate) ask: Option<u64>,
}
