//! `[[ ... ]]`: it runs nothing, but compares numbers by evaluating them.

use crate::reader::{Reader, Step, is_number};

impl Reader<'_, '_> {
    /// Behind `[[`.
    pub(crate) fn test(&mut self) -> Step<()> {
        self.found.uses_bash = true;
        let mut compares_number = false;
        loop {
            self.found.step()?;
            self.line_ends()?;
            if self.reserved() == Some("]]") {
                self.at += 2;
                return Ok(());
            }
            if self.take("&&") || self.take("||") || self.take("(") || self.take(")") {
                continue;
            }
            if matches!(self.here(), b'<' | b'>') && self.byte(1) != b'(' {
                self.at += 1;
                continue;
            }
            let start = self.at;
            let word = self.word()?;
            match word.text.as_str() {
                _ if word.is_absent() => return Err("a test that is not read"),
                "-v" | "-R" if !word.quoted => return Err("a test evaluates an index"),
                "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
                    self.blanks()?;
                    let number = self.word()?;
                    // The other side stands before, and is evaluated too.
                    if !is_number(&number) || !compares_number {
                        return Err("a test evaluates what may be any text");
                    }
                }
                "=~" => {
                    self.blanks()?;
                    let start = self.at;
                    if self.word()?.is_absent() || self.text[start..self.at].contains(['{', '}']) {
                        return Err("a test that is not read");
                    }
                    if !matches!(self.here(), b' ' | b'\t') {
                        return Err("a test that is not read");
                    }
                }
                _ => {}
            }
            // Of an operator that compares numbers, both sides are evaluated.
            compares_number = is_number(&word) || matches!(self.text[start..self.at].trim_matches('"'), "$#" | "$?");
        }
    }
}
