//! A server that sends given bytes in given pieces, whatever is asked: recorded streams, and broken ones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::http::Request;

/// Between two pieces, so that the reader sees each by itself. Nothing breaks where it sees two at once.
const PIECE_PAUSE: Duration = Duration::from_micros(300);

/// How bytes are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunking {
    Whole,
    /// Pieces of so many bytes.
    Every(usize),
    /// Two pieces, cut at this byte.
    At(usize),
}

impl Chunking {
    fn pieces(&self, bytes: &Bytes) -> Vec<Bytes> {
        let cut_at = |at: usize| vec![bytes.slice(..at), bytes.slice(at..)];
        match *self {
            Self::Whole => vec![bytes.clone()],
            Self::Every(size) => {
                let size = size.max(1);
                (0..bytes.len()).step_by(size).map(|from| bytes.slice(from..(from + size).min(bytes.len()))).collect()
            }
            Self::At(at) => cut_at(at.min(bytes.len())),
        }
    }
}

/// A running replayer. It stops when this is dropped.
#[derive(Debug)]
pub struct Replayer {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Replayer {
    /// Answers every request with `body` as a chunked answer of this content type.
    pub async fn body(content_type: &str, body: impl Into<Bytes>, chunking: Chunking) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        );
        let mut pieces = vec![Bytes::from(head)];
        for piece in chunking.pieces(&body.into()).into_iter().filter(|piece| !piece.is_empty()) {
            let mut framed = BytesMut::from(format!("{:x}\r\n", piece.len()).as_bytes());
            framed.extend_from_slice(&piece);
            framed.extend_from_slice(b"\r\n");
            pieces.push(framed.freeze());
        }
        pieces.push(Bytes::from_static(b"0\r\n\r\n"));
        Self::start(pieces).await
    }

    /// Answers every request with exactly these bytes, head included, and closes.
    pub async fn bytes(bytes: impl Into<Bytes>, chunking: Chunking) -> Self {
        Self::start(chunking.pieces(&bytes.into())).await
    }

    #[expect(clippy::expect_used, reason = "a machine without a free port on loopback runs no test")]
    async fn start(pieces: Vec<Bytes>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind a port on loopback");
        let address = listener.local_addr().expect("the address of a listener");
        let server = tokio::spawn(serve(listener, pieces.into()));
        Self { address, server }
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Replayer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, pieces: Arc<[Bytes]>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let pieces = pieces.clone();
        connections.spawn(async move {
            // A client that leaves in the middle is part of the game.
            let _ = send(stream, &pieces).await;
        });
    }
}

async fn send(mut stream: TcpStream, pieces: &[Bytes]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    if Request::read(&mut stream, &mut BytesMut::new()).await?.is_none() {
        return Ok(());
    }
    for piece in pieces {
        stream.write_all(piece).await?;
        tokio::time::sleep(PIECE_PAUSE).await;
    }
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    //! What is put in comes out, however it is cut.

    use super::{Chunking, Replayer};
    use crate::http::Client;

    #[tokio::test]
    async fn the_body_is_the_same_however_it_is_cut() {
        for chunking in [Chunking::Whole, Chunking::Every(1), Chunking::Every(3), Chunking::At(4)] {
            let replayer = Replayer::body("text/plain", "na\u{ef}ve bytes", chunking.clone()).await;
            let text = Client::new(&replayer.url()).get("/").await.unwrap().text().await.unwrap();
            assert_eq!(text, "na\u{ef}ve bytes", "{chunking:?}");
        }
    }

    #[tokio::test]
    async fn raw_bytes_may_be_no_http() {
        let replayer = Replayer::bytes("nonsense\r\n\r\n", Chunking::Whole).await;
        assert!(Client::new(&replayer.url()).get("/").await.is_err());
    }
}
