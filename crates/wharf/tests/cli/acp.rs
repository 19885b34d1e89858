//! `wharf acp`, as an editor starts it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use wharf_testkit::acp::Schema;

use crate::{Home, PATIENCE};

/// An editor with its agent process.
pub struct Editor {
    agent: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    schema: Schema,
    last_id: u64,
}

impl Editor {
    pub fn start(home: &Home, args: &[&str]) -> Self {
        let mut agent = home.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(agent.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { input: agent.stdin.take(), agent, lines, schema: Schema::default(), last_id: 0 }
    }

    pub fn send_line(&mut self, line: &str) {
        if let Ok(message) = serde_json::from_str(line) {
            self.schema.sent(&message);
        }
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
        input.flush().unwrap();
    }

    pub fn request(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params });
        self.send_line(&request.to_string());
        self.last_id
    }

    /// The next line: each is one message of the protocol and nothing else.
    pub fn next(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line");
        let message = self.schema.received(&line);
        assert!(!line.contains("_wharf-bridge"), "the bridge's own messages are not the editor's: {line}");
        message
    }

    pub fn until_answer(&mut self, id: u64) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            messages.push(self.next());
            if messages[messages.len() - 1]["id"] == id {
                return messages;
            }
        }
    }

    pub fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        let answer = self.until_answer(id).pop().unwrap();
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    fn session(&mut self, home: &Home) -> String {
        self.call("initialize", json!({ "protocolVersion": 1 }));
        let new = self.call("session/new", json!({ "cwd": home.workspace(), "mcpServers": [] }));
        new["sessionId"].as_str().unwrap().to_owned()
    }

    pub fn prompt(&mut self, session: &str, text: &str) -> u64 {
        let prompt = json!([{ "type": "text", "text": text }]);
        self.request("session/prompt", json!({ "sessionId": session, "prompt": prompt }))
    }

    /// Closes its side; the agent ends in good order.
    pub fn leave(mut self) {
        drop(self.input.take());
        assert_eq!(self.agent.wait().unwrap().code(), Some(0));
    }
}

pub fn text(messages: &[Value]) -> String {
    let updates = messages.iter().map(|message| &message["params"]["update"]);
    updates
        .filter(|update| update["sessionUpdate"] == "agent_message_chunk")
        .map(|update| update["content"]["text"].as_str().unwrap())
        .collect()
}

#[test]
fn an_editor_talks_to_the_server_of_this_machine() {
    let home = Home::new();
    let _server = home.serve(&[]);
    let mut editor = Editor::start(&home, &["acp"]);
    editor.send_line("nonsense");
    assert_eq!(editor.next()["error"]["code"], -32700);
    editor.send_line("");
    let session = editor.session(&home);
    let id = editor.prompt(&session, "hello");
    let messages = editor.until_answer(id);
    assert_eq!(messages.last().unwrap()["result"]["stopReason"], "end_turn");
    assert!(!text(&messages).is_empty());
    assert!(messages.iter().all(|message| message["params"].get("_meta").is_none()));
    editor.leave();
    // The session outlives the editor.
    let shown = home.run(&["sessions", "--json"]);
    assert!(shown.out.contains(&session), "{}", shown.out);
}

#[test]
fn without_a_server_the_first_request_learns_why() {
    let home = Home::new();
    let mut editor = Editor::start(&home, &["acp"]);
    let id = editor.request("initialize", json!({ "protocolVersion": 1 }));
    let answer = editor.until_answer(id).pop().unwrap();
    assert_eq!(answer["error"]["data"]["reason"], "NO_SERVER");
    assert_eq!(editor.agent.wait().unwrap().code(), Some(5));
}

#[test]
fn an_agent_in_the_bridge_itself_needs_no_server() {
    let home = Home::new();
    let mut editor = Editor::start(&home, &["acp", "--embedded"]);
    let session = editor.session(&home);
    let id = editor.prompt(&session, "hello");
    assert_eq!(editor.until_answer(id).last().unwrap()["result"]["stopReason"], "end_turn");
    editor.leave();
}

#[test]
fn a_server_is_started_where_none_runs() {
    let home = Home::new();
    let mut editor = Editor::start(&home, &["acp", "--start-server"]);
    let mut second = Editor::start(&home, &["acp", "--start-server"]);
    let session = editor.session(&home);
    second.call("initialize", json!({ "protocolVersion": 1 }));
    let list = second.call("session/list", json!({}));
    assert_eq!(list["sessions"][0]["sessionId"], session.as_str(), "it is the same server");
    editor.leave();
    second.leave();
    assert_eq!(home.run(&["stop", "--now"]).code, Some(0));
}

#[test]
fn an_editor_on_a_pipe_needs_no_command() {
    let home = Home::new();
    let _server = home.serve(&[]);
    let mut editor = Editor::start(&home, &[]);
    editor.session(&home);
    editor.leave();
}

#[test]
fn a_server_that_is_killed_and_started_again_costs_the_editor_nothing() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    let mut editor = Editor::start(&home, &["acp"]);
    let session = editor.session(&home);
    let mode = json!({ "sessionId": session, "modeId": "ask" });
    editor.call("session/set_mode", mode);
    let id = editor.prompt(&session, "run `touch made.txt`");
    let question = loop {
        let message = editor.next();
        if message["method"] == "session/request_permission" {
            break message;
        }
    };
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    drop(server);
    let _server = home.serve(&[]);
    // The question was asked before the server died; its answer counts for the one that took its place.
    let outcome = json!({ "outcome": { "outcome": "selected", "optionId": "allow_once" } });
    editor.send_line(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": outcome }).to_string());
    let messages = editor.until_answer(id);
    assert_eq!(messages.last().unwrap()["result"]["stopReason"], "end_turn");
    assert!(home.workspace().join("made.txt").exists());
    let again = messages.iter().filter(|message| message["method"] == "session/request_permission").count();
    assert_eq!(again, 0, "the editor is not asked twice");
    let id = editor.prompt(&session, "hello");
    assert_eq!(editor.until_answer(id).last().unwrap()["result"]["stopReason"], "end_turn");
    editor.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_dead_server_asked_for_is_not_answered_to_the_next() {
    let model = wharf_testkit::ScriptedModel::start().await;
    let home = Home::new();
    std::fs::write(home.workspace().join("a.txt"), "saved\n").unwrap();
    let url = model.url();
    let flags = ["--model", "openai/scripted", "--base-url", url.as_str()];
    let mut server = home.serve(&flags);
    let mut editor = Editor::start(&home, &["acp"]);
    let capabilities = json!({ "fs": { "readTextFile": true, "writeTextFile": true } });
    editor.call("initialize", json!({ "protocolVersion": 1, "clientCapabilities": capabilities }));
    let new = editor.call("session/new", json!({ "cwd": home.workspace(), "mcpServers": [] }));
    let session = new["sessionId"].as_str().unwrap().to_owned();
    let read = r#"[[tool read_file {"path": "a.txt"}]]"#;
    let id = editor.prompt(&session, read);
    // The call's own updates may come before or after.
    let next = |editor: &mut Editor, method: &str| loop {
        let message = editor.next();
        if message["method"] == method {
            break message;
        }
    };
    let question = next(&mut editor, "fs/read_text_file");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    drop(server);
    let taken_back = next(&mut editor, "$/cancel_request");
    assert_eq!(taken_back["params"]["requestId"], question["id"]);
    let _server = home.serve(&flags);
    let late = json!({ "content": "of an answer that came too late" });
    editor.send_line(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": late }).to_string());
    // The new server reads on disk, or asks itself.
    loop {
        let message = editor.next();
        if message["method"] == "fs/read_text_file" {
            assert_ne!(message["id"], question["id"]);
            let result = json!({ "content": "asked again\n" });
            editor.send_line(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string());
        }
        if message["id"] == id {
            assert_eq!(message["result"]["stopReason"], "end_turn");
            break;
        }
    }
    let shown = home.run(&["sessions", "show", &session, "--json"]).out;
    assert!(!shown.contains("too late"), "{shown}");
    // And the editor's files are used again.
    let id = editor.prompt(&session, read);
    let question = next(&mut editor, "fs/read_text_file");
    let result = json!({ "content": "typed\n" });
    editor.send_line(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string());
    editor.until_answer(id);
    assert!(home.run(&["sessions", "show", &session, "--json"]).out.contains("typed"));
    editor.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_server_died_in_reaches_the_editor_whole_and_once() {
    let model = wharf_testkit::ScriptedModel::start().await;
    let home = Home::new();
    let url = model.url();
    let flags = ["--model", "openai/scripted", "--base-url", url.as_str()];
    let mut server = home.serve(&flags);
    let mut editor = Editor::start(&home, &["acp"]);
    let session = editor.session(&home);
    let id = editor.prompt(&session, "[[stream 300 rate 200]]");
    let mut messages = Vec::new();
    while text(&messages).split(' ').count() < 20 {
        messages.push(editor.next());
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    drop(server);
    let _server = home.serve(&flags);
    messages.extend(editor.until_answer(id));
    assert_eq!(messages.last().unwrap()["result"]["stopReason"], "end_turn");
    // The log says what the agent's messages were: the one that was cut off, and the one that took its place.
    let shown: Value = serde_json::from_str(&home.run(&["sessions", "show", &session, "--json"]).out).unwrap();
    let said: Vec<&str> = shown["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["role"] == "assistant")
        .map(|message| message["text"].as_str().unwrap())
        .collect();
    let mut seen: Vec<(&Value, String)> = Vec::new();
    for update in messages.iter().map(|message| &message["params"]["update"]) {
        if update["sessionUpdate"] != "agent_message_chunk" {
            continue;
        }
        let piece = update["content"]["text"].as_str().unwrap();
        match seen.last_mut() {
            Some((id, text)) if **id == update["messageId"] => text.push_str(piece),
            _ => seen.push((&update["messageId"], piece.to_owned())),
        }
    }
    assert!(said.len() > 1, "the server died in the middle: {shown}");
    assert_eq!(said.len(), seen.len(), "{said:?} {seen:?}");
    for (said, (_, seen)) in said.iter().zip(&seen) {
        // What the log adds for the model's sake was never said.
        assert!(said.starts_with(seen.as_str()), "{said:?} but {seen:?}");
    }
    // The model was told to go on, and did.
    assert!(text(&messages).ends_with("Hello from the scripted model."), "{}", text(&messages));
    editor.leave();
}

/// Asks a process to end, as Toad does, with its input still open.
fn terminate(editor: &mut Editor) -> Option<i32> {
    let status = std::process::Command::new("kill").args(["-TERM", &editor.agent.id().to_string()]).status().unwrap();
    assert!(status.success());
    let mut ended = None;
    crate::until("the bridge ends", || {
        ended = editor.agent.try_wait().unwrap();
        ended.is_some()
    });
    ended.and_then(|status| status.code())
}

#[test]
fn a_bridge_that_is_asked_to_end_says_so_to_the_server() {
    let home = Home::new();
    let _server = home.serve(&[]);
    let status = || -> Value { serde_json::from_str(&home.run(&["status", "--json"]).out).unwrap() };
    let mut editor = Editor::start(&home, &["acp"]);
    let session = editor.session(&home);
    assert_eq!(status()["status"]["connections"]["acp"], 1);
    let id = editor.prompt(&session, "hello");
    editor.until_answer(id);
    assert_eq!(terminate(&mut editor), Some(0));
    // At once, and not when a ping stays without its pong.
    crate::until("the connection is closed", || status()["status"]["connections"]["acp"] == 0);
}

#[test]
fn a_bridge_ends_while_its_server_is_gone() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    let mut editor = Editor::start(&home, &["acp"]);
    editor.session(&home);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert_eq!(terminate(&mut editor), Some(0));
    // Nor does one without an editor's word wait for ever.
    let mut silent = Editor::start(&home, &["acp", "--embedded"]);
    silent.call("initialize", json!({ "protocolVersion": 1 }));
    assert_eq!(terminate(&mut silent), Some(0));
}

#[test]
fn traces_hold_every_message_and_no_key() {
    let home = Home::new();
    let traces = home.state().join("traces");
    let _server = home.serve(&["--trace", traces.to_str().unwrap()]);
    let file = home.workspace().join("trace.jsonl");
    let mut editor = Editor::start(&home, &["acp", "--trace", file.to_str().unwrap()]);
    let session = editor.session(&home);
    let id = editor.prompt(&session, "hello");
    let messages = editor.until_answer(id);
    editor.leave();
    let read = |path: &std::path::Path| -> Vec<Value> {
        std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let lines = read(&file);
    let from = |who: &str| lines.iter().filter(|line| line["from"] == who).count();
    assert_eq!(from("client"), 3);
    assert_eq!(lines.iter().rfind(|line| line["from"] == "agent").unwrap()["message"], messages[messages.len() - 1]);
    assert!(lines.iter().any(|line| line["event"] == "connected to the server"));
    assert_eq!(crate::mode_of(&file), 0o600);
    let files: Vec<_> = std::fs::read_dir(&traces).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!((files.len(), crate::mode_of(&files[0]), crate::mode_of(&traces)), (1, 0o600, 0o700));
    assert!(read(&files[0]).iter().any(|line| line["message"]["result"]["stopReason"] == "end_turn"));
    let key = std::fs::read_to_string(home.state().join("key")).unwrap();
    for path in [&files[0], &file] {
        assert!(!std::fs::read_to_string(path).unwrap().contains(key.trim()), "{}", path.display());
    }
}
