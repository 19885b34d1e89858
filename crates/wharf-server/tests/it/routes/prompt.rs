//! Prompts that are waited for, or only accepted.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::support::{EventReader, TestServer, read};

#[tokio::test]
async fn a_prompt_is_answered_with_its_turn() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let answer = server.prompt(&session, "hello").await;
    assert_eq!(answer["status"], "complete");
    assert_eq!(answer["response"], "hello");
    assert_eq!(answer["stop_reason"], "end_turn");
    assert_eq!(answer["usage"]["total_tokens"], 5);
    assert_eq!(answer["session_id"], session);
}

#[tokio::test]
async fn on_a_busy_session_it_answers_queued_at_once() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let first = server.prompt_async(&session, "one|wait").await;
    assert_eq!(first["status"], "streaming");
    assert!(first.get("response").is_none() && first.get("position").is_none());
    let queued = server.prompt(&session, "two").await;
    assert_eq!((queued["status"].as_str(), queued["position"].as_u64()), (Some("queued"), Some(1)));
    assert!(queued.get("response").is_none());
    let path = format!("/api/v1/sessions/{session}/prompt");
    let (status, busy) = server.post(&path, json!({ "content": "three", "conflict_strategy": "reject" })).await;
    assert_eq!((status.as_u16(), busy["code"].as_str()), (409, Some("SESSION_BUSY")));
    server.open_gate();
    let mut events = server.events(&format!("/api/v1/sessions/{session}/events?after=0")).await;
    events.until("turn.completed").await;
    let second = events.until("turn.completed").await.pop().unwrap().json();
    assert_eq!(second["turn_id"], queued["turn_id"]);
}

#[tokio::test]
async fn fifty_prompts_of_one_id_are_one_turn() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let path = format!("/api/v1/sessions/{session}/prompt");
    let ask = |content: &'static str| {
        let request = server.request(Method::POST, &path).header("Idempotency-Key", "once");
        read(request.json(&json!({ "content": content })))
    };
    let answers = join_all((0..50).map(|_| ask("hello"))).await;
    let turns: BTreeSet<String> = answers
        .iter()
        .map(|(status, answer)| {
            assert_eq!(status.as_u16(), 200, "{answer}");
            assert_eq!(answer["message_id"], "once");
            assert_eq!(answer["response"], "hello");
            answer["turn_id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(turns.len(), 1);
    let started = server.log(&session).await.iter().filter(|event| event["type"] == "turn.started").count();
    assert_eq!(started, 1);
    let (status, other) = ask("another").await;
    assert_eq!((status.as_u16(), other["code"].as_str()), (422, Some("IDEMPOTENCY_MISMATCH")));
    let (status, both) = {
        let request = server.request(Method::POST, &path).header("Idempotency-Key", "once");
        read(request.json(&json!({ "content": "hello", "id": "twice" }))).await
    };
    assert_eq!((status.as_u16(), both["details"]["field"].as_str()), (400, Some("Idempotency-Key")));
}

#[tokio::test]
async fn a_failed_turn_is_an_error_that_names_it() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let path = format!("/api/v1/sessions/{session}/prompt");
    let (status, failed) = server.post(&path, json!({ "content": "fail" })).await;
    assert_eq!((status.as_u16(), failed["code"].as_str()), (502, Some("PROVIDER_ERROR")), "{failed}");
    let turn = failed["details"]["turn_id"].as_str().unwrap();
    let (_, turn) = server.get(&format!("/api/v1/sessions/{session}/turns/{turn}")).await;
    assert_eq!(turn["status"], "failed");
}

#[tokio::test]
async fn a_cancelled_turn_says_so_to_whoever_waits() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut events = server.events(&format!("/api/v1/sessions/{session}/events")).await;
    events.until("connected").await;
    let cancel = async {
        events.until("message.chunk").await;
        // As the design's attach does: no body, no content type.
        server.send(Method::POST, &format!("/api/v1/sessions/{session}/cancel"), None).await
    };
    let (answer, (status, cancelled)) = tokio::join!(server.prompt(&session, "one|wait"), cancel);
    assert_eq!((status.as_u16(), cancelled["status"].as_str()), (200, Some("cancelled")));
    assert_eq!((answer["status"].as_str(), answer["response"].as_str()), (Some("cancelled"), Some("one")));
    // Idle is fine.
    let (status, _) = server.post(&format!("/api/v1/sessions/{session}/cancel"), json!({ "force": true })).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn with_accept_it_streams_the_turn_and_ends_with_it() {
    let server = TestServer::start().await;
    let session = server.session().await;
    server.prompt(&session, "before").await;
    let request = server
        .request(Method::POST, &format!("/api/v1/sessions/{session}/prompt"))
        .header("Accept", "text/event-stream")
        .json(&json!({ "content": "hello" }));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-session-id"], session.as_str());
    let frames = EventReader::new(response).rest().await;
    assert_eq!(frames[0].event, "connected");
    let turn = frames[0].json()["payload"]["turn_id"].clone();
    assert!(frames[1..].iter().all(|frame| frame.json()["turn_id"] == turn));
    assert_eq!(frames[1].event, "prompt.received");
    assert_eq!(frames.last().unwrap().event, "turn.completed");
}

#[tokio::test]
async fn content_may_be_blocks_and_unknown_fields_are_passed_over() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let path = format!("/api/v1/sessions/{session}/prompt");
    let body = json!({ "content": [{ "type": "text", "text": "hello" }], "channel": "x", "stream": false, "metadata": {"a": 1} });
    let (status, answer) = server.post(&path, body).await;
    assert_eq!((status.as_u16(), answer["response"].as_str()), (200, Some("hello")), "{answer}");
    for content in [json!(""), json!([]), json!(7), json!(null)] {
        let (status, body) = server.post(&path, json!({ "content": content })).await;
        assert_eq!((status.as_u16(), body["details"]["field"].as_str()), (400, Some("content")), "{content}: {body}");
    }
}
