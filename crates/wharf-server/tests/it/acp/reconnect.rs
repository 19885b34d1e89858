//! Our extensions, as the bridge uses them: a client that lost its connection goes on as if nothing had happened.

use serde_json::{Value, json};
use wharf_protocol::Mode;

use super::client::{Client, prompt, text};
use crate::support::TestServer;

fn place(message: &Value) -> Option<u64> {
    message["params"]["_meta"]["_wharf"]["seq"].as_u64()
}

#[tokio::test]
async fn only_the_bridge_is_told_places() {
    let server = TestServer::start().await;
    let mut plain = Client::start(&server).await;
    let session = plain.new_session(&server).await;
    let (messages, _) = plain.turn(&session, "hello").await;
    assert!(messages.iter().all(|message| message["params"].get("_meta").is_none()));
    let mut bridge = Client::start_bridge(&server).await;
    bridge.call("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
    let (messages, _) = bridge.turn(&session, "hello").await;
    let seqs: Vec<u64> = messages.iter().filter_map(place).collect();
    assert!(!seqs.is_empty() && seqs.is_sorted());
}

#[tokio::test]
async fn what_was_missed_comes_once_and_the_prompt_gets_its_one_answer() {
    let server = TestServer::start().await;
    let mut bridge = Client::start_bridge(&server).await;
    let session = bridge.new_session(&server).await;
    let mut request = prompt(&session, "one|wait|two|wait|three");
    request["_meta"] = json!({ "_wharf": { "id": "msg-of-the-bridge" } });
    bridge.request("session/prompt", request.clone()).await;
    let seen = bridge.until(|message| message["params"]["update"]["sessionUpdate"] == "agent_message_chunk").await;
    let after = seen.iter().filter_map(place).max().unwrap();
    drop(bridge);
    server.open_gate();

    let mut bridge = Client::start_bridge(&server).await;
    bridge.call("_wharf/session/attach", json!({ "sessionId": session, "after": after })).await;
    let id = bridge.request("session/prompt", request.clone()).await;
    assert_eq!(bridge.update("agent_message_chunk").await["content"]["text"], "two");
    server.open_gate();
    let messages = bridge.until_answer(id).await;
    assert_eq!(text(&messages, "agent_message_chunk"), "three");
    assert_eq!(messages.last().unwrap()["result"]["stopReason"], "end_turn");
    assert_eq!(text(&messages, "user_message_chunk"), "");

    // Lost again between the last update and the answer.
    let log = server.log(&session).await;
    let end = log.iter().find(|event| event["type"] == "turn.completed").unwrap()["seq"].as_u64().unwrap();
    for after in [end - 1, log.last().unwrap()["seq"].as_u64().unwrap()] {
        let mut bridge = Client::start_bridge(&server).await;
        bridge.call("_wharf/session/attach", json!({ "sessionId": session, "after": after })).await;
        let id = bridge.request("session/prompt", request.clone()).await;
        let messages = bridge.until_answer(id).await;
        assert_eq!(messages.last().unwrap()["result"]["stopReason"], "end_turn");
        assert_eq!(text(&messages, "agent_message_chunk"), "");
    }
    assert_eq!(server.log(&session).await.iter().filter(|event| event["type"] == "prompt.received").count(), 1);
}

#[tokio::test]
async fn an_open_question_is_asked_again_with_its_id() {
    let mut builder = TestServer::builder();
    builder.mode = Mode::Ask;
    let server = builder.start().await;
    let mut bridge = Client::start_bridge(&server).await;
    let session = bridge.new_session(&server).await;
    let mut request = prompt(&session, r#"call write_file {"path":"a","content":"x"}"#);
    request["_meta"] = json!({ "_wharf": { "id": "msg-asks" } });
    bridge.request("session/prompt", request.clone()).await;
    let question = bridge.question().await;
    let after = server.log(&session).await.last().unwrap()["seq"].clone();
    drop(bridge);
    let mut bridge = Client::start_bridge(&server).await;
    bridge.call("_wharf/session/attach", json!({ "sessionId": session, "after": after })).await;
    let id = bridge.request("session/prompt", request).await;
    let again = bridge.question().await;
    assert_eq!(again["id"], question["id"]);
    bridge.answer(&again, "allow_once").await;
    assert_eq!(bridge.until_answer(id).await.pop().unwrap()["result"]["stopReason"], "end_turn");
}

#[tokio::test]
async fn a_session_that_is_asked_for_twice_is_one() {
    let server = TestServer::start().await;
    let request = json!({
        "cwd": server.engine.config().work_dir, "mcpServers": [],
        "_meta": { "_wharf": { "id": "session-of-the-bridge" } },
    });
    for _ in 0..2 {
        let mut bridge = Client::start_bridge(&server).await;
        let answer = bridge.call("session/new", request.clone()).await;
        assert_eq!(answer["sessionId"], "session-of-the-bridge");
    }
    // Others choose no ids.
    let mut plain = Client::start(&server).await;
    assert_ne!(plain.call("session/new", request).await["sessionId"], "session-of-the-bridge");
}

#[tokio::test]
async fn a_cursor_that_the_log_does_not_have_starts_at_the_present() {
    let server = TestServer::start().await;
    let mut bridge = Client::start_bridge(&server).await;
    let session = bridge.new_session(&server).await;
    bridge.call("_wharf/session/attach", json!({ "sessionId": session, "after": 1_000_000 })).await;
    assert_eq!(bridge.turn(&session, "on").await.1, "end_turn");
}

#[tokio::test]
async fn the_bridge_can_fork() {
    let server = TestServer::start().await;
    let mut bridge = Client::start_bridge(&server).await;
    let session = bridge.new_session(&server).await;
    bridge.turn(&session, "hello").await;
    let answer = bridge.call("_wharf/session/fork", json!({ "sessionId": session })).await;
    let forked = answer["sessionId"].as_str().unwrap().to_owned();
    assert_ne!(forked, session);
    let (_, view) = server.get(&format!("/api/v1/sessions/{forked}")).await;
    assert_eq!(view["forked_from"]["session_id"], session.as_str());
    let (messages, _) = bridge.turn(&session, "/fork 1").await;
    assert!(text(&messages, "agent_message_chunk").contains("The copy is session"));
}
