//! How an editor's text of a file differs from the file, beside what the user has typed.
//!
//! Editors hand out normalised text and take it back: with one line end for all, without a byte order mark, without the last line
//! end. What is on disk is the file; its texts are compared without these things, and written in the editor's own way.

use std::borrow::Cow;

use crate::text::Text;

const MARK: char = '\u{feff}';

/// Whether two texts differ in nothing but line ends, a byte order mark and the end of the last line.
pub(super) fn is_alike(one: &str, other: &str) -> bool {
    one == other || folded(one) == folded(other)
}

fn folded(text: &str) -> String {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
}

/// The way of one editor with one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    has_mark: bool,
    ends: Ends,
    last: Last,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    AsMeant,
    Lf,
    CrLf,
}

/// The end of the last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    AsMeant,
    Dropped,
    Added,
}

impl Style {
    /// By what it shows (`read`) of what is on disk (`stored`).
    pub(super) fn of(stored: &str, read: &str) -> Self {
        let pairs = read.matches("\r\n").count();
        let ends = match (pairs, read.matches('\n').count() - pairs) {
            _ if stored == read => Ends::AsMeant,
            (0, 1..) => Ends::Lf,
            (1.., 0) => Ends::CrLf,
            _ => Ends::AsMeant,
        };
        let last = match (stored.ends_with('\n'), read.ends_with('\n')) {
            // Where the user has typed too, a dropped end is still more likely the editor's way than the user's wish.
            (true, false) if !read.is_empty() => Last::Dropped,
            (false, true) if is_alike(stored, read) => Last::Added,
            _ => Last::AsMeant,
        };
        Self { has_mark: read.starts_with(MARK), ends, last }
    }

    /// `meant`, as it is to be stored, in the editor's way.
    pub(super) fn sent<'a>(self, meant: &'a str) -> Cow<'a, str> {
        let mut text: Cow<'a, str> = match meant.strip_prefix(MARK) {
            Some(text) if !self.has_mark => text.into(),
            _ => meant.into(),
        };
        match self.ends {
            Ends::AsMeant => {}
            Ends::Lf => text = text.replace("\r\n", "\n").into(),
            Ends::CrLf => text = text.replace("\r\n", "\n").replace('\n', "\r\n").into(),
        }
        match self.last {
            Last::Dropped if text.ends_with('\n') => {
                let text = text.into_owned();
                let cut = text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(&text).len();
                text[..cut].to_owned().into()
            }
            Last::Added if !text.ends_with('\n') => {
                (text.into_owned() + if self.ends == Ends::CrLf { "\r\n" } else { "\n" }).into()
            }
            _ => text,
        }
    }

    /// The editor's text `read` with what belongs to the file and the editor does not show: what the user has typed stays.
    pub(super) fn stored(self, disk: &Text, read: &str) -> Vec<u8> {
        let text = read.strip_prefix(MARK).unwrap_or(read);
        let text = disk.ends.words(text);
        let end = if self.last == Last::Dropped { "\n" } else { "" };
        disk.encode(&format!("{text}{end}"))
    }
}

#[cfg(test)]
mod tests;
