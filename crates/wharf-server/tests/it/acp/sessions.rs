//! Sessions: opened, listed, set, closed, deleted.

use serde_json::{Value, json};

use super::client::{Client, kinds, text};
use crate::support::{READER, TestServer};

#[tokio::test]
async fn load_replays_everything_before_it_answers_and_resume_nothing() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    client.turn(&session, "one").await;
    client.turn(&session, r#"call read_file {"path":"missing.txt"}"#).await;
    client.call("session/close", json!({ "sessionId": session })).await;

    let mut later = Client::start(&server).await;
    let opened = json!({ "sessionId": session, "cwd": server.engine.config().work_dir, "mcpServers": [] });
    let id = later.request("session/load", opened.clone()).await;
    let messages = later.until_answer(id).await;
    assert_eq!(text(&messages, "user_message_chunk"), r#"onecall read_file {"path":"missing.txt"}"#);
    assert_eq!(text(&messages, "agent_message_chunk"), "onedone");
    let statuses: Vec<&Value> = messages
        .iter()
        .map(|message| &message["params"]["update"])
        .filter(|update| update["sessionUpdate"] == "tool_call_update")
        .map(|update| &update["status"])
        .collect();
    assert_eq!(statuses, ["in_progress", "failed"]);
    assert_eq!(messages.last().unwrap()["result"]["modes"]["currentModeId"], "full");
    assert_eq!(kinds(&later.settle().await), ["available_commands_update"]);

    let mut resumed = Client::start(&server).await;
    let id = resumed.request("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
    assert_eq!(resumed.until_answer(id).await.len(), 1);
    assert_eq!(resumed.turn(&session, "two").await.1, "end_turn");
}

#[tokio::test]
async fn load_in_the_middle_of_a_turn_goes_on_live_without_gap_or_repeat() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    client.prompt(&session, "one|wait|two|wait|three").await;
    client.update("agent_message_chunk").await;
    let mut other = Client::start(&server).await;
    let id = other.request("session/load", json!({ "sessionId": session, "cwd": "/", "mcpServers": [] })).await;
    assert_eq!(text(&other.until_answer(id).await, "agent_message_chunk"), "one");
    let mut resumed = Client::start(&server).await;
    resumed.call("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
    server.open_gate();
    assert_eq!(other.update("agent_message_chunk").await["content"]["text"], "two");
    assert_eq!(resumed.update("agent_message_chunk").await["content"]["text"], "two");
    server.open_gate();
    assert_eq!(resumed.update("agent_message_chunk").await["content"]["text"], "three");
    client.turn(&session, "end").await;
    let rest = resumed.until(|message| message["params"]["update"]["content"]["text"] == "end").await;
    assert_eq!(text(&rest, "agent_message_chunk"), "");
}

#[tokio::test]
async fn sessions_are_listed_by_directory_and_deleted() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let (one, two) = (client.new_session(&server).await, client.new_session(&server).await);
    assert_ne!(one, two);
    let ids = |answer: &Value| -> Vec<String> {
        let sessions = answer["sessions"].as_array().unwrap();
        sessions.iter().map(|session| session["sessionId"].as_str().unwrap().to_owned()).collect()
    };
    let all = client.call("session/list", json!({})).await;
    assert_eq!(ids(&all).len(), 2);
    let cwd = &server.engine.config().work_dir.clone();
    assert_eq!(ids(&client.call("session/list", json!({ "cwd": cwd })).await).len(), 2);
    assert_eq!(client.call("session/list", json!({ "cwd": "/nowhere/at/all" })).await["sessions"], json!([]));
    assert_eq!(client.fail("session/list", json!({ "cwd": "relative" })).await["code"], -32602);
    for _ in 0..2 {
        client.call("session/delete", json!({ "sessionId": one })).await;
    }
    client.call("session/delete", json!({ "sessionId": "no such/thing" })).await;
    assert_eq!(ids(&client.call("session/list", json!({})).await), [two]);
    let load = json!({ "sessionId": one, "cwd": "/", "mcpServers": [] });
    assert_eq!(client.fail("session/load", load).await["code"], -32002);
}

#[tokio::test]
async fn what_names_no_session_or_no_directory_is_refused() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    for method in ["session/prompt", "session/resume", "session/close", "session/set_mode", "session/set_config_option"]
    {
        let params = json!({
            "sessionId": "nobody", "cwd": "/", "prompt": [{ "type": "text", "text": "hi" }],
            "modeId": "plan", "configId": "mode", "value": "plan",
        });
        assert_eq!(client.fail(method, params).await["code"], -32002, "{method}");
    }
    assert_eq!(client.fail("session/new", json!({ "cwd": "relative", "mcpServers": [] })).await["code"], -32602);
    assert_eq!(client.fail("session/new", json!({ "cwd": "/" })).await["code"], -32602);
    assert_eq!(client.fail("session/new", json!({ "cwd": "/not/there", "mcpServers": [] })).await["code"], -32602);
    assert_eq!(client.fail("session/load", json!({ "sessionId": "a", "cwd": "/" })).await["code"], -32602);
}

#[tokio::test]
async fn closing_in_the_middle_of_a_turn_cancels_it() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let id = client.prompt(&session, "before|wait").await;
    client.update("agent_message_chunk").await;
    let close = client.request("session/close", json!({ "sessionId": session })).await;
    let messages = client.until_answer(close).await;
    let answer = messages.iter().find(|message| message["id"] == id).unwrap();
    assert_eq!(answer["result"]["stopReason"], "cancelled");
    // It lives on, and can be opened again.
    client.call("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
    assert_eq!(client.turn(&session, "again").await.1, "end_turn");
}

#[tokio::test]
async fn deleting_in_the_middle_of_a_turn_ends_the_prompt() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let id = client.prompt(&session, "before|wait").await;
    client.update("agent_message_chunk").await;
    client.request("session/delete", json!({ "sessionId": session })).await;
    let answer = client.until(|message| message["id"] == id).await.pop().unwrap();
    assert!(answer["result"]["stopReason"] == "cancelled" || answer["error"]["code"] == -32002, "{answer}");
}

#[tokio::test]
async fn modes_and_config_options_say_the_same_to_everybody() {
    let server = TestServer::start().await;
    let (mut one, mut two) = (Client::start(&server).await, Client::start(&server).await);
    let cwd = server.engine.config().work_dir.clone();
    let new = one.call("session/new", json!({ "cwd": cwd, "mcpServers": [] })).await;
    let session = new["sessionId"].as_str().unwrap().to_owned();
    let modes = new["modes"]["availableModes"].as_array().unwrap();
    let ids: Vec<&str> = modes.iter().map(|mode| mode["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["plan", "ask", "auto-edit", "full"]);
    assert_eq!(new["modes"]["currentModeId"], "full");
    for option in new["configOptions"].as_array().unwrap() {
        assert_eq!(option["type"], "select", "no boolean option: it was not advertised");
        let values = option["options"].as_array().unwrap();
        assert!(values.iter().any(|value| value["value"] == option["currentValue"]), "{option}");
    }
    two.call("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
    one.call("session/set_mode", json!({ "sessionId": session, "modeId": "plan" })).await;
    for client in [&mut one, &mut two] {
        assert_eq!(client.update("current_mode_update").await["currentModeId"], "plan");
        assert_eq!(client.update("config_option_update").await["configOptions"][0]["currentValue"], "plan");
    }
    let set = json!({ "sessionId": session, "configId": "mode", "value": "ask" });
    let options = two.call("session/set_config_option", set).await;
    let ids: Vec<&Value> = options["configOptions"].as_array().unwrap().iter().map(|option| &option["id"]).collect();
    assert_eq!(ids, ["mode", "model", "agent", "thinking"]);
    assert_eq!(options["configOptions"][0]["currentValue"], "ask");
    assert_eq!(one.update("current_mode_update").await["currentModeId"], "ask");
    for (config_id, value) in [("mode", "no-such"), ("colour", "red")] {
        let set = json!({ "sessionId": session, "configId": config_id, "value": value });
        assert_eq!(one.fail("session/set_config_option", set).await["code"], -32602);
    }
    let set = json!({ "sessionId": session, "configId": "mode", "type": "boolean", "value": true });
    assert_eq!(one.fail("session/set_config_option", set).await["code"], -32602);
    assert_eq!(one.fail("session/set_mode", json!({ "sessionId": session, "modeId": "x" })).await["code"], -32602);
}

#[tokio::test]
async fn what_a_client_names_beside_the_workspace_holds() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let cwd = server.engine.config().work_dir.clone();
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().canonicalize().unwrap();
    for name in ["lib", "other"] {
        std::fs::create_dir(home.join(name)).unwrap();
        std::fs::write(home.join(name).join("a.txt"), name).unwrap();
    }
    std::os::unix::fs::symlink("lib", home.join("link")).unwrap();
    let (lib, other) = (home.join("lib"), home.join("other"));
    let open = |session: &str, further: Value| json!({ "sessionId": session, "cwd": cwd, "mcpServers": [], "additionalDirectories": further });
    let made = client.call("session/new", open("-", json!([home.join("link")]))).await;
    let session = made["sessionId"].as_str().unwrap().to_owned();
    let listed = async |client: &mut Client| {
        client.call("session/list", json!({})).await["sessions"][0]["additionalDirectories"].clone()
    };
    assert_eq!(listed(&mut client).await, json!([lib]));
    client.turn(&session, &format!("call read_file {}", json!({ "path": lib.join("a.txt") }))).await;
    let log = server.log(&session).await;
    assert!(log.iter().any(|event| event["type"] == "tool.call_complete"), "{log:?}");
    // A client that says nothing changes nothing, one that names others changes them, one that names none takes them away.
    let silent = json!({ "sessionId": session, "cwd": cwd, "mcpServers": [] });
    for (method, params, now) in [
        ("session/load", silent.clone(), json!([lib])),
        ("session/resume", silent, json!([lib])),
        ("session/load", open(&session, json!([other])), json!([other])),
        ("session/resume", open(&session, json!([lib, other])), json!([lib, other])),
        ("session/load", open(&session, Value::Null), json!([lib, other])),
        ("session/resume", open(&session, json!([])), Value::Null),
        ("session/load", open(&session, json!([home.join("link")])), json!([lib])),
    ] {
        client.call(method, params.clone()).await;
        assert_eq!(listed(&mut client).await, now, "{method} {params}");
    }
    for bad in [json!(["relative"]), json!([lib, home.join("none")]), json!([lib.join("a.txt")])] {
        let path = bad.as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
        for method in ["session/new", "session/load", "session/resume"] {
            let error = client.fail(method, open(&session, bad.clone())).await;
            assert_eq!(error["code"], -32602, "{method}");
            let told = error.to_string();
            assert!(told.contains("additionalDirectories") && told.contains(&path), "{error}");
        }
    }
    assert_eq!(client.fail("session/load", open("nobody", json!([lib]))).await["code"], -32002);
    assert_eq!(client.call("session/list", json!({})).await["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(listed(&mut client).await, json!([lib]));
    // Who may not change a session opens it as it is.
    let mut reader = Client::connect_with(&server, "/acp", None, READER).await;
    reader.call("initialize", json!({ "protocolVersion": 1 })).await;
    reader.call("session/load", open(&session, json!([home.join("link")]))).await;
    let refused = reader.fail("session/load", open(&session, json!([other]))).await;
    assert_eq!(refused["data"]["reason"], "FORBIDDEN");
    assert_eq!(listed(&mut client).await, json!([lib]));
}
