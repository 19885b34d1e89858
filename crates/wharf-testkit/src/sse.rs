//! Reading server-sent events strictly: what a lenient browser forgives is an error here.

use std::io;

use bytes::BytesMut;
use serde_json::Value;

use crate::http::{Client, Incoming};
use crate::ndjson::is_line_end;

impl Client {
    /// Opens an SSE stream, with a cursor.
    pub async fn events(&self, path: &str, after: Option<u64>) -> io::Result<Stream> {
        let after = after.map(|after| after.to_string());
        let mut headers = vec![("accept", "text/event-stream")];
        if let Some(after) = &after {
            headers.push(("last-event-id", after));
        }
        Ok(self.send("GET", path, &headers, None).await?.ok().await?.into_sse())
    }
}

impl Incoming {
    #[must_use]
    pub fn into_sse(self) -> Stream {
        Stream::new(self)
    }
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// `message` where the frame names none.
    pub event: String,
    pub id: Option<String>,
    pub data: String,
}

impl Frame {
    /// The data as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.data) {
            Ok(value) => value,
            Err(error) => panic!("{error} in the data of a frame: {self:?}"),
        }
    }

    /// The id as a seq.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        self.id.as_ref()?.parse().ok()
    }
}

/// What stands between two empty lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Frame(Frame),
    Comment(String),
}

/// Bytes in, frames out.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: BytesMut,
    /// Bytes of the buffer that were searched for an empty line before.
    searched: usize,
}

impl Parser {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame or comment that is there whole.
    pub fn next_item(&mut self) -> io::Result<Option<Item>> {
        let from = self.searched.saturating_sub(1);
        let Some(end) = self.buffer[from..].windows(2).position(|window| window == b"\n\n") else {
            self.searched = self.buffer.len();
            return Ok(None);
        };
        self.searched = 0;
        let block = self.buffer.split_to(from + end + 2);
        parse_block(&block[..block.len() - 2]).map(Some)
    }

    /// Whether everything that came was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

fn parse_block(block: &[u8]) -> io::Result<Item> {
    let text = std::str::from_utf8(block).map_err(|_| invalid("a frame that is not UTF-8"))?;
    if let Some(found) = text.chars().find(|&c| is_line_end(c)) {
        return Err(invalid(format!("{found:?} inside a line: some readers split there: {text:?}")));
    }
    let (mut event, mut id, mut data, mut comment) = (None, None, None::<String>, None);
    for line in text.split('\n') {
        let (name, value) = line.split_once(':').ok_or_else(|| invalid(format!("a line without a colon: {line:?}")))?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => comment = Some(value.to_owned()),
            "event" if event.is_none() => event = Some(value.to_owned()),
            "id" if id.is_none() => id = Some(value.to_owned()),
            "data" => match &mut data {
                None => data = Some(value.to_owned()),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {}
            _ => return Err(invalid(format!("a field twice, or one that the standard does not know: {line:?}"))),
        }
    }
    match (data, comment) {
        (Some(data), None) if !data.is_empty() => {
            Ok(Item::Frame(Frame { event: event.unwrap_or_else(|| "message".to_owned()), id, data }))
        }
        (None, Some(comment)) if event.is_none() && id.is_none() => Ok(Item::Comment(comment)),
        (None, None) if event.is_none() && id.is_none() => Ok(Item::Comment(String::new())),
        _ => Err(invalid(format!("a frame that readers drop: {text:?}"))),
    }
}

/// The frames of an answer.
#[derive(Debug)]
pub struct Stream {
    incoming: Incoming,
    parser: Parser,
}

impl Stream {
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self { incoming, parser: Parser::default() }
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.incoming.header(name)
    }

    /// The next frame or comment; `None` at the end of the body, which may not cut one in two. Cancel-safe.
    pub async fn next_item(&mut self) -> io::Result<Option<Item>> {
        loop {
            if let Some(item) = self.parser.next_item()? {
                return Ok(Some(item));
            }
            match self.incoming.chunk().await? {
                Some(bytes) => self.parser.push(&bytes),
                None if self.parser.is_empty() => return Ok(None),
                None => return Err(invalid("the body ends inside a frame")),
            }
        }
    }

    /// The next frame; comments are passed over.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            match self.next_item().await? {
                Some(Item::Frame(frame)) => return Ok(Some(frame)),
                Some(Item::Comment(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Frames up to and including the first that `is_last` picks; an error if the stream ends before.
    pub async fn until(&mut self, mut is_last: impl FnMut(&Frame) -> bool) -> io::Result<Vec<Frame>> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await? {
            let last = is_last(&frame);
            frames.push(frame);
            if last {
                return Ok(frames);
            }
        }
        Err(invalid(format!("the stream ended first, after {:?}", frames.last())))
    }
}

fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

#[cfg(test)]
mod tests;
