//! Words: quotes, patterns, and where a word ends.

use crate::UNKNOWN;
use crate::reader::{Reader, Step};
use crate::reading::{Word, WordKind};

impl Reader<'_, '_> {
    /// Blanks, and line ends that are taken back with a backslash. A comment is skipped up to its line end.
    pub(crate) fn blanks(&mut self) -> Step<()> {
        loop {
            match self.here() {
                b' ' | b'\t' => self.at += 1,
                b'\\' if self.byte(1) == b'\n' => {
                    if !self.awaited.is_empty() {
                        return Err("a line goes on where a here-document should begin");
                    }
                    self.at += 2;
                }
                b'#' if self.is_word_start() => {
                    let line = self.rest().split('\n').next().unwrap_or_default();
                    // Older shells look for quotes there.
                    if self.found.within & crate::within::SUBSTITUTION != 0 {
                        return Err("a comment stands in a substitution");
                    }
                    self.at += line.len();
                }
                _ => return Ok(()),
            }
            self.found.step()?;
        }
    }

    /// Nothing of a word stands directly before.
    fn is_word_start(&self) -> bool {
        let before = self.text.as_bytes().get(self.at.wrapping_sub(1)).copied().unwrap_or(b'\n');
        matches!(before, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')
    }

    /// The word here; empty where there is none.
    pub(crate) fn word(&mut self) -> Step<Word> {
        let mut word = Word::default();
        let start = self.at;
        loop {
            let is_first = self.at == start;
            match self.here() {
                0 | b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' => break,
                b'<' | b'>' => {
                    if self.byte(1) != b'(' {
                        break;
                    }
                    if !is_first {
                        return Err("a process substitution stands inside a word");
                    }
                    self.process_substitution()?;
                    word.add_unknown(false);
                }
                b'\\' => {
                    self.at += 1;
                    if matches!(self.here(), 0 | b'\n') {
                        return Err("a line goes on inside a word");
                    }
                    let letter = self.letter()?;
                    word.add_quoted(letter);
                }
                b'\'' => {
                    let body = self.single_quoted()?;
                    word.quoted = true;
                    word.text.push_str(body);
                }
                b'"' => {
                    self.at += 1;
                    word.quoted = true;
                    self.double_quoted(&mut word)?;
                }
                b'$' => self.dollar(&mut word, false)?,
                b'`' => {
                    self.backquoted(false)?;
                    word.add_unknown(true);
                }
                b'*' | b'?' | b'[' => {
                    let letter = self.letter()?;
                    word.add_glob(letter);
                }
                b'{' if self.may_expand_braces() => {
                    self.at += 1;
                    self.found.uses_bash = true;
                    word.add_unknown(true);
                }
                b'~' if is_first => {
                    self.at += 1;
                    if matches!(self.here(), 0 | b'/' | b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')') {
                        word.add_glob('~');
                    } else {
                        word.add_unknown(false);
                    }
                }
                _ => {
                    let letter = self.letter()?;
                    if !letter.is_ascii() && letter.is_whitespace() {
                        return Err("it has blanks that are not ASCII");
                    }
                    word.text.push(letter);
                }
            }
        }
        // As a word of its own it is a program's name.
        if word.kind == WordKind::Glob && word.text == "[" {
            word.kind = WordKind::Literal;
        }
        Ok(word)
    }

    /// A `{` whose word goes on with what makes several words of it.
    fn may_expand_braces(&self) -> bool {
        const LOOKED_AT: usize = 128;
        let rest = self.rest();
        let near = &rest[..rest.floor_char_boundary(LOOKED_AT)];
        let Some(end) =
            near.find([' ', '\t', '\n', ';', '&', '|', '<', '>']).or((near.len() == rest.len()).then_some(rest.len()))
        else {
            return true;
        };
        // In quotes it may go on behind a blank.
        near[..end].contains(['\'', '"', '\\', '$', '`', ',']) || near[..end].contains("..")
    }

    fn single_quoted(&mut self) -> Step<&str> {
        let body = &self.rest()[1..];
        let end = body.find('\'').ok_or("a quote is not closed")?;
        self.no_line_end(&body[..end])?;
        self.at += end + 2;
        Ok(&body[..end])
    }

    /// Behind the opening mark, up to and with the closing one.
    pub(crate) fn double_quoted(&mut self, word: &mut Word) -> Step<()> {
        loop {
            match self.here() {
                0 => return Err("a quote is not closed"),
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => match self.byte(1) {
                    0 => return Err("a quote is not closed"),
                    b'\n' => {
                        self.no_line_end("\n")?;
                        self.at += 2;
                    }
                    b'$' | b'`' | b'"' | b'\\' => {
                        self.at += 1;
                        let letter = self.letter()?;
                        word.text.push(letter);
                    }
                    _ => {
                        self.at += 1;
                        word.text.push('\\');
                    }
                },
                b'$' => self.dollar(word, true)?,
                b'`' => {
                    self.backquoted(true)?;
                    word.add_unknown(false);
                }
                _ => {
                    let letter = self.letter()?;
                    if letter == '\n' {
                        self.no_line_end("\n")?;
                    }
                    word.text.push(letter);
                }
            }
            self.found.step()?;
        }
    }

    /// A here-document begins behind the line, and not inside quotes.
    pub(crate) fn no_line_end(&self, text: &str) -> Step<()> {
        if !self.awaited.is_empty() && text.contains('\n') {
            return Err("a here-document begins inside something else");
        }
        Ok(())
    }
}

impl Word {
    pub(crate) fn add_unknown(&mut self, splits: bool) {
        self.text.push(UNKNOWN);
        self.kind = WordKind::Unknown;
        self.splits |= splits;
    }

    pub(crate) fn add_quoted(&mut self, letter: char) {
        self.text.push(letter);
        self.quoted = true;
    }

    fn add_glob(&mut self, letter: char) {
        self.text.push(letter);
        if self.kind == WordKind::Literal {
            self.kind = WordKind::Glob;
        }
    }

    /// Nothing at all stands there.
    pub(crate) fn is_absent(&self) -> bool {
        self.text.is_empty() && !self.quoted
    }
}
