//! MCP servers that an editor passes, or that stand in the configuration file.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wharf_testkit::process::processes_with;
use wharf_testkit::{Client, Reply, ScriptedModel};

use crate::acp::{Editor, text};
use crate::{Home, mode_of, until};

/// The example of this crate; it is built along with the tests.
fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_wharf")).with_file_name("examples").join("cli_mcp_server");
    assert!(path.is_file(), "{} is not there: `cargo build -p wharf --examples` makes it", path.display());
    path
}

fn server(name: &str, args: &[&str]) -> Value {
    json!({ "name": name, "command": program(), "args": args, "env": [{ "name": "SECRET", "value": "hunter22" }] })
}

/// What every test stands on: a model that does what it is told, and a server.
struct Lab {
    home: Home,
    model: ScriptedModel,
}

impl Lab {
    async fn new() -> Self {
        Self { home: Home::new(), model: ScriptedModel::start().await }
    }

    fn serve(&self, permission: &str) -> crate::Running {
        let url = self.model.url();
        self.home.serve(&["--model", "openai/scripted", "--base-url", &url, "--permission", permission])
    }

    fn rest(&self) -> Client {
        let key = std::fs::read_to_string(self.home.state().join("key")).unwrap();
        Client::new(self.home.discovery()["url"].as_str().unwrap()).with_key(key.trim())
    }

    async fn get(&self, path: &str) -> Value {
        self.rest().get_json(&format!("/api/v1{path}")).await.unwrap()
    }

    async fn put(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let answer = self.rest().send("PUT", path, &[], Some(body.as_bytes())).await.unwrap();
        answer.ok().await.unwrap().json().await.unwrap()
    }

    /// An editor with a session that has these servers.
    fn editor(&self, servers: &Value) -> (Editor, String) {
        let mut editor = Editor::start(&self.home, &["acp"]);
        let shows = json!({ "session": { "notices": {} } });
        let about = editor.call("initialize", json!({ "protocolVersion": 1, "clientCapabilities": shows }));
        assert_eq!(about["agentCapabilities"]["mcpCapabilities"], json!({ "http": true, "sse": true }), "{about}");
        let new = editor.call("session/new", json!({ "cwd": self.home.workspace(), "mcpServers": servers }));
        let session = new["sessionId"].as_str().unwrap().to_owned();
        (editor, session)
    }
}

fn question(editor: &mut Editor) -> Value {
    loop {
        let message = editor.next();
        if message["method"] == "session/request_permission" {
            return message;
        }
    }
}

fn answer(editor: &mut Editor, question: &Value, option: &str) {
    let outcome = json!({ "outcome": { "outcome": "selected", "optionId": option } });
    editor.send_line(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": outcome }).to_string());
}

/// The statuses and texts of the calls' updates.
fn outcomes(messages: &[Value]) -> Vec<(String, String)> {
    let updates = messages.iter().map(|message| &message["params"]["update"]);
    let updates = updates.filter(|update| update["sessionUpdate"] == "tool_call_update");
    let done = updates.filter(|update| matches!(update["status"].as_str(), Some("completed" | "failed")));
    done.map(|update| {
        let text = update["content"][0]["content"]["text"].as_str().unwrap_or_default();
        (update["status"].as_str().unwrap().to_owned(), text.to_owned())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editors_server_is_asked_about_and_called() {
    let lab = Lab::new().await;
    let _server = lab.serve("ask");
    let (mut editor, session) = lab.editor(&json!([server("my tools", &[])]));
    for (option, wanted) in [("allow_once", "completed"), ("reject_once", "failed")] {
        let id = editor.prompt(&session, r#"[[tool mcp__my_tools__echo {"text":"hi \u001b"}]]"#);
        let asked = question(&mut editor);
        assert!(asked["params"]["toolCall"].to_string().contains("mcp__my_tools__echo"), "{asked}");
        answer(&mut editor, &asked, option);
        let messages = editor.until_answer(id);
        let outcomes = outcomes(&messages);
        assert_eq!(outcomes[0].0, wanted, "{outcomes:?}");
        assert_eq!(outcomes[0].1 == "hi \\u{1b}", wanted == "completed", "{outcomes:?}");
    }
    let request = lab.model.requests().remove(0).body;
    let names: Vec<&str> =
        request["tools"].as_array().unwrap().iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"bash") && names.contains(&"mcp__my_tools__echo"), "{names:?}");
    // The configuration is kept for its owner only, and never on the log.
    let kept = lab.home.state().join("mcp").join(format!("{session}.json"));
    assert_eq!((mode_of(&kept), mode_of(kept.parent().unwrap())), (0o600, 0o700));
    let log = lab.get(&format!("/sessions/{session}/events?after=0&limit=1000")).await;
    assert!(!log.to_string().contains("hunter22"), "a secret is on the log");
    let mcp = lab.get(&format!("/sessions/{session}/mcp")).await;
    assert_eq!((&mcp["servers"][0]["status"], &mcp["servers"][0]["source"]), (&json!("connected"), &json!("session")));
    assert!(!mcp.to_string().contains("hunter22"), "{mcp}");
    let tools = lab.get(&format!("/sessions/{session}/tools")).await;
    let echo = tools["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "mcp__my_tools__echo").unwrap();
    assert_eq!((&echo["source"], &echo["read_only"]), (&json!("mcp"), &json!(false)));
    editor.call("session/delete", json!({ "sessionId": session }));
    assert!(!kept.exists(), "what was kept goes with the session");
    editor.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_start_costs_its_own_tools_only() {
    let lab = Lab::new().await;
    let _server = lab.serve("full");
    let broken = json!({ "name": "broken", "command": "/nonexistent/server", "args": [], "env": [] });
    let (mut editor, session) = lab.editor(&json!([broken, server("good", &[]), server("bad", &["--exit", "1"])]));
    let mut told = Vec::new();
    while told.len() < 2 {
        let update = editor.next()["params"]["update"].clone();
        if update["sessionUpdate"] == "notice" {
            told.push(update["title"].as_str().unwrap().to_owned());
        }
    }
    told.sort();
    assert_eq!(told, ["The MCP server bad is not connected", "The MCP server broken is not connected"]);
    let id = editor.prompt(&session, r#"[[tool mcp__good__echo {"text":"well"}]]"#);
    assert_eq!(outcomes(&editor.until_answer(id)), [("completed".to_owned(), "well".to_owned())]);
    let mcp = lab.get(&format!("/sessions/{session}/mcp")).await;
    let error = mcp["servers"][0]["error"].as_str().unwrap();
    assert!(error.contains("/nonexistent/server cannot be started"), "{mcp}");
    assert!(!mcp.to_string().contains("hunter22"), "{mcp}");
    editor.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_list_is_refused_with_its_place() {
    let lab = Lab::new().await;
    let _server = lab.serve("full");
    let mut editor = Editor::start(&lab.home, &["acp"]);
    editor.call("initialize", json!({ "protocolVersion": 1 }));
    let good = server("good", &[]);
    let cases = [
        (json!([{ "name": "a", "command": "npx", "args": [], "env": [] }]), "mcpServers[0].command: npx is not"),
        (json!([good, { "name": "a", "type": "carrier-pigeon" }]), "mcpServers[1].type: \"carrier-pigeon\" is not"),
        (json!([good, good]), "mcpServers[1].name: \"good\" is the name of two"),
        (json!([{ "name": "a", "command": "/bin/true", "env": [] }]), "mcpServers[0].args: must be a list"),
        (json!([{ "name": "a", "type": "http", "url": "file:///x", "headers": [] }]), "mcpServers[0].url: must begin"),
        (json!({ "name": "a" }), "mcpServers: must be a list"),
        (json!(["a"]), "mcpServers[0]: must be an object"),
        (
            json!([{ "name": "a", "command": "/bin/true", "args": [], "env": [{ "name": "A" }] }]),
            "mcpServers[0].env[0]",
        ),
        (json!((0..33).map(|n| server(&n.to_string(), &[])).collect::<Vec<_>>()), "mcpServers: 33 servers"),
    ];
    for (servers, place) in cases {
        let id = editor.request("session/new", json!({ "cwd": lab.home.workspace(), "mcpServers": servers }));
        let error = editor.until_answer(id).pop().unwrap()["error"].clone();
        assert_eq!(error["code"], -32602, "{error}");
        assert!(error["message"].as_str().unwrap().contains(place), "{place}: {error}");
        assert!(!error.to_string().contains("hunter22"), "{error}");
    }
    assert_eq!(lab.home.sessions().len(), 0);
    let body = json!({ "cwd": lab.home.workspace(), "mcp_servers": [{ "name": "a", "command": "npx" }] });
    let refused = lab.rest().post("/api/v1/sessions", &body).await.unwrap();
    let text = refused.text().await.unwrap();
    assert!(text.contains("VALIDATION_ERROR") && text.contains("[0].command"), "{text}");
    editor.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_outlives_its_server_has_its_tools_again() {
    let lab = Lab::new().await;
    let mut running = lab.serve("full");
    let mark = format!("8{:05}.75", std::process::id());
    let (mut editor, session) = lab.editor(&json!([server("test", &["--stubborn", &mark])]));
    let id = editor.prompt(&session, r#"[[tool mcp__test__echo {"text":"before"}]]"#);
    assert_eq!(outcomes(&editor.until_answer(id)), [("completed".to_owned(), "before".to_owned())]);
    until("the server's children are there", || processes_with(&mark).len() >= 9);
    let id = editor.prompt(&session, "[[stream 300 rate 20]]");
    let mut messages = Vec::new();
    while text(&messages).split(' ').count() < 3 {
        messages.push(editor.next());
    }
    // What the model says when it is asked again.
    lab.model.push(Reply::new().call("mcp__test__echo", json!({ "text": "after" }))).push(Reply::text("done"));
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let since = std::time::Instant::now();
    until("all of the MCP server is dead", || processes_with(&mark).is_empty());
    let took = since.elapsed();
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
    drop(running);
    let _server = lab.serve("full");
    messages.extend(editor.until_answer(id));
    assert_eq!(messages.last().unwrap()["result"]["stopReason"], "end_turn");
    assert_eq!(outcomes(&messages), [("completed".to_owned(), "after".to_owned())]);
    editor.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_a_tool_outlives_the_server() {
    let lab = Lab::new().await;
    let mut running = lab.serve("ask");
    let (mut editor, session) = lab.editor(&json!([server("test", &[])]));
    let id = editor.prompt(&session, r#"[[tool mcp__test__echo {"text":"answered late"}]]"#);
    let asked = question(&mut editor);
    // What the server lists is kept for the next one.
    let kept = lab.home.state().join("mcp").join(format!("{session}.json"));
    until("its tools are kept", || std::fs::read_to_string(&kept).is_ok_and(|text| text.contains("\"echo\"")));
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    drop(running);
    let _server = lab.serve("ask");
    answer(&mut editor, &asked, "allow_once");
    let messages = editor.until_answer(id);
    assert_eq!(outcomes(&messages), [("completed".to_owned(), "answered late".to_owned())]);
    editor.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_session_stops_its_servers() {
    let lab = Lab::new().await;
    let _server = lab.serve("full");
    let log = lab.home.workspace().join("log");
    let servers = json!([server("test", &["--log", log.to_str().unwrap()])]);
    let (mut editor, session) = lab.editor(&servers);
    let id = editor.prompt(&session, r#"[[tool mcp__test__echo {"text":"x"}]]"#);
    assert_eq!(outcomes(&editor.until_answer(id)), [("completed".to_owned(), "x".to_owned())]);
    let ended = || std::fs::read_to_string(&log).unwrap().lines().filter(|line| *line == "end").count();
    editor.call("session/close", json!({ "sessionId": session }));
    until("the server has ended", || ended() == 1);
    let mcp = lab.get(&format!("/sessions/{session}/mcp")).await;
    assert_eq!(
        (&mcp["servers"][0]["status"], mcp["servers"][0]["tools"].as_array().unwrap().len()),
        (&json!("stopped"), 13)
    );
    // Another list takes the place of the first one; an empty one does not.
    let load = |servers: Value| json!({ "sessionId": session, "cwd": lab.home.workspace(), "mcpServers": servers });
    editor.call("session/load", load(json!([])));
    let id = editor.prompt(&session, r#"[[tool mcp__test__echo {"text":"y"}]]"#);
    assert_eq!(outcomes(&editor.until_answer(id)), [("completed".to_owned(), "y".to_owned())]);
    editor.call("session/resume", load(json!([server("other", &[])])));
    let id = editor.prompt(&session, r#"[[tool mcp__test__echo {"text":"z"}]]"#);
    let told = outcomes(&editor.until_answer(id));
    assert!(told.is_empty() || told[0].0 == "failed", "{told:?}");
    until("the first server has ended again", || ended() == 2);
    editor.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_in_a_call_fails_the_call() {
    let lab = Lab::new().await;
    let _server = lab.serve("full");
    let (mut editor, session) = lab.editor(&json!([server("test", &[])]));
    let id = editor.prompt(&session, "[[tool mcp__test__die {}]]");
    let messages = editor.until_answer(id);
    let outcomes = outcomes(&messages);
    assert_eq!(outcomes[0].0, "failed");
    assert!(outcomes[0].1.contains("the MCP server test does not answer: it ended: exit code 9"), "{outcomes:?}");
    assert_eq!(messages.last().unwrap()["result"]["stopReason"], "end_turn");
    // A call that never ends is called off with its turn.
    let id = editor.prompt(&session, "[[tool mcp__test__never {}]]");
    loop {
        let update = editor.next()["params"]["update"].clone();
        if update["status"] == "in_progress" {
            break;
        }
    }
    editor.send_line(
        &json!({ "jsonrpc": "2.0", "method": "session/cancel", "params": { "sessionId": session } }).to_string(),
    );
    assert_eq!(editor.until_answer(id).last().unwrap()["result"]["stopReason"], "cancelled");
    editor.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_can_be_set_and_called_over_rest() {
    let lab = Lab::new().await;
    let _server = lab.serve("full");
    let body = json!({ "cwd": lab.home.workspace(), "mcp_servers": [server("one", &[])] });
    let rest = lab.rest();
    let session: Value = rest.post_json("/api/v1/sessions", &body).await.unwrap();
    let session = session["id"].as_str().unwrap();
    let call = json!({ "session_id": session, "arguments": { "text": "by hand" } });
    let done: Value = rest.post_json("/api/v1/tools/mcp__one__echo/execute", &call).await.unwrap();
    assert_eq!((&done["success"], &done["result"]), (&json!(true), &json!("by hand")));
    let other = json!({ "mcp_servers": [server("two", &[])] });
    let path = format!("/api/v1/sessions/{session}/mcp");
    let set = lab.put(&path, &other).await;
    assert_eq!(set["servers"][0]["name"], "two");
    let names = lab.get(&format!("/sessions/{session}/tools")).await.to_string();
    assert!(names.contains("mcp__two__echo") && !names.contains("mcp__one__"), "{names}");
    let gone = rest.post("/api/v1/tools/mcp__one__echo/execute", &call).await.unwrap();
    assert!(gone.text().await.unwrap().contains("TOOL_NOT_FOUND"));
    let none = lab.put(&path, &json!({ "mcp_servers": [] })).await;
    assert_eq!(none["servers"], json!([]));
}

#[test]
fn configured_servers_are_there_for_every_session_and_on_the_command_line() {
    let home = Home::new();
    let file = home.state().with_file_name("config.toml");
    let section = format!(
        "[mcp.mine]\ncommand = {:?}\nargs = [\"--key=swordfish\"]\nenv = {{ SECRET = \"hunter22\" }}\n",
        program()
    );
    std::fs::write(&file, section.replace("\"--key=swordfish\"", "")).unwrap();
    let config = file.to_str().unwrap();
    let listed = home.run(&["mcp", "list", "--config", config]);
    assert_eq!(listed.code, Some(0), "{} {}", listed.out, listed.err);
    assert!(
        listed.out.contains("mine") && listed.out.contains("connected") && listed.out.contains("13 tools"),
        "{}",
        listed.out
    );
    assert!(home.run(&["mcp", "tools", "--config", config]).out.contains("mcp__mine__echo"));
    let called = home.run(&["mcp", "call", "mcp__mine__echo", r#"{"text":"hello"}"#, "--config", config]);
    assert_eq!((called.code, called.out.as_str()), (Some(0), "hello\n"), "{}", called.err);
    let failed = home.run(&["mcp", "call", "mcp__mine__fail", r#"{"text":"x"}"#, "--config", config]);
    assert_eq!(failed.code, Some(1));
    assert!(failed.err.contains("it failed: x"), "{}", failed.err);
    assert_eq!(home.run(&["mcp", "call", "mcp__mine__none", "--config", config]).code, Some(2));
    assert_eq!(home.run(&["mcp", "call", "mcp__mine__echo", "[]", "--config", config]).code, Some(2));
    std::fs::write(&file, &section).unwrap();
    for args in [&["config", "show", "--config", config][..], &["config", "show", "--json", "--config", config]] {
        let shown = home.run(args).out;
        assert!(shown.contains("mine") && !shown.contains("hunter22") && !shown.contains("swordfish"), "{shown}");
    }
    let broken = home.run(&["mcp", "list", "--config", config]);
    assert_eq!(broken.code, Some(1), "it takes no such argument: {}", broken.out);
    std::fs::write(&file, "[mcp.mine]\ncommand = \"./x\"\n").unwrap();
    let wrong = home.run(&["mcp", "list", "--config", config]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("mcp.mine.command: ./x is not an absolute path"), "{}", wrong.err);
    std::fs::write(&file, "[mcp.mine]\ncomand = \"/x\"\n").unwrap();
    let wrong = home.run(&["mcp", "list", "--config", config]);
    assert!(wrong.err.contains("comand"), "{}", wrong.err);
}

#[test]
fn a_workspaces_own_list_starts_nothing() {
    let home = Home::new();
    let trap = home.workspace().join("trapped");
    let entry = json!({ "mcpServers": { "evil": { "command": "/bin/sh", "args": ["-c", format!("touch {}", trap.display())] } } });
    std::fs::write(home.workspace().join(".mcp.json"), entry.to_string()).unwrap();
    assert_eq!(home.run(&["ask", "--unattended", "list the files"]).code, Some(0));
    assert!(!trap.exists());
}
