//! Lists and pipes.

use crate::reader::{Reader, Step};
use crate::reading::Joint;
use crate::within;

/// Words that are no program's where a command begins.
const RESERVED: [&str; 22] = [
    "if", "then", "elif", "else", "fi", "for", "in", "do", "done", "while", "until", "case", "esac", "{", "}", "!",
    "[[", "function", "select", "time", "coproc", "]]",
];

/// Those that end a list.
const CLOSING: [&str; 8] = ["then", "elif", "else", "fi", "do", "done", "esac", "}"];

impl Reader<'_, '_> {
    /// The whole text.
    pub(crate) fn script(&mut self) -> Step<()> {
        self.list()?;
        if !self.awaited.is_empty() {
            return Err("a here-document has no text");
        }
        if self.rest().is_empty() { Ok(()) } else { Err("something is closed that was not opened") }
    }

    /// The reserved word here, where a command begins.
    pub(crate) fn reserved(&self) -> Option<&'static str> {
        RESERVED.into_iter().find(|word| {
            self.is_at(word)
                && matches!(
                    self.byte(word.len()),
                    0 | b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>'
                )
        })
    }

    pub(crate) fn keyword(&mut self, word: &'static str) -> Step<()> {
        self.blanks()?;
        if self.reserved() == Some(word) {
            self.at += word.len();
            return Ok(());
        }
        Err("a compound command is not complete")
    }

    pub(crate) fn line_ends(&mut self) -> Step<()> {
        loop {
            self.blanks()?;
            if self.here() != b'\n' {
                return Ok(());
            }
            self.line_end()?;
        }
    }

    /// Commands up to what closes them.
    pub(crate) fn list(&mut self) -> Step<()> {
        loop {
            self.found.step()?;
            self.line_ends()?;
            if matches!(self.here(), 0 | b')') || self.is_at(";;") || self.is_at(";&") {
                return Ok(());
            }
            if self.reserved().is_some_and(|word| CLOSING.contains(&word)) {
                return Ok(());
            }
            let before = self.found.directories.clone();
            self.and_or()?;
            self.blanks()?;
            match self.here() {
                b';' if !matches!(self.byte(1), b';' | b'&') => {
                    self.at += 1;
                    self.found.joint(Joint::Then);
                }
                b'&' => {
                    self.at += 1;
                    self.found.directories = before;
                    self.found.joint(Joint::Beside);
                    continue;
                }
                b'\n' => {
                    self.line_end()?;
                    self.found.joint(Joint::Then);
                }
                _ => {
                    self.found.directories = before.or(&self.found.directories);
                    return Ok(());
                }
            }
            // It may have failed.
            self.found.directories = before.or(&self.found.directories);
        }
    }

    fn and_or(&mut self) -> Step<()> {
        let before = self.found.directories.clone();
        self.pipeline()?;
        loop {
            self.blanks()?;
            if self.take("&&") {
                self.found.joint(Joint::And);
            } else if self.take("||") {
                self.found.joint(Joint::Or);
                // Where the left side succeeds, the right one is passed over.
                let left = self.found.directories.clone();
                self.found.directories = before.or(&left);
                self.line_ends()?;
                self.pipeline()?;
                self.found.directories = left.or(&self.found.directories);
                continue;
            } else {
                return Ok(());
            }
            self.line_ends()?;
            self.pipeline()?;
        }
    }

    fn pipeline(&mut self) -> Step<()> {
        self.blanks()?;
        while let Some(word @ ("!" | "time")) = self.reserved() {
            self.found.step()?;
            self.at += word.len();
            if word == "time" {
                // A program of that name, elsewhere.
                self.found.uses_bash = true;
                self.blanks()?;
                if self.is_at("-p") && matches!(self.byte(2), b' ' | b'\t') {
                    self.at += 2;
                } else if self.here() == b'-' {
                    return Err("an option of `time` that is not read");
                }
            }
            self.blanks()?;
        }
        let (before, first) = (self.found.directories.clone(), self.found.commands.len());
        self.command()?;
        let mut is_piped = false;
        loop {
            self.blanks()?;
            if self.here() != b'|' || self.byte(1) == b'|' {
                break;
            }
            self.at += 1;
            self.found.uses_bash |= self.take("&");
            self.found.joint(Joint::Pipe);
            // Each part is a shell of its own.
            self.found.directories = before.clone();
            is_piped = true;
            self.line_ends()?;
            self.command()?;
        }
        if is_piped {
            self.found.directories = before;
            for command in &mut self.found.commands[first..] {
                command.within |= within::PIPE;
            }
        }
        Ok(())
    }
}
