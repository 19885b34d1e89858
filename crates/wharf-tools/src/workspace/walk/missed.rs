//! What a search did not look at: nothing is called absent that was not searched.

use std::path::Path;

use crate::name;

/// Names that a note gives as examples.
const NAMES_MAX: usize = 3;

/// What a search did not look at, by the reason.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    /// Files that `read_file` does not show as text either.
    pub(crate) binary: Few,
    /// Files and directories.
    pub(crate) unreadable: Few,
    /// Files whose search ended early.
    pub(crate) unfinished: Few,
    /// Pipes, sockets and devices.
    pub(crate) special: Few,
    /// Directories that lie too deep.
    pub(crate) deep: Few,
    /// Directories with too many entries.
    pub(crate) partial: Few,
    /// What ignore files name.
    pub(crate) ignored: Few,
    /// Symbolic links; what they lead to may have been looked at by its own name.
    pub(crate) links: Few,
    /// Lines of ignore files that were not used: more was searched, not less.
    pub(crate) refused: Few,
}

/// How many, and the first names.
#[derive(Debug, Default)]
pub(crate) struct Few {
    count: u64,
    names: Vec<String>,
}

impl Few {
    pub(crate) fn add(&mut self, rel: &Path) {
        self.add_with(rel, "");
    }

    /// With something to say of this one.
    pub(crate) fn add_with(&mut self, rel: &Path, more: &str) {
        self.count += 1;
        if self.names.len() < NAMES_MAX {
            self.names.push(format!("{}{more}", name::of(rel)));
        }
    }

    fn join(&mut self, other: Self) {
        self.count += other.count;
        let room = NAMES_MAX - self.names.len();
        self.names.extend(other.names.into_iter().take(room));
    }

    /// `2 binary files (a, b)`.
    fn told(&self, one: &str, many: &str) -> Option<String> {
        let what = match self.count {
            0 => return None,
            1 => one,
            _ => many,
        };
        let more = if self.count > self.names.len() as u64 { ", ..." } else { "" };
        Some(format!("{} {what} ({}{more})", self.count, self.names.join(", ")))
    }
}

impl Missed {
    pub(crate) fn join(&mut self, other: Self) {
        self.binary.join(other.binary);
        self.unreadable.join(other.unreadable);
        self.unfinished.join(other.unfinished);
        self.special.join(other.special);
        self.deep.join(other.deep);
        self.partial.join(other.partial);
        self.ignored.join(other.ignored);
        self.links.join(other.links);
        self.refused.join(other.refused);
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.notes(true).is_empty()
    }

    /// The lines that a result ends with. What a search leaves out by its description is told where nothing was found.
    pub(crate) fn notes(&self, found_nothing: bool) -> String {
        let by_description = |few: &Few, one: &str, many: &str| few.told(one, many).filter(|_| found_nothing);
        let parts: Vec<String> = [
            self.binary.told("binary file", "binary files"),
            self.unreadable.told("that cannot be read", "that cannot be read"),
            self.unfinished
                .told("file not to its end, for a very long line", "files not to their end, for very long lines"),
            self.special.told("pipe, socket or device", "pipes, sockets or devices"),
            self.deep.told("directory that lies too deep", "directories that lie too deep"),
            self.partial.told("directory with too many entries", "directories with too many entries"),
            by_description(&self.ignored, "ignored entry", "ignored entries"),
            by_description(&self.links, "symbolic link", "symbolic links"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let mut notes = String::new();
        if !parts.is_empty() {
            notes.push_str(&format!("[not searched: {}]\n", parts.join("; ")));
        }
        if let Some(refused) = self.refused.told("refused line", "refused lines") {
            notes.push_str(&format!("[ignore files ignore less than they say: {refused}]\n"));
        }
        notes
    }
}
