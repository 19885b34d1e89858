//! Clients that stop reading: they cost nobody anything, and lose nothing.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use wharf_testkit::sse::{Item, Parser};
use wharf_testkit::wait::within;

use crate::support::{KEY, TestServer};

/// A connection that takes little before its reader reads.
async fn narrow(server: &TestServer, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\nAccept: text/event-stream\r\n\
         Connection: close\r\n\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The data of a chunked body.
fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|pair| pair == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        let Some(data) = body.get(end + 2..end + 2 + length) else { break };
        out.extend_from_slice(data);
        body = body.get(end + 4 + length..).unwrap_or_default();
    }
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stalls_holds_nobody_up_and_gets_everything() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut slow = narrow(&server, &format!("/api/v1/sessions/{session}/events?after=0")).await;
    // Far more than the sockets' buffers take.
    for _ in 0..12 {
        server.prompt(&session, "big 1000").await;
    }
    let path = format!("/api/v1/sessions/{session}");
    let deleted = server.send(reqwest::Method::DELETE, &path, None);
    let log = server.log(&session).await;
    let (_, page) = server.get(&path).await;
    let last_seq = page["last_seq"].as_u64().unwrap();
    let mut bytes = Vec::new();
    let wanted = format!("id: {last_seq}\n");
    within("the whole log", async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = slow.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "the stream ended early");
            let new = bytes.len().saturating_sub(wanted.len());
            bytes.extend_from_slice(&buffer[..read]);
            if bytes[new..].windows(wanted.len()).any(|window| window == wanted.as_bytes()) {
                break;
            }
        }
        // Ends the stream, and with it the last chunk.
        deleted.await;
        while slow.read_buf(&mut bytes).await.unwrap() > 0 {}
    })
    .await;
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut parser = Parser::default();
    parser.push(&unchunk(&bytes[head..]));
    let mut seqs = Vec::new();
    while let Some(item) = parser.next_item().unwrap() {
        if let Item::Frame(frame) = item {
            seqs.extend(frame.seq());
        }
    }
    // Deletion is the one event after what was counted.
    assert_eq!(seqs, (1..=last_seq + 1).collect::<Vec<_>>());
    assert!(!log.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_nobody_reads_is_closed() {
    let mut builder = TestServer::builder();
    builder.server.timeouts.stall = Duration::from_millis(200);
    let server = builder.start().await;
    let session = server.session().await;
    let _slow = narrow(&server, &format!("/api/v1/sessions/{session}/events?after=0")).await;
    for _ in 0..12 {
        server.prompt(&session, "big 1000").await;
    }
    within("the end of the stream", async {
        loop {
            let (_, status) = server.get("/api/v1/status").await;
            if status["connections"]["sse"] == 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_nobody_reads_is_closed_with_1013() {
    let mut builder = TestServer::builder();
    builder.server.timeouts.stall = Duration::from_secs(1);
    let server = builder.start().await;
    let session = server.session().await;
    let mut socket = server.socket(&format!("?session_id={session}")).await;
    socket.until_kind("connected").await;
    for _ in 0..12 {
        server.prompt_async(&session, "big 1000").await;
    }
    within("the stall to be noticed", async {
        loop {
            let metrics = server.request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
            if metrics.contains("wharf_clients_stalled_total 1") {
                break;
            }
        }
    })
    .await;
    // What was on its way still arrives, then the reason.
    let mut last = 0;
    let close = loop {
        match socket.read().await {
            Ok(frame) => last = frame["payload"]["seq"].as_u64().unwrap_or(last),
            Err(close) => break close,
        }
    };
    assert_eq!(close.map(|frame| u16::from(frame.code)), Some(1013));
    // It comes back where it was.
    let mut socket = server.socket(&format!("?session_id={session}&after={last}")).await;
    socket.until_kind("connected").await;
    assert_eq!(socket.next().await["payload"]["seq"], json!(last + 1));
}
