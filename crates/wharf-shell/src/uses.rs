//! The files and directories that a command uses, as far as its words tell.

use crate::reading::{Command, Target, WordKind};
use crate::reads::Reads;

/// A path seen from where the script starts, absolute, or beginning with `~`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    pub path: String,
    pub way: Way,
    /// Also what lies below it.
    pub is_deep: bool,
    /// Of a directory, what links in it lead to.
    pub follows: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Read,
    Write,
    /// It runs there.
    Enter,
}

/// What a command's redirections and its directory use. `None`: not all of it is known.
#[must_use]
pub fn around(command: &Command) -> Option<Vec<Use>> {
    let directories = command.directories.paths()?;
    let mut uses: Vec<Use> = directories
        .iter()
        .filter(|path| !path.is_empty())
        .map(|path| Use { path: (*path).to_owned(), way: Way::Enter, is_deep: false, follows: false })
        .collect();
    for redirect in &command.redirects {
        let is_home = redirect.word.kind == WordKind::Glob && redirect.word.text.starts_with('~');
        let text = redirect.word.known().or(is_home.then_some(redirect.word.text.as_str()))?;
        let way = if redirect.target == Target::Read { Way::Read } else { Way::Write };
        uses.extend(directories.iter().map(|above| Use {
            path: beneath(above, text),
            way,
            is_deep: false,
            follows: false,
        }));
    }
    Some(uses)
}

/// What a command that only reads uses beside that.
#[must_use]
pub fn of_reads(command: &Command, reads: &Reads) -> Option<Vec<Use>> {
    let directories = command.directories.paths()?;
    let way = if command.program() == Some("cd") { Way::Enter } else { Way::Read };
    let of_path = |path: &String| {
        let of_directory =
            |above: &&str| Use { path: beneath(above, path), way, is_deep: reads.is_deep, follows: reads.follows };
        directories.iter().map(of_directory).collect::<Vec<_>>()
    };
    Some(reads.paths.iter().flat_map(of_path).collect())
}

/// What may be a path in the words of any command.
#[must_use]
pub fn guessed(command: &Command) -> Vec<String> {
    const LONGEST: usize = 4_096;
    let directories = command.directories.paths().unwrap_or_else(|| vec![""]);
    let mut paths = Vec::new();
    for word in command.words.iter().skip(1).filter(|word| word.kind != WordKind::Unknown && word.text.len() <= LONGEST)
    {
        let text = if word.text.starts_with('-') {
            word.text.split_once('=').map_or("", |(_, value)| value)
        } else {
            &word.text
        };
        if !text.is_empty() && !text.contains('\n') {
            paths.extend(directories.iter().map(|above| beneath(above, text)));
        }
    }
    paths
}

/// A path seen from a directory.
#[must_use]
pub fn beneath(above: &str, path: &str) -> String {
    if above.is_empty() || path.starts_with('/') || path.starts_with('~') {
        return path.to_owned();
    }
    format!("{}/{path}", above.trim_end_matches('/'))
}
