//! What a script was read as.

use crate::UNKNOWN;

/// What a script would run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Every simple command, also those that wrappers and substitutions start. Of a script that is not understood: those before the
    /// place where it stops being so.
    pub commands: Vec<Command>,
    /// Why the script is not understood, or why its commands are not what they seem to be. `None`: it is.
    pub doubt: Option<String>,
    /// With a doubt: it may run commands that are not among [`Reading::commands`]. Else they are all there, and it is their meaning that
    /// something in the script changes.
    pub is_partial: bool,
    /// What stands between the commands of a plain chain; `None`: the script is something else.
    pub joints: Option<Vec<Joint>>,
    /// Another shell than bash would read it differently.
    pub uses_bash: bool,
}

/// Between two commands of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// `;` or a line end.
    Then,
    And,
    Or,
    Pipe,
    /// `&`.
    Beside,
}

/// One program or builtin with its words.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Command {
    /// As it stands in its script; empty for what a wrapper starts.
    pub raw: String,
    /// The program first. Empty: only assignments or redirections.
    pub words: Vec<Word>,
    /// Before the program: `A=1 program`.
    pub assignments: Vec<Assignment>,
    pub redirects: Vec<Redirect>,
    /// A here-document or here-string is its input.
    pub has_document: bool,
    /// Where it may run, seen from where the script starts.
    pub directories: Directories,
    /// Bits of [`within`].
    pub within: u8,
    /// The place of the command that starts this one, in [`Reading::commands`].
    pub via: Option<usize>,
    pub wrapper: Wrapper,
    /// Why it is not known what this command does.
    pub doubt: Option<String>,
    /// Where a command stands that this one starts, if it is not among [`Reading::commands`].
    pub hides: Hides,
}

/// Whether a command starts another one in a way that is not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hides {
    #[default]
    Nothing,
    /// Something in its words: some of them, or one that is a script.
    InWords,
    /// What it finds when it runs: its input, the value of a variable.
    Elsewhere,
}

/// What a command stands in.
pub mod within {
    pub const PIPE: u8 = 1;
    pub const LOOP: u8 = 2;
    pub const SUBSTITUTION: u8 = 4;
    pub const FUNCTION: u8 = 8;
    pub const CONDITION: u8 = 16;
    pub const SUBSHELL: u8 = 32;
}

/// Whether a command starts another one that stands in its words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wrapper {
    #[default]
    None,
    /// It adds nothing to what it starts: `timeout 5`, `nice`, `env` without more.
    Plain,
    /// It starts the command with other rights, operands or an unknown number of times.
    Other,
}

/// Directories that a command may run in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Directories {
    /// Where the script starts.
    #[default]
    Start,
    /// One of these: relative to where the script starts, absolute, or beginning with `~`; without a meaning given to `..`.
    Among(Vec<String>),
    Unknown,
}

/// A redirection to or from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Redirect {
    pub target: Target,
    pub word: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Read,
    Write,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    pub name: String,
    pub value: Word,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WordKind {
    /// The text is what the program gets.
    #[default]
    Literal,
    /// The text is a pattern of file names, or begins with `~`.
    Glob,
    /// Parts of it, [`UNKNOWN`] in the text, are known only when the command runs.
    Unknown,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Word {
    pub text: String,
    pub kind: WordKind,
    /// It may become several words, or none.
    pub splits: bool,
    /// Some of it was quoted: it is no reserved word and no assignment.
    pub quoted: bool,
}

impl Word {
    pub(crate) fn unknown() -> Self {
        Self { text: UNKNOWN.to_string(), kind: WordKind::Unknown, splits: true, quoted: false }
    }

    /// The text, if it is the one that the program gets.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        (self.kind == WordKind::Literal).then_some(self.text.as_str())
    }

    /// As a shell would take it back.
    fn in_quotes(&self) -> String {
        let is_plain = |letter: char| letter.is_alphanumeric() || "_-./:=,+@%^".contains(letter);
        if self.kind != WordKind::Literal || (!self.text.is_empty() && self.text.chars().all(is_plain)) {
            return self.text.clone();
        }
        format!("'{}'", self.text.replace('\'', r"'\''"))
    }
}

impl Command {
    /// The program, if it is known.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        self.words.first()?.known()
    }

    /// The words with one blank between them, quoted where a shell would read them differently otherwise.
    #[must_use]
    pub fn rendered(&self) -> String {
        join(self.words.iter().map(Word::in_quotes))
    }

    /// The words' own texts with one blank between them.
    #[must_use]
    pub fn plain(&self) -> String {
        join(self.words.iter().map(|word| word.text.clone()))
    }

    /// For people: with assignments, redirections, and `…` for what is not known.
    #[must_use]
    pub fn shown(&self) -> String {
        let assignments = self.assignments.iter().map(|set| format!("{}={}", set.name, set.value.in_quotes()));
        let redirects = self.redirects.iter().map(|redirect| {
            let mark = if redirect.target == Target::Read { "<" } else { ">" };
            format!("{mark} {}", redirect.word.in_quotes())
        });
        let text = join(assignments.chain(self.words.iter().map(Word::in_quotes)).chain(redirects));
        text.replace(UNKNOWN, "…")
    }
}

/// The path without its `..`, where one stands behind a name.
fn by_text(path: &str) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    let mut is_other = false;
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." && kept.last().is_some_and(|last| !matches!(*last, ".." | "~")) {
            kept.pop();
            is_other = true;
        } else {
            kept.push(part);
        }
    }
    let start = if path.starts_with('/') { "/" } else { "" };
    is_other.then(|| format!("{start}{}", kept.join("/")))
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" ")
}

impl Directories {
    /// After `cd path`, which certainly succeeded. Behind a link a shell goes up by the path's text, programs by the directory's own
    /// parent: both count.
    pub(crate) fn enter(&self, path: &str) -> Self {
        let is_whole = path.starts_with('/') || path.starts_with('~');
        let above = match self {
            _ if is_whole => vec![""],
            Self::Unknown => return Self::Unknown,
            Self::Start => vec![""],
            Self::Among(paths) => paths.iter().map(String::as_str).collect(),
        };
        let below = |above: &str| if above.is_empty() { path.to_owned() } else { format!("{above}/{path}") };
        let entered = above.into_iter().map(below).flat_map(|path| [by_text(&path), Some(path)]).flatten();
        entered
            .fold(None, |all: Option<Self>, path| {
                let one = Self::Among(vec![path]);
                Some(all.map_or_else(|| one.clone(), |all| all.or(&one)))
            })
            .unwrap_or_default()
    }

    /// Either of them; past a few it is unknown.
    pub(crate) fn or(&self, other: &Self) -> Self {
        const MAX: usize = 4;
        if self == other {
            return self.clone();
        }
        let list = |of: &Self| match of {
            Self::Start => Some(vec![String::new()]),
            Self::Among(paths) => Some(paths.clone()),
            Self::Unknown => None,
        };
        let (Some(mut all), Some(others)) = (list(self), list(other)) else { return Self::Unknown };
        for path in others {
            if !all.contains(&path) {
                all.push(path);
            }
        }
        if all.len() > MAX { Self::Unknown } else { Self::Among(all) }
    }

    /// The paths, the start as an empty one; `None`: unknown.
    #[must_use]
    pub fn paths(&self) -> Option<Vec<&str>> {
        match self {
            Self::Start => Some(vec![""]),
            Self::Among(paths) => Some(paths.iter().map(String::as_str).collect()),
            Self::Unknown => None,
        }
    }
}
