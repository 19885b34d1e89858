//! Reading NDJSON strictly: one object a line, nothing else.

use std::io;

use bytes::BytesMut;
use serde_json::Value;

use crate::http::Incoming;

impl Incoming {
    #[must_use]
    pub fn into_ndjson(self) -> Stream {
        Stream::new(self)
    }
}

/// Objects as they come.
#[derive(Debug)]
pub struct Stream {
    incoming: Incoming,
    buffer: BytesMut,
}

impl Stream {
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self { incoming, buffer: BytesMut::new() }
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.incoming.header(name)
    }

    /// The next object; `None` at the end of the body. An error for anything that a line-based reader could trip over.
    pub async fn next(&mut self) -> io::Result<Option<Value>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return parse_line(&line[..end]).map(Some);
            }
            match self.incoming.chunk().await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(invalid(format!("the last line has no end: {:?}", self.buffer))),
            }
        }
    }

    /// Every object to the end of the body.
    pub async fn rest(mut self) -> io::Result<Vec<Value>> {
        let mut all = Vec::new();
        while let Some(value) = self.next().await? {
            all.push(value);
        }
        Ok(all)
    }
}

fn parse_line(line: &[u8]) -> io::Result<Value> {
    let text = std::str::from_utf8(line).map_err(|_| invalid("a line that is not UTF-8".to_owned()))?;
    if let Some(found) = text.chars().find(|&c| is_line_end(c)) {
        return Err(invalid(format!("{found:?} inside a line: some readers split there: {text:?}")));
    }
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(other) => Err(invalid(format!("not an object: {other}"))),
        Err(error) => Err(invalid(format!("{error}: {text:?}"))),
    }
}

/// What Python's `splitlines`, and so published clients, take for the end of a line.
pub(crate) fn is_line_end(c: char) -> bool {
    matches!(c, '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    //! Lines that are refused, and those that are not.

    use super::parse_line;

    #[test]
    fn only_objects_on_clean_lines_pass() {
        assert!(parse_line(br#"{"a":"\u2028"}"#).is_ok());
        assert!(parse_line("{\"a\":\"\u{2028}\"}".as_bytes()).is_err());
        assert!(parse_line(b"[1]").is_err());
        assert!(parse_line(b"").is_err());
        assert!(parse_line(b"{\"a\":1}\r").is_err());
        assert!(parse_line(b"{\"a\":\"\xff\"}").is_err());
    }
}
