//! Tools that an editor has of its own: found when it comes, decided about like any other, run by the editor.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::Client;
use super::editor::{Editor, outcomes};
use crate::support::{READER, TestServer};

const RENAME: &str = r#"call client__rename {"from":"a","to":"b"}"#;
const USAGES: &str = r#"call client__usages {"of":"a"}"#;

fn capability() -> Value {
    json!({ "_meta": { "_discover_tools": {} } })
}

/// One that reads, and one that is asked about.
fn tools() -> Value {
    json!([
        { "name": "usages", "kind": "search", "description": "Finds usages.", "requires_permission": false,
          "parameters": { "type": "object", "properties": { "of": { "type": "string" } } }, "categories": ["refactoring"] },
        { "name": "rename", "kind": "edit", "description": "Renames.", "parameters": {} },
    ])
}

async fn opened(server: &TestServer) -> (Editor, String) {
    let mut editor = Editor::start_as(server, capability()).await;
    editor.tools = tools();
    let session = editor.client.new_session(server).await;
    editor.until_asked("_discover_tools").await;
    (editor, session)
}

/// The session's tools that clients have, as REST lists them.
async fn listed(server: &TestServer, session: &str) -> Vec<Value> {
    let (_, answer) = server.get(&format!("/api/v1/sessions/{session}/tools")).await;
    let tools = answer["tools"].as_array().unwrap().clone();
    tools.into_iter().filter(|tool| tool["source"] == "client").collect()
}

async fn update(server: &TestServer, session: &str, change: Value) {
    let (status, answer) = server.send(Method::PATCH, &format!("/api/v1/sessions/{session}"), Some(change)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_editors_tools_are_found_listed_and_run() {
    let server = TestServer::start().await;
    let (mut editor, session) = opened(&server).await;
    let tools = listed(&server, &session).await;
    assert_eq!(names(&tools), ["client__usages", "client__rename"]);
    assert_eq!((&tools[0]["kind"], &tools[0]["read_only"]), (&json!("search"), &json!(true)));
    assert_eq!((&tools[0]["category"], &tools[1]["read_only"]), (&json!("refactoring"), &json!(false)));
    assert_eq!(tools[1]["parameters"]["type"], "object");
    editor.asked();
    editor.tool_answer = json!({ "content": [{ "type": "text", "text": "two places\u{1b}[2J" }] });
    let id = editor.client.prompt(&session, USAGES).await;
    let asked = editor.until_asked("_call_tool").await;
    assert_eq!(asked["params"]["sessionId"], json!(session));
    assert_eq!((&asked["params"]["name"], &asked["params"]["arguments"]), (&json!("usages"), &json!({ "of": "a" })));
    let shown = editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
    let call = |message: &&Value| message["params"]["update"]["toolCallId"] == asked["params"]["toolCallId"];
    assert!(shown.iter().any(|message| call(&message) && message["params"]["update"]["status"] == "completed"));
    // What it says is foreign text.
    assert_eq!(outcomes(&server, &session).await, [(true, "two places\\u{1b}[2J".to_owned())]);
}

#[tokio::test]
async fn what_it_answers_in_its_own_words_is_the_result() {
    let server = TestServer::start().await;
    let (mut editor, session) = opened(&server).await;
    let answers = [
        (json!("a text"), (true, "a text")),
        (json!({ "n": 1 }), (true, r#"{"n":1}"#)),
        (json!({ "content": "no blocks" }), (true, r#"{"content":"no blocks"}"#)),
        (json!(null), (true, "(no output)")),
        (json!({ "isError": true, "content": [{ "type": "text", "text": "no" }] }), (false, "no")),
    ];
    for (answer, (is_done, told)) in answers {
        editor.tool_answer = answer;
        editor.turn(&session, USAGES).await;
        assert_eq!(outcomes(&server, &session).await.pop().unwrap(), (is_done, told.to_owned()));
    }
}

#[tokio::test]
async fn a_tool_that_changes_something_is_asked_about() {
    let server = TestServer::start().await;
    let (mut editor, session) = opened(&server).await;
    update(&server, &session, json!({ "mode": "ask" })).await;
    for (option, called) in [("reject_once", false), ("allow_once", true)] {
        editor.asked();
        let id = editor.client.prompt(&session, RENAME).await;
        let question = editor.until_asked("session/request_permission").await;
        let options = question["params"]["options"].as_array().unwrap();
        let option = options.iter().find(|it| it["kind"] == option).unwrap()["optionId"].clone();
        let answer = json!({ "outcome": { "outcome": "selected", "optionId": option } });
        editor.client.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer })).await;
        editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
        assert_eq!(editor.asked().contains(&"_call_tool rename".to_owned()), called);
    }
}

#[tokio::test]
async fn changed_tools_are_found_again() {
    let server = TestServer::start().await;
    let (mut editor, session) = opened(&server).await;
    assert_eq!(listed(&server, &session).await.len(), 2);
    editor.tools = json!([{ "name": "other" }, { "name": "other" }, { "name": "" }, 3, { "name": "big", "parameters": "x".repeat(70_000) }]);
    let changed = json!({ "jsonrpc": "2.0", "method": "_tools_changed", "params": { "sessionId": session } });
    editor.client.send(changed.clone()).await;
    editor.until_asked("_discover_tools").await;
    let found = async {
        while names(&listed(&server, &session).await) != ["client__other"] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), found).await.expect("the one tool that can be taken over");
    // A client that has none any more, in words that nobody understands.
    editor.tools = json!("none");
    editor.client.send(changed).await;
    editor.until_asked("_discover_tools").await;
    let gone = async {
        while !listed(&server, &session).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("no tool");
}

#[tokio::test]
async fn a_turn_waits_for_the_tools_of_a_client_that_has_just_come() {
    let server = TestServer::start().await;
    let mut editor = Editor::start_as(&server, capability()).await;
    editor.tools = tools();
    let session = editor.client.new_session(&server).await;
    // The question is unanswered when the prompt comes.
    editor.turn(&session, USAGES).await;
    assert_eq!(outcomes(&server, &session).await, [(true, "done by the editor".to_owned())]);
}

#[tokio::test]
async fn they_go_with_their_client() {
    let server = TestServer::start().await;
    let (mut editor, session) = opened(&server).await;
    let mut other = Client::start(&server).await;
    let cwd = server.engine.config().work_dir.clone();
    other.call("session/resume", json!({ "sessionId": session, "cwd": cwd })).await;
    // Another client's prompt uses them too.
    let id = other.prompt(&session, USAGES).await;
    editor.until_asked("_call_tool").await;
    other.until(|message| message["id"] == id && message.get("method").is_none()).await;
    assert_eq!(outcomes(&server, &session).await.pop().unwrap().1, "done by the editor");
    // It goes while it is asked.
    editor.mute = vec!["_call_tool"];
    let id = other.prompt(&session, USAGES).await;
    editor.until_asked("_call_tool").await;
    drop(editor);
    other.until(|message| message["id"] == id && message.get("method").is_none()).await;
    let (is_done, told) = outcomes(&server, &session).await.pop().unwrap();
    assert!(!is_done && told.contains("Whether it did it is not known"), "{told}");
    assert!(listed(&server, &session).await.is_empty());
    let id = other.prompt(&session, USAGES).await;
    other.until(|message| message["id"] == id && message.get("method").is_none()).await;
    assert!(!outcomes(&server, &session).await.pop().unwrap().0);
}

#[tokio::test]
async fn of_two_with_one_name_the_one_that_asked_is_reached_and_the_careful_one_decides() {
    let server = TestServer::start().await;
    let (mut careful, session) = opened(&server).await;
    let mut bold = Editor::start_as(&server, capability()).await;
    bold.tools = json!([{ "name": "rename", "kind": "read", "requires_permission": false }]);
    let cwd = server.engine.config().work_dir.clone();
    bold.client.call("session/resume", json!({ "sessionId": session, "cwd": cwd })).await;
    bold.until_asked("_discover_tools").await;
    let tools = listed(&server, &session).await;
    assert_eq!(names(&tools), ["client__rename", "client__usages"]);
    assert_eq!(tools[0]["read_only"], false);
    careful.asked();
    careful.turn(&session, RENAME).await;
    assert_eq!(careful.asked(), ["_call_tool rename"]);
}

#[tokio::test]
async fn a_cancel_takes_the_question_back() {
    let server = TestServer::start().await;
    let (mut editor, session) = opened(&server).await;
    editor.mute = vec!["_call_tool"];
    let id = editor.client.prompt(&session, USAGES).await;
    let asked = editor.until_asked("_call_tool").await;
    editor.client.notify("session/cancel", json!({ "sessionId": session })).await;
    let messages = editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
    assert_eq!(messages.last().unwrap()["result"]["stopReason"], "cancelled");
    let is_taken_back =
        |message: &Value| message["method"] == "$/cancel_request" && message["params"]["requestId"] == asked["id"];
    assert!(messages.iter().any(is_taken_back));
}

#[tokio::test]
async fn on_the_server_means_without_them() {
    let server = TestServer::start().await;
    let (mut editor, session) = opened(&server).await;
    update(&server, &session, json!({ "tool_location": "server" })).await;
    assert!(listed(&server, &session).await.is_empty());
    editor.asked();
    editor.turn(&session, USAGES).await;
    assert_eq!(editor.asked(), Vec::<String>::new());
    update(&server, &session, json!({ "tool_location": "client" })).await;
    assert_eq!(listed(&server, &session).await.len(), 2);
}

#[tokio::test]
async fn one_that_says_nothing_or_may_only_read_brings_no_tools() {
    let server = TestServer::start().await;
    let mut editor = Editor::start_as(&server, json!({ "_meta": { "_discover_tools": false } })).await;
    let session = editor.client.new_session(&server).await;
    editor.turn(&session, USAGES).await;
    assert_eq!(editor.asked(), Vec::<String>::new());
    let mut reader = Client::connect_with(&server, "/acp", None, READER).await;
    reader.call("initialize", json!({ "protocolVersion": 1, "clientCapabilities": capability() })).await;
    let cwd = server.engine.config().work_dir.clone();
    reader.call("session/resume", json!({ "sessionId": session, "cwd": cwd })).await;
    assert!(listed(&server, &session).await.is_empty());
}
