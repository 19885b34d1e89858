//! Stopping: told, waited for, ended.

use std::time::Duration;

use serde_json::json;
use wharf_testkit::wait::within;

use crate::support::TestServer;

#[tokio::test]
async fn streams_are_told_and_then_end() {
    let mut builder = TestServer::builder();
    builder.server.drain_grace = Duration::from_secs(60);
    let server = builder.start().await;
    let session = server.session().await;
    let mut events = server.events(&format!("/api/v1/sessions/{session}/events")).await;
    let mut socket = server.socket(&format!("?session_id={session}")).await;
    socket.until_kind("connected").await;
    events.until("connected").await;
    let asked = server.prompt_async(&session, "one|wait|two").await;
    events.until("message.start").await;

    server.shutdown.cancel();
    events.until("server.draining").await;
    socket.until_kind("server.draining").await;
    let (status, health) = server.get("/health?ready=1").await;
    assert_eq!((status.as_u16(), health["healthy"].as_bool()), (503, Some(false)));
    assert_eq!(server.get("/health").await.0, 200);
    let path = format!("/api/v1/sessions/{session}/prompt");
    let (status, refused) = server.post(&path, json!({ "content": "more" })).await;
    assert_eq!((status.as_u16(), refused["code"].as_str()), (503, Some("UNAVAILABLE")));

    // The running turn ends first, seen by everybody.
    server.open_gate();
    let seen = events.until("turn.completed").await;
    assert_eq!(seen.last().unwrap().json()["turn_id"], asked["turn_id"]);
    events.until("disconnected").await;
    assert!(events.next().await.is_none());
    socket.until_kind("disconnected").await;
    let close = socket.read().await.unwrap_err().unwrap();
    assert_eq!(u16::from(close.code), 1001);
    within("the end of the server", server.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_turn_that_does_not_end_is_not_waited_for_for_ever() {
    let mut builder = TestServer::builder();
    builder.server.drain_grace = Duration::from_millis(100);
    let server = builder.start().await;
    let session = server.session().await;
    let path = format!("/api/v1/sessions/{session}/prompt/stream");
    let request = server.request(reqwest::Method::POST, &path).json(&json!({ "content": "one|wait" }));
    let mut response = request.send().await.unwrap();
    assert!(within("a frame", response.chunk()).await.unwrap().is_some());
    server.shutdown.cancel();
    let rest = within("the end of the frames", response.text()).await.unwrap();
    let last = rest.lines().last().unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(last).unwrap()["code"], "UNAVAILABLE");
    within("the end of the server", server.serving).await.unwrap().unwrap();
}
