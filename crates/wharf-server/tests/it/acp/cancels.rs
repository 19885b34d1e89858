//! Requests that the client takes back.

use serde_json::{Value, json};

use super::client::Client;
use crate::support::TestServer;

/// The answer to `id`, and that there is no other one.
async fn one_answer(client: &mut Client, id: i64) -> Value {
    let answer = client.until_answer(id).await.pop().unwrap();
    let rest = client.settle().await;
    assert!(rest.iter().all(|message| message["id"] != id), "{rest:?}");
    answer
}

#[tokio::test]
async fn every_request_that_is_taken_back_has_its_one_answer() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let cwd = server.engine.config().work_dir.clone();
    let open = json!({ "sessionId": session, "cwd": cwd, "mcpServers": [] });
    let requests = [
        ("session/list", json!({})),
        ("session/load", open.clone()),
        ("session/resume", open),
        ("session/set_mode", json!({ "sessionId": session, "modeId": "ask" })),
        ("session/new", json!({ "cwd": cwd, "mcpServers": [] })),
        ("session/close", json!({ "sessionId": session })),
        ("session/delete", json!({ "sessionId": session })),
    ];
    for (method, params) in requests {
        let id = client.request(method, params).await;
        client.notify("$/cancel_request", json!({ "requestId": id })).await;
        let answer = one_answer(&mut client, id).await;
        let is_taken_back = answer["error"]["code"] == -32800;
        assert!(is_taken_back || answer.get("result").is_some(), "{method}: {answer}");
    }
    // What is over, unknown or no id harms nobody.
    for id in [json!(1), json!("x"), json!(null), json!([])] {
        client.notify("$/cancel_request", json!({ "requestId": id })).await;
    }
    assert!(client.call("session/list", json!({})).await["sessions"].is_array());
}

#[tokio::test]
async fn a_load_that_is_taken_back_stops() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    // More than sockets hold.
    client.turn(&session, "big 8000").await;
    client.call("session/close", json!({ "sessionId": session })).await;
    let mut client = Client::start(&server).await;
    let open = json!({ "sessionId": session, "cwd": "/", "mcpServers": [] });
    let id = client.request("session/load", open.clone()).await;
    // It runs, and waits for this client to read on.
    client.update("agent_message_chunk").await;
    client.notify("$/cancel_request", json!({ "requestId": id })).await;
    let answer = one_answer(&mut client, id).await;
    assert_eq!(answer["error"]["code"], -32800, "{answer}");
    // The session is as good as before.
    client.call("session/resume", open).await;
    assert_eq!(client.turn(&session, "on").await.1, "end_turn");
}
