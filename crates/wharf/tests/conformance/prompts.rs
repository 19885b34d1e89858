//! Prompts: what they may hold, how they end, what is shown meanwhile.

use serde_json::{Value, json};
use wharf_testkit::acp::{kinds, text};

use crate::agent::Agent;

crate::through_every_door!(
    a_prompt_ends_with_a_reason,
    updates_name_their_session,
    links_are_taken,
    what_is_advertised_is_taken,
    additional_fields_are_taken,
    a_cancelled_prompt_is_no_error_and_nothing_follows,
    a_request_is_cancelled_the_general_way_too,
    nothing_is_asked_of_a_client_that_cannot,
    a_failed_turn_says_why_in_one_line,
);

async fn a_prompt_ends_with_a_reason(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    for (prompt, reason) in [("[[say done]]", "end_turn"), ("[[length cut o]]", "max_tokens")] {
        assert_eq!(client.turn(&session, prompt).await.1, reason, "{prompt}");
    }
}

async fn updates_name_their_session(agent: Agent) {
    let mut client = agent.client().await;
    let one = agent.session(&mut client).await;
    let two = agent.session(&mut client).await;
    client.settle().await;
    let first = client.prompt(&one, "[[say of one]]").await;
    let second = client.prompt(&two, "[[say of two]]").await;
    let mut open = vec![first, second];
    let messages = client
        .until(|message| {
            open.retain(|id| message["id"] != *id);
            open.is_empty()
        })
        .await;
    for (session, said) in [(&one, "of one"), (&two, "of two")] {
        let own: Vec<Value> =
            messages.iter().filter(|message| message["params"]["sessionId"] == session.as_str()).cloned().collect();
        assert_eq!(text(&own, "agent_message_chunk"), said);
    }
}

async fn links_are_taken(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    let blocks = json!([
        { "type": "text", "text": "[[say read]]" },
        { "type": "resource_link", "uri": "file:///a.txt", "name": "a.txt" },
    ]);
    let answer = client.call("session/prompt", json!({ "sessionId": session, "prompt": blocks })).await;
    assert_eq!(answer["stopReason"], "end_turn");
}

async fn what_is_advertised_is_taken(agent: Agent) {
    let mut client = agent.connect().await;
    let answer = client.call("initialize", json!({ "protocolVersion": 1 })).await;
    let can = answer["agentCapabilities"]["promptCapabilities"].clone();
    let session = agent.session(&mut client).await;
    let resource = json!({ "uri": "file:///b.txt", "text": "b", "mimeType": "text/plain" });
    for (name, block) in [
        (
            "image",
            json!({ "type": "image", "data": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAAAABJRU5ErkJggg==", "mimeType": "image/png" }),
        ),
        (
            "audio",
            json!({ "type": "audio", "data": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAAAABJRU5ErkJggg==", "mimeType": "audio/wav" }),
        ),
        ("embeddedContext", json!({ "type": "resource", "resource": resource })),
    ] {
        let prompt = json!({ "sessionId": session, "prompt": [{ "type": "text", "text": "[[say seen]]" }, block] });
        if can[name] == true {
            assert_eq!(client.call("session/prompt", prompt).await["stopReason"], "end_turn", "{name}");
        } else {
            assert_eq!(client.fail("session/prompt", prompt).await["code"], -32602, "{name}");
        }
    }
    assert_eq!((&can["image"], &can["embeddedContext"]), (&json!(true), &json!(true)));
}

async fn additional_fields_are_taken(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    let block = json!({ "type": "text", "text": "[[say on]]", "_meta": { "a": [1] } });
    let meta = json!({ "traceparent": "00-1-2-01", "example.com/x": { "deep": true } });
    let prompt = json!({ "sessionId": session, "prompt": [block], "_meta": meta });
    assert_eq!(client.call("session/prompt", prompt).await["stopReason"], "end_turn");
}

async fn a_cancelled_prompt_is_no_error_and_nothing_follows(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    let id = client.prompt(&session, "[[stream 100000 rate 500]]").await;
    client.update("agent_message_chunk").await;
    client.notify("session/cancel", json!({ "sessionId": session })).await;
    assert_eq!(client.answer_to(id).await["result"]["stopReason"], "cancelled");
    assert_eq!(client.settle().await, Vec::<Value>::new());
    assert_eq!(client.turn(&session, "[[say on]]").await.1, "end_turn");
}

async fn a_request_is_cancelled_the_general_way_too(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    let id = client.prompt(&session, "[[hang 1]]").await;
    client.update("agent_message_chunk").await;
    client.notify("$/cancel_request", json!({ "requestId": id })).await;
    let answer = client.answer_to(id).await;
    // Exactly one answer: data, or the code for it.
    assert!(answer["result"]["stopReason"] == "cancelled" || answer["error"]["code"] == -32800, "{answer}");
}

async fn nothing_is_asked_of_a_client_that_cannot(agent: Agent) {
    std::fs::write(agent.cwd().join("there.txt"), "old\n").unwrap();
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    client.call("session/set_mode", json!({ "sessionId": session, "modeId": "full" })).await;
    // The peer refuses every request for files, terminals and forms: it has not said that it can do them.
    for call in [
        r#"[[tool read_file {"path":"there.txt"}]]"#,
        r#"[[tool write_file {"path":"made.txt","content":"new\n"}]]"#,
        r#"[[tool bash {"command":"echo hello"}]]"#,
        "[[http 429 after 0]]",
    ] {
        let id = client.prompt(&session, call).await;
        let messages = client.until_answer(id).await;
        assert!(!kinds(&messages).contains(&"notice"), "{call}");
        if call.contains("http") {
            client.settle().await;
        }
    }
    assert!(agent.exists("made.txt"));
}

async fn a_failed_turn_says_why_in_one_line(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    let error = client.fail("session/prompt", wharf_testkit::acp::prompt(&session, "[[http 400]]")).await;
    assert_eq!(error["code"], -32603);
    assert_ne!(error["code"], -32000, "no authentication was offered");
    assert!(error["message"].as_str().unwrap().contains("as the script says"), "{error}");
    assert!(error["data"]["reason"].is_string() && error["data"]["details"].is_string(), "{error}");
}
