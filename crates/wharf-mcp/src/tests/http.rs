//! Against small servers over HTTP, good and bad.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wharf_protocol::mcp::{McpServer, McpServerState, McpStatus, McpTransport, NamedValue};
use wharf_testkit::{wait_until, within};

use super::super::{Mcp, McpConfig, McpSet, Remembered};
use crate::testing::Bench;

const LIMIT: Duration = Duration::from_secs(20);

/// A request, as far as the test looks at it.
#[derive(Debug, Clone)]
struct Request {
    method: String,
    path: String,
    head: String,
    body: Value,
}

type Answer = Arc<dyn Fn(&Request) -> String + Send + Sync>;

/// A server that answers each request with what `answer` gives, and notes it.
struct Place {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    _task: tokio_util::task::AbortOnDropHandle<()>,
}

impl Place {
    async fn new(answer: impl Fn(&Request) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (noted, answer): (_, Answer) = (Arc::clone(&requests), Arc::new(answer));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&noted), Arc::clone(&answer)));
            }
        });
        Self { url, requests, _task: tokio_util::task::AbortOnDropHandle::new(task) }
    }

    fn seen(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, noted: Arc<Mutex<Vec<Request>>>, answer: Answer) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    let (head, mut body) = loop {
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break (String::from_utf8_lossy(&bytes[..at]).into_owned(), bytes[at + 4..].to_vec());
        }
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while body.len() < length.unwrap_or(0) {
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        body.extend_from_slice(&buffer[..count]);
    }
    let mut words = head.split(' ');
    let request = Request {
        method: words.next().unwrap_or_default().to_owned(),
        path: words.next().unwrap_or_default().to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        head: head.to_lowercase(),
    };
    noted.lock().unwrap().push(request.clone());
    let answer = answer(&request);
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn with(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

fn result_of(request: &Request) -> Option<Value> {
    let id = &request.body["id"];
    let result = match request.body["method"].as_str()? {
        "initialize" => json!({
            "protocolVersion": "2025-06-18", "capabilities": { "tools": {} }, "serverInfo": { "name": "place" },
        }),
        "tools/list" => json!({ "tools": [{ "name": "echo" }] }),
        "tools/call" => json!({ "content": [{ "type": "text", "text": request.body["params"]["arguments"]["text"] }] }),
        _ => return None,
    };
    Some(json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

/// Answers as JSON, or as a stream where `streams`.
fn plain(request: &Request, streams: bool) -> String {
    match (request.method.as_str(), result_of(request)) {
        ("POST", Some(result)) if streams => {
            let body = format!(": hello\r\n\r\nevent: message\r\ndata: {result}\r\n\r\n");
            with("200 OK", "content-type: text/event-stream\r\nmcp-session-id: s-1\r\n", &body)
        }
        ("POST", Some(result)) => {
            with("200 OK", "content-type: application/json\r\nmcp-session-id: s-1\r\n", &result.to_string())
        }
        ("POST", None) => with("202 Accepted", "", ""),
        _ => with("405 Method Not Allowed", "", ""),
    }
}

fn pool() -> Mcp {
    Mcp::new(McpConfig { call_timeout_ms: 60_000, ..McpConfig::default() })
}

fn server(transport: McpTransport, url: &str) -> McpServer {
    let headers = vec![NamedValue { name: "Authorization".to_owned(), value: "Bearer key-1234".to_owned() }];
    McpServer { name: "place".to_owned(), transport, url: Some(url.to_owned()), headers, ..McpServer::default() }
}

fn open(mcp: &Mcp, transport: McpTransport, url: &str) -> McpSet {
    mcp.open(&[server(transport, url)], Remembered::default(), &wharf_tools::Home::new("/", &[]))
}

fn state(set: &McpSet) -> McpServerState {
    set.states().remove(0)
}

async fn until(set: &McpSet, status: McpStatus) -> McpServerState {
    wait_until(&format!("{status:?}"), LIMIT, || state(set).status == status).await;
    state(set)
}

async fn echo(set: &McpSet, text: &str) -> String {
    let bench = Bench::new();
    let (context, _pieces, _cancel) = bench.context();
    let tool = set.tools().remove(0);
    match within("a call", tool.run(json!({ "text": text }), context)).await {
        Ok(output) => output.result,
        Err(error) => format!("error: {error}"),
    }
}

#[tokio::test]
async fn a_place_is_greeted_called_and_left() {
    for streams in [false, true] {
        let place = Place::new(move |request| plain(request, streams)).await;
        let mcp = pool();
        let set = open(&mcp, McpTransport::Http, &place.url);
        until(&set, McpStatus::Connected).await;
        assert_eq!(set.tools()[0].spec().name, "mcp__place__echo");
        assert_eq!(echo(&set, "over http").await, "over http");
        drop(set);
        mcp.close(LIMIT).await;
        let seen = place.seen();
        assert!(seen.iter().all(|request| request.head.contains("authorization: bearer key-1234")));
        let later = seen.iter().filter(|request| request.body["method"] != "initialize");
        for request in later {
            assert!(request.head.contains("mcp-session-id: s-1"), "{request:?}");
            assert!(request.head.contains("mcp-protocol-version: 2025-06-18"), "{request:?}");
        }
        assert_eq!(seen.last().map(|request| request.method.as_str()), Some("DELETE"));
    }
}

#[tokio::test]
async fn a_redirect_is_followed_at_the_same_place_only() {
    let elsewhere = Place::new(|request| plain(request, false)).await;
    let target = elsewhere.url.clone();
    let place = Place::new(move |_| with("307 Temporary Redirect", &format!("location: {target}/\r\n"), "")).await;
    let mcp = pool();
    let set = open(&mcp, McpTransport::Http, &place.url);
    let shown = until(&set, McpStatus::Failed).await;
    assert_eq!(shown.error.as_deref(), Some("it leads to another place"));
    assert!(elsewhere.seen().is_empty(), "the key went elsewhere");
    let here = Place::new(|request| match request.path.as_str() {
        "/" => with("308 Permanent Redirect", "location: /mcp\r\n", ""),
        _ => plain(request, false),
    })
    .await;
    let set = open(&mcp, McpTransport::Http, &here.url);
    until(&set, McpStatus::Connected).await;
    mcp.close(LIMIT).await;
}

#[tokio::test]
async fn a_place_that_forgot_us_is_greeted_again() {
    let forgotten = Arc::new(Mutex::new(false));
    let forgets = Arc::clone(&forgotten);
    let place = Place::new(move |request| {
        let is_call = request.body["method"] == "tools/call";
        if is_call && !std::mem::replace(&mut *forgets.lock().unwrap(), true) {
            return with("404 Not Found", "", "{}");
        }
        plain(request, false)
    })
    .await;
    let mcp = pool();
    let set = open(&mcp, McpTransport::Http, &place.url);
    until(&set, McpStatus::Connected).await;
    let told = echo(&set, "x").await;
    assert_eq!(told, "error: the MCP server place does not answer: it does not know this session any more");
    assert_eq!(echo(&set, "again").await, "again");
    mcp.close(LIMIT).await;
}

#[tokio::test]
async fn refusals_and_broken_answers_fail_one_call() {
    let bad = Arc::new(Mutex::new(String::new()));
    let next = Arc::clone(&bad);
    let place = Place::new(move |request| match next.lock().unwrap().as_str() {
        answer if request.body["method"] == "tools/call" && !answer.is_empty() => answer.to_owned(),
        _ => plain(request, false),
    })
    .await;
    let mcp = pool();
    let set = open(&mcp, McpTransport::Http, &place.url);
    until(&set, McpStatus::Connected).await;
    let cases = [
        (with("401 Unauthorized", "", "who are\u{1b} you"), "401 Unauthorized who are\\u{1b} you"),
        (with("200 OK", "content-type: application/json\r\n", "nonsense"), "its answer broke off"),
        (with("200 OK", "content-type: text/event-stream\r\n", "data: {}\n\n"), "its answer broke off"),
        (with("503 Service Unavailable", "", ""), "503 Service Unavailable"),
    ];
    for (answer, told) in cases {
        *bad.lock().unwrap() = answer;
        assert_eq!(echo(&set, "x").await, format!("error: the MCP server place does not answer: {told}"));
    }
    bad.lock().unwrap().clear();
    assert_eq!(echo(&set, "well").await, "well");
    assert_eq!(state(&set).restarts, 0);
    mcp.close(LIMIT).await;
}

#[tokio::test]
async fn nobody_there_is_told_without_the_address() {
    let gone = Place::new(|_| String::new()).await.url;
    let mcp = pool();
    let set = open(&mcp, McpTransport::Http, &format!("{gone}/?key=secret-key"));
    let shown = until(&set, McpStatus::Failed).await;
    assert_eq!(shown.target, format!("{gone}/"));
    assert!(!format!("{shown:?}").contains("secret-key"), "{shown:?}");
    mcp.close(LIMIT).await;
}

/// The older way: one stream, which says where to post to; answers come on the stream.
async fn legacy(endpoint: &'static str) -> (String, tokio_util::task::AbortOnDropHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/sse", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut stream: Option<TcpStream> = None;
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let mut buffer = [0; 8192];
            let request: Option<Value> = loop {
                let count = connection.read(&mut buffer).await.unwrap_or(0);
                bytes.extend_from_slice(&buffer[..count]);
                let text = String::from_utf8_lossy(&bytes);
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                if head.starts_with("GET") {
                    break None;
                }
                if let Ok(body) = serde_json::from_str(body) {
                    break Some(body);
                }
            };
            match request {
                None => {
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: endpoint\ndata: {endpoint}\n\n"
                    );
                    connection.write_all(head.as_bytes()).await.unwrap();
                    stream = Some(connection);
                }
                Some(body) => {
                    connection.write_all(with("202 Accepted", "", "").as_bytes()).await.unwrap();
                    let request = Request { method: String::new(), path: String::new(), head: String::new(), body };
                    if let (Some(result), Some(stream)) = (result_of(&request), &mut stream) {
                        let event = format!("event: message\ndata: {result}\n\n");
                        stream.write_all(event.as_bytes()).await.unwrap();
                    }
                }
            }
        }
    });
    (url, tokio_util::task::AbortOnDropHandle::new(task))
}

#[tokio::test]
async fn the_older_way_works_too() {
    let (url, _task) = legacy("/messages?session=1").await;
    let mcp = pool();
    let set = open(&mcp, McpTransport::Sse, &url);
    until(&set, McpStatus::Connected).await;
    assert_eq!(echo(&set, "the old way").await, "the old way");
    mcp.close(LIMIT).await;
}

#[tokio::test]
async fn the_older_way_leads_nowhere_else() {
    let (url, _task) = legacy("http://127.0.0.2:9/messages").await;
    let mcp = pool();
    let set = open(&mcp, McpTransport::Sse, &url);
    let shown = until(&set, McpStatus::Failed).await;
    assert_eq!(shown.error.as_deref(), Some("the address to post to is at another place"));
    mcp.close(LIMIT).await;
}
