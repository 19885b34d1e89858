//! What a call would touch, as whoever runs it sees it before it is decided. It crosses from the tools to the core, and no wire.

use std::path::Path;

use crate::permission::Preview;

/// What a call would touch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The files and directories that it would use, symbolic links followed.
    pub paths: Vec<SeenPath>,
    /// Those of them that a person should see before they are written.
    pub guarded: Vec<GuardedPath>,
    /// Why the directory that a command would run in is not just a part of the workspace.
    pub foreign: Option<String>,
    /// What it would change; only where that was asked for.
    pub preview: Option<Preview>,
    /// What the commands of a script would find here; only where the script was understood.
    pub script: Option<SeenScript>,
}

/// What the commands of a script would find, looked up before they run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenScript {
    /// The script runs with bash.
    pub has_bash: bool,
    /// Its programs that stand outside of the session's directories, by name.
    pub programs: Vec<String>,
    pub uses: Vec<SeenUse>,
}

/// A path of a script.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenUse {
    /// Seen from the session's `cwd`, as the script has it.
    pub written: String,
    pub is_written_to: bool,
    /// It is a directory.
    pub is_directory: bool,
    /// What belongs to Wharf itself lies below it.
    pub holds_state: bool,
    /// What it leads to; `None`: out of the session's directories, to what a file tool would leave alone, or nowhere.
    pub path: Option<SeenPath>,
    pub guarded: Option<GuardedPath>,
    /// Why, as a directory, it is not just a part of the workspace.
    pub foreign: Option<String>,
}

/// A file or directory, symbolic links followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPath {
    /// Relative in the session's `cwd`, absolute in a further directory.
    pub name: String,
    pub absolute: String,
}

/// A file that another program runs or trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardedPath {
    pub path: String,
    /// The part of the path that it is guarded for: a rule that allows has to name it.
    pub name: String,
    pub why: String,
}

impl SeenPath {
    /// The texts that patterns are matched with.
    #[must_use]
    pub fn forms(&self, cwd: &Path) -> Vec<String> {
        let mut forms = vec![self.name.clone()];
        for form in [cwd.join(&self.name).to_string_lossy().into_owned(), self.absolute.clone()] {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        forms
    }
}
