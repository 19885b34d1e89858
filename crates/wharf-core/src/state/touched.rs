//! Where a session's calls have worked, so that its owner looks for instructions there.

use std::collections::BTreeSet;
use std::path::Path;

use wharf_protocol::ToolKind;

/// Directories of a session that calls have worked in, which are known not to be news. Behind that many a directory is news again.
const KNOWN_DIRECTORIES: usize = 1_024;

/// Names of instruction files: a call that touches one is news however often its directory was looked at.
const INSTRUCTION_FILES: [&str; 2] = ["AGENTS.md", "CLAUDE.md"];

/// Where calls have worked since somebody looked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Touched {
    known: BTreeSet<String>,
    new: BTreeSet<String>,
    /// Something ran that may have changed any file.
    is_any: bool,
}

impl Touched {
    /// A call works on `path`, a file or a directory.
    pub(crate) fn path(&mut self, path: &str, kind: ToolKind) {
        let of_file = Path::new(path);
        let is_instructions =
            of_file.file_name().is_some_and(|name| INSTRUCTION_FILES.iter().any(|known| name == *known));
        // What ends like a file is taken for one, so that not each file that is read is news.
        let is_maybe_directory = kind == ToolKind::Search || of_file.extension().is_none();
        let itself = is_maybe_directory.then_some(of_file);
        for directory in of_file.parent().into_iter().chain(itself) {
            let directory = directory.to_string_lossy();
            if is_instructions || !self.known.contains(&*directory) {
                self.new.insert(directory.into_owned());
            }
        }
    }

    pub(crate) fn anything(&mut self) {
        self.is_any = true;
    }

    pub(crate) fn is_news(&self) -> bool {
        self.is_any || !self.new.is_empty()
    }

    /// What is news, once.
    pub(crate) fn take(&mut self) -> Vec<String> {
        self.is_any = false;
        if self.known.len() + self.new.len() > KNOWN_DIRECTORIES {
            self.known.clear();
        }
        self.known.extend(self.new.iter().cloned());
        std::mem::take(&mut self.new).into_iter().collect()
    }
}
