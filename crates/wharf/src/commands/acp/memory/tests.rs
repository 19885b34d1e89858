//! Lost connections, line by line.

use super::*;

fn editor(memory: &mut Memory, line: Value) -> Value {
    let (to_server, told) = memory.editor_said(line.to_string(), || "fresh".to_owned());
    assert_eq!(told, Vec::<String>::new());
    serde_json::from_str(&to_server.unwrap()).unwrap()
}

fn call(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn answer(id: u64, result: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

fn update(seq: u64, part: u64, parts: u64, text: &str) -> String {
    let update = json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } });
    let meta = json!({ "_wharf": { "seq": seq, "part": part, "parts": parts } });
    let params = json!({ "sessionId": "s", "update": update, "_meta": meta });
    json!({ "jsonrpc": "2.0", "method": "session/update", "params": params }).to_string()
}

fn shown(verdict: Verdict) -> Option<Value> {
    match verdict {
        Verdict::ToEditor(text) => Some(serde_json::from_str(&text).unwrap()),
        Verdict::ToServer(_) | Verdict::Drop => None,
    }
}

/// Initialized, with session `s` at seq 1.
fn started() -> Memory {
    let mut memory = Memory::default();
    let sent = editor(&mut memory, call(0, "initialize", json!({ "protocolVersion": 1 })));
    assert_eq!(sent["params"]["clientCapabilities"]["_meta"], json!({ "_wharf": {} }));
    assert!(shown(memory.server_said(answer(0, json!({ "protocolVersion": 1 })))).is_some());
    let sent = editor(&mut memory, call(1, "session/new", json!({ "cwd": "/", "mcpServers": [] })));
    assert_eq!(sent["params"]["_meta"]["_wharf"]["id"], "session-fresh");
    let created = json!({ "sessionId": "s", "_meta": { "_wharf": { "seq": 1 } } });
    assert!(shown(memory.server_said(answer(1, created))).is_some());
    memory
}

fn again(memory: &mut Memory) -> Vec<Value> {
    memory.again().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_waits_for_an_answer_is_sent_again_after_the_sessions() {
    let mut memory = started();
    let sent = editor(&mut memory, call(2, "session/prompt", json!({ "sessionId": "s", "prompt": [] })));
    assert_eq!(sent["params"]["_meta"]["_wharf"]["id"], "msg-fresh");
    assert!(shown(memory.server_said(update(7, 0, 1, "a"))).is_some());
    let greeting: Value = serde_json::from_str(&memory.greeting().unwrap()).unwrap();
    assert_eq!(greeting["method"], "initialize");
    assert_ne!(greeting["id"], 0);
    let lines = again(&mut memory);
    assert_eq!(lines[0]["method"], "_wharf/session/attach");
    assert_eq!(lines[0]["params"], json!({ "sessionId": "s", "after": 7 }));
    assert_eq!(lines[1], sent);
    // The bridge's own answers are not the editor's; the prompt's one is, once.
    let own = json!({ "jsonrpc": "2.0", "id": lines[0]["id"], "result": {} }).to_string();
    assert_eq!(memory.server_said(own), Verdict::Drop);
    assert!(shown(memory.server_said(answer(2, json!({ "stopReason": "end_turn" })))).is_some());
    assert_eq!(memory.server_said(answer(2, json!({ "stopReason": "end_turn" }))), Verdict::Drop);
    assert!(memory.is_idle());
}

#[test]
fn every_update_reaches_the_editor_once() {
    let mut memory = started();
    let first = shown(memory.server_said(update(3, 0, 2, "a"))).unwrap();
    assert!(first["params"].get("_meta").is_none());
    // Lost between the two parts of an event: it is asked for again, and its first part is known.
    assert_eq!(again(&mut memory)[0]["params"]["after"], 2);
    assert_eq!(memory.server_said(update(3, 0, 2, "a")), Verdict::Drop);
    assert!(shown(memory.server_said(update(3, 1, 2, "b"))).is_some());
    assert!(shown(memory.server_said(update(4, 0, 1, "c"))).is_some());
    assert_eq!(memory.server_said(update(4, 0, 1, "c")), Verdict::Drop);
    assert_eq!(again(&mut memory)[0]["params"]["after"], 4);
}

#[test]
fn a_session_without_updates_goes_on_from_where_it_was_opened() {
    let mut memory = started();
    assert_eq!(again(&mut memory)[0]["params"], json!({ "sessionId": "s", "after": 1 }));
    editor(&mut memory, call(3, "session/close", json!({ "sessionId": "s" })));
    memory.server_said(answer(3, json!({})));
    assert_eq!(again(&mut memory), Vec::<Value>::new());
}

#[test]
fn a_question_is_shown_once_and_its_answer_kept() {
    let mut memory = started();
    let question =
        json!({ "jsonrpc": "2.0", "id": "perm-1", "method": "session/request_permission", "params": {} }).to_string();
    assert!(shown(memory.server_said(question.clone())).is_some());
    assert_eq!(memory.server_said(question.clone()), Verdict::Drop);
    let reply = json!({ "jsonrpc": "2.0", "id": "perm-1", "result": { "outcome": {} } });
    assert_eq!(editor(&mut memory, reply.clone()), reply);
    // The server did not get it: the editor is not asked twice.
    assert_eq!(memory.server_said(question), Verdict::ToServer(reply.to_string()));
}

#[test]
fn a_first_connection_that_was_lost_begins_from_the_beginning() {
    let mut memory = Memory::default();
    let sent = editor(&mut memory, call(0, "initialize", json!({ "protocolVersion": 1, "clientCapabilities": null })));
    assert_eq!(memory.greeting(), None);
    assert_eq!(again(&mut memory), [sent]);
}

#[test]
fn a_load_that_was_cut_off_is_sent_again_and_shows_nothing_twice() {
    let mut memory = started();
    memory.server_said(update(5, 0, 1, "old"));
    editor(&mut memory, call(4, "session/load", json!({ "sessionId": "s", "cwd": "/", "mcpServers": [] })));
    assert!(shown(memory.server_said(update(2, 0, 1, "first"))).is_some());
    let lines = again(&mut memory);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["method"], "session/load");
    assert_eq!(memory.server_said(update(2, 0, 1, "first")), Verdict::Drop);
    assert!(shown(memory.server_said(update(3, 0, 1, "second"))).is_some());
}

#[test]
fn what_is_no_message_passes() {
    let mut memory = Memory::default();
    for line in [
        "nonsense",
        "[]",
        "7",
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","method":"session/cancel","params":{"sessionId":"s"}}"#,
    ] {
        assert_eq!(memory.editor_said(line.to_owned(), String::new), (Some(line.to_owned()), Vec::new()));
    }
    assert!(memory.is_idle());
    assert_eq!(refusal("nonsense", "R", "why"), None);
    let refused: Value = serde_json::from_str(&refusal(r#"{"id":"a","method":"x"}"#, "R", "why").unwrap()).unwrap();
    assert_eq!((refused["id"].as_str(), refused["error"]["data"]["details"].as_str()), (Some("a"), Some("why")));
}

fn asks(id: &str, method: &str, terminal: Option<&str>) -> String {
    let params = json!({ "sessionId": "s", "terminalId": terminal });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

fn reply(id: &str, result: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

/// What the editor is told, as method and what it is about.
fn told(lines: &[String]) -> Vec<(String, String)> {
    let about = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap();
        let of = ["requestId", "terminalId"].iter().find_map(|field| line["params"][field].as_str());
        (line["method"].as_str().unwrap().to_owned(), of.unwrap().to_owned())
    };
    lines.iter().map(about).collect()
}

#[test]
fn an_answer_is_for_the_server_that_asked() {
    let mut memory = started();
    for id in ["a", "b"] {
        assert!(shown(memory.server_said(asks(id, "fs/read_text_file", None))).is_some());
    }
    let answer = reply("a", json!({ "content": "x" }));
    assert_eq!(memory.editor_said(answer.clone(), String::new), (Some(answer), Vec::new()));
    assert_eq!(told(&memory.lost()), [("$/cancel_request".to_owned(), "b".to_owned())]);
    // Another server: it did not ask, and is told nothing.
    assert_eq!(memory.editor_said(reply("b", Value::Null), String::new), (None, Vec::new()));
    assert_eq!(memory.lost(), Vec::<String>::new());
    assert!(memory.answers.is_empty());
}

#[test]
fn no_terminal_stays_behind_its_connection() {
    let mut memory = started();
    for (id, terminal) in [("1", "kept"), ("2", "released")] {
        memory.server_said(asks(id, "terminal/create", None));
        memory.editor_said(reply(id, json!({ "terminalId": terminal })), String::new);
    }
    memory.server_said(asks("3", "terminal/release", Some("released")));
    memory.editor_said(reply("3", json!({})), String::new);
    memory.server_said(asks("4", "terminal/create", None));
    let lines = memory.lost();
    let expected = [("$/cancel_request", "4"), ("terminal/kill", "kept"), ("terminal/release", "kept")];
    assert_eq!(told(&lines), expected.map(|(method, about)| (method.to_owned(), about.to_owned())));
    // The editor's answers to that are the bridge's.
    for line in &lines[1..] {
        let id = serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
        assert_eq!(memory.editor_said(reply(&id, json!({})), String::new), (None, Vec::new()));
    }
    // One that opens only now.
    let (to_server, lines) = memory.editor_said(reply("4", json!({ "terminalId": "late" })), String::new);
    assert_eq!(to_server, None);
    let expected = [("terminal/kill", "late"), ("terminal/release", "late")];
    assert_eq!(told(&lines), expected.map(|(method, about)| (method.to_owned(), about.to_owned())));
}

#[test]
fn an_editors_files_can_be_kept_from_the_server() {
    let offers = json!({ "fs": { "readTextFile": true, "writeTextFile": true }, "terminal": true });
    let initialize = || call(0, "initialize", json!({ "protocolVersion": 1, "clientCapabilities": offers }));
    let sent = editor(&mut Memory::of(true), initialize());
    assert_eq!(sent["params"]["clientCapabilities"]["fs"]["readTextFile"], true);
    let mut memory = Memory::of(false);
    let sent = editor(&mut memory, initialize());
    assert_eq!(sent["params"]["clientCapabilities"], json!({ "terminal": true, "_meta": { "_wharf": {} } }));
    // Nor from a server that takes over.
    memory.server_said(answer(0, json!({ "protocolVersion": 1 })));
    assert!(!memory.greeting().unwrap().contains("readTextFile"));
}
