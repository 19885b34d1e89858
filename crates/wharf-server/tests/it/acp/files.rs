//! Files through the editor: its unsaved text is what the agent sees, and it writes what the agent changes.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::editor::{Editor, outcomes};
use crate::support::{READER, TestServer};

const READ: &str = r#"call read_file {"path":"a.txt"}"#;
const EDIT: &str = r#"call edit_file {"path":"a.txt","old_string":"typed","new_string":"changed"}"#;

/// A workspace with `a.txt`, and its path as editors are told it.
async fn server() -> (TestServer, String) {
    let server = TestServer::start().await;
    let path = server.engine.config().work_dir.canonicalize().unwrap().join("a.txt");
    std::fs::write(&path, "saved\n").unwrap();
    (server, path.to_str().unwrap().to_owned())
}

async fn last_outcome(server: &TestServer, session: &str) -> (bool, String) {
    outcomes(server, session).await.pop().unwrap()
}

/// Lets so much time pass at once, for everything that waits.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn the_agent_sees_and_changes_what_is_not_saved() {
    let (server, path) = server().await;
    let mut editor = Editor::start(&server).await;
    let session = editor.client.new_session(&server).await;
    editor.buffers.insert(path.clone(), "typed\n".to_owned());
    let (_, reason) = editor.turn(&session, &format!("{READ}|{EDIT}")).await;
    assert_eq!(reason, "end_turn");
    assert_eq!(outcomes(&server, &session).await[0], (true, "     1\ttyped\n".to_owned()));
    assert_eq!(editor.buffers[&path], "changed\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "saved\n", "to save it is the editor's business");
    let read = "fs/read_text_file a.txt";
    // To look, to change, to compare; and, as it has not saved, to see that it has the change.
    assert_eq!(editor.asked(), [read, read, read, "fs/write_text_file a.txt", read]);
    // A new file, too.
    editor.turn(&session, r#"call write_file {"path":"dir/new.txt","content":"n"}"#).await;
    assert_eq!(editor.buffers[&path.replace("a.txt", "dir/new.txt")], "n");
}

#[tokio::test]
async fn a_client_that_advertises_nothing_is_asked_nothing() {
    let (server, path) = server().await;
    for capabilities in [json!({}), json!({ "fs": { "writeTextFile": true } })] {
        let mut editor = Editor::start_as(&server, capabilities).await;
        let session = editor.client.new_session(&server).await;
        std::fs::write(&path, "typed\n").unwrap();
        editor.turn(&session, &format!(r#"{READ}|{EDIT}|call bash {{"command":"true"}}"#)).await;
        assert_eq!(editor.asked(), Vec::<String>::new());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "changed\n");
    }
}

#[tokio::test]
async fn a_client_that_never_answers_costs_its_time_once() {
    let (server, path) = server().await;
    let mut editor = Editor::start(&server).await;
    let session = editor.client.new_session(&server).await;
    editor.mute = vec!["fs/read_text_file"];
    let id = editor.client.prompt(&session, &format!("{READ}|{READ}")).await;
    let question = editor.until_asked("fs/read_text_file").await;
    // Read-only calls run together: both wait.
    editor.until_asked("fs/read_text_file").await;
    pass(Duration::from_secs(11)).await;
    let messages = editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
    assert_eq!(messages.last().unwrap()["result"]["stopReason"], "end_turn");
    let taken_back = |message: &&Value| message["method"] == "$/cancel_request";
    let taken_back: Vec<_> = messages.iter().filter(taken_back).collect();
    assert_eq!(taken_back.len(), 2);
    assert!(taken_back.iter().any(|message| message["params"]["requestId"] == question["id"]));
    assert_eq!(last_outcome(&server, &session).await, (true, "     1\tsaved\n".to_owned()));
    editor.asked();
    // It is not asked again, until it shows that it is there.
    editor.turn(&session, READ).await;
    assert_eq!(editor.asked(), Vec::<String>::new());
    editor.mute.clear();
    let late = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "content": "late" } });
    editor.client.send(late).await;
    editor.buffers.insert(path, "typed\n".to_owned());
    editor.turn(&session, READ).await;
    assert_eq!(last_outcome(&server, &session).await, (true, "     1\ttyped\n".to_owned()));
}

#[tokio::test]
async fn a_change_without_an_answer_changes_nothing() {
    let (server, path) = server().await;
    let mut editor = Editor::start(&server).await;
    let session = editor.client.new_session(&server).await;
    editor.mute = vec!["fs/write_text_file"];
    editor.buffers.insert(path.clone(), "typed\n".to_owned());
    let id = editor.client.prompt(&session, EDIT).await;
    editor.until_asked("fs/write_text_file").await;
    pass(Duration::from_secs(31)).await;
    editor.until(|message| message["id"] == id && message.get("method").is_none()).await;
    let (is_done, told) = last_outcome(&server, &session).await;
    assert!(!is_done && told.contains("no answer within 30000 ms. Whether it has the change is not known"), "{told}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "saved\n");
}

#[tokio::test]
async fn an_error_of_the_editor_is_the_calls() {
    let (server, path) = server().await;
    let mut editor = Editor::start(&server).await;
    let session = editor.client.new_session(&server).await;
    editor.mute = vec!["fs/read_text_file"];
    let id = editor.client.prompt(&session, READ).await;
    let question = editor.until_asked("fs/read_text_file").await;
    let error = json!({ "code": -32603, "message": "Internal error", "data": { "details": "buffer\nbusy" } });
    editor.client.send(json!({ "jsonrpc": "2.0", "id": question["id"], "error": error })).await;
    editor.until(|message| message["id"] == id).await;
    let (is_done, told) = last_outcome(&server, &session).await;
    assert!(!is_done && told.ends_with("the editor could not read it: Internal error: buffer busy"), "{told}");
    // An answer that is none.
    let id = editor.client.prompt(&session, READ).await;
    let question = editor.until_asked("fs/read_text_file").await;
    editor.client.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "text": 1 } })).await;
    editor.until(|message| message["id"] == id).await;
    assert!(last_outcome(&server, &session).await.1.contains("cannot be read"));
    assert!(std::path::Path::new(&path).exists());
}

#[tokio::test]
async fn a_cancel_takes_the_request_back() {
    let (server, _) = server().await;
    let mut editor = Editor::start(&server).await;
    let session = editor.client.new_session(&server).await;
    editor.mute = vec!["fs/read_text_file"];
    let id = editor.client.prompt(&session, READ).await;
    let question = editor.until_asked("fs/read_text_file").await;
    editor.client.notify("session/cancel", json!({ "sessionId": session })).await;
    let messages = editor.until(|message| message["id"] == id).await;
    assert_eq!(messages.last().unwrap()["result"]["stopReason"], "cancelled");
    let is_taken_back =
        |message: &Value| message["method"] == "$/cancel_request" && message["params"]["requestId"] == question["id"];
    assert!(messages.iter().any(is_taken_back), "{messages:?}");
    // An answer all the same does no harm.
    let late = json!({ "jsonrpc": "2.0", "id": question["id"], "error": { "code": -32800, "message": "cancelled" } });
    editor.client.send(late).await;
    editor.mute.clear();
    assert_eq!(editor.turn(&session, READ).await.1, "end_turn");
}

#[tokio::test]
async fn an_editor_that_vanishes_leaves_the_turn_to_the_disk() {
    let (server, path) = server().await;
    let mut editor = Editor::start(&server).await;
    let session = editor.client.new_session(&server).await;
    editor.mute = vec!["fs/read_text_file"];
    editor.client.prompt(&session, READ).await;
    editor.until_asked("fs/read_text_file").await;
    drop(editor);
    let mut watcher = server.events(&format!("/api/v1/sessions/{session}/events?after=0")).await;
    watcher.until("turn.completed").await;
    assert_eq!(last_outcome(&server, &session).await, (true, "     1\tsaved\n".to_owned()));
    // And nothing of it is left for the next one.
    std::fs::write(&path, "typed\n").unwrap();
    server.prompt(&session, EDIT).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "changed\n");
}

#[tokio::test]
async fn of_two_editors_the_one_that_asked_is_asked() {
    let (server, path) = server().await;
    let (mut one, mut two) = (Editor::start(&server).await, Editor::start(&server).await);
    let session = one.client.new_session(&server).await;
    two.client.call("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
    one.buffers.insert(path.clone(), "of one\n".to_owned());
    two.buffers.insert(path.clone(), "of two\n".to_owned());
    one.turn(&session, READ).await;
    assert_eq!(last_outcome(&server, &session).await.1, "     1\tof one\n");
    two.turn(&session, READ).await;
    assert_eq!(last_outcome(&server, &session).await.1, "     1\tof two\n");
    // A prompt of neither: the last to come is where the user is.
    server.prompt_async(&session, READ).await;
    two.until_asked("fs/read_text_file").await;
    two.client.update("tool_call_update").await;
    drop(two);
    // Whoever leads and has gone is not missed.
    let mut watcher = server.events(&format!("/api/v1/sessions/{session}/events?after=0")).await;
    watcher.until("session.created").await;
    one.turn(&session, READ).await;
    assert_eq!(last_outcome(&server, &session).await.1, "     1\tof one\n");
}

#[tokio::test]
async fn a_reader_of_sessions_answers_for_no_file() {
    let (server, path) = server().await;
    let session = server.session().await;
    let mut client = Client::connect_with(&server, "/acp", None, READER).await;
    let capabilities: Value = serde_json::from_str(super::editor::EVERYTHING).unwrap();
    client.call("initialize", json!({ "protocolVersion": 1, "clientCapabilities": capabilities })).await;
    let mut spy = Editor::of(client);
    spy.client.call("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
    spy.buffers.insert(path, "injected\n".to_owned());
    server.prompt(&session, READ).await;
    spy.client.settle().await;
    assert_eq!(spy.asked(), Vec::<String>::new());
    assert_eq!(last_outcome(&server, &session).await, (true, "     1\tsaved\n".to_owned()));
}

#[tokio::test]
async fn an_editor_knows_files_by_the_name_of_its_workspace() {
    let (server, path) = server().await;
    let real = server.engine.config().work_dir.canonicalize().unwrap();
    let link = real.parent().unwrap().join("link");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let mut editor = Editor::start(&server).await;
    let new = editor.client.call("session/new", json!({ "cwd": link, "mcpServers": [] })).await;
    let named = link.join("a.txt");
    editor.buffers.insert(named.to_str().unwrap().to_owned(), "typed\n".to_owned());
    let session = new["sessionId"].as_str().unwrap();
    editor.turn(session, READ).await;
    assert_eq!(last_outcome(&server, session).await, (true, "     1\ttyped\n".to_owned()));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "saved\n");
}

#[tokio::test]
async fn where_tools_work_is_the_sessions_setting() {
    let (server, path) = server().await;
    let mut editor = Editor::start(&server).await;
    let session = editor.client.new_session(&server).await;
    editor.buffers.insert(path, "typed\n".to_owned());
    let set = |value: &str| json!({ "sessionId": session, "configId": "tool_location", "value": value });
    let answer = editor.client.call("session/set_config_option", set("server")).await;
    let of = |options: &Value| {
        let all = options["configOptions"].as_array().unwrap();
        all.iter().find(|option| option["id"] == "tool_location").map(|option| option["currentValue"].clone())
    };
    assert_eq!(of(&answer), Some(json!("server")));
    editor.turn(&session, &format!(r#"{READ}|call bash {{"command":"echo here"}}"#)).await;
    assert_eq!(editor.asked(), Vec::<String>::new());
    assert_eq!(last_outcome(&server, &session).await.1, "here\n");
    assert_eq!(editor.client.fail("session/set_config_option", set("moon")).await["code"], -32602);
    // By REST; the editor is told.
    let change = json!({ "tool_location": "client" });
    let (_, view) = server.send(reqwest::Method::PATCH, &format!("/api/v1/sessions/{session}"), Some(change)).await;
    assert_eq!(view["tool_location"], "client");
    assert_eq!(of(&editor.client.update("config_option_update").await), Some(json!("client")));
    editor.turn(&session, READ).await;
    assert_eq!(last_outcome(&server, &session).await.1, "     1\ttyped\n");
    let log = server.log(&session).await;
    let changes: Vec<_> = log.iter().filter(|event| event["type"] == "session.updated").collect();
    assert_eq!(changes.last().unwrap()["payload"]["tool_location"], "client");
    // Who does nothing for tools has nothing to choose.
    let mut plain = Client::start(&server).await;
    let answer = plain.call("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
    assert_eq!(of(&answer), None);
    let (status, made) = server.post("/api/v1/sessions", json!({ "tool_location": "server" })).await;
    assert_eq!((status.as_u16(), &made["tool_location"]), (200, &json!("server")));
}

#[tokio::test]
async fn files_of_a_further_directory_are_the_editors_under_its_names() {
    let (server, _) = server().await;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().canonicalize().unwrap();
    std::fs::create_dir(home.join("lib")).unwrap();
    std::os::unix::fs::symlink("lib", home.join("link")).unwrap();
    let (real, named) = (home.join("lib/a.txt"), home.join("link/a.txt").to_str().unwrap().to_owned());
    std::fs::write(&real, "saved\n").unwrap();
    let mut editor = Editor::start(&server).await;
    let cwd = server.engine.config().work_dir.clone();
    let new = json!({ "cwd": cwd, "mcpServers": [], "additionalDirectories": [home.join("link")] });
    let session = editor.client.call("session/new", new).await["sessionId"].as_str().unwrap().to_owned();
    editor.buffers.insert(named.clone(), "typed\n".to_owned());
    let edit = json!({ "path": real, "old_string": "typed", "new_string": "changed" });
    let prompt = format!("call read_file {}|call edit_file {edit}", json!({ "path": real }));
    assert_eq!(editor.turn(&session, &prompt).await.1, "end_turn");
    assert_eq!(outcomes(&server, &session).await[0], (true, "     1\ttyped\n".to_owned()));
    assert_eq!(editor.buffers[&named], "changed\n");
    assert_eq!(std::fs::read_to_string(&real).unwrap(), "saved\n");
}
