//! The body of an answer as it arrives: bytes of the socket in, bytes of the body out.

use std::io;

use bytes::{Buf, Bytes, BytesMut};

use super::{Headers, header, invalid};

/// How the rest of a body is framed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// So many bytes are still to come.
    Length(u64),
    /// A chunk's size line is next.
    ChunkSize,
    /// So many bytes of the chunk are still to come, then a line end.
    Chunk(u64),
    /// The line end after a chunk is next.
    ChunkEnd,
    /// The last chunk was seen; its trailer ends with an empty line.
    Trailer,
    /// Everything until the peer closes.
    UntilClosed,
    /// All of it was read.
    Done,
}

/// What a buffer held.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    Bytes(Bytes),
    NeedMore,
    Done,
}

impl Body {
    pub(super) fn of(status: u16, headers: &Headers) -> io::Result<Self> {
        if matches!(status, 101 | 204 | 304) {
            return Ok(Self::Done);
        }
        if header(headers, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Ok(Self::ChunkSize);
        }
        match header(headers, "content-length") {
            Some("0") => Ok(Self::Done),
            Some(length) => length.parse().map(Self::Length).map_err(|_| invalid(format!("no length: {length:?}"))),
            None => Ok(Self::UntilClosed),
        }
    }

    /// Takes the next piece of the body out of `buffer`.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Decoded> {
        loop {
            match self {
                Self::Done => return Ok(Decoded::Done),
                _ if buffer.is_empty() => return Ok(Decoded::NeedMore),
                Self::UntilClosed => return Ok(Decoded::Bytes(buffer.split().freeze())),
                Self::Length(left) => {
                    let piece = take(buffer, *left);
                    *left -= piece.len() as u64;
                    if *left == 0 {
                        *self = Self::Done;
                    }
                    return Ok(Decoded::Bytes(piece));
                }
                Self::Chunk(left) => {
                    let piece = take(buffer, *left);
                    *left -= piece.len() as u64;
                    if *left == 0 {
                        *self = Self::ChunkEnd;
                    }
                    return Ok(Decoded::Bytes(piece));
                }
                Self::ChunkSize => {
                    let Some(line) = take_line(buffer) else { return Ok(Decoded::NeedMore) };
                    let size =
                        std::str::from_utf8(&line).ok().and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
                    *self = match size {
                        Some(0) => Self::Trailer,
                        Some(size) => Self::Chunk(size),
                        None => return Err(invalid(format!("no chunk size: {line:?}"))),
                    };
                }
                Self::ChunkEnd => match take_line(buffer) {
                    None => return Ok(Decoded::NeedMore),
                    Some(line) if line.is_empty() => *self = Self::ChunkSize,
                    Some(line) => return Err(invalid(format!("a chunk longer than its size: {line:?}"))),
                },
                Self::Trailer => match take_line(buffer) {
                    None => return Ok(Decoded::NeedMore),
                    Some(line) if line.is_empty() => *self = Self::Done,
                    Some(_) => {}
                },
            }
        }
    }
}

fn take(buffer: &mut BytesMut, at_most: u64) -> Bytes {
    let length = usize::try_from(at_most).unwrap_or(usize::MAX).min(buffer.len());
    buffer.split_to(length).freeze()
}

fn take_line(buffer: &mut BytesMut) -> Option<Bytes> {
    let end = buffer.windows(2).position(|window| window == b"\r\n")?;
    let line = buffer.split_to(end).freeze();
    buffer.advance(2);
    Some(line)
}
