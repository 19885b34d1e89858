//! Clients that want to shut others out: floods, idle connections, messages that never end. And what clients mean well but write
//! otherwise: quotes, empty cursors, byte-order marks.

use std::time::Duration;

use futures_util::SinkExt;
use http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use wharf_engine::EngineConfig;
use wharf_testkit::wait::within;

use crate::support::{KEY, Socket, TestServer, read};

#[tokio::test]
async fn a_flood_of_wrong_keys_keeps_nobody_out() {
    let mut builder = TestServer::builder();
    builder.server.limits.requests_per_second = 1;
    builder.server.limits.request_burst = 6;
    let server = builder.start().await;
    let guess = async |path: &str| {
        server.http.get(server.url(path)).bearer_auth("guess").send().await.unwrap().status().as_u16()
    };
    for _ in 0..10 {
        guess("/api/v1/info").await;
    }
    assert_eq!((guess("/api/v1/info").await, guess("/health").await), (429, 429));
    for path in ["/health", "/api/v1/health", "/health?ready=1", "/api/v1/info", "/api/v1/sessions"] {
        assert_eq!(server.request(Method::GET, path).send().await.unwrap().status(), 200, "{path}");
    }
    // Without a key nobody guesses: `/health` has a bucket of its own.
    assert_eq!(server.http.get(server.url("/health")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn idle_connections_make_room_for_whoever_has_a_key() {
    let mut builder = TestServer::builder();
    builder.server.limits.connections = 20;
    let server = builder.start().await;
    let session = server.session().await;
    let mut stream = server.events(&format!("/api/v1/sessions/{session}/events")).await;
    assert_eq!(stream.next().await.unwrap().event, "connected");
    let mut idle = Vec::new();
    for n in 0..60 {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        // Nothing, half a header, a whole request without a key.
        match n % 3 {
            0 => {}
            1 => connection.write_all(b"GET /health HTTP/1.1\r\nHost: lo").await.unwrap(),
            _ => {
                let request = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
                connection.write_all(request.as_bytes()).await.unwrap();
            }
        }
        idle.push(connection);
    }
    for _ in 0..3 {
        // A new connection each time.
        wharf_tls::choose_provider();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.get(server.url("/api/v1/info")).bearer_auth(KEY).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(http.get(server.url("/health")).send().await.unwrap().status(), 200);
    }
    // The oldest had to go; the one with a key is still served.
    let mut rest = Vec::new();
    let _ = within("the end of the oldest connection", idle[0].read_to_end(&mut rest)).await;
    server.prompt_async(&session, "hello").await;
    assert!(!stream.until("turn.completed").await.is_empty());
}

#[tokio::test]
async fn a_connection_that_shows_no_key_is_closed_soon() {
    let mut builder = TestServer::builder();
    builder.server.timeouts.first_request = Duration::from_millis(100);
    builder.server.timeouts.close = Duration::from_millis(100);
    let server = builder.start().await;
    let session = server.session().await;
    let mut stream = server.events(&format!("/api/v1/sessions/{session}/events")).await;
    for begun in ["", "GET /heal", "GET /health HTTP/1.1\r\nHost: localhost\r\nX: "] {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        connection.write_all(begun.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let _ = within("the end of the connection", connection.read_to_end(&mut rest)).await;
    }
    server.prompt_async(&session, "hello").await;
    assert!(!stream.until("turn.completed").await.is_empty(), "a stream of somebody with a key goes on");
}

/// The beginning of a text frame of `length` bytes.
fn head(length: u64) -> Vec<u8> {
    [&[0x81, 0xff], &length.to_be_bytes()[..], &[0; 4]].concat()
}

async fn raw(socket: &mut Socket, bytes: &[u8]) {
    // A server that has closed may not take everything.
    let _ = socket.0.get_mut().write_all(bytes).await;
}

async fn socket_at(server: &TestServer, path: &str) -> Socket {
    let mut request = format!("ws://{}{path}", server.address).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {KEY}").parse().unwrap());
    Socket(tokio_tungstenite::connect_async(request).await.unwrap().0)
}

async fn close_code(socket: &mut Socket) -> Option<u16> {
    loop {
        match socket.read().await {
            Ok(_) => {}
            Err(close) => return close.map(|frame| u16::from(frame.code)),
        }
    }
}

#[tokio::test]
async fn unfinished_messages_share_a_budget() {
    let mut builder = TestServer::builder();
    builder.server.limits.in_flight_bytes = 8 << 20;
    let server = builder.start().await;
    let session = server.session().await;
    let piece = vec![b' '; 3 << 20];
    let mut sockets = Vec::new();
    for path in ["/ws", "/acp", "/ws", "/acp", "/ws"] {
        let mut socket = socket_at(&server, path).await;
        raw(&mut socket, &head(15 << 20)).await;
        raw(&mut socket, &piece).await;
        sockets.push(socket);
    }
    // Those that found no room are told to come back. The first one is held.
    for socket in &mut sockets[2..] {
        assert_eq!(close_code(socket).await, Some(1013));
    }
    // Nobody else notices.
    let mut small = server.socket(&format!("?session_id={session}")).await;
    small.send("1", json!({ "action": "prompt", "content": "hello" })).await;
    small.until(|frame| frame["id"] == "1" && frame["payload"]["kind"] == "complete").await;
    let medium = json!({ "content": "x".repeat(500_000) });
    let path = format!("/api/v1/sessions/{session}/prompt");
    assert_eq!(server.post(&path, medium).await.0, 200);
    // A large body finds no room, and is told when to come back.
    let large = server.request(Method::POST, &path).json(&json!({ "content": "y".repeat(6 << 20) }));
    let refused = large.send().await.unwrap();
    assert_eq!(
        (refused.status(), refused.headers().contains_key("retry-after")),
        (StatusCode::SERVICE_UNAVAILABLE, true)
    );
    // Once the holders are gone there is room.
    drop(sockets);
    within("room", async {
        loop {
            let body = json!({ "content": "y".repeat(3 << 20) });
            // Too long for a prompt, but read.
            match server.post(&path, body).await.0.as_u16() {
                413 => return,
                503 => tokio::time::sleep(Duration::from_millis(10)).await,
                other => panic!("{other}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn pings_between_fragments_free_nothing() {
    let mut builder = TestServer::builder();
    builder.server.limits.in_flight_bytes = 2 << 20;
    let server = builder.start().await;
    let mut socket = socket_at(&server, "/acp").await;
    let mut fragment = [&[0x01, 0xff][..], &(256_u64 << 10).to_be_bytes(), &[0; 4], &vec![b' '; 256 << 10]].concat();
    for _ in 0..8 {
        raw(&mut socket, &fragment).await;
        raw(&mut socket, &[0x89, 0x84, 0, 0, 0, 0, b'p', b'i', b'n', b'g']).await;
        fragment[0] = 0x00;
    }
    assert_eq!(close_code(&mut socket).await, Some(1013));
}

#[tokio::test]
async fn many_small_messages_and_pings_use_nothing_up() {
    let mut builder = TestServer::builder();
    builder.server.limits.in_flight_bytes = 0;
    let server = builder.start().await;
    let mut socket = server.socket("").await;
    for n in 0..20 {
        socket.0.send(Message::Ping(vec![0; 100].into())).await.unwrap();
        let id = n.to_string();
        socket.send(&id, json!({ "action": "ping", "padding": "x".repeat(8_000) })).await;
        socket.answer(&id).await;
    }
}

#[tokio::test]
async fn text_that_is_not_utf_8_closes_with_its_own_code() {
    let server = TestServer::start().await;
    let texts: [&[u8]; 4] = [b"\xff\xfe", b"{\"a\":\"\xc3\"}", b"\xed\xa0\x80", b"{\xf0\x9f"];
    for path in ["/ws", "/acp"] {
        for text in texts {
            let mut socket = socket_at(&server, path).await;
            let head = [0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
            raw(&mut socket, &[&head[..], text].concat()).await;
            assert_eq!(close_code(&mut socket).await, Some(1007), "{path}: {text:?}");
        }
        // Not masked: no client may send that.
        let mut socket = socket_at(&server, path).await;
        raw(&mut socket, &[0x81, 2, b'{', b'}']).await;
        assert_eq!(close_code(&mut socket).await, Some(1002), "{path}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_skipped_at_every_door() {
    const MARK: &str = "\u{feff}";
    let server = TestServer::start().await;
    let session = server.session().await;
    let body = format!("{MARK}{}", json!({ "content": "hello" }));
    let post = |path: String, media_type: &'static str, body: String| {
        read(server.request(Method::POST, &path).header("content-type", media_type).body(body))
    };
    let path = format!("/api/v1/sessions/{session}/prompt");
    assert_eq!(post(path, "application/json", body).await.0, 200);
    assert_eq!(post("/api/v1/sessions".into(), "application/json", format!("{MARK}{{}}")).await.0, 200);
    let export = server.request(Method::GET, &format!("/api/v1/sessions/{session}/export")).send().await.unwrap();
    let lines = export.text().await.unwrap();
    let marked: String = lines.lines().map(|line| format!("{MARK}{line}\n")).collect();
    for (name, lines) in [("one", format!("{MARK}{lines}")), ("each", marked)] {
        let path = format!("/api/v1/sessions/import?session_id=import-{name}");
        let (status, answer) = post(path, "application/x-ndjson", lines).await;
        assert_eq!(status, 200, "{answer}");
    }
    let mut socket = server.socket("").await;
    socket.send_text(&format!(r#"{MARK}{{"type":"request","id":"1","payload":{{"action":"ping"}}}}"#)).await;
    assert_eq!(socket.answer("1").await["payload"]["action"], "pong");
    let mut socket = socket_at(&server, "/acp").await;
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": 1 } });
    socket.send_text(&format!("{MARK}{request}")).await;
    assert_eq!(socket.next().await["result"]["protocolVersion"], 1);
}

#[tokio::test]
async fn an_idempotency_key_may_stand_in_quotes() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let path = format!("/api/v1/sessions/{session}/prompt");
    let ask = |key: &str| {
        read(server.request(Method::POST, &path).header("Idempotency-Key", key).json(&json!({ "content": "hello" })))
    };
    let (_, first) = ask("abc").await;
    for key in [r#""abc""#, r#" "abc" "#, r#""abc";a=1"#] {
        let (status, again) = ask(key).await;
        assert_eq!((status.as_u16(), &again["turn_id"]), (200, &first["turn_id"]), "{key}");
    }
    for key in [r#""abc"#, r#""a\bc""#, r#""""#] {
        let (status, error) = ask(key).await;
        assert_eq!((status.as_u16(), &error["details"]["field"]), (400, &json!("Idempotency-Key")), "{key}");
    }
}

#[tokio::test]
async fn an_empty_cursor_is_none() {
    let server = TestServer::start().await;
    let session = server.session().await;
    for path in [
        format!("/api/v1/sessions/{session}/events?after="),
        format!("/api/v1/sessions/{session}/events?after=&limit="),
        format!("/api/v1/sessions/{session}/messages?after=&before=&limit="),
        format!("/api/v1/sessions/{session}/turns?cursor=&before=&after="),
        format!("/api/v1/sessions/{session}/timeline?after="),
        "/api/v1/sessions?cursor=&q=&cwd=&status=".to_owned(),
    ] {
        let (status, answer) = server.get(&path).await;
        assert_eq!(status, 200, "{path}: {answer}");
    }
    for path in [format!("/api/v1/sessions/{session}/events?after="), "/api/v1/events?after=".to_owned()] {
        let request = server.request(Method::GET, &path).header("Accept", "text/event-stream");
        let answer = request.header("Last-Event-ID", "").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    assert!(server.try_socket(&format!("?session_id={session}&after="), Some(KEY)).await.is_ok());
    assert_eq!(server.get(&format!("/api/v1/sessions/{session}/events?after=x")).await.0, 400);
}

#[tokio::test]
async fn sessions_are_found_by_every_spelling_of_their_directory() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let dir = server.engine.config().work_dir.canonicalize().unwrap();
    let link = dir.with_file_name("link");
    std::os::unix::fs::symlink(&dir, &link).unwrap();
    let (dir, link) = (dir.display().to_string(), link.display().to_string());
    let cases =
        [format!("{dir}/"), format!("{dir}/."), format!("{dir}/./"), dir.replacen('/', "//", 1), link, dir.clone()];
    for cwd in cases {
        let (_, page) = server.get(&format!("/api/v1/sessions?cwd={cwd}")).await;
        assert_eq!((&page["total"], &page["sessions"][0]["id"]), (&json!(1), &json!(session)), "{cwd}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
    let (_, page) = server.get(&format!("/api/v1/sessions?cwd={dir}/./")).await;
    assert_eq!(page["total"], 1, "a directory that is gone is looked for as it is written");
}

#[tokio::test]
async fn a_prompts_limit_is_the_same_at_every_door_and_may_change() {
    let mut builder = TestServer::builder();
    builder.server.limits.prompt_text_bytes = 10;
    let server = builder.start().await;
    let session = server.session().await;
    let config = EngineConfig::clone(&server.engine.config());
    let path = format!("/api/v1/sessions/{session}/prompt");
    for limit in [10, 100, 50] {
        let mut config = config.clone();
        config.limits.prompt_text_bytes = limit;
        server.engine.reconfigure(config).unwrap();
        for (length, fits) in [(limit, true), (limit + 1, false)] {
            let content = "x".repeat(length);
            let (status, answer) = server.post(&path, json!({ "content": content })).await;
            assert_eq!(status.as_u16(), if fits { 200 } else { 413 }, "{answer}");
            let (status, _) = server
                .post(&format!("{path}?answers="), json!({ "content": [{ "type": "text", "text": content }] }))
                .await;
            assert_eq!(status.as_u16(), if fits { 200 } else { 413 });
            let mut socket = server.socket(&format!("?session_id={session}")).await;
            socket.send("1", json!({ "action": "prompt", "content": content })).await;
            let code = socket.answer("1").await["payload"]["code"].clone();
            assert_eq!(code, if fits { Value::Null } else { json!("PAYLOAD_TOO_LARGE") });
            drop(socket);
            let mut editor = crate::acp::client::Client::start(&server).await;
            let opened = editor.new_session(&server).await;
            let prompt = json!({ "sessionId": opened, "prompt": [{ "type": "text", "text": content }] });
            if fits {
                editor.call("session/prompt", prompt).await;
            } else {
                assert_eq!(editor.fail("session/prompt", prompt).await["data"]["reason"], "PAYLOAD_TOO_LARGE");
            }
        }
        assert_eq!(server.get("/api/v1/info").await.1["limits"]["prompt_text_bytes"], limit);
    }
}
