//! Server-sent events, as far as MCP uses them.

use crate::MESSAGE_MAX_BYTES;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SseEvent {
    /// `message` where it says nothing else.
    pub(crate) name: String,
    pub(crate) data: Vec<u8>,
}

/// Puts events together from what arrives, whatever its line ends.
#[derive(Debug, Default)]
pub(crate) struct SseReader {
    line: Vec<u8>,
    /// The last byte ended a line as the first of two.
    after_cr: bool,
    has_begun: bool,
    name: String,
    data: Option<Vec<u8>>,
}

/// An event is longer than a message may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl SseReader {
    /// The events that end in `bytes`.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            if self.after_cr && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                self.after_cr = false;
                continue;
            }
            self.after_cr = false;
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            self.line.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            if self.line.len() + self.data.as_ref().map_or(0, Vec::len) > MESSAGE_MAX_BYTES {
                return Err(TooLong);
            }
            let Some(end) = end else { break };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            events.extend(self.take(&line));
        }
        Ok(events)
    }

    fn take(&mut self, line: &[u8]) -> Option<SseEvent> {
        // A byte-order mark may stand before the first line, and only there.
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let line = line.strip_prefix("\u{feff}".as_bytes()).filter(|_| is_first).unwrap_or(line);
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let name = if name.is_empty() { "message".to_owned() } else { name };
            return self.data.take().map(|data| SseEvent { name, data });
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            // Comments, ids and waits.
            _ => {}
        }
        None
    }
}
