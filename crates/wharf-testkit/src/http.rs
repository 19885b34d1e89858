//! HTTP/1.1 on a socket, as much as tests need: nothing is hidden, retried, pooled or decoded.

mod body;
mod client;
mod request;

pub use body::Body;
pub use client::{Client, Connection, Incoming, RESPONSE_LIMIT};
pub(crate) use request::Request;

use std::io;

/// Longest head of a request or answer.
const HEAD_LIMIT_BYTES: usize = 64 << 10;
/// Longest body that is held in memory.
const BODY_LIMIT_BYTES: usize = 64 << 20;

type Headers = Vec<(String, String)>;

fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

/// Where the head ends, if all of it is there.
fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The first line and the fields of a head; names in lower case.
fn parse_head(head: &[u8]) -> io::Result<(String, Headers)> {
    let head = std::str::from_utf8(head).map_err(|_| invalid("a head that is not UTF-8"))?;
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let mut headers = Headers::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) =
            line.split_once(':').ok_or_else(|| invalid(format!("a header without a colon: {line:?}")))?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok((first, headers))
}

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests;
