//! Sessions: made, loaded, resumed, listed, closed, deleted.

use serde_json::{Value, json};
use wharf_testkit::acp::{kinds, text};

use crate::agent::Agent;

crate::through_every_door!(
    new_sessions_have_ids_of_their_own,
    a_session_needs_an_absolute_directory_and_servers,
    a_load_shows_everything_before_its_answer,
    a_resume_shows_nothing_before_its_answer,
    a_list_is_a_list,
    deleting_again_succeeds,
    an_idle_session_is_closed,
    closing_ends_a_running_prompt,
    a_session_that_is_not_there_is_not_found,
    additional_directories_are_accepted,
);

async fn new_sessions_have_ids_of_their_own(agent: Agent) {
    let mut client = agent.client().await;
    let one = agent.session(&mut client).await;
    let two = agent.session(&mut client).await;
    assert_ne!(one, two);
}

async fn a_session_needs_an_absolute_directory_and_servers(agent: Agent) {
    let mut client = agent.client().await;
    for wrong in [
        json!({ "cwd": "relative", "mcpServers": [] }),
        json!({ "cwd": agent.cwd() }),
        json!({ "mcpServers": [] }),
        json!({ "cwd": "/not/there/at/all", "mcpServers": [] }),
    ] {
        assert_eq!(client.fail("session/new", wrong.clone()).await["code"], -32602, "{wrong}");
    }
    let session = agent.session(&mut client).await;
    for wrong in
        [json!({ "sessionId": session, "cwd": "/" }), json!({ "sessionId": session, "cwd": ".", "mcpServers": [] })]
    {
        assert_eq!(client.fail("session/load", wrong.clone()).await["code"], -32602, "{wrong}");
    }
}

async fn a_load_shows_everything_before_its_answer(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    client.turn(&session, "[[think hm]]").await;
    client.turn(&session, r#"[[tool read_file {"path":"missing.txt"}]]"#).await;
    client.close().await;
    let mut later = agent.client().await;
    let id = later.request("session/load", agent.open(&session)).await;
    let mut messages = later.until_answer(id).await;
    let answer = messages.pop().unwrap();
    assert!(answer["result"].is_object() && answer["result"]["modes"].is_object(), "an object, not null: {answer}");
    assert_eq!(text(&messages, "user_message_chunk"), r#"[[think hm]][[tool read_file {"path":"missing.txt"}]]"#);
    assert_eq!(text(&messages, "agent_thought_chunk"), "hm");
    assert_eq!(text(&messages, "agent_message_chunk"), "That is my answer.Done.");
    assert!(kinds(&messages).contains(&"tool_call"));
    assert!(messages.iter().all(|message| message["params"]["sessionId"] == session.as_str()));
    let after = later.settle().await;
    assert_eq!(text(&after, "agent_message_chunk"), "", "nothing of it comes later");
}

async fn a_resume_shows_nothing_before_its_answer(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    client.turn(&session, "[[say one]]").await;
    client.close().await;
    let mut later = agent.client().await;
    // Without the list of servers: it is not required here.
    let id = later.request("session/resume", json!({ "sessionId": session, "cwd": agent.cwd() })).await;
    assert_eq!(later.until_answer(id).await.len(), 1);
    let (messages, reason) = later.turn(&session, "[[say two]]").await;
    assert_eq!((text(&messages, "agent_message_chunk").as_str(), reason), ("two", json!("end_turn")));
}

async fn a_list_is_a_list(agent: Agent) {
    let mut client = agent.client().await;
    assert_eq!(client.call("session/list", json!({})).await["sessions"], json!([]));
    let session = agent.session(&mut client).await;
    let all = client.call("session/list", json!({})).await;
    assert_eq!(all["sessions"][0]["sessionId"], session.as_str());
    assert_eq!(all["sessions"][0]["cwd"], json!(agent.cwd()));
    let here = client.call("session/list", json!({ "cwd": agent.cwd() })).await;
    assert_eq!(here["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(client.call("session/list", json!({ "cwd": "/nowhere/at/all" })).await["sessions"], json!([]));
    assert_eq!(client.fail("session/list", json!({ "cwd": "relative" })).await["code"], -32602);
    assert_eq!(client.fail("session/list", json!({ "cursor": "nonsense" })).await["code"], -32602);
}

async fn deleting_again_succeeds(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    for _ in 0..2 {
        assert_eq!(client.call("session/delete", json!({ "sessionId": session })).await, json!({}));
    }
    assert_eq!(client.call("session/list", json!({})).await["sessions"], json!([]));
    assert_eq!(client.fail("session/load", agent.open(&session)).await["code"], -32002);
}

async fn an_idle_session_is_closed(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    assert_eq!(client.call("session/close", json!({ "sessionId": session })).await, json!({}));
    client.call("session/load", agent.open(&session)).await;
}

async fn closing_ends_a_running_prompt(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    let running = client.prompt(&session, "[[hang 1]]").await;
    client.update("agent_message_chunk").await;
    let close = client.request("session/close", json!({ "sessionId": session })).await;
    let messages = client.until_answer(close).await;
    let answer = messages.iter().find(|message| message["id"] == running).unwrap();
    assert_eq!(answer["result"]["stopReason"], "cancelled");
}

async fn a_session_that_is_not_there_is_not_found(agent: Agent) {
    let mut client = agent.client().await;
    for method in ["session/load", "session/resume", "session/prompt", "session/close", "session/set_mode"] {
        let params = json!({
            "sessionId": "nobody", "cwd": agent.cwd(), "mcpServers": [], "modeId": "plan",
            "prompt": [{ "type": "text", "text": "hi" }],
        });
        assert_eq!(client.fail(method, params).await["code"], -32002, "{method}");
    }
    let set = json!({ "sessionId": "nobody", "configId": "mode", "value": "plan" });
    assert_eq!(client.fail("session/set_config_option", set).await["code"], -32002);
}

async fn additional_directories_are_accepted(agent: Agent) {
    let mut client = agent.connect().await;
    let answer = client.call("initialize", json!({ "protocolVersion": 1 })).await;
    let can = &answer["agentCapabilities"]["sessionCapabilities"];
    assert_eq!(can["additionalDirectories"], json!({}));
    let dir = tempfile::tempdir().unwrap();
    let lib = dir.path().canonicalize().unwrap();
    std::fs::write(lib.join("a.txt"), "in the other root").unwrap();
    let new = json!({ "cwd": agent.cwd(), "mcpServers": [], "additionalDirectories": [lib] });
    let session = client.call("session/new", new).await["sessionId"].as_str().unwrap().to_owned();
    let read = format!("[[tool read_file {}]]", json!({ "path": lib.join("a.txt") }));
    let shown = async |client: &mut wharf_testkit::acp::Peer| -> String {
        let (messages, reason) = client.turn(&session, &read).await;
        assert_eq!(reason, "end_turn");
        Value::from(messages).to_string()
    };
    assert!(shown(&mut client).await.contains("in the other root"));
    let listed = client.call("session/list", json!({})).await;
    assert_eq!(listed["sessions"][0]["additionalDirectories"], json!([lib]));
    let further = |all: Value| {
        let mut open = agent.open(&session);
        open["additionalDirectories"] = all;
        open
    };
    client.call("session/resume", further(json!([]))).await;
    let refused = shown(&mut client).await;
    assert!(refused.contains("outside the workspace") && !refused.contains("in the other root"), "{refused}");
    client.call("session/load", further(json!([lib]))).await;
    client.settle().await;
    assert!(shown(&mut client).await.contains("in the other root"));
    for (method, wrong) in [("session/new", "relative"), ("session/load", "/not/there/at/all")] {
        let error = client.fail(method, further(json!([wrong]))).await;
        assert_eq!(error["code"], -32602, "{error}");
        assert!(error.to_string().contains(wrong), "{error}");
    }
}
