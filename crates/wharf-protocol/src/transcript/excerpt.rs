//! A text of bounded size: whole, or its head and its tail.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text, or what is kept of it: a beginning, and an end behind what is left out. As JSON a whole text is a string.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Wire", into = "Wire")]
pub struct Excerpt {
    head: String,
    /// Bytes between the two.
    omitted: u64,
    tail: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Wire {
    Whole(String),
    Cut {
        head: String,
        /// Bytes that are left out between head and tail.
        omitted: u64,
        tail: String,
    },
}

impl From<Wire> for Excerpt {
    fn from(wire: Wire) -> Self {
        match wire {
            Wire::Whole(head) => Self { head, omitted: 0, tail: String::new() },
            // A state from elsewhere: what is not left out follows at once.
            Wire::Cut { head, omitted: 0, tail } => Self { head: head + &tail, omitted: 0, tail: String::new() },
            Wire::Cut { head, omitted, tail } => Self { head, omitted, tail },
        }
    }
}

impl From<Excerpt> for Wire {
    fn from(excerpt: Excerpt) -> Self {
        match excerpt {
            Excerpt { head, omitted: 0, .. } => Self::Whole(head),
            Excerpt { head, omitted, tail } => Self::Cut { head, omitted, tail },
        }
    }
}

impl Excerpt {
    /// Of a longer text than `max` bytes, head and tail are at most half of that each, and end and begin with a character.
    #[must_use]
    pub fn new(text: &str, max: usize) -> Self {
        let mut excerpt = Self::default();
        if text.len() <= max {
            text.clone_into(&mut excerpt.head);
            return excerpt;
        }
        let (head, tail) = (text.floor_char_boundary(max / 2), text.ceil_char_boundary(text.len() - max / 2));
        text[..head].clone_into(&mut excerpt.head);
        text[tail..].clone_into(&mut excerpt.tail);
        excerpt.omitted = (tail - head) as u64;
        excerpt
    }

    /// Goes on with a piece that begins at `offset` of the whole text, and answers what of it is new. Where something is missing
    /// before it, that is left out.
    pub fn extend<'t>(&mut self, offset: u64, piece: &'t str, max: usize) -> &'t str {
        let known = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let new = piece.get(known..).unwrap_or_default();
        if new.is_empty() {
            return new;
        }
        let missing = offset.saturating_sub(self.len());
        if missing > 0 {
            self.omitted += missing + self.tail.len() as u64;
            self.tail.clear();
        }
        if self.omitted == 0 {
            self.head.push_str(new);
            if self.head.len() > max {
                let (head, tail) = (max / 2, self.head.len() - max / 2);
                let (head, tail) = (self.head.floor_char_boundary(head), self.head.ceil_char_boundary(tail));
                self.head[tail..].clone_into(&mut self.tail);
                self.omitted = (tail - head) as u64;
                self.head.truncate(head);
                self.head.shrink_to_fit();
            }
        } else {
            self.tail.push_str(new);
            if self.tail.len() > max / 2 {
                let from = self.tail.ceil_char_boundary(self.tail.len() - max / 2);
                self.tail.drain(..from);
                self.omitted += from as u64;
            }
        }
        new
    }

    /// Of the whole text, in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.head.len() as u64 + self.omitted + self.tail.len() as u64
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that are left out.
    #[must_use]
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// So much of its beginning is there.
    #[must_use]
    pub fn head(&self) -> &str {
        &self.head
    }

    /// All that is there, with a line where something is left out.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self.omitted {
            0 => Cow::Borrowed(&self.head),
            omitted => Cow::Owned(format!("{}\n[{omitted} bytes left out]\n{}", self.head, self.tail)),
        }
    }

    /// At most so many bytes of its end, or a few more with a line where something is left out.
    #[must_use]
    pub fn ending(&self, max: usize) -> Cow<'_, str> {
        if self.omitted == 0 {
            return Cow::Borrowed(last(&self.head, max));
        }
        // A tail that was cut at a character is as long as it can be.
        let room = max.saturating_sub(self.tail.len());
        if room < char::MAX.len_utf8() {
            return Cow::Borrowed(last(&self.tail, max));
        }
        Cow::Owned(format!("{}\n[{} bytes left out]\n{}", last(&self.head, room), self.omitted, self.tail))
    }
}

fn last(text: &str, max: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(max))..]
}
