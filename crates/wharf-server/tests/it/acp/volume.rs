//! Much, and slow readers.

use serde_json::json;

use super::client::{Client, text};
use crate::support::TestServer;

#[tokio::test]
async fn a_reader_that_waits_loses_nothing() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let id = client.prompt(&session, "big 3000").await;
    // The turn is over before this client reads anything of it.
    loop {
        let (_, turns) = server.get(&format!("/api/v1/sessions/{session}/turns")).await;
        if turns["turns"][0]["status"] == "completed" {
            break;
        }
        tokio::task::yield_now().await;
    }
    let messages = client.until_answer(id).await;
    assert_eq!(text(&messages, "agent_message_chunk").len(), 3_000_000);
}

#[tokio::test]
async fn a_large_output_stays_below_what_clients_take() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let command = json!({ "command": "seq 1 1700000" });
    let (messages, reason) = client.turn(&session, &format!("call bash {command}")).await;
    assert_eq!(reason, "end_turn");
    let longest = messages.iter().map(|message| message.to_string().len()).max().unwrap();
    assert!(longest < 8 << 20, "{longest}");
    let replay = client.request("session/load", json!({ "sessionId": session, "cwd": "/", "mcpServers": [] })).await;
    client.until_answer(replay).await;
}

#[tokio::test]
async fn ten_clients_see_the_same() {
    let server = TestServer::start().await;
    let mut first = Client::start(&server).await;
    let session = first.new_session(&server).await;
    let mut others = Vec::new();
    for _ in 0..9 {
        let mut client = Client::start(&server).await;
        client.call("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
        others.push(client);
    }
    let (messages, _) = first.turn(&session, "big 20|the end").await;
    let whole = text(&messages, "agent_message_chunk");
    for client in &mut others {
        let mut seen = String::new();
        while seen.len() < whole.len() {
            seen += client.update("agent_message_chunk").await["content"]["text"].as_str().unwrap();
        }
        assert_eq!(seen, whole);
    }
}

#[tokio::test]
async fn a_large_prompt_is_taken_whole() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    // Behind the head of a PNG.
    let image = format!("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ{}", "A".repeat(9 << 20));
    let blocks =
        json!([{ "type": "text", "text": "see" }, { "type": "image", "data": image, "mimeType": "image/png" }]);
    let answer = client.call("session/prompt", json!({ "sessionId": session, "prompt": blocks })).await;
    assert_eq!(answer["stopReason"], "end_turn");
    // Shown to others, it is left out where it is too large for them.
    let replay = client.request("session/load", json!({ "sessionId": session, "cwd": "/", "mcpServers": [] })).await;
    assert!(text(&client.until_answer(replay).await, "user_message_chunk").contains("too large to be shown"));
}
