//! The client against a server of raw bytes, over real connections.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wharf_protocol::Thinking;
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply};
use wharf_protocol::{ContentBlock, Role, StopReason};

use super::super::OpenAiChat;
use super::joined;
use crate::http::Transport;
use crate::key::ApiKey;
use crate::remote::Settings;
use crate::{Delta, Model, ModelRequest};

const KEY: &str = "sk-a-very-secret-key";
const PATIENCE: Duration = Duration::from_secs(20);

/// What a connection does with one request after the other; then it closes.
#[derive(Clone)]
enum Then {
    Answer(String),
    /// Reads the request and closes.
    Close,
    /// Answers this much, then waits for the client to go.
    Hold(String),
}

struct Server {
    base_url: String,
    /// Every request's head and body, with the number of its connection.
    requests: mpsc::Receiver<(usize, String)>,
    /// Connections that the client closed while they were held.
    abandoned: mpsc::Receiver<usize>,
    _tasks: JoinSet<()>,
}

async fn server(connections: Vec<Vec<Then>>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::channel(64);
    let (left, abandoned) = mpsc::channel(64);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        for (number, script) in connections.into_iter().enumerate() {
            let (connection, _) = listener.accept().await.unwrap();
            open.spawn(serve(connection, number, script, asked.clone(), left.clone()));
        }
        open.join_all().await;
    });
    Server { base_url, requests, abandoned, _tasks: tasks }
}

async fn serve(
    mut connection: TcpStream,
    number: usize,
    script: Vec<Then>,
    asked: mpsc::Sender<(usize, String)>,
    left: mpsc::Sender<usize>,
) {
    for then in script {
        let Some(request) = read_request(&mut connection).await else { return };
        asked.send((number, request)).await.unwrap();
        match then {
            Then::Answer(bytes) => connection.write_all(bytes.as_bytes()).await.unwrap(),
            Then::Close => return,
            Then::Hold(bytes) => {
                connection.write_all(bytes.as_bytes()).await.unwrap();
                let mut rest = [0; 64];
                while !matches!(connection.read(&mut rest).await, Ok(0) | Err(_)) {}
                let _ = left.send(number).await;
                return;
            }
        }
    }
}

async fn read_request(connection: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = connection.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}

fn chunked(pieces: &[&str]) -> String {
    let mut answer = begun(pieces);
    answer.push_str("0\r\n\r\n");
    answer
}

fn begun(pieces: &[&str]) -> String {
    let mut answer =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for piece in pieces {
        answer.push_str(&format!("{:x}\r\n{piece}\r\n", piece.len()));
    }
    answer
}

fn error(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

const HELLO: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"}}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn model(server: &Server, idle: Duration) -> OpenAiChat {
    let settings = Settings {
        provider: "test".to_owned(),
        name: "tiny".to_owned(),
        base_url: server.base_url.parse().unwrap(),
        key: Some(ApiKey::new(KEY)),
        key_header: None,
        headers: reqwest::header::HeaderMap::new(),
        context_tokens: None,
        output_tokens: None,
        images: true,
        fitting: Arc::default(),
        idle,
    };
    OpenAiChat::new(settings, Arc::new(Transport::default())).unwrap()
}

fn request() -> ModelRequest {
    request_with(vec![ContentBlock::text("Hi")])
}

fn request_with(content: Vec<ContentBlock>) -> ModelRequest {
    let message = serde_json::from_value(serde_json::json!({
        "message_id": "msg-1", "role": Role::User, "content": content, "seq": 1, "created_at": "2026-01-01T00:00:00Z",
    }));
    ModelRequest {
        system: "".into(),
        messages: vec![Arc::new(message.unwrap())],
        tools: Arc::new([]),
        max_tokens: None,
        thinking: wharf_protocol::Thinking::Default,
    }
}

async fn ask(model: &OpenAiChat) -> (Vec<Delta>, Result<ModelReply, ModelError>) {
    ask_with(model, request()).await
}

async fn ask_with(model: &OpenAiChat, request: ModelRequest) -> (Vec<Delta>, Result<ModelReply, ModelError>) {
    let talk = async {
        let mut stream = match model.stream(request).await {
            Ok(stream) => stream,
            Err(error) => return (Vec::new(), Err(error)),
        };
        let mut deltas = Vec::new();
        while let Some(delta) = stream.next().await {
            match delta {
                Ok(Delta::Finished(reply)) => {
                    assert_eq!(stream.next().await, None);
                    return (joined(deltas), Ok(reply));
                }
                Ok(delta) => deltas.push(delta),
                Err(error) => return (joined(deltas), Err(error)),
            }
        }
        panic!("the stream ended without an end");
    };
    timeout(PATIENCE, talk).await.unwrap()
}

fn hello() -> Vec<Delta> {
    vec![Delta::Text("hello".to_owned())]
}

#[tokio::test]
async fn a_reply_comes_in_chunks_and_the_connection_is_kept() {
    let answer = Then::Answer(chunked(&[&HELLO[..20], &HELLO[20..], STOP, DONE]));
    let mut server = server(vec![vec![answer.clone(), answer]]).await;
    let model = model(&server, PATIENCE);
    for _ in 0..2 {
        let (deltas, end) = ask(&model).await;
        assert_eq!(deltas, hello());
        assert_eq!(end.unwrap().stop_reason, StopReason::EndTurn);
    }
    let (_, head) = server.requests.recv().await.unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("post /v1/chat/completions http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nauthorization: bearer {KEY}\r\n")), "{head}");
    assert!(head.contains("\r\naccept-encoding: identity\r\n"), "{head}");
    assert_eq!(server.requests.recv().await.unwrap().0, 0, "the second request came on the first connection");
}

#[tokio::test]
async fn a_kept_connection_that_breaks_is_replaced_once() {
    let answer = Then::Answer(chunked(&[HELLO, STOP, DONE]));
    // The client may open a second connection before it sees that the first one is free again.
    let mut server = server(vec![vec![answer.clone(), Then::Close], vec![answer.clone()], vec![answer]]).await;
    let model = model(&server, PATIENCE);
    for _ in 0..2 {
        assert_eq!(ask(&model).await.0, hello());
    }
    assert_eq!(server.requests.recv().await.unwrap().0, 0);
    assert_eq!(server.requests.recv().await.unwrap().0, 0, "the connection was kept");
    assert_ne!(server.requests.recv().await.unwrap().0, 0, "the request was sent again");
}

#[tokio::test]
async fn a_fresh_connection_that_breaks_is_an_error() {
    let server = server(vec![vec![Then::Close], vec![Then::Close]]).await;
    let error = ask(&model(&server, PATIENCE)).await.1.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Connection, "{error}");
}

#[tokio::test]
async fn nobody_listening_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let (_, requests) = mpsc::channel(1);
    let (_, abandoned) = mpsc::channel(1);
    let server = Server { base_url, requests, abandoned, _tasks: JoinSet::new() };
    let error = ask(&model(&server, PATIENCE)).await.1.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Connection, "{error}");
    assert!(error.message.starts_with("could not connect to 127.0.0.1:"), "{error}");
}

/// The client for TLS, with the system's certificates, is another one: it has to come about too.
#[tokio::test]
async fn a_client_for_tls_can_be_made() {
    let mut server = server(Vec::new()).await;
    server.base_url = server.base_url.replace("http:", "https:");
    let model = model(&server, PATIENCE);
    drop(server);
    let error = ask(&model).await.1.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Connection, "{error}");
    assert!(error.message.starts_with("could not connect to 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_is_an_error_unless_all_had_come() {
    let script = vec![vec![Then::Answer(begun(&[HELLO]))], vec![Then::Answer(begun(&[HELLO, STOP]))]];
    let server = server(script).await;
    let model = model(&server, PATIENCE);
    let (deltas, end) = ask(&model).await;
    assert_eq!(deltas, hello());
    assert_eq!(end.unwrap_err().kind, ModelErrorKind::Connection);
    let (deltas, end) = ask(&model).await;
    assert_eq!((deltas, end.is_ok()), (hello(), true));
}

#[tokio::test]
async fn silence_is_limited_before_and_inside_the_reply() {
    let server = server(vec![vec![Then::Hold(String::new())], vec![Then::Hold(begun(&[HELLO]))]]).await;
    let model = model(&server, Duration::from_millis(50));
    let (deltas, end) = ask(&model).await;
    assert_eq!((deltas, end.unwrap_err().kind), (Vec::new(), ModelErrorKind::Timeout));
    let (deltas, end) = ask(&model).await;
    assert_eq!((deltas, end.unwrap_err().kind), (hello(), ModelErrorKind::Timeout));
}

#[tokio::test]
async fn a_server_that_goes_on_talking_after_the_end_is_left() {
    let mut server =
        server(vec![vec![Then::Hold(begun(&[HELLO, STOP]))], vec![Then::Hold(begun(&[HELLO, STOP, DONE]))]]).await;
    let model = model(&server, Duration::from_millis(50));
    for number in 0..2 {
        let (deltas, end) = ask(&model).await;
        assert_eq!((deltas, end.is_ok()), (hello(), true));
        assert_eq!(timeout(PATIENCE, server.abandoned.recv()).await.unwrap(), Some(number));
    }
}

#[tokio::test]
async fn dropping_the_stream_or_the_call_closes_the_connection() {
    let mut server = server(vec![vec![Then::Hold(begun(&[HELLO]))], vec![Then::Hold(String::new())]]).await;
    let model = model(&server, PATIENCE);
    let mut stream = model.stream(request()).await.unwrap();
    assert_eq!(stream.next().await, Some(Ok(Delta::Text("hello".to_owned()))));
    drop(stream);
    assert_eq!(timeout(PATIENCE, server.abandoned.recv()).await.unwrap(), Some(0));
    server.requests.recv().await.unwrap();
    let mut call = model.stream(request());
    tokio::select! {
        _ = &mut call => panic!("nothing answers"),
        _ = server.requests.recv() => {}
    }
    drop(call);
    assert_eq!(timeout(PATIENCE, server.abandoned.recv()).await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_refusal_says_why_and_when_but_not_the_key() {
    let body = format!("{{\"error\":{{\"message\":\"slow down,\\n{KEY}\"}}}}");
    let script = vec![
        Then::Answer(error("429 Too Many Requests", "retry-after: 7\r\n", &body)),
        Then::Answer(error("302 Found", "location: http://example.com/\r\n", "")),
        Then::Answer(chunked(&[&format!("data: {body}\n\n")])),
    ];
    let server = server(vec![script]).await;
    let model = model(&server, PATIENCE);
    let error = ask(&model).await.1.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::RateLimited);
    assert_eq!(error.message, "slow down, *** (HTTP 429)");
    assert_eq!(error.retry_after_ms, Some(7_000));
    let error = ask(&model).await.1.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ModelErrorKind::Refused, "HTTP 302"));
    let error = ask(&model).await.1.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ModelErrorKind::BadReply, "slow down, ***"));
    assert!(!format!("{model:?}").contains(KEY), "{model:?}");
}

#[tokio::test]
async fn a_server_of_another_dialect_is_asked_again_in_it() {
    let refuse = |what: &str| Then::Answer(error("400 Bad Request", "", &format!("{{\"error\":\"unknown: {what}\"}}")));
    let answer = Then::Answer(chunked(&[HELLO, STOP, DONE]));
    let mut server = server(vec![vec![refuse("stream_options"), refuse("image_url"), answer.clone(), answer]]).await;
    let model = model(&server, PATIENCE);
    let request = request_with(vec![ContentBlock::text("See"), crate::tests::image()]);
    for _ in 0..2 {
        assert_eq!(ask_with(&model, request.clone()).await.0, hello());
    }
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (_, body) = server.requests.recv().await.unwrap();
        seen.push((body.contains("stream_options"), body.contains("image_url")));
    }
    assert_eq!(seen, [(true, true), (false, true), (false, false), (false, false)]);
}

#[tokio::test]
async fn thinking_is_asked_for_where_it_is_set_and_taken() {
    let refuse =
        Then::Answer(error("400 Bad Request", "", r#"{"error":"'reasoning_effort' does not support 'none'"}"#));
    let answer = Then::Answer(chunked(&[HELLO, STOP, DONE]));
    let answers = vec![answer.clone(), answer.clone(), refuse, answer.clone(), answer.clone(), answer];
    let mut server = server(vec![answers]).await;
    let model = model(&server, PATIENCE);
    // `off` is refused once, and not asked for again; other levels still are.
    for thinking in [Thinking::Default, Thinking::High, Thinking::Off, Thinking::Off, Thinking::Low] {
        let request = ModelRequest { thinking, ..request() };
        assert_eq!(ask_with(&model, request).await.0, hello());
    }
    let mut seen = Vec::new();
    for _ in 0..6 {
        let (_, body) = server.requests.recv().await.unwrap();
        let (_, rest) = body.split_once(r#""reasoning_effort":""#).unwrap_or_default();
        seen.push(rest.split_once('"').map_or("", |(effort, _)| effort).to_owned());
    }
    assert_eq!(seen, ["", "high", "none", "", "", "low"]);
}

#[tokio::test]
async fn many_deltas_of_one_read_leave_together() {
    let mut pieces = vec![HELLO; 500];
    pieces.extend([STOP, DONE]);
    let server = server(vec![vec![Then::Answer(chunked(&pieces))]]).await;
    let mut stream = model(&server, PATIENCE).stream(request()).await.unwrap();
    let (mut text, mut count) = (String::new(), 0);
    while let Some(Ok(Delta::Text(more))) = stream.next().await {
        text.push_str(&more);
        count += 1;
    }
    assert_eq!(text, "hello".repeat(500));
    assert!(count < 400, "{count} deltas");
}

#[tokio::test]
async fn signs_of_life_are_no_progress() {
    for noise in [
        ": keep-alive\n\n",
        "\n\n",
        "data:\n\n",
        "data: \"ping\"\n\n",
        "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            read_request(&mut connection).await.unwrap();
            connection.write_all(begun(&[HELLO]).as_bytes()).await.unwrap();
            let noise = format!("{:x}\r\n{noise}\r\n", noise.len());
            // Until the client has enough of it.
            while connection.write_all(noise.as_bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let server = Server { base_url, requests: mpsc::channel(1).1, abandoned: mpsc::channel(1).1, _tasks: tasks };
        let (deltas, end) = ask(&model(&server, Duration::from_millis(300))).await;
        assert_eq!(deltas, hello());
        assert_eq!(end.unwrap_err().kind, ModelErrorKind::Timeout, "{noise:?}");
    }
}
