//! Commands in the editor's terminal.

use std::time::Duration;

use serde_json::{Value, json};
use wharf_testkit::wait_until;

use super::client::Client;
use super::editor::{Editor, outcomes};
use crate::support::TestServer;

const RUN: &str = r#"call bash {"command":"make 'it' \"so\""}"#;

async fn opened() -> (TestServer, Editor, String) {
    let server = TestServer::start().await;
    let mut editor = Editor::start(&server).await;
    let session = editor.client.new_session(&server).await;
    (server, editor, session)
}

fn contents(messages: &[Value]) -> Vec<&Value> {
    let updates = messages.iter().map(|message| &message["params"]["update"]);
    updates.filter_map(|update| update["content"].as_array()).flatten().collect()
}

#[tokio::test]
async fn a_command_runs_where_the_user_sees_it() {
    let (server, mut editor, session) = opened().await;
    editor.exit_code = 3;
    let id = editor.client.prompt(&session, RUN).await;
    let create = editor.until_asked("terminal/create").await["params"].clone();
    let messages = editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
    assert_eq!(create["args"], json!(["-c", "make 'it' \"so\""]));
    assert!(create["command"].as_str().unwrap().ends_with("sh"), "{create}");
    assert_eq!(create["cwd"], json!(server.engine.config().work_dir.canonicalize().unwrap()));
    assert!(create["outputByteLimit"].as_u64().is_some_and(|limit| limit <= 1 << 20), "{create}");
    // The terminal stands in the call, from its start to its end.
    let shown = contents(&messages);
    assert!(shown.len() >= 2 && shown.iter().all(|part| part["type"] == "terminal"), "{shown:?}");
    assert_eq!(outcomes(&server, &session).await, [(true, "made by the terminal\n[exit code 3]".to_owned())]);
    let log = server.log(&session).await;
    let kinds: Vec<&str> =
        log.iter().filter_map(|event| event["type"].as_str()).filter(|kind| kind.starts_with("tool.")).collect();
    assert_eq!(kinds, ["tool.call_start", "tool.call_progress", "tool.call_complete"]);
    editor.client.settle().await;
    editor.until_released().await;
    let asked = editor.asked();
    assert_eq!(asked.iter().filter(|method| *method == "terminal/release").count(), 1, "{asked:?}");
    assert!(!asked.contains(&"terminal/kill".to_owned()), "{asked:?}");
    // Others, and those who come later, have the text.
    let mut other = Client::start(&server).await;
    let replay = other.request("session/load", json!({ "sessionId": session, "cwd": "/", "mcpServers": [] })).await;
    let replayed = other.until_answer(replay).await;
    assert!(contents(&replayed).iter().any(|part| part["content"]["text"] == "made by the terminal\n[exit code 3]"));
}

#[tokio::test]
async fn output_is_progress_while_it_comes() {
    let (server, mut editor, session) = opened().await;
    editor.runs_on = true;
    let id = editor.client.prompt(&session, RUN).await;
    editor.until_asked("terminal/output").await;
    let progress = || async {
        let log = server.log(&session).await;
        let pieces = log.iter().filter(|event| event["type"] == "tool.call_progress");
        pieces.map(|event| event["payload"]["content"].as_str().unwrap().to_owned()).collect::<String>()
    };
    editor.output.push_str("more\n");
    editor.until_asked("terminal/output").await;
    editor.until_asked("terminal/output").await;
    assert_eq!(progress().await, "made by the terminal\nmore\n");
    editor.client.notify("session/cancel", json!({ "sessionId": session })).await;
    editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
}

#[tokio::test]
async fn a_cancel_kills_and_releases() {
    let (server, mut editor, session) = opened().await;
    editor.runs_on = true;
    let id = editor.client.prompt(&session, RUN).await;
    editor.until_asked("terminal/wait_for_exit").await;
    editor.client.notify("session/cancel", json!({ "sessionId": session })).await;
    let messages = editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
    assert_eq!(messages.last().unwrap()["result"]["stopReason"], "cancelled");
    editor.until_released().await;
    assert!(editor.asked().contains(&"terminal/kill".to_owned()));
    let log = server.log(&session).await;
    let error = log.iter().find(|event| event["type"] == "tool.call_error").unwrap();
    assert_eq!(error["payload"]["reason"], "cancelled");
    assert_eq!(error["payload"]["output"], "made by the terminal\n");
}

#[tokio::test]
async fn a_time_limit_kills() {
    let (server, mut editor, session) = opened().await;
    editor.runs_on = true;
    editor.turn(&session, r#"call bash {"command":"x","timeout_ms":50}"#).await;
    editor.until_released().await;
    assert!(editor.asked().contains(&"terminal/kill".to_owned()));
    let log = server.log(&session).await;
    let error = log.iter().find(|event| event["type"] == "tool.call_error").unwrap();
    assert_eq!(error["payload"]["reason"], "timed_out");
}

#[tokio::test]
async fn a_client_that_stops_answering_ends_the_call() {
    let (server, mut editor, session) = opened().await;
    editor.runs_on = true;
    editor.mute = vec!["terminal/output"];
    let id = editor.client.prompt(&session, RUN).await;
    editor.until_asked("terminal/output").await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
    let (is_done, told) = outcomes(&server, &session).await.pop().unwrap();
    assert!(!is_done && told.contains("Whether the command still runs is not known"), "{told}");
}

#[tokio::test]
async fn a_terminal_that_opens_too_late_is_released() {
    let (server, mut editor, session) = opened().await;
    editor.mute = vec!["terminal/create"];
    let id = editor.client.prompt(&session, RUN).await;
    let create = editor.until_asked("terminal/create").await;
    editor.client.notify("session/cancel", json!({ "sessionId": session })).await;
    editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
    let late = json!({ "jsonrpc": "2.0", "id": create["id"], "result": { "terminalId": "late" } });
    editor.client.send(late).await;
    editor.know("late");
    editor.until_released().await;
    assert_eq!(editor.asked(), ["terminal/create", "terminal/kill", "terminal/release"]);
    assert_eq!(outcomes(&server, &session).await.len(), 1);
}

#[tokio::test]
async fn an_editor_that_vanishes_with_its_terminal_ends_the_call_and_no_command_runs_twice() {
    let (server, mut editor, session) = opened().await;
    editor.runs_on = true;
    let made = server.engine.config().work_dir.join("made");
    editor.client.prompt(&session, &format!(r#"call bash {{"command":"touch {}"}}"#, made.display())).await;
    editor.until_asked("terminal/wait_for_exit").await;
    drop(editor);
    let mut watcher = server.events(&format!("/api/v1/sessions/{session}/events?after=0")).await;
    watcher.until("turn.completed").await;
    let (is_done, told) = outcomes(&server, &session).await.pop().unwrap();
    assert!(!is_done && told.contains("the connection is gone"), "{told}");
    assert!(!made.exists());
}

#[tokio::test]
async fn a_refused_terminal_is_an_error_and_runs_nothing() {
    let (server, mut editor, session) = opened().await;
    editor.mute = vec!["terminal/create"];
    let id = editor.client.prompt(&session, r#"call bash {"command":"touch made"}"#).await;
    let create = editor.until_asked("terminal/create").await;
    let error = json!({ "code": -32603, "message": "no shell" });
    editor.client.send(json!({ "jsonrpc": "2.0", "id": create["id"], "error": error })).await;
    editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
    let (is_done, told) = outcomes(&server, &session).await.pop().unwrap();
    assert_eq!((is_done, told.as_str()), (false, "the editor could not open a terminal: no shell"));
    assert!(!server.engine.config().work_dir.join("made").exists());
}

#[tokio::test]
async fn what_goes_on_after_the_call_is_the_servers() {
    let (_server, mut editor, session) = opened().await;
    editor.turn(&session, r#"call bash {"command":"true","background":true}"#).await;
    assert_eq!(editor.asked(), Vec::<String>::new());
}

fn note(server: &TestServer, session: &str) -> std::path::PathBuf {
    server.engine.config().state_dir.join(format!("terminals/{session}.json"))
}

/// What a client that comes back is asked, up to the release of its terminal.
async fn comes_back(server: &TestServer, session: &str, method: &str) -> Vec<String> {
    let mut editor = Editor::start(server).await;
    editor.know("term-1");
    let cwd = server.engine.config().work_dir.clone();
    editor.client.request(method, json!({ "sessionId": session, "cwd": cwd, "mcpServers": [] })).await;
    editor.until_released().await;
    let note = note(server, session);
    wait_until("the terminal is forgotten", Duration::from_secs(20), || !note.exists()).await;
    editor.asked().into_iter().filter(|method| method.starts_with("terminal/")).collect()
}

#[tokio::test]
async fn what_an_editor_that_vanished_still_runs_ends_when_it_comes_back() {
    let (server, mut editor, session) = opened().await;
    editor.runs_on = true;
    editor.client.prompt(&session, RUN).await;
    editor.until_asked("terminal/wait_for_exit").await;
    drop(editor);
    server.events(&format!("/api/v1/sessions/{session}/events?after=0")).await.until("turn.completed").await;
    assert_eq!(comes_back(&server, &session, "session/load").await, ["terminal/kill", "terminal/release"]);
    // Once.
    let mut again = Editor::start(&server).await;
    let cwd = server.engine.config().work_dir.clone();
    again.client.call("session/resume", json!({ "sessionId": session, "cwd": cwd, "mcpServers": [] })).await;
    again.turn(&session, "hello").await;
    assert_eq!(again.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_killed_server_left_in_an_editors_terminal_ends_when_the_editor_comes_back() {
    let (server, mut editor, session) = opened().await;
    editor.runs_on = true;
    editor.client.prompt(&session, RUN).await;
    editor.until_asked("terminal/wait_for_exit").await;
    // What a server finds that is started after a kill.
    let note = note(&server, &session);
    let left = std::fs::read(&note).unwrap();
    editor.client.notify("session/cancel", json!({ "sessionId": session })).await;
    editor.until_released().await;
    wait_until("the terminal is forgotten", Duration::from_secs(20), || !note.exists()).await;
    drop(editor);
    std::fs::write(&note, left).unwrap();
    // Another editor does not know it: it is kept.
    let mut other = Editor::start(&server).await;
    other.mute = vec!["terminal/kill", "terminal/release"];
    let cwd = server.engine.config().work_dir.clone();
    other.client.request("session/load", json!({ "sessionId": session, "cwd": cwd, "mcpServers": [] })).await;
    for method in ["terminal/kill", "terminal/release"] {
        let asked = other.until_asked(method).await;
        let error = json!({ "code": -32002, "message": "no such terminal" });
        other.client.send(json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error })).await;
    }
    other.client.settle().await;
    drop(other);
    assert_eq!(comes_back(&server, &session, "session/resume").await, ["terminal/kill", "terminal/release"]);
}
