//! Here-documents: where their text ends, and what is expanded in it.

use crate::reader::{Awaited, Found, Reader, Step};
use crate::reading::Word;
use crate::within;

impl Reader<'_, '_> {
    /// Behind `<<`: the delimiter.
    pub(crate) fn delimiter(&mut self) -> Step<()> {
        let strips_tabs = self.take("-");
        self.blanks()?;
        let start = self.at;
        let rest = self.rest();
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_.!%+:,@".contains(letter) || letter == '-';
        let (quote, body) = match self.here() {
            quote @ (b'\'' | b'"') => (quote, &rest[1..]),
            b'\\' => (b'\\', &rest[1..]),
            _ => (0, rest),
        };
        let end = body.find(|letter: char| !is_plain(letter)).unwrap_or(body.len());
        let delimiter = body[..end].to_owned();
        self.at = start + end + usize::from(quote != 0);
        if matches!(quote, b'\'' | b'"') {
            if self.here() != quote {
                return Err("a here-document with a delimiter that is not read");
            }
            self.at += 1;
        }
        if delimiter.is_empty()
            || !matches!(self.here(), 0 | b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')' | b'>' | b'<')
        {
            return Err("a here-document with a delimiter that is not read");
        }
        self.awaited.push(Awaited { delimiter, is_literal: quote != 0, strips_tabs });
        Ok(())
    }

    /// At a line end: behind it stand the texts of the here-documents of this line.
    pub(crate) fn line_end(&mut self) -> Step<()> {
        self.at += 1;
        for document in std::mem::take(&mut self.awaited) {
            self.document(&document)?;
        }
        Ok(())
    }

    fn document(&mut self, document: &Awaited) -> Step<()> {
        let start = self.at;
        loop {
            self.found.step()?;
            let rest = self.rest();
            if rest.is_empty() {
                return Err("a here-document has no end");
            }
            let line = rest.split('\n').next().unwrap_or_default();
            let compared = if document.strips_tabs { line.trim_start_matches('\t') } else { line };
            if compared == document.delimiter {
                break;
            }
            if !document.is_literal && line.ends_with('\\') {
                return Err("a line of a here-document goes on");
            }
            self.at += line.len();
            if !self.take("\n") {
                return Err("a here-document has no end");
            }
        }
        let body = &self.text[start..self.at];
        let line = self.rest().split('\n').next().unwrap_or_default();
        // The line end behind the delimiter is left for the caller to see.
        self.at += line.len();
        if document.is_literal {
            return Ok(());
        }
        self.apart(within::SUBSTITUTION, |reader| expanded(body, reader.found))
    }
}

/// What is expanded in the text of a here-document.
fn expanded(body: &str, found: &mut Found) -> Step<()> {
    let mut reader = Reader::new(body, found);
    let mut ignored = Word::default();
    loop {
        match reader.here() {
            0 => return Ok(()),
            b'\\' => {
                reader.at += 1;
                reader.pass()?;
            }
            b'$' => reader.dollar(&mut ignored, true)?,
            b'`' => reader.backquoted(true)?,
            _ => reader.pass()?,
        }
    }
}
