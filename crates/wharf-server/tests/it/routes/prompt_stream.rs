//! A turn as lines of frames.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use wharf_testkit::wait::within;

use crate::support::TestServer;

async fn ask(server: &TestServer, session: &str, body: Value) -> Response {
    let path = format!("/api/v1/sessions/{session}/prompt/stream");
    let response = server.request(Method::POST, &path).header("Accept", "*/*").json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    assert_eq!(response.headers()["x-session-id"], session);
    response
}

async fn frames(response: Response) -> Vec<Value> {
    let text = within("the frames", response.text()).await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(frames: &[Value]) -> String {
    frames.iter().filter(|frame| frame["type"] == "chunk").filter_map(|frame| frame["content"].as_str()).collect()
}

#[tokio::test]
async fn frames_go_from_start_to_complete() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let frames = frames(ask(&server, &session, json!({ "content": "hel|lo", "stream": true })).await).await;
    assert_eq!(frames[0]["type"], "start");
    assert_eq!(frames[0]["session_id"], session);
    assert_eq!(text(&frames), "hello");
    let last = frames.last().unwrap();
    assert_eq!((last["type"].as_str(), last["status"].as_str()), (Some("complete"), Some("completed")));
    assert_eq!(last["usage"]["total_tokens"], 5);
    let turn = &frames[0]["turn_id"];
    assert!(frames.iter().all(|frame| frame["turn_id"] == *turn && frame["seq"].is_u64()));
}

#[tokio::test]
async fn line_ends_inside_texts_are_escaped() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let said = "a\u{85}b\u{2028}c\u{2029}d é";
    let body = within("the frames", ask(&server, &session, json!({ "content": said })).await.text()).await.unwrap();
    assert!(!body.contains(['\u{85}', '\u{2028}', '\u{2029}']));
    let frames: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(text(&frames), said);
}

#[tokio::test]
async fn tools_are_named_in_every_frame_of_theirs() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let content = r#"call bash {"command":"echo out"}"#;
    let frames = frames(ask(&server, &session, json!({ "content": content })).await).await;
    let tools: Vec<&Value> = frames.iter().filter(|frame| frame["type"] == "tool").collect();
    assert!(tools.iter().all(|frame| frame["tool_name"] == "bash"), "{tools:?}");
    assert_eq!(tools[0]["event"], "call_start");
    assert_eq!(tools[0]["arguments"]["command"], "echo out");
    let last = tools.last().unwrap();
    assert_eq!((last["event"].as_str(), last["success"].as_bool()), (Some("call_complete"), Some(true)));
    assert!(last["result_length"].is_u64() && last["duration_ms"].is_u64());
    assert_eq!(text(&frames), "done");
}

#[tokio::test]
async fn cancelled_and_failed_turns_end_with_an_error_frame() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut response = ask(&server, &session, json!({ "content": "one|wait" })).await;
    let mut seen = String::new();
    while !seen.contains(r#""chunk""#) {
        let chunk = within("a chunk", response.chunk()).await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    server.post(&format!("/api/v1/sessions/{session}/cancel"), json!({})).await;
    let last = frames(response).await.pop().unwrap();
    assert_eq!((last["type"].as_str(), last["code"].as_str()), (Some("error"), Some("TURN_CANCELLED")));
    assert_eq!(last["retryable"], false);
    let last = frames(ask(&server, &session, json!({ "content": "fail" })).await).await.pop().unwrap();
    assert_eq!((last["type"].as_str(), last["code"].as_str()), (Some("error"), Some("PROVIDER_ERROR")));
}

#[tokio::test]
async fn silence_is_filled_with_pings_also_in_the_queue() {
    let mut builder = TestServer::builder();
    builder.server.timeouts.keep_alive = Duration::from_millis(50);
    let server = builder.start().await;
    let session = server.session().await;
    server.prompt_async(&session, "one|wait").await;
    let mut response = ask(&server, &session, json!({ "content": "two|wait" })).await;
    let mut seen = String::new();
    while !seen.contains(r#""type":"ping""#) {
        let chunk = within("a ping", response.chunk()).await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let first: Value = serde_json::from_str(seen.lines().next().unwrap()).unwrap();
    assert_eq!((first["type"].as_str(), first["status"].as_str()), (Some("start"), Some("queued")));
    server.gate.add_permits(2);
    assert_eq!(frames(response).await.pop().unwrap()["type"], "complete");
}

#[tokio::test]
async fn a_repeated_id_gets_the_same_turn_again() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let body = json!({ "content": "hello", "id": "once" });
    let first = frames(ask(&server, &session, body.clone()).await).await;
    let second = frames(ask(&server, &session, body).await).await;
    assert_eq!(first, second);
}

#[tokio::test]
async fn leaving_early_does_not_stop_the_turn() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut events = server.events(&format!("/api/v1/sessions/{session}/events")).await;
    events.until("connected").await;
    let mut response = ask(&server, &session, json!({ "content": "one|wait|two" })).await;
    within("a frame", response.chunk()).await.unwrap();
    drop(response);
    events.until("message.chunk").await;
    server.open_gate();
    let completed = events.until("turn.completed").await.pop().unwrap().json();
    assert_eq!(completed["payload"]["response"], "onetwo");
}
