//! What begins with `$`, a backquote, `<(` or `>(`.

use crate::reader::{Reader, Step, read_inner};
use crate::reading::Word;
use crate::within;

impl Reader<'_, '_> {
    /// At a `$`.
    pub(crate) fn dollar(&mut self, word: &mut Word, in_quotes: bool) -> Step<()> {
        match self.byte(1) {
            b'(' if self.byte(2) == b'(' => {
                self.at += 3;
                self.arithmetic()?;
            }
            b'(' => {
                self.at += 2;
                self.substitution()?;
            }
            b'{' => {
                self.at += 2;
                self.braces()?;
            }
            b'\'' if !in_quotes => {
                self.at += 2;
                return self.escaped(word);
            }
            b'"' if !in_quotes => {
                self.at += 2;
                self.found.uses_bash = true;
                self.double_quoted(word)?;
            }
            b'[' => {
                // An arithmetic of old shells: read where it has numbers alone.
                self.found.uses_bash = true;
                let rest = &self.rest()[2..];
                let end = rest
                    .find(|letter: char| !(letter.is_ascii_digit() || " +-*/%".contains(letter)))
                    .unwrap_or(rest.len());
                if !rest[end..].starts_with(']') {
                    return Err("`$[` evaluates what is not known");
                }
                self.at += end + 3;
            }
            b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!' => self.at += 2,
            byte if byte.is_ascii_digit() => self.at += 2,
            _ => {
                self.at += 1;
                let name = self.name();
                if name.is_empty() {
                    word.text.push('$');
                    return Ok(());
                }
                self.at += name.len();
            }
        }
        word.add_unknown(!in_quotes);
        Ok(())
    }

    /// Behind `$(` or `<(`.
    fn substitution(&mut self) -> Step<()> {
        // The text of a here-document outside would begin in here.
        let is_awaited = !self.awaited.is_empty();
        let start = self.at;
        self.apart(within::SUBSTITUTION, |reader| {
            let awaited = std::mem::take(&mut reader.awaited);
            reader.list()?;
            if !reader.awaited.is_empty() {
                return Err("a here-document has no text");
            }
            reader.awaited = awaited;
            if reader.take(")") { Ok(()) } else { Err("a substitution is not closed") }
        })?;
        if is_awaited && self.text[start..self.at].contains('\n') {
            return Err("a here-document begins inside something else");
        }
        Ok(())
    }

    pub(crate) fn process_substitution(&mut self) -> Step<()> {
        self.found.uses_bash = true;
        self.at += 2;
        self.substitution()
    }

    /// At a backquote. What is escaped in one is unescaped in ways that depend on where it stands.
    pub(crate) fn backquoted(&mut self, in_quotes: bool) -> Step<()> {
        let body = &self.rest()[1..];
        let end = body.find('`').ok_or("a backquote is not closed")?;
        let body = &body[..end];
        if body.contains('\\') || (in_quotes && body.contains('"')) {
            return Err("a backquote has marks that are escaped in it");
        }
        self.no_line_end(body)?;
        self.at += end + 2;
        self.apart(within::SUBSTITUTION, |reader| read_inner(body, reader.found, None))
    }

    /// Behind `$'`. What the escapes stand for is left unknown but for the plainest.
    fn escaped(&mut self, word: &mut Word) -> Step<()> {
        self.found.uses_bash = true;
        word.quoted = true;
        loop {
            match self.letter()? {
                '\'' => return Ok(()),
                '\\' => match self.letter()? {
                    'n' => word.text.push('\n'),
                    't' => word.text.push('\t'),
                    letter @ ('\\' | '\'' | '"') => word.text.push(letter),
                    _ => word.add_unknown(false),
                },
                '\n' if !self.awaited.is_empty() => return Err("a here-document begins inside something else"),
                letter => word.text.push(letter),
            }
        }
    }

    /// Behind `${`.
    fn braces(&mut self) -> Step<()> {
        if self.here() == b'#' && self.byte(1) != b'}' {
            self.at += 1;
            self.parameter()?;
            return self.closing();
        }
        self.parameter()?;
        match self.here() {
            b'}' => self.closing(),
            b':' if matches!(self.byte(1), b'-' | b'+' | b'?') => {
                self.at += 2;
                self.operand()
            }
            b':' if matches!(self.byte(1), b'0'..=b'9' | b' ') => {
                self.found.uses_bash = true;
                let rest = &self.rest()[1..];
                let end = rest.find('}').ok_or("`${` is not closed")?;
                if !rest[..end].bytes().all(|byte| matches!(byte, b'0'..=b'9' | b' ' | b'-' | b':')) {
                    return Err("`${` has an arithmetic in it");
                }
                self.at += 1 + end;
                self.closing()
            }
            b'-' | b'+' | b'?' | b'#' | b'%' => {
                self.at += 1;
                self.operand()
            }
            b'/' | b'^' | b',' => {
                self.found.uses_bash = true;
                self.at += 1;
                self.operand()
            }
            _ => Err("a form of `${` that is not read"),
        }
    }

    fn parameter(&mut self) -> Step<()> {
        let rest = self.rest();
        let name = self.name();
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        match (name.len(), digits) {
            (0, 0) if rest.starts_with(['@', '*', '#', '?', '-', '$', '!']) => {
                // Before a name it stands for that name's value's value.
                if rest.starts_with('!') && self.byte(1) != b'}' {
                    return Err("`${!` names a variable by another one");
                }
                self.at += 1;
            }
            (0, 0) => return Err("a form of `${` that is not read"),
            (0, digits) => self.at += digits,
            (name, _) => self.at += name,
        }
        if self.here() == b'[' {
            self.found.uses_bash = true;
            let rest = self.rest();
            let end = rest.find(']').ok_or("`${` is not closed")?;
            let index = &rest[1..end];
            if !matches!(index, "@" | "*") && !index.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err("an index is evaluated");
            }
            self.at += end + 1;
        }
        Ok(())
    }

    /// The text behind an operator, up to the closing brace.
    fn operand(&mut self) -> Step<()> {
        let mut ignored = Word::default();
        loop {
            match self.here() {
                b'}' => return self.closing(),
                b'\'' | b'"' | b'\\' | b'`' | b'{' | b'\n' | b'<' | b'>' => return Err("`${` has quotes in it"),
                b'$' => self.deeper(|reader| reader.dollar(&mut ignored, true))?,
                _ => self.pass()?,
            }
        }
    }

    fn closing(&mut self) -> Step<()> {
        if self.take("}") { Ok(()) } else { Err("a form of `${` that is not read") }
    }
}
