//! What an event did to a transcript, for readers that tell as they go.

use crate::MessageId;

/// One thing that an event changed. Places are those in [`super::Transcript::entries`], until something is dropped there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'e> {
    /// An entry began.
    New(usize),
    /// An entry is in another state than it was.
    Changed(usize),
    /// The text of an entry goes on with this: a message's or reasoning's, or a running call's output. What was there before is
    /// not in it, whatever pieces of it came in which order.
    Text(usize, &'e str),
    /// This prompt waits now, at another place, or not any more.
    Waiting(&'e MessageId),
    /// The turn that runs began, is to be cancelled, or has ended.
    Turn,
}

impl Change<'_> {
    /// The entry that it is about.
    #[must_use]
    pub fn place(&self) -> Option<usize> {
        match self {
            Self::New(at) | Self::Changed(at) | Self::Text(at, _) => Some(*at),
            Self::Waiting(_) | Self::Turn => None,
        }
    }
}
