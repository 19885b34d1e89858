//! Server-sent events: bytes in, messages out. Follows the event stream format of the HTML standard (section 9.2.6).

use std::collections::VecDeque;

/// Longest line, in bytes: an event with an attachment of the largest body a server takes, and some more.
const LINE_MAX_BYTES: usize = 32 << 20;

/// One message of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SseMessage {
    /// Empty where the stream names none.
    pub(crate) event: String,
    /// Of this message itself, not of one before it.
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

/// Why a stream cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SseError {
    #[error("a line is longer than {0} bytes")]
    TooLong(usize),
    #[error("a line is not UTF-8")]
    NotUtf8,
}

/// Reads a stream whose bytes may be cut anywhere.
#[derive(Debug)]
pub(crate) struct SseParser {
    line: Vec<u8>,
    line_max: usize,
    /// The last byte was CR: an LF after it belongs to the same line end.
    after_cr: bool,
    /// Nothing was read yet: a byte order mark may come.
    at_start: bool,
    message: SseMessage,
    has_data: bool,
    ready: VecDeque<SseMessage>,
}

impl SseParser {
    pub(crate) fn new() -> Self {
        Self::with_limit(LINE_MAX_BYTES)
    }

    pub(crate) fn with_limit(line_max: usize) -> Self {
        Self {
            line: Vec::new(),
            line_max,
            after_cr: false,
            at_start: true,
            message: SseMessage::default(),
            has_data: false,
            ready: VecDeque::new(),
        }
    }

    /// Takes the next bytes of the stream.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), SseError> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
            let (part, rest) = bytes.split_at(end);
            self.extend_line(part)?;
            let line = std::mem::take(&mut self.line);
            self.take_line(&line)?;
            // The buffer is used again for the next line.
            self.line = line;
            self.line.clear();
            bytes = match rest {
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
                [] => rest,
            };
            self.after_cr = rest_is_lone_cr(rest);
        }
        self.extend_line(bytes)
    }

    /// The next whole message.
    pub(crate) fn next(&mut self) -> Option<SseMessage> {
        self.ready.pop_front()
    }

    fn extend_line(&mut self, part: &[u8]) -> Result<(), SseError> {
        if self.line.len() + part.len() > self.line_max {
            return Err(SseError::TooLong(self.line_max));
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), SseError> {
        let line = std::str::from_utf8(line).map_err(|_| SseError::NotUtf8)?;
        let line =
            if std::mem::take(&mut self.at_start) { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        if line.is_empty() {
            self.finish_message();
            return Ok(());
        }
        // A comment has an empty name: it only shows that the connection lives.
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if self.message.data.len() + value.len() > self.line_max {
                    return Err(SseError::TooLong(self.line_max));
                }
                if self.has_data {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.message.event),
            "id" if !value.contains('\0') => self.message.id = Some(value.to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn finish_message(&mut self) {
        let message = std::mem::take(&mut self.message);
        if std::mem::take(&mut self.has_data) {
            self.ready.push_back(message);
        }
    }
}

/// The line ended with the last byte that has come, and that was CR: whether LF follows shows with the next bytes.
fn rest_is_lone_cr(rest: &[u8]) -> bool {
    rest == b"\r"
}

#[cfg(test)]
mod tests;
