//! Questions, to everybody who may answer.

use serde_json::{Value, json};
use wharf_protocol::Mode;

use super::client::{Client, kinds};
use crate::support::TestServer;

const WRITE: &str = r#"call write_file {"path":"asked.txt","content":"x"}"#;

async fn asking_server() -> TestServer {
    let mut builder = TestServer::builder();
    builder.mode = Mode::Ask;
    builder.start().await
}

fn is_written(server: &TestServer) -> bool {
    server.engine.config().work_dir.join("asked.txt").exists()
}

#[tokio::test]
async fn an_allowed_call_runs_and_a_rejected_one_changes_nothing() {
    let server = asking_server().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    for (option, runs) in [("reject_once", false), ("allow_once", true)] {
        let id = client.prompt(&session, WRITE).await;
        let before = client.until(|message| message["method"] == "session/request_permission").await;
        let question = before.last().unwrap();
        let call = &question["params"]["toolCall"];
        // The call is known before anything is asked about it.
        assert!(kinds(&before).contains(&"tool_call"));
        assert_eq!((call["status"].as_str(), call["kind"].as_str()), (Some("pending"), Some("edit")));
        assert_eq!(call["title"], "write_file asked.txt");
        let options: Vec<&str> = question["params"]["options"]
            .as_array()
            .unwrap()
            .iter()
            .map(|option| option["kind"].as_str().unwrap())
            .collect();
        assert!(options.contains(&"allow_once") && options.contains(&"reject_once"), "{options:?}");
        client.answer(question, option).await;
        let messages = client.until_answer(id).await;
        assert_eq!(messages.last().unwrap()["result"]["stopReason"], "end_turn");
        let statuses: Vec<&Value> = messages
            .iter()
            .map(|message| &message["params"]["update"])
            .filter(|update| update["sessionUpdate"] == "tool_call_update")
            .map(|update| &update["status"])
            .collect();
        assert_eq!(**statuses.last().unwrap(), if runs { "completed" } else { "failed" });
        assert_eq!(is_written(&server), runs);
    }
}

#[tokio::test]
async fn the_first_answer_counts_and_the_other_dialogs_close() {
    let server = asking_server().await;
    let (mut one, mut two) = (Client::start(&server).await, Client::start(&server).await);
    let session = one.new_session(&server).await;
    two.call("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
    let id = one.prompt(&session, WRITE).await;
    let (asked, also_asked) = (one.question().await, two.question().await);
    assert_eq!(asked["id"], also_asked["id"]);
    two.answer(&also_asked, "allow_once").await;
    let messages = one.until_answer(id).await;
    let cancels: Vec<&Value> = messages.iter().filter(|message| message["method"] == "$/cancel_request").collect();
    assert_eq!(cancels.len(), 1);
    assert_eq!(cancels[0]["params"]["requestId"], asked["id"]);
    assert!(is_written(&server));
    // Too late, and no harm.
    one.answer(&asked, "reject_once").await;
    assert_eq!(one.turn(&session, "on").await.1, "end_turn");
    let seen = two.until(|message| message["params"]["update"]["content"]["text"] == "on").await;
    assert!(seen.iter().all(|message| message["method"] != "$/cancel_request"));
}

#[tokio::test]
async fn an_answer_over_rest_closes_the_dialog() {
    let server = asking_server().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let id = client.prompt(&session, WRITE).await;
    let question = client.question().await;
    let path = format!("/api/v1/sessions/{session}/permissions/{}", question["id"].as_str().unwrap());
    let (status, answer) = server.post(&path, json!({ "option": "reject_once" })).await;
    assert_eq!(status, 200, "{answer}");
    let messages = client.until_answer(id).await;
    assert!(messages.iter().any(|message| message["method"] == "$/cancel_request"));
    assert!(!is_written(&server));
}

#[tokio::test]
async fn a_cancel_settles_the_question() {
    let server = asking_server().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let id = client.prompt(&session, WRITE).await;
    let question = client.question().await;
    client.notify("session/cancel", json!({ "sessionId": session })).await;
    let outcome = json!({ "outcome": { "outcome": "cancelled" } });
    client.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": outcome })).await;
    let answer = client.until_answer(id).await.pop().unwrap();
    assert_eq!(answer["result"]["stopReason"], "cancelled");
    assert!(!is_written(&server));
}

#[tokio::test]
async fn whoever_comes_later_is_asked_too() {
    let server = asking_server().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let id = client.prompt(&session, WRITE).await;
    let question = client.question().await;
    for method in ["session/load", "session/resume"] {
        let mut later = Client::start(&server).await;
        later.call(method, json!({ "sessionId": session, "cwd": "/", "mcpServers": [] })).await;
        assert_eq!(later.question().await["id"], question["id"]);
    }
    // An answer that is none leaves the question to the others.
    client
        .send(json!({ "jsonrpc": "2.0", "id": question["id"], "error": { "code": -32601, "message": "what?" } }))
        .await;
    let mut later = Client::start(&server).await;
    later.call("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
    let question = later.question().await;
    later.answer(&question, "allow_always").await;
    assert_eq!(client.until_answer(id).await.pop().unwrap()["result"]["stopReason"], "end_turn");
    // Remembered: nobody is asked again.
    let (messages, _) = client.turn(&session, WRITE).await;
    assert!(messages.iter().all(|message| message["method"] != "session/request_permission"));
}
