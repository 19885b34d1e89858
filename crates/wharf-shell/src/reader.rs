//! The reader's place in a text, and what it has found so far.

use std::collections::{BTreeMap, BTreeSet};

use wharf_foreign::visible::is_hidden;

use crate::reading::{Command, Directories, Joint, Reading, Word};
use crate::{COMMANDS_MAX, DEPTH_MAX, SCRIPT_MAX_BYTES, STEPS_MAX, UNKNOWN};

/// Why the reader stops. What follows is not read.
pub(crate) type Step<T> = Result<T, &'static str>;

/// What a script runs.
#[must_use]
pub fn read(script: &str) -> Reading {
    let mut found = Found::default();
    let doubt = match refused_at_sight(script) {
        Some(why) => Some(why),
        None => Reader::new(script, &mut found).script().err(),
    };
    found.close(doubt)
}

fn refused_at_sight(script: &str) -> Option<&'static str> {
    if script.len() > SCRIPT_MAX_BYTES {
        return Some("it is too long to be read");
    }
    let is_refused = |letter: char| {
        letter == UNKNOWN || (letter != '\n' && letter != '\t' && (letter.is_control() || is_hidden(letter)))
    };
    if script.chars().any(is_refused) {
        return Some("it has characters that are not seen");
    }
    // In some locales the end of such a letter is taken together with what follows.
    let glued = |pair: (char, char)| !pair.0.is_ascii() && matches!(pair.1, '\\' | '`' | '|');
    if script.chars().zip(script.chars().skip(1)).any(glued) {
        return Some("a letter that is not ASCII stands before a mark of the shell");
    }
    None
}

/// What is known of a script so far, shared by the readers of scripts in it.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) commands: Vec<Command>,
    /// The first reason why nothing in this script is what it seems to be.
    pub(crate) doubt: Option<String>,
    /// Commands may run that were not found.
    pub(crate) is_partial: bool,
    pub(crate) uses_bash: bool,
    pub(crate) directories: Directories,
    pub(crate) within: u8,
    pub(crate) via: Option<usize>,
    pub(crate) depth: usize,
    /// A command changes the directory.
    pub(crate) moves: bool,
    pub(crate) functions: BTreeSet<String>,
    /// Names whose values arithmetic would evaluate.
    pub(crate) counted: BTreeSet<String>,
    /// Names that the script sets, and whether to numbers alone.
    pub(crate) set: BTreeMap<String, bool>,
    joints: Vec<Joint>,
    /// So many commands stand in no other one.
    pub(crate) roots: usize,
    is_chain: bool,
    is_compound: bool,
    steps: u32,
}

impl Found {
    pub(crate) fn step(&mut self) -> Step<()> {
        self.steps += 1;
        if self.steps > STEPS_MAX { Err("it takes too many steps to read") } else { Ok(()) }
    }

    pub(crate) fn push(&mut self, command: Command) -> Step<usize> {
        if self.commands.len() >= COMMANDS_MAX {
            return Err("it has too many commands");
        }
        self.commands.push(command);
        Ok(self.commands.len() - 1)
    }

    /// Nothing of the script is what it seems to be.
    pub(crate) fn distrust(&mut self, why: impl Into<String>) {
        self.doubt.get_or_insert_with(|| why.into());
    }

    /// It may run what was not found.
    pub(crate) fn misses(&mut self, why: impl Into<String>) {
        self.is_partial = true;
        self.distrust(why);
    }

    pub(crate) fn joint(&mut self, joint: Joint) {
        if self.depth == 0 {
            self.joints.push(joint);
        }
    }

    pub(crate) fn is_no_chain(&mut self) {
        self.is_compound = true;
    }

    pub(crate) fn sets(&mut self, name: &str, to_number: bool) {
        let known = self.set.entry(name.to_owned()).or_insert(true);
        *known &= to_number;
    }

    fn close(mut self, stopped: Option<&'static str>) -> Reading {
        // The shell sets `_` to the last word of each command.
        let is_number = |name: &&String| match self.set.get(*name) {
            _ if *name == "_" => false,
            Some(is_number) => *is_number,
            None => matches!(name.as_str(), "RANDOM" | "SECONDS" | "LINENO" | "UID" | "EUID" | "PPID"),
        };
        if let Some(name) = self.counted.iter().find(|name| !is_number(name)) {
            self.misses(format!("arithmetic evaluates {name}, which may be any text"));
        }
        for command in &mut self.commands {
            if command.program().is_some_and(|program| self.functions.contains(program)) {
                command.doubt.get_or_insert_with(|| "it is a function of the script".to_owned());
            }
        }
        self.is_chain = !self.is_compound && stopped.is_none();
        // A separator at the end joins nothing.
        if self.joints.len() >= self.roots && self.joints.last() == Some(&Joint::Then) {
            self.joints.pop();
        }
        Reading {
            commands: self.commands,
            is_partial: self.is_partial || stopped.is_some(),
            doubt: stopped.map(str::to_owned).or(self.doubt),
            joints: self.is_chain.then_some(self.joints),
            uses_bash: self.uses_bash,
        }
    }
}

/// A here-document whose text begins behind the next line end.
#[derive(Debug)]
pub(crate) struct Awaited {
    pub(crate) delimiter: String,
    pub(crate) is_literal: bool,
    pub(crate) strips_tabs: bool,
}

/// Reads one text.
pub(crate) struct Reader<'t, 'f> {
    pub(crate) text: &'t str,
    pub(crate) at: usize,
    pub(crate) awaited: Vec<Awaited>,
    pub(crate) found: &'f mut Found,
}

impl<'t, 'f> Reader<'t, 'f> {
    pub(crate) fn new(text: &'t str, found: &'f mut Found) -> Self {
        Self { text, at: 0, awaited: Vec::new(), found }
    }

    pub(crate) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The byte here; all marks of a shell are single bytes. 0 stands for the end: the text has none.
    pub(crate) fn here(&self) -> u8 {
        self.byte(0)
    }

    pub(crate) fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(crate) fn is_at(&self, mark: &str) -> bool {
        self.rest().starts_with(mark)
    }

    pub(crate) fn take(&mut self, mark: &str) -> bool {
        let is_here = self.is_at(mark);
        if is_here {
            self.at += mark.len();
        }
        is_here
    }

    /// The letter here, and a step behind it.
    pub(crate) fn letter(&mut self) -> Step<char> {
        self.found.step()?;
        let letter = self.rest().chars().next().ok_or("it ends in the middle")?;
        self.at += letter.len_utf8();
        Ok(letter)
    }

    pub(crate) fn pass(&mut self) -> Step<()> {
        self.letter().map(|_| ())
    }

    /// Does something one level deeper.
    pub(crate) fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        if self.found.depth >= DEPTH_MAX {
            return Err("it is nested too deeply");
        }
        self.found.depth += 1;
        let done = work(self);
        self.found.depth -= 1;
        done
    }

    /// The same for what runs in a shell of its own: directories that it enters are its own.
    pub(crate) fn apart<T>(&mut self, mark: u8, work: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        let (directories, within) = (self.found.directories.clone(), self.found.within);
        self.found.within |= mark;
        let done = self.deeper(work);
        self.found.directories = directories;
        self.found.within = within;
        done
    }

    /// The name of a variable or function here, or nothing.
    pub(crate) fn name(&self) -> &'t str {
        let rest = self.rest();
        if rest.starts_with(|letter: char| letter.is_ascii_digit()) {
            return "";
        }
        let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).unwrap_or(rest.len());
        &rest[..end]
    }
}

/// Reads a script that stands in another one, and what it runs is started by the command at `via`.
pub(crate) fn read_inner(script: &str, found: &mut Found, via: Option<usize>) -> Step<()> {
    if found.depth >= DEPTH_MAX {
        return Err("it is nested too deeply");
    }
    if let Some(why) = refused_at_sight(script) {
        return Err(why);
    }
    let above = found.via;
    found.via = via.or(above);
    found.depth += 1;
    let done = Reader::new(script, found).script();
    found.depth -= 1;
    found.via = above;
    done
}

/// Whether a word is one of a kind that a shell takes apart no further.
pub(crate) fn is_number(word: &Word) -> bool {
    word.known()
        .is_some_and(|text| !text.is_empty() && text.len() < 19 && text.bytes().all(|byte| byte.is_ascii_digit()))
}
