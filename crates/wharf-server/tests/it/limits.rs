//! What the server refuses to exceed.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wharf_testkit::wait::within;

use crate::support::{KEY, TestServer, read};

#[tokio::test]
async fn too_many_requests_of_a_key_are_429_with_a_time() {
    let mut builder = TestServer::builder();
    builder.server.limits.requests_per_second = 1;
    builder.server.limits.request_burst = 3;
    let server = builder.start().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let response = server.request(Method::GET, "/api/v1/info").send().await.unwrap();
        if response.status() == 429 {
            let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert_eq!(wait, 1);
        }
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    // Whoever has no key is counted apart, and cannot guess without end.
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let guess = server.http.get(server.url("/api/v1/info")).bearer_auth("guess").send().await.unwrap();
        statuses.push(guess.status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 429]);
}

#[tokio::test]
async fn bodies_and_prompts_have_a_size() {
    let mut builder = TestServer::builder();
    builder.server.limits.body_bytes = 2_000;
    builder.server.limits.prompt_text_bytes = 100;
    let server = builder.start().await;
    let session = server.session().await;
    let path = format!("/api/v1/sessions/{session}/prompt");
    for length in [101, 5_000] {
        let (status, body) = server.post(&path, json!({ "content": "x".repeat(length) })).await;
        assert_eq!((status.as_u16(), body["code"].as_str()), (413, Some("PAYLOAD_TOO_LARGE")), "{length}");
    }
    // Without a declared length the limit holds as well.
    let chunks = futures_util::stream::iter((0..10).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1_000])));
    let request = server
        .request(Method::POST, &path)
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(chunks));
    assert_eq!(read(request).await.0, 413);
    let mut socket = server.socket(&format!("?session_id={session}")).await;
    socket.send("1", json!({ "action": "prompt", "content": "x".repeat(101) })).await;
    assert_eq!(socket.answer("1").await["payload"]["code"], "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn a_header_that_never_ends_loses_its_connection() {
    let mut builder = TestServer::builder();
    builder.server.timeouts.header = Duration::from_millis(100);
    let server = builder.start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();
    let mut answer = Vec::new();
    within("the end of the connection", stream.read_to_end(&mut answer)).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
}

#[tokio::test]
async fn a_body_that_never_comes_is_refused() {
    let mut builder = TestServer::builder();
    builder.server.timeouts.body = Duration::from_millis(100);
    let server = builder.start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /api/v1/sessions HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{",
        server.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 64];
    let length = within("an answer", stream.read(&mut answer)).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 400"), "{:?}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn headers_have_a_size() {
    let server = TestServer::start().await;
    // One byte short of the end: what was sent is read whole before it is refused.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET /health HTTP/1.1\r\nHost: {}\r\nX-Long: {}", server.address, "x".repeat(200_000));
    // The server may close before it took everything.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = within("the refusal", stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_to_wait() {
    let mut builder = TestServer::builder();
    builder.server.limits.connections = 1;
    let server = builder.start().await;
    let session = server.session().await;
    let mut first = server.events(&format!("/api/v1/sessions/{session}/events")).await;
    assert_eq!(first.next().await.unwrap().event, "connected");
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let mut answer = Vec::new();
    within("the refusal", second.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("Retry-After: 5"), "{answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["code"], "UNAVAILABLE");
}
