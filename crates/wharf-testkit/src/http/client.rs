//! A client that shows what a server sent: one connection a request unless asked otherwise.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::body::Decoded;
use super::{BODY_LIMIT_BYTES, Body, HEAD_LIMIT_BYTES, Headers, head_end, header, invalid, parse_head};

/// How long a connection, a head, or the next piece of a body may take.
pub const RESPONSE_LIMIT: Duration = Duration::from_secs(60);

/// Where to ask, and with which key.
#[derive(Debug, Clone)]
pub struct Client {
    /// `host:port`
    authority: String,
    key: Option<String>,
}

impl Client {
    /// # Panics
    /// When `url` does not begin with `http://`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let Some(rest) = url.strip_prefix("http://") else { panic!("a plain http URL, not {url:?}") };
        let authority = rest.split('/').next().unwrap_or_default().to_owned();
        Self { authority, key: None }
    }

    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    pub async fn connect(&self) -> io::Result<Connection> {
        let stream = limited(TcpStream::connect(&self.authority)).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { client: self.clone(), stream, buffer: BytesMut::with_capacity(16 << 10) })
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> io::Result<Incoming> {
        self.connect().await?.send(method, path, headers, body).await
    }

    pub async fn get(&self, path: &str) -> io::Result<Incoming> {
        self.send("GET", path, &[], None).await
    }

    pub async fn delete(&self, path: &str) -> io::Result<Incoming> {
        self.send("DELETE", path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> io::Result<Incoming> {
        self.send("POST", path, &[], Some(body.to_string().as_bytes())).await
    }

    /// A GET whose answer has to be 200 and JSON.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> io::Result<T> {
        self.get(path).await?.ok().await?.json().await
    }

    /// A POST whose answer has to be a success and JSON.
    pub async fn post_json<T: DeserializeOwned>(&self, path: &str, body: &Value) -> io::Result<T> {
        self.post(path, body).await?.ok().await?.json().await
    }
}

/// One connection, to be used again once an answer was read whole.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    /// Sends one request and reads the answer's head. A body is JSON unless `headers` say otherwise.
    pub async fn send(
        mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> io::Result<Incoming> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.client.authority);
        let given = |name: &str| headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        if let Some(key) = self.client.key.as_ref().filter(|_| !given("authorization")) {
            head.push_str(&format!("authorization: Bearer {key}\r\n"));
        }
        if let Some(body) = body {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
            if !given("content-type") {
                head.push_str("content-type: application/json\r\n");
            }
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        limited(self.stream.write_all(&bytes)).await?;
        limited(self.read_head()).await
    }

    async fn read_head(mut self) -> io::Result<Incoming> {
        let end = loop {
            if let Some(end) = head_end(&self.buffer) {
                break end;
            }
            if self.buffer.len() > HEAD_LIMIT_BYTES {
                return Err(invalid("an answer whose head has no end"));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let (first, headers) = parse_head(&self.buffer.split_to(end))?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| invalid(format!("no status line: {first:?}")))?;
        let body = Body::of(status, &headers)?;
        Ok(Incoming { status, headers, body, connection: self })
    }
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Incoming {
    pub status: u16,
    headers: Headers,
    body: Body,
    connection: Connection,
}

impl Incoming {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Itself if the status is a success; the status and the body as an error otherwise.
    pub async fn ok(self) -> io::Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let status = self.status;
        let body = self.bytes().await?;
        Err(io::Error::other(format!("status {status}: {}", String::from_utf8_lossy(&body))))
    }

    /// The next piece of the body, as it came; `None` after the last one.
    pub async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        limited(self.chunk_unlimited()).await
    }

    /// `chunk` without a time limit of its own, for streams that may be silent; cancel-safe.
    pub async fn chunk_unlimited(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.body.decode(&mut self.connection.buffer)? {
                Decoded::Bytes(bytes) => return Ok(Some(bytes)),
                Decoded::Done => return Ok(None),
                Decoded::NeedMore => {}
            }
            self.connection.buffer.reserve(16 << 10);
            if self.connection.stream.read_buf(&mut self.connection.buffer).await? == 0 {
                return match self.body {
                    Body::UntilClosed => Ok(None),
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    /// The whole body.
    pub async fn bytes(self) -> io::Result<Bytes> {
        Ok(self.finish().await?.0)
    }

    /// The whole body, and the connection for a next request.
    pub async fn finish(mut self) -> io::Result<(Bytes, Connection)> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.chunk().await? {
            whole.extend_from_slice(&piece);
            if whole.len() > BODY_LIMIT_BYTES {
                return Err(invalid("a body over the limit"));
            }
        }
        Ok((whole.freeze(), self.connection))
    }

    pub async fn text(self) -> io::Result<String> {
        String::from_utf8(self.bytes().await?.to_vec()).map_err(|_| invalid("a body that is not UTF-8"))
    }

    pub async fn json<T: DeserializeOwned>(self) -> io::Result<T> {
        let body = self.bytes().await?;
        serde_json::from_slice(&body).map_err(|error| invalid(format!("{error}: {}", String::from_utf8_lossy(&body))))
    }
}

async fn limited<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(RESPONSE_LIMIT, future).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("nothing for {RESPONSE_LIMIT:?}"))),
    }
}
