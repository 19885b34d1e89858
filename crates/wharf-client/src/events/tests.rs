//! The client against a server that breaks off, repeats itself and falls silent: each connection gets the next reply of a list.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use wharf_protocol::event::AnyEvent;
use wharf_protocol::rest::CreateSession;
use wharf_protocol::{EventKind, Seq, SessionId};

use crate::{Auth, Client, ClientError, ConnectionState, Follow, Located, RemoteOptions, Retry, Timeouts};

enum Then {
    Close,
    /// Keeps the connection open and says nothing.
    Hold,
}

struct Fake {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    async fn start(replies: Vec<(String, Then)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            for (reply, then) in replies {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = read_request(&mut socket).await;
                seen.lock().unwrap().push(request);
                socket.write_all(reply.as_bytes()).await.unwrap();
                match then {
                    Then::Close => socket.shutdown().await.unwrap(),
                    Then::Hold => held.push(socket),
                }
            }
            std::future::pending::<()>().await;
        });
        Self { url, requests, task }
    }

    fn client(&self) -> Client {
        let options = RemoteOptions {
            timeouts: Timeouts { stream_idle: Duration::from_millis(100), ..Timeouts::default() },
            retry: Retry { base: Duration::from_millis(1), max: Duration::from_millis(5), ..Retry::default() },
            ..RemoteOptions::default()
        };
        Client::remote_with(&self.url, Auth::None, options).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|request| request.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

async fn read_request(socket: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = socket.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) || count == 0 {
            return text;
        }
    }
}

fn stream(messages: &[String]) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{}", messages.concat())
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn connected(last: u64) -> String {
    format!("event: connected\ndata: {{\"type\":\"connected\",\"session_id\":\"s\",\"last_seq\":{last}}}\n\n")
}

fn idle(seq: u64) -> String {
    message(seq, "agent.idle", "{}")
}

fn message(seq: u64, kind: &str, payload: &str) -> String {
    format!(
        "event: {kind}\nid: {seq}\ndata: {{\"seq\":{seq},\"type\":\"{kind}\",\"session_id\":\"s\",\
         \"timestamp\":\"2026-01-01T00:00:00.000Z\",\"payload\":{payload}}}\n\n"
    )
}

fn session() -> SessionId {
    "s".parse().unwrap()
}

#[tokio::test]
async fn a_lost_stream_goes_on_where_it_was() {
    let fake = Fake::start(vec![
        (stream(&[connected(9), idle(1), idle(2), "data: cut of".to_owned()]), Then::Close),
        (answer("503 Service Unavailable", "{}"), Then::Close),
        // Repeats one event; says nothing after the next, not even a heartbeat.
        (stream(&[connected(9), idle(2), idle(3)]), Then::Hold),
        (stream(&[connected(9), message(4, "something.new", "[]"), message(6, "session.deleted", "{}")]), Then::Close),
    ])
    .await;
    let mut events = fake.client().events(&session(), Follow::start()).await.unwrap();
    let state = events.state();
    let mut seqs = Vec::new();
    while let Some(event) = events.next().await {
        seqs.push(event.unwrap().seq.0);
    }
    assert_eq!(seqs, [1, 2, 3, 6]);
    assert_eq!(*state.borrow(), ConnectionState::Ended);
    let path = "GET /api/v1/sessions/s/events?after=";
    assert_eq!(fake.lines(), [0, 2, 2, 3].map(|after| format!("{path}{after} HTTP/1.1")));
}

#[tokio::test]
async fn what_a_newer_server_says_counts_and_is_shown_as_it_came() {
    let renamed = message(2, "agent.idling", r#"{"mood":"fine"}"#);
    let changed = message(4, "session.status_changed", r#"{"status":"cosy","previous":"idle"}"#);
    let fake = Fake::start(vec![
        (stream(&[connected(9), idle(1), renamed, idle(3), changed]), Then::Close),
        (stream(&[connected(9), idle(5), message(6, "session.deleted", "{}")]), Then::Close),
    ])
    .await;
    let mut events = fake.client().events(&session(), Follow::start()).await.unwrap();
    let mut seen = Vec::new();
    while let Some(located) = events.next_located().await {
        let Located { position, event } = located.unwrap();
        let unknown = match &event {
            AnyEvent::Known(_) => None,
            AnyEvent::Unknown(event) => {
                let json: serde_json::Value = serde_json::from_str(&event.json).unwrap();
                assert_eq!(json["type"], event.r#type.as_str());
                Some(json["payload"].clone())
            }
        };
        assert_eq!(position, event.seq().0);
        seen.push((position, unknown));
    }
    let renamed = (2, Some(json!({ "mood": "fine" })));
    let changed = (4, Some(json!({ "status": "cosy", "previous": "idle" })));
    assert_eq!(seen, [(1, None), renamed, (3, None), changed, (5, None), (6, None)]);
    let path = "GET /api/v1/sessions/s/events?after=";
    assert_eq!(
        fake.lines(),
        [0, 4].map(|after| format!("{path}{after} HTTP/1.1")),
        "it goes on behind the unknown one"
    );
}

#[tokio::test]
async fn the_first_event_is_one_that_is_known() {
    let fake =
        Fake::start(vec![(stream(&[connected(3), message(1, "x.y", "{}"), idle(2), idle(3)]), Then::Hold)]).await;
    let mut events = fake.client().events(&session(), Follow::start().once()).await.unwrap();
    assert_eq!(events.next_located().await.unwrap().unwrap().position, 2);
    assert!(events.next_located().await.is_none());
}

#[tokio::test]
async fn the_present_is_where_the_first_connection_found_it() {
    let fake = Fake::start(vec![
        (stream(&[connected(5)]), Then::Close),
        (stream(&[connected(7), idle(6), idle(7)]), Then::Hold),
    ])
    .await;
    let mut events = fake.client().events(&session(), Follow::present()).await.unwrap();
    let state = events.state();
    assert_eq!(events.position(), Some(5));
    assert_eq!(events.next().await.unwrap().unwrap().seq, Seq(6));
    assert_eq!(*state.borrow(), ConnectionState::Connected);
    assert_eq!(
        fake.lines(),
        ["GET /api/v1/sessions/s/events HTTP/1.1", "GET /api/v1/sessions/s/events?after=5 HTTP/1.1"]
    );
}

#[tokio::test]
async fn filters_leave_out_and_once_ends() {
    let complete = message(2, "session.cleared", "{\"by\":\"x\"}");
    let fake = Fake::start(vec![(stream(&[connected(3), idle(1), complete, idle(3)]), Then::Hold)]).await;
    let follow = Follow::start().only([EventKind::SessionCleared]).once();
    let mut events = fake.client().events(&session(), follow).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().seq, Seq(2));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_refused_cursor_is_told_at_once() {
    let body = r#"{"error":"gone","code":"CURSOR_EXPIRED","details":{"first_seq":8},"retryable":false}"#;
    let fake = Fake::start(vec![(answer("410 Gone", body), Then::Close)]).await;
    let Err(error) = fake.client().events(&session(), Follow::after(Seq(2))).await else { panic!("was taken") };
    assert_eq!(error, ClientError::CursorExpired { message: "gone".to_owned(), first_seq: Some(Seq(8)) });
}

#[tokio::test]
async fn nobody_there_is_told_after_the_last_attempt() {
    let fake = Fake::start(Vec::new()).await;
    let client = fake.client();
    drop(fake);
    let Err(error) = client.events(&session(), Follow::start()).await else { panic!("connected") };
    assert!(matches!(error, ClientError::Connection { .. } | ClientError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_session_is_made_once_though_its_answer_was_lost() {
    let exists = r#"{"error":"session exists","code":"ALREADY_EXISTS","retryable":false}"#;
    let made = r#"{"id":"mine","created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z","cwd":"/","agent_name":"coder","model":"demo/demo","mode":"ask","title":null,"archived":false,"status":"idle","message_count":0,"token_usage":{},"queued_count":0,"last_seq":1,"first_seq":1}"#;
    let fake = Fake::start(vec![
        (String::new(), Then::Close),
        (answer("409 Conflict", exists), Then::Close),
        (answer("200 OK", made), Then::Close),
    ])
    .await;
    let session = fake.client().create_session(CreateSession::default()).await.unwrap();
    assert_eq!(session.id.as_str(), "mine");
    let requests = fake.requests.lock().unwrap();
    let body = |index: usize| requests[index].split_once("\r\n\r\n").unwrap().1.to_owned();
    assert!(body(0).contains("session_id"), "{}", body(0));
    assert_eq!(body(0), body(1));
    assert!(requests[2].starts_with("GET /api/v1/sessions/session-"), "{}", requests[2]);
}

#[tokio::test]
async fn what_is_not_safe_to_repeat_is_sent_once() {
    let fake = Fake::start(vec![(String::new(), Then::Close), (answer("200 OK", "{}"), Then::Close)]).await;
    let Err(error) = fake.client().clear(&session()).await else { panic!("was repeated") };
    assert!(matches!(error, ClientError::Connection { .. }), "{error}");
    assert_eq!(fake.lines().len(), 1);
}
