//! Connections that are no TCP: all that the server asks of a stream is that it can be read and written. And who may open a stream of
//! events on one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use wharf_protocol::{Scope, Scopes};
use wharf_server::{Auth, Key, Server};

use crate::support::{Builder, EventReader, KEY, TestServer};

/// A connection in memory.
fn connect(server: &Arc<Server>) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let server = Arc::clone(server);
    tokio::spawn(async move { server.serve_connection(theirs, None).await });
    ours
}

/// One request, and the whole answer to it.
async fn ask(server: &Arc<Server>, line: &str, key: Option<&str>) -> String {
    let mut stream = connect(server);
    let host = server.local_addr();
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{key}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

async fn bound(builder: Builder) -> Arc<Server> {
    Arc::new(builder.bind().await.server)
}

#[tokio::test]
async fn requests_are_served_as_over_tcp() {
    let server = bound(TestServer::builder()).await;
    assert!(ask(&server, "GET /health", None).await.starts_with("HTTP/1.1 200"));
    assert!(ask(&server, "GET /docs/docs.css", None).await.starts_with("HTTP/1.1 200"));
    assert!(ask(&server, "GET /api/v1/sessions", None).await.starts_with("HTTP/1.1 401"));
    assert!(ask(&server, "GET /api/v1/sessions", Some(KEY)).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_websocket_runs_on_it() {
    let server = bound(TestServer::builder()).await;
    let mut request = format!("ws://{}/ws", server.local_addr()).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {KEY}").parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, connect(&server)).await.unwrap();
    let first = socket.next().await.unwrap().unwrap();
    let first: Value = serde_json::from_str(first.to_text().unwrap()).unwrap();
    assert_eq!(first["payload"]["kind"], json!("connected"));
}

/// A server whose only key may ask, and not read.
fn for_a_writer() -> Builder {
    let mut builder = TestServer::builder();
    let scopes: Scopes = [Scope::SessionsWrite].into_iter().collect();
    builder.server.auth = Auth::Keys(vec![Key::from_secret("writer", KEY, scopes)]);
    builder
}

#[tokio::test]
async fn who_may_ask_may_see_the_answer_and_nothing_else() {
    let server = for_a_writer().start().await;
    let session = server.session().await;
    let path = format!("/api/v1/sessions/{session}/prompt");
    let asked = server.request(Method::POST, &path).header("Accept", "text/event-stream");
    let response = asked.json(&json!({ "content": "hello" })).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let frames = EventReader::new(response).rest().await;
    assert_eq!(frames.last().unwrap().event, "turn.completed");
    let log = server.request(Method::GET, &format!("/api/v1/sessions/{session}/events"));
    assert_eq!(log.header("Accept", "text/event-stream").send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_stream_is_refused_before_it_opens() {
    let server = bound(for_a_writer()).await;
    for path in ["/api/v1/events", "/api/v1/sessions/s-1/events", "/ws", "/acp"] {
        let answer = ask(&server, &format!("GET {path}"), Some(KEY)).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("sessions:read"), "{path}: {answer}");
    }
}
