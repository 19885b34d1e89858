//! Bytes to lines: CR, LF and CRLF end a line, wherever the network cut the bytes.

use memchr::memchr2;

/// Longest line of a reply. A line beyond it is not a model's delta.
pub(crate) const MAX_LINE_BYTES: usize = 4 << 20;

/// A line grew past `MAX_LINE_BYTES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineTooLong;

/// Cuts a stream of bytes into lines. Lines that lie inside one piece are handed out without a copy.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LineReader {
    partial: Vec<u8>,
    /// The last line ended with CR: an LF that follows belongs to it, even in the next piece.
    after_cr: bool,
    started: bool,
}

impl LineReader {
    /// Calls `on_line` with every line that `piece` completes, without its line end.
    pub(crate) fn feed<E: From<LineTooLong>>(
        &mut self,
        piece: &[u8],
        mut on_line: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = piece;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', rest) else {
                self.keep(rest)?;
                break;
            };
            self.after_cr = rest[end] == b'\r';
            if self.partial.is_empty() {
                let line = &rest[..end];
                if line.len() > MAX_LINE_BYTES {
                    return Err(LineTooLong.into());
                }
                on_line(self.without_bom(line))?;
            } else {
                self.keep(&rest[..end])?;
                let mut line = std::mem::take(&mut self.partial);
                let outcome = on_line(self.without_bom(&line));
                line.clear();
                self.partial = line;
                outcome?;
            }
            rest = &rest[end + 1..];
        }
        Ok(())
    }

    /// The last line, where the stream ended without a line end.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let line = std::mem::take(&mut self.partial);
        self.without_bom(&line).to_vec()
    }

    /// The unfinished line, as far as it has come.
    pub(crate) fn partial(&self) -> &[u8] {
        &self.partial
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), LineTooLong> {
        if self.partial.len() + bytes.len() > MAX_LINE_BYTES {
            return Err(LineTooLong);
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// A byte order mark may stand before the first line, and only there.
    fn without_bom<'line>(&mut self, line: &'line [u8]) -> &'line [u8] {
        if std::mem::replace(&mut self.started, true) {
            line
        } else {
            line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line)
        }
    }
}
