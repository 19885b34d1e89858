//! Messages, ids, errors, and the handshake.

use serde_json::{Value, json};

use crate::agent::{Agent, Door};

crate::through_every_door!(
    every_line_is_one_message,
    ids_are_echoed,
    an_answer_is_a_result_or_an_error,
    notifications_are_not_answered,
    an_unknown_method_is_not_found,
    an_unknown_method_of_ours_gets_an_answer,
    the_connection_is_usable_after_an_error,
    what_is_no_message_is_told_from_what_is_no_json,
    version_1_is_spoken,
    nothing_is_done_before_initialize,
    the_agent_says_who_it_is,
    no_authentication_is_asked_for,
    it_ends_when_its_client_leaves,
);

async fn every_line_is_one_message(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    // Line breaks, in every spelling, and text beyond ASCII.
    let odd = "naïve 🦀 \u{2028}\u{2029}\u{85} \"quoted\" \\n line\nbreak\r\nand\ttab";
    let (messages, reason) = client.turn(&session, &format!("[[say {odd}]]")).await;
    assert_eq!(reason, "end_turn");
    assert_eq!(wharf_testkit::acp::text(&messages, "agent_message_chunk"), odd);
}

async fn ids_are_echoed(agent: Agent) {
    let mut client = agent.client().await;
    for id in [json!(0), json!(-7), json!(9_007_199_254_740_993_i64), json!("a \"b\" ü"), json!("")] {
        client.send(json!({ "jsonrpc": "2.0", "id": id, "method": "session/list", "params": {} })).await;
        assert_eq!(client.next().await["id"], id);
    }
}

async fn an_answer_is_a_result_or_an_error(agent: Agent) {
    let mut client = agent.client().await;
    // The peer demands one of both, with a whole number and one line of text in an error.
    client.call("session/list", json!({})).await;
    client.fail("session/list", json!({ "cwd": "not absolute" })).await;
    client.fail("session/prompt", json!({ "sessionId": "nobody\nhere", "prompt": [] })).await;
    client.fail("session/prompt", json!({})).await;
}

async fn notifications_are_not_answered(agent: Agent) {
    let mut client = agent.client().await;
    client.notify("_what", json!({})).await;
    client.notify("what", json!({})).await;
    client.notify("session/list", json!({})).await;
    client.notify("session/cancel", json!({ "sessionId": "nobody" })).await;
    client.notify("session/cancel", json!({ "nonsense": true })).await;
    client.notify("$/cancel_request", json!({ "requestId": 77 })).await;
    assert_eq!(client.settle().await, Vec::<Value>::new());
}

async fn an_unknown_method_is_not_found(agent: Agent) {
    let mut client = agent.client().await;
    for method in ["what", "session/what", "fs/read_text_file", "session/update", ""] {
        assert_eq!(client.fail(method, json!({})).await["code"], -32601, "{method}");
    }
}

async fn an_unknown_method_of_ours_gets_an_answer(agent: Agent) {
    let mut client = agent.client().await;
    let error = client.fail("_example.com/what", json!({ "a": 1 })).await;
    assert_eq!((&error["code"], &error["data"]), (&json!(-32601), &json!("_example.com/what")));
}

async fn the_connection_is_usable_after_an_error(agent: Agent) {
    let mut client = agent.client().await;
    client.fail("what", json!({})).await;
    client.fail("session/new", json!({ "cwd": "/" })).await;
    let session = agent.session(&mut client).await;
    client.fail("session/prompt", wharf_testkit::acp::prompt(&session, "[[http 400]]")).await;
    assert_eq!(client.turn(&session, "[[say on]]").await.1, "end_turn");
}

async fn what_is_no_message_is_told_from_what_is_no_json(agent: Agent) {
    let mut client = agent.client().await;
    for (frame, code) in [
        ("{", -32700),
        ("nonsense", -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"session/list"}]"#, -32600),
        ("7", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"session/list"}"#, -32600),
        (r#"{"jsonrpc":"2.0","method":7}"#, -32600),
    ] {
        client.send_text(frame).await;
        let answer = client.next().await;
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &Value::Null), "{frame}: {answer}");
    }
    // An answer to nothing is nothing.
    client.send(json!({ "jsonrpc": "2.0", "id": "perm-00", "result": {} })).await;
    assert_eq!(client.settle().await, Vec::<Value>::new());
}

async fn version_1_is_spoken(agent: Agent) {
    let mut client = agent.connect().await;
    assert_eq!(client.fail("initialize", json!({ "protocolVersion": "1" })).await["code"], -32602);
    assert_eq!(client.fail("initialize", json!({})).await["code"], -32602);
    for version in [1, 65535, 0, 2] {
        let answer = client.call("initialize", json!({ "protocolVersion": version })).await;
        assert_eq!(answer["protocolVersion"], 1, "asked for {version}");
    }
}

async fn nothing_is_done_before_initialize(agent: Agent) {
    let mut client = agent.connect().await;
    let early = client.fail("session/new", json!({ "cwd": agent.cwd(), "mcpServers": [] })).await;
    assert_eq!(early["code"], -32600);
    client.call("initialize", json!({ "protocolVersion": 1 })).await;
    agent.session(&mut client).await;
}

async fn the_agent_says_who_it_is(agent: Agent) {
    let mut client = agent.connect().await;
    let info = json!({ "name": "a client", "version": "1", "_meta": { "traceparent": "00-1-2-01" } });
    let answer = client.call("initialize", json!({ "protocolVersion": 1, "clientInfo": info })).await;
    assert_eq!(answer["agentInfo"]["name"], "wharf");
    assert_eq!(answer["agentInfo"]["version"], env!("CARGO_PKG_VERSION"));
    let can = &answer["agentCapabilities"];
    assert_eq!(can["loadSession"], true);
    for name in ["list", "delete", "resume", "close"] {
        assert!(can["sessionCapabilities"][name].is_object(), "{name}: {can}");
    }
}

async fn no_authentication_is_asked_for(agent: Agent) {
    let mut client = agent.connect().await;
    let capabilities = json!({ "auth": { "terminal": true } });
    let answer = client.call("initialize", json!({ "protocolVersion": 1, "clientCapabilities": capabilities })).await;
    let methods = answer["authMethods"].as_array().cloned().unwrap_or_default();
    let mut ids: Vec<&Value> = methods.iter().map(|method| &method["id"]).collect();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "ids are unique");
    assert!(methods.is_empty(), "so nothing may ask for one");
    assert_eq!(client.fail("authenticate", json!({ "methodId": "what" })).await["code"], -32602);
    client.call("logout", json!({})).await;
    let session = agent.session(&mut client).await;
    assert_eq!(client.turn(&session, "[[say on]]").await.1, "end_turn");
}

async fn it_ends_when_its_client_leaves(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    client.turn(&session, "[[say on]]").await;
    let ended = client.close().await;
    assert_eq!(ended.lines, Vec::<String>::new());
    match agent.door {
        Door::WebSocket => assert!(ended.handshake),
        Door::Stdio | Door::Embedded => {
            assert_eq!(ended.status.unwrap().code(), Some(0));
            assert_eq!(ended.errors, "", "standard error is for what went wrong");
        }
    }
}
