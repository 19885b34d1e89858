//! Compound commands and functions.

use crate::reader::{Reader, Step};
use crate::reading::{Command, Directories};
use crate::within;

impl Reader<'_, '_> {
    /// One command of a pipe.
    pub(crate) fn command(&mut self) -> Step<()> {
        self.found.step()?;
        if self.found.depth == 0 {
            self.found.roots += 1;
        }
        self.blanks()?;
        if self.here() == b'(' {
            self.found.is_no_chain();
            if self.take("((") {
                self.found.uses_bash = true;
                self.arithmetic()?;
            } else {
                self.at += 1;
                self.subshell()?;
            }
            return self.redirected();
        }
        let Some(word) = self.reserved() else { return self.simple() };
        self.found.is_no_chain();
        self.at += word.len();
        self.deeper(|reader| match word {
            "{" => {
                reader.list()?;
                reader.keyword("}")
            }
            "if" => reader.choice(),
            "while" | "until" => reader.repeated(|reader| {
                reader.list()?;
                reader.body()
            }),
            "for" => reader.each(),
            "select" => {
                reader.found.sets("REPLY", false);
                reader.each()
            }
            "case" => reader.cases(),
            "[[" => reader.test(),
            "function" => reader.function(),
            _ => Err("a command that is not read"),
        })?;
        self.redirected()
    }

    /// Redirections behind a compound command.
    fn redirected(&mut self) -> Step<()> {
        let mut command = Command {
            directories: self.found.directories.clone(),
            within: self.found.within,
            via: self.found.via,
            ..Command::default()
        };
        loop {
            self.blanks()?;
            if !self.redirect(&mut command)? {
                break;
            }
        }
        if !command.redirects.is_empty() {
            self.found.push(command)?;
        }
        Ok(())
    }

    fn subshell(&mut self) -> Step<()> {
        self.apart(within::SUBSHELL, |reader| {
            reader.list()?;
            if reader.take(")") { Ok(()) } else { Err("a parenthesis is not closed") }
        })
    }

    fn choice(&mut self) -> Step<()> {
        let above = self.found.within;
        self.list()?;
        self.found.within |= within::CONDITION;
        loop {
            self.keyword("then")?;
            let before = self.found.directories.clone();
            self.list()?;
            self.found.directories = before.or(&self.found.directories);
            self.blanks()?;
            match self.reserved() {
                Some("elif") => {
                    self.at += 4;
                    self.list()?;
                }
                Some("else") => {
                    self.at += 4;
                    let before = self.found.directories.clone();
                    self.list()?;
                    self.found.directories = before.or(&self.found.directories);
                    self.found.within = above;
                    return self.keyword("fi");
                }
                _ => {
                    self.found.within = above;
                    return self.keyword("fi");
                }
            }
        }
    }

    /// A body that may run again: where it leaves the directory, its own commands run the next time.
    fn repeated(&mut self, work: impl FnOnce(&mut Self) -> Step<()>) -> Step<()> {
        let (before, above) = (self.found.directories.clone(), self.found.within);
        let first = self.found.commands.len();
        self.found.within |= within::LOOP;
        work(self)?;
        self.found.within = above;
        if self.found.directories != before {
            self.found.directories = Directories::Unknown;
            for command in &mut self.found.commands[first..] {
                command.directories = Directories::Unknown;
            }
        }
        Ok(())
    }

    fn body(&mut self) -> Step<()> {
        self.keyword("do")?;
        self.list()?;
        self.keyword("done")
    }

    fn each(&mut self) -> Step<()> {
        self.blanks()?;
        if self.take("((") {
            self.found.uses_bash = true;
            self.arithmetic()?;
            self.blanks()?;
            self.take(";");
            self.line_ends()?;
            return self.repeated(Self::body);
        }
        let name = self.name().to_owned();
        if name.is_empty() {
            return Err("a loop without a name");
        }
        self.at += name.len();
        self.line_ends()?;
        let mut is_number = false;
        if self.reserved() == Some("in") {
            self.at += 2;
            is_number = true;
            loop {
                self.blanks()?;
                let word = self.word()?;
                if word.is_absent() {
                    break;
                }
                is_number &= crate::reader::is_number(&word);
            }
        }
        self.found.sets(&name, is_number);
        self.found.sets_variable(&name);
        self.blanks()?;
        self.take(";");
        self.line_ends()?;
        self.repeated(Self::body)
    }

    fn cases(&mut self) -> Step<()> {
        self.blanks()?;
        if self.word()?.is_absent() {
            return Err("a case without a word");
        }
        self.line_ends()?;
        self.keyword("in")?;
        let (before, above) = (self.found.directories.clone(), self.found.within);
        self.found.within |= within::CONDITION;
        let mut after = before.clone();
        loop {
            self.line_ends()?;
            if self.reserved() == Some("esac") {
                self.at += 4;
                break;
            }
            // Older shells take a parenthesis without its partner for the end of the substitution around it.
            if !self.take("(") && self.found.within & within::SUBSTITUTION != 0 {
                return Err("a case in a substitution");
            }
            self.patterns()?;
            self.list()?;
            after = after.or(&self.found.directories);
            // With `;&` the next one runs, too.
            let falls = self.take(";;&") || self.take(";&");
            self.found.uses_bash |= falls;
            if !falls {
                self.found.directories = before.clone();
            }
            if !falls && !self.take(";;") {
                self.line_ends()?;
                self.keyword("esac")?;
                break;
            }
        }
        self.found.within = above;
        self.found.directories = after;
        Ok(())
    }

    fn patterns(&mut self) -> Step<()> {
        loop {
            self.blanks()?;
            if self.word()?.is_absent() {
                return Err("a pattern that is not read");
            }
            self.blanks()?;
            if self.take(")") {
                return Ok(());
            }
            if !self.take("|") {
                return Err("a pattern that is not read");
            }
        }
    }

    /// Behind `function`.
    fn function(&mut self) -> Step<()> {
        self.found.uses_bash = true;
        self.blanks()?;
        let name = self.word()?;
        let Some(name) = name.known().filter(|name| !name.is_empty()).map(str::to_owned) else {
            return Err("a function without a name");
        };
        self.blanks()?;
        if self.take("(") {
            self.blanks()?;
            if !self.take(")") {
                return Err("a function that is not read");
            }
        }
        self.defined(name)
    }

    /// The body of a function. It runs wherever it is called, if at all.
    pub(crate) fn defined(&mut self, name: String) -> Step<()> {
        self.found.is_no_chain();
        self.found.functions.insert(name);
        self.line_ends()?;
        if self.here() != b'('
            && !matches!(self.reserved(), Some("{" | "(" | "if" | "while" | "until" | "for" | "case" | "[["))
        {
            return Err("a function that is not read");
        }
        let before = std::mem::replace(&mut self.found.directories, Directories::Unknown);
        let above = self.found.within;
        self.found.within |= within::FUNCTION;
        let moved = std::mem::take(&mut self.found.moves);
        self.deeper(Self::command)?;
        self.found.within = above;
        // Whoever calls it may be elsewhere afterwards.
        self.found.directories = if self.found.moves { Directories::Unknown } else { before };
        self.found.moves |= moved;
        Ok(())
    }
}
