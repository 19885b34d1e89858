//! Simple commands: assignments, words, redirections.

use crate::reader::{Reader, Step, is_number};
use crate::reading::{Assignment, Command, Redirect, Target, Word};

impl Reader<'_, '_> {
    pub(crate) fn simple(&mut self) -> Step<()> {
        let mut command = Command {
            directories: self.found.directories.clone(),
            within: self.found.within,
            via: self.found.via,
            ..Command::default()
        };
        let (start, mut end) = (self.at, self.at);
        loop {
            self.found.step()?;
            self.blanks()?;
            match self.here() {
                b'(' => {
                    let [name] = command.words.as_slice() else { return Err("a parenthesis that is not read") };
                    let Some(name) = name.known().filter(|_| !name.quoted && command.assignments.is_empty()) else {
                        return Err("a parenthesis that is not read");
                    };
                    if !command.redirects.is_empty() {
                        return Err("a parenthesis that is not read");
                    }
                    let name = name.to_owned();
                    self.at += 1;
                    self.blanks()?;
                    return if self.take(")") { self.defined(name) } else { Err("a parenthesis that is not read") };
                }
                0 | b'\n' | b';' | b'|' | b')' => break,
                b'&' if self.byte(1) != b'>' => break,
                _ => {}
            }
            if self.redirect(&mut command)? {
                end = self.at;
                continue;
            }
            if command.words.is_empty() && self.assignment(&mut command)? {
                end = self.at;
                continue;
            }
            let from = self.at;
            let word = self.word()?;
            if self.at == from {
                return Err("a command that is not read");
            }
            command.words.push(word);
            end = self.at;
        }
        if end == start {
            return Err("a command is missing");
        }
        command.raw = self.text[start..end].to_owned();
        self.finish(command)
    }

    /// Takes the redirection here, if there is one.
    pub(crate) fn redirect(&mut self, command: &mut Command) -> Step<bool> {
        let rest = self.rest();
        if rest.starts_with('{') {
            let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || "{}_".contains(letter)));
            if end.is_some_and(|end| rest[..end].ends_with('}') && rest[end..].starts_with(['<', '>'])) {
                return Err("a redirection names its descriptor by a variable");
            }
        }
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let mark = &rest[digits..];
        let is_both = digits == 0 && mark.starts_with("&>");
        if !is_both && !mark.starts_with(['<', '>']) {
            return Ok(false);
        }
        if digits == 0 && (mark.starts_with("<(") || mark.starts_with(">(")) {
            return Ok(false);
        }
        if digits > 0 && matches!(mark.as_bytes().get(1), Some(b'(')) {
            return Err("a process substitution stands inside a word");
        }
        self.at += digits;
        if is_both {
            self.found.uses_bash = true;
            self.at += 2;
            self.take(">");
            return self.target(command, Target::Write).map(|()| true);
        }
        if self.take("<<<") {
            self.found.uses_bash = true;
            command.has_document = true;
            self.blanks()?;
            return if self.word()?.is_absent() { Err("a here-string without a text") } else { Ok(true) };
        }
        if self.take("<<") {
            command.has_document = true;
            return self.delimiter().map(|()| true);
        }
        if self.take("<&") {
            return self
                .duplicate()
                .and_then(|is_one| if is_one { Ok(true) } else { Err("a redirection that is not read") });
        }
        if self.take(">&") {
            if self.duplicate()? {
                return Ok(true);
            }
            self.found.uses_bash = true;
            return self.target(command, Target::Write).map(|()| true);
        }
        let target = if self.take("<>") || self.take(">>") || self.take(">|") || self.take(">") {
            Target::Write
        } else {
            self.at += 1;
            Target::Read
        };
        self.target(command, target).map(|()| true)
    }

    /// A descriptor or `-` behind `<&` or `>&`.
    fn duplicate(&mut self) -> Step<bool> {
        let rest = self.rest();
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let behind = rest[end..].strip_prefix('-').unwrap_or(&rest[end..]);
        let len = rest.len() - behind.len();
        if len == 0 {
            return Ok(false);
        }
        if !behind.is_empty() && !behind.starts_with([' ', '\t', '\n', ';', '&', '|', ')', '<', '>']) {
            return Err("a redirection that is not read");
        }
        self.at += len;
        Ok(true)
    }

    fn target(&mut self, command: &mut Command, target: Target) -> Step<()> {
        self.blanks()?;
        let word = self.word()?;
        if word.is_absent() {
            return Err("a redirection without a file");
        }
        command.redirects.push(Redirect { target, word });
        Ok(())
    }

    /// Takes the assignment here, if there is one.
    fn assignment(&mut self, command: &mut Command) -> Step<bool> {
        let name = self.name();
        if name.is_empty() {
            return Ok(false);
        }
        let behind = &self.rest()[name.len()..];
        if behind.starts_with('[') {
            return Err("an index is evaluated");
        }
        let mark = if behind.starts_with("+=") {
            self.found.uses_bash = true;
            2
        } else if behind.starts_with('=') {
            1
        } else {
            return Ok(false);
        };
        self.at += name.len() + mark;
        let is_count = self.is_at("$((");
        let start = self.at;
        let value = if self.take("(") { self.array()? } else { self.word()? };
        // Arithmetic alone, and nothing around it, gives a number.
        let is_count = is_count && self.text[start..self.at].ends_with("))") && value.text.chars().count() == 1;
        self.found.sets(name, mark == 1 && (is_count || is_number(&value)));
        self.found.sets_variable(name);
        command.assignments.push(Assignment { name: name.to_owned(), value });
        Ok(true)
    }

    fn array(&mut self) -> Step<Word> {
        self.found.uses_bash = true;
        loop {
            self.line_ends()?;
            if self.take(")") {
                return Ok(Word::unknown());
            }
            if self.here() == b'[' {
                return Err("an index is evaluated");
            }
            if self.word()?.is_absent() {
                return Err("an array that is not read");
            }
        }
    }
}
