//! Arithmetic: it evaluates the values of names, and an index in such a value is evaluated by running what stands in it.

use crate::reader::{Reader, Step};

impl Reader<'_, '_> {
    /// Behind `((`, up to and with `))`.
    pub(crate) fn arithmetic(&mut self) -> Step<()> {
        let mut open = 0usize;
        loop {
            self.found.step()?;
            match self.here() {
                b'(' => {
                    open += 1;
                    self.at += 1;
                }
                b')' if open > 0 => {
                    open -= 1;
                    self.at += 1;
                }
                b')' => return if self.take("))") { Ok(()) } else { Err("an arithmetic is not closed") },
                b'$' => self.counted()?,
                b'0'..=b'9' => {
                    let rest = self.rest();
                    let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
                    self.at += end;
                    if matches!(self.here(), b'#' | b'_' | b'@') {
                        return Err("a number of another base");
                    }
                }
                byte if byte == b'_' || byte.is_ascii_alphabetic() => self.number_or_name(),
                b' ' | b'\t' | b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!' | b'&' | b'|' | b'^'
                | b'~' | b'?' | b':' | b',' | b';' => self.at += 1,
                _ => return Err("an arithmetic that is not read"),
            }
        }
    }

    fn number_or_name(&mut self) {
        let name = self.name();
        self.at += name.len();
        // It may be set in many ways.
        self.found.sets_variable(name);
        let rest = self.rest().trim_start_matches([' ', '\t']);
        if rest.starts_with('=') && !rest.starts_with("==") {
            self.found.sets(name, true);
        } else {
            self.found.counted.insert(name.to_owned());
        }
    }

    /// At a `$` inside: only names whose values are known to be numbers.
    fn counted(&mut self) -> Step<()> {
        self.at += 1;
        if matches!(self.here(), b'#' | b'?' | b'$' | b'!') {
            self.at += 1;
            return Ok(());
        }
        let is_braced = self.take("{");
        let name = self.name();
        if name.is_empty() {
            return Err("an arithmetic evaluates what another command says");
        }
        self.at += name.len();
        self.found.counted.insert(name.to_owned());
        if is_braced && !self.take("}") {
            return Err("an arithmetic evaluates what is not known");
        }
        Ok(())
    }
}
