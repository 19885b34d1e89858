//! A request as a server of a test reads it.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{BODY_LIMIT_BYTES, HEAD_LIMIT_BYTES, Headers, head_end, header, invalid, parse_head};

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

impl Request {
    /// The next request; `None` when the client is done. What belongs to a later one stays in `buffer`.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> io::Result<Option<Self>> {
        let end = loop {
            if let Some(end) = head_end(buffer) {
                break end;
            }
            if buffer.len() > HEAD_LIMIT_BYTES {
                return Err(invalid("a head without an end"));
            }
            if stream.read_buf(buffer).await? == 0 {
                return if buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        };
        let (first, headers) = parse_head(&buffer.split_to(end))?;
        let mut words = first.split(' ');
        let (method, path) = match (words.next(), words.next()) {
            (Some(method), Some(path)) => (method.to_owned(), path.to_owned()),
            _ => return Err(invalid(format!("no request line: {first:?}"))),
        };
        if header(&headers, "transfer-encoding").is_some() {
            return Err(invalid("a request body without a length"));
        }
        let length = match header(&headers, "content-length") {
            Some(length) => length.parse().map_err(|_| invalid(format!("no length: {length:?}")))?,
            None => 0,
        };
        if length > BODY_LIMIT_BYTES {
            return Err(invalid("a request body over the limit"));
        }
        while buffer.len() < length {
            if stream.read_buf(buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let body = buffer.split_to(length).freeze();
        Ok(Some(Self { method, path, headers, body }))
    }
}
