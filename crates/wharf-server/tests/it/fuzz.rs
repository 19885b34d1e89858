//! Whole doors under arbitrary bytes: imports that were damaged on the way, and frames of a WebSocket that nobody would write.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{KEY, TestServer, read};

/// Each case talks to a server: a quarter of what a reader alone gets.
fn config() -> Config {
    let all = Config::default();
    Config { cases: (all.cases / 4).max(10), failure_persistence: None, ..all }
}

/// Runs `property` over cases of `strategy`, with one server for all of them.
fn over<S: Strategy>(strategy: S, property: impl AsyncFn(&TestServer, S::Value) -> Result<(), TestCaseError>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(TestServer::start());
    let case = |value| runtime.block_on(property(&server, value));
    TestRunner::new(config()).run(&strategy, case).unwrap();
}

/// What happens to an export on its way.
#[derive(Debug, Clone)]
enum Damage {
    Drop(usize),
    Repeat(usize),
    Swap(usize, usize),
    Byte(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<usize>().prop_map(Damage::Drop),
        any::<usize>().prop_map(Damage::Repeat),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Damage::Swap(a, b)),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        any::<usize>().prop_map(Damage::Cut),
        (any::<usize>(), proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

fn damaged(whole: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for damage in damages {
        let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let count = lines.len();
        match damage {
            Damage::Drop(at) => drop(lines.remove(at % count)),
            Damage::Repeat(at) => lines.insert(at % count, lines[at % count].clone()),
            Damage::Swap(a, b) => lines.swap(a % count, b % count),
            Damage::Byte(at, byte) => {
                if !bytes.is_empty() {
                    let at = at % bytes.len();
                    bytes[at] = *byte;
                }
                continue;
            }
            Damage::Cut(at) => {
                bytes.truncate(at % (bytes.len() + 1));
                continue;
            }
            Damage::Insert(at, more) => lines.insert(at % count, more.clone()),
        }
        bytes = lines.join(&b'\n');
    }
    bytes
}

async fn exported(server: &TestServer) -> Vec<u8> {
    let session = server.session().await;
    server.prompt(&session, "say hello").await;
    let path = format!("/api/v1/sessions/{session}/export");
    server.request(Method::GET, &path).send().await.unwrap().bytes().await.unwrap().to_vec()
}

#[test]
fn an_import_is_refused_or_can_be_used() {
    over(proptest::collection::vec(damage(), 0..6), async |server, damages| {
        let body = damaged(&exported(server).await, &damages);
        let request =
            server.request(Method::POST, "/api/v1/sessions/import").header("content-type", "application/x-ndjson");
        let (status, answer) = read(request.body(body)).await;
        prop_assert!(!status.is_server_error(), "{status}: {answer}");
        prop_assert!(status.is_success() || !damages.is_empty(), "{answer}");
        let Some(id) = answer["id"].as_str().filter(|_| status.is_success()) else { return Ok(()) };
        // What was taken can be read, and works.
        let (status, page) = server.get(&format!("/api/v1/sessions/{id}/events")).await;
        prop_assert_eq!(status, StatusCode::OK, "{}", page);
        let path = format!("/api/v1/sessions/{id}/prompt");
        let (status, answer) = server.post(&path, serde_json::json!({ "content": "say hello" })).await;
        prop_assert_eq!(status, StatusCode::OK, "{}", answer);
        let (status, answer) = server.send(Method::DELETE, &format!("/api/v1/sessions/{id}"), None).await;
        prop_assert!(status.is_success(), "{}", answer);
        Ok(())
    });
}

#[test]
fn bytes_on_a_websocket_cost_their_own_connection_alone() {
    let frames = proptest::collection::vec(frame(), 1..8);
    let path = prop_oneof![Just("/ws"), Just("/acp")];
    over((path, frames, proptest::collection::vec(any::<u8>(), 0..60)), async |server, (path, frames, rest)| {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            server.address
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        prop_assert_eq!(&answer, b"HTTP/1.1 101");
        for bytes in frames.iter().chain([&rest]) {
            // The server may close at any of them.
            if stream.write_all(bytes).await.is_err() {
                break;
            }
        }
        drop(stream.shutdown().await);
        let mut sink = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut sink)).await;
        prop_assert!(end.is_ok(), "the connection has no end");
        let (status, health): (StatusCode, Value) = server.get("/health").await;
        prop_assert_eq!(status, StatusCode::OK, "{}", health);
        Ok(())
    });
}

/// A frame whose head is nearly right: any first byte, a length that is true or not, masked or not.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..130),
        r#"\{"type":"[a-z]{0,9}","id":"[a-z0-9]{0,4}","payload":[\[\]{}0-9a-z",:]{0,30}\}"#
            .prop_map(String::into_bytes),
        r#"\{"jsonrpc":"2.0","id":[0-9]{1,3},"method":"[a-z/_]{0,20}","params":[\[\]{}0-9a-z",:]{0,30}\}"#
            .prop_map(String::into_bytes),
    ];
    (
        prop_oneof![Just(0x81_u8), Just(0x01), Just(0x80), Just(0x82), Just(0x88), Just(0x89), any::<u8>()],
        payload,
        0..6_u8,
    )
        .prop_map(|(first, payload, lie)| {
            let is_masked = lie != 0;
            let mut frame = vec![first];
            let mask = if is_masked { 0x80 } else { 0 };
            match (lie, payload.len()) {
                (1, _) => frame.extend([mask | 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
                (2, _) => frame.extend([mask | 126, 0xff, 0xff]),
                (_, len @ 0..126) => frame.push(mask | len as u8),
                (_, len) => {
                    frame.push(mask | 126);
                    frame.extend((len as u16).to_be_bytes());
                }
            }
            if is_masked {
                // A mask of zeros leaves the text as it is.
                frame.extend([0; 4]);
            }
            frame.extend(payload);
            frame
        })
}
