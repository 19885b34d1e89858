//! The WebSocket.

use std::time::Duration;

use futures_util::SinkExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{KEY, TestServer};

fn seqs(frames: &[Value]) -> Vec<u64> {
    frames
        .iter()
        .filter(|frame| frame["type"] == "event")
        .filter_map(|frame| frame["payload"]["seq"].as_u64())
        .collect()
}

#[tokio::test]
async fn connected_comes_first_and_every_answer_has_its_id() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut socket = server.socket(&format!("?session_id={session}&after=0")).await;
    let connected = socket.next().await;
    assert_eq!((connected["type"].as_str(), connected["payload"]["kind"].as_str()), (Some("event"), Some("connected")));
    assert_eq!(connected["payload"]["session_id"], session);
    assert_eq!(connected["payload"]["last_seq"], 1);
    socket.send("p", json!({ "action": "ping" })).await;
    assert_eq!(socket.answer("p").await["payload"], json!({ "action": "pong" }));
    socket.send("s", json!({ "action": "subscribe", "session_id": session })).await;
    let subscribed = socket.answer("s").await;
    assert_eq!(subscribed["payload"], json!({ "action": "subscribed", "session_id": session, "last_seq": 1 }));
    socket.send("c", json!({ "action": "cancel", "force": true })).await;
    assert_eq!(socket.answer("c").await["payload"], json!({ "action": "cancelled", "session_id": session }));
    socket.send("u", json!({ "action": "unsubscribe" })).await;
    assert_eq!(socket.answer("u").await["payload"]["action"], "unsubscribed");
}

#[tokio::test]
async fn a_prompt_is_answered_frame_by_frame_while_others_are_served() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut socket = server.socket("").await;
    socket
        .send(
            "1",
            json!({ "action": "prompt", "session_id": session, "content": "one|wait|two", "priority": "normal" }),
        )
        .await;
    socket.until(|frame| frame["id"] == "1" && frame["payload"]["kind"] == "chunk").await;
    socket.send("2", json!({ "action": "ping" })).await;
    assert_eq!(socket.answer("2").await["payload"]["action"], "pong");
    server.open_gate();
    let frames = socket.until(|frame| frame["id"] == "1" && frame["payload"]["kind"] == "complete").await;
    let chunk = frames.iter().find(|frame| frame["id"] == "1" && frame["payload"]["type"] == "chunk").unwrap();
    assert_eq!(chunk["type"], "response");
    assert_eq!((chunk["payload"]["content"].as_str(), chunk["payload"]["done"].as_bool()), (Some("two"), Some(false)));
    let complete = frames.last().unwrap();
    assert_eq!(complete["payload"]["status"], "completed");
    assert_eq!(complete["payload"]["usage"]["total_tokens"], 5);

    socket.send("3", json!({ "action": "prompt", "session_id": "nobody", "content": "x" })).await;
    let failed = socket.answer("3").await;
    assert_eq!(
        (failed["type"].as_str(), failed["payload"]["code"].as_str()),
        (Some("error"), Some("SESSION_NOT_FOUND"))
    );
    socket.send("4", json!({ "action": "prompt", "content": "x" })).await;
    assert_eq!(socket.answer("4").await["payload"]["details"]["field"], "payload.session_id");
}

#[tokio::test]
async fn tool_frames_and_events_have_the_designs_kinds() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut socket = server.socket(&format!("?session_id={session}")).await;
    socket.send("1", json!({ "action": "prompt", "content": r#"call bash {"command":"echo out"}"# })).await;
    let mut frames = socket.until(|frame| frame["payload"]["kind"] == "turn.completed").await;
    if !frames.iter().any(|frame| frame["payload"]["kind"] == "complete") {
        frames.extend(socket.until_kind("complete").await);
    }
    let kinds = |of: &str, field: &str| -> Vec<String> {
        let frames = frames.iter().filter(|frame| frame["type"] == *of);
        let kinds = frames.map(|frame| frame["payload"][field].as_str().unwrap_or_default().to_owned());
        kinds.filter(|kind| kind.starts_with("tool_")).collect()
    };
    assert_eq!(kinds("event", "kind"), ["tool_call", "tool_result"]);
    let frames_of_turn = kinds("response", "kind");
    assert_eq!(
        (frames_of_turn.first().unwrap().as_str(), frames_of_turn.last().unwrap().as_str()),
        ("tool_call", "tool_result")
    );
    let call = frames.iter().find(|frame| frame["payload"]["event_type"] == "tool.call_start").unwrap();
    assert_eq!(call["payload"]["tool_kind"], "execute");
    assert_eq!(call["payload"]["session_id"], session);
}

#[tokio::test]
async fn a_cancelled_prompt_ends_with_an_error_frame() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut socket = server.socket(&format!("?session_id={session}")).await;
    socket.send("1", json!({ "action": "prompt", "content": "one|wait" })).await;
    socket.until(|frame| frame["id"] == "1" && frame["payload"]["kind"] == "chunk").await;
    socket.send("2", json!({ "action": "cancel" })).await;
    let frames = socket.until(|frame| frame["id"] == "1" && frame["type"] == "error").await;
    assert_eq!(frames.last().unwrap()["payload"]["code"], "TURN_CANCELLED");
}

#[tokio::test]
async fn a_client_that_drops_in_the_middle_of_a_message_misses_nothing() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut first = server.socket(&format!("?session_id={session}&after=0")).await;
    server.prompt_async(&session, "one |two |wait|three |big 5|four").await;
    let mut frames = first.until_kind("message.chunk").await;
    drop(first);
    let after = *seqs(&frames).last().unwrap();
    server.open_gate();
    let mut second = server.socket(&format!("?session_id={session}&after={after}")).await;
    frames.extend(second.until_kind("turn.completed").await);
    let seqs = seqs(&frames);
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let of_kind = |kind: &str| frames.iter().filter(move |frame| frame["payload"]["kind"] == *kind).collect::<Vec<_>>();
    let text: String =
        of_kind("message.chunk").iter().map(|frame| frame["payload"]["content"].as_str().unwrap()).collect();
    assert_eq!(of_kind("message.complete")[0]["payload"]["content"], text);
}

#[tokio::test]
async fn each_event_comes_once_bound_and_subscribed_or_not() {
    let server = TestServer::start().await;
    let (one, two) = (server.session().await, server.session().await);
    let mut bound = server.socket(&format!("?session_id={one}&after=0")).await;
    bound.send("s", json!({ "action": "subscribe", "session_id": one })).await;
    bound.answer("s").await;
    let mut everything = server.socket("").await;
    assert_eq!(everything.next().await["payload"]["kind"], "connected");
    server.prompt(&two, "hello").await;
    server.prompt(&one, "hello").await;
    let frames = bound.until_kind("turn.completed").await;
    assert!(frames.iter().all(|frame| frame["payload"]["session_id"] == one));
    let seqs = seqs(&frames);
    assert_eq!(seqs, (2..2 + seqs.len() as u64).collect::<Vec<_>>());
    // Without a session: all of them, until one is subscribed to.
    let frames =
        everything.until(|frame| frame["payload"]["kind"] == "turn.completed" && frame["payload"]["session_id"] == one);
    assert!(frames.await.iter().any(|frame| frame["payload"]["session_id"] == two));
    everything.send("s", json!({ "action": "subscribe", "session_id": two, "after": 0 })).await;
    everything.answer("s").await;
    server.prompt(&one, "again").await;
    server.prompt(&two, "again").await;
    let mut seen = everything.until_kind("turn.completed").await;
    seen.extend(everything.until_kind("turn.completed").await);
    assert!(seen.iter().all(|frame| frame["payload"]["session_id"] == two));
    let replayed: Vec<u64> = seen.iter().map(|frame| frame["payload"]["seq"].as_u64().unwrap()).collect();
    assert_eq!(replayed, (1..=replayed.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn malformed_frames_are_answered_and_the_connection_goes_on() {
    let server = TestServer::start().await;
    let mut socket = server.socket("").await;
    socket.until_kind("connected").await;
    for (frame, id, code) in [
        ("{", json!(""), "INVALID_JSON"),
        ("[]", json!(""), "VALIDATION_ERROR"),
        (r#"{"type":"request","id":"1","payload":{"action":"dance"}}"#, json!("1"), "UNSUPPORTED_ACTION"),
        (r#"{"type":"request","id":"2","payload":{"action":"subscribe"}}"#, json!("2"), "VALIDATION_ERROR"),
        (r#"{"type":"request","id":"3","payload":{"action":"approve"}}"#, json!("3"), "VALIDATION_ERROR"),
        (r#"{"type":"request","payload":{"action":"ping"}}"#, json!(""), "VALIDATION_ERROR"),
    ] {
        socket.send_text(frame).await;
        let answer = socket.next().await;
        assert_eq!((&answer["type"], &answer["id"]), (&json!("error"), &id), "{frame}");
        assert_eq!(answer["payload"]["code"], code, "{frame}");
    }
    let ping = json!({ "type": "request", "id": "b", "payload": { "action": "ping" } }).to_string();
    socket.0.send(Message::binary(ping)).await.unwrap();
    assert_eq!(socket.answer("b").await["payload"]["action"], "pong");
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused_before_the_upgrade() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let refused = |query: String, key: Option<&'static str>| {
        let server = &server;
        async move { server.try_socket(&query, key).await.err().unwrap() }
    };
    assert_eq!(refused(String::new(), None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(refused(String::new(), Some("wrong")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(refused("?session_id=nobody".into(), Some(KEY)).await, StatusCode::NOT_FOUND);
    assert_eq!(refused(format!("?session_id={session}&after=99"), Some(KEY)).await, StatusCode::CONFLICT);
    assert_eq!(refused("?after=1".into(), Some(KEY)).await, StatusCode::BAD_REQUEST);
    assert_eq!(refused("?after=x".into(), Some(KEY)).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_frame_that_is_too_large_closes_the_socket() {
    let mut builder = TestServer::builder();
    builder.server.limits.frame_bytes = 10_000;
    let server = builder.start().await;
    let mut socket = server.socket("").await;
    socket.until_kind("connected").await;
    socket.send_text(&"x".repeat(20_000)).await;
    let close = socket.read().await.unwrap_err();
    assert_eq!(close.map(|frame| u16::from(frame.code)), Some(1009));
}

#[tokio::test]
async fn an_idle_socket_is_closed_but_not_while_a_prompt_runs() {
    let mut builder = TestServer::builder();
    builder.server.timeouts.idle = Duration::from_millis(100);
    builder.server.timeouts.ping = Duration::from_secs(60);
    builder.server.timeouts.keep_alive = Duration::from_millis(40);
    let server = builder.start().await;
    let session = server.session().await;
    let mut socket = server.socket(&format!("?session_id={session}")).await;
    socket.send("1", json!({ "action": "prompt", "content": "one|wait" })).await;
    // Several idle times long.
    for _ in 0..8 {
        socket.until(|frame| frame["payload"]["type"] == "ping").await;
    }
    server.open_gate();
    socket.until(|frame| frame["id"] == "1" && frame["payload"]["kind"] == "complete").await;
    let close = loop {
        match socket.read().await {
            Ok(_) => {}
            Err(close) => break close,
        }
    };
    assert_eq!(close.map(|frame| u16::from(frame.code)), Some(1001));
}

#[tokio::test]
async fn long_texts_come_in_frames_that_clients_take() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let said = "é\u{1}".repeat(300_000);
    let mut socket = server.socket(&format!("?session_id={session}")).await;
    socket.send("0", json!({ "action": "unsubscribe" })).await;
    socket.answer("0").await;
    socket.send("1", json!({ "action": "prompt", "content": said })).await;
    let frames = socket.until(|frame| frame["payload"]["kind"] == "complete").await;
    assert!(frames.iter().all(|frame| frame.to_string().len() <= 1 << 20));
    let text: String = frames.iter().filter_map(|frame| frame["payload"]["content"].as_str()).collect();
    assert!(text == said);
}

#[tokio::test]
async fn a_deleted_session_ends_its_subscription_not_the_socket() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut socket = server.socket(&format!("?session_id={session}")).await;
    socket.until_kind("connected").await;
    server.send(Method::DELETE, &format!("/api/v1/sessions/{session}"), None).await;
    let frames = socket.until_kind("disconnected").await;
    assert!(frames.iter().any(|frame| frame["payload"]["kind"] == "session.deleted"));
    socket.send("p", json!({ "action": "ping" })).await;
    assert_eq!(socket.answer("p").await["payload"]["action"], "pong");
}
