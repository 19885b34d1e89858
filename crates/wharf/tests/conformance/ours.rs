//! What the checklist leaves to us: permissions, their order among the updates, and big messages.

use serde_json::{Value, json};
use wharf_testkit::acp::{kinds, text};

use crate::agent::Agent;

crate::through_every_door!(
    a_permission_is_asked_after_its_call_is_shown,
    commands_are_offered_after_the_session,
    a_big_prompt_and_a_big_answer_go_through,
    a_late_answer_does_no_harm,
    a_tool_of_the_clients_own_is_found_and_run,
);

const WRITE: &str = r#"[[tool write_file {"path":"asked.txt","content":"new\n"}]]"#;

async fn a_permission_is_asked_after_its_call_is_shown(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    for (option, runs) in [("reject_once", false), ("allow_once", true)] {
        let id = client.prompt(&session, WRITE).await;
        let before = client.until(|message| message["method"] == "session/request_permission").await;
        let question = before.last().unwrap();
        let call = &question["params"]["toolCall"]["toolCallId"];
        let shown = before.iter().map(|message| &message["params"]["update"]);
        let shown: Vec<&Value> = shown.filter(|update| update["sessionUpdate"] == "tool_call").collect();
        assert_eq!(shown.iter().map(|update| &update["toolCallId"]).collect::<Vec<_>>(), [call]);
        assert!(!agent.exists("asked.txt"), "nothing happens before the answer");
        client.answer(question, option).await;
        let messages = client.until_answer(id).await;
        assert_eq!(messages.last().unwrap()["result"]["stopReason"], "end_turn");
        assert_eq!(agent.exists("asked.txt"), runs, "{option}");
        let diffs = messages.iter().filter_map(|message| message["params"]["update"]["content"].as_array()).flatten();
        assert_eq!(diffs.filter(|part| part["type"] == "diff").count(), usize::from(runs));
    }
}

async fn commands_are_offered_after_the_session(agent: Agent) {
    let mut client = agent.client().await;
    let id = client.request("session/new", json!({ "cwd": agent.cwd(), "mcpServers": [] })).await;
    assert_eq!(kinds(&client.until_answer(id).await), Vec::<&str>::new());
    let commands = client.update("available_commands_update").await;
    let commands = commands["availableCommands"].as_array().unwrap().clone();
    assert!(commands.iter().any(|command| command["name"] == "status"), "{commands:?}");
    let listed = client.call("session/list", json!({})).await;
    let session = listed["sessions"][0]["sessionId"].as_str().unwrap();
    let (messages, reason) = client.turn(session, "/status").await;
    assert_eq!(reason, "end_turn");
    assert!(text(&messages, "agent_message_chunk").contains("openai/scripted"));
}

async fn a_big_prompt_and_a_big_answer_go_through(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    // Behind the head of a PNG.
    let data = format!("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ{}", "A".repeat(6 << 20));
    let image = json!({ "type": "image", "data": data, "mimeType": "image/png" });
    let prompt = json!([{ "type": "text", "text": "[[big 3000000]]" }, image]);
    let id = client.request("session/prompt", json!({ "sessionId": session, "prompt": prompt })).await;
    let messages = client.until_answer(id).await;
    assert_eq!(messages.last().unwrap()["result"]["stopReason"], "end_turn");
    assert_eq!(text(&messages, "agent_message_chunk").len(), 3_000_000);
}

async fn a_late_answer_does_no_harm(agent: Agent) {
    let mut client = agent.client().await;
    let session = agent.session(&mut client).await;
    let id = client.prompt(&session, WRITE).await;
    let question = client.question().await;
    client.notify("session/cancel", json!({ "sessionId": session })).await;
    assert_eq!(client.answer_to(id).await["result"]["stopReason"], "cancelled");
    client.answer(&question, "allow_once").await;
    let outcome = json!({ "outcome": { "outcome": "cancelled" } });
    client.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": outcome })).await;
    assert_eq!(client.turn(&session, "[[say on]]").await.1, "end_turn");
    assert!(!agent.exists("asked.txt"));
}

async fn a_tool_of_the_clients_own_is_found_and_run(agent: Agent) {
    let mut client = agent.client_with(json!({ "_meta": { "_discover_tools": {} } })).await;
    let session = agent.session(&mut client).await;
    let question = client.until(|message| message["method"] == "_discover_tools").await.pop().unwrap();
    assert_eq!(question["params"], json!({ "sessionId": session }));
    let tool = json!({ "name": "usages", "kind": "search", "requires_permission": false });
    let tools = json!({ "tools": [tool] });
    client.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": tools })).await;
    let id = client.prompt(&session, r#"[[tool client__usages {"of":"main"}]]"#).await;
    let call = client.until(|message| message["method"] == "_call_tool").await.pop().unwrap();
    assert_eq!((&call["params"]["name"], &call["params"]["arguments"]["of"]), (&json!("usages"), &json!("main")));
    client.send(json!({ "jsonrpc": "2.0", "id": call["id"], "result": "two places" })).await;
    let messages = client.until_answer(id).await;
    let results = messages.iter().map(|message| message["params"]["update"]["content"].to_string());
    assert_eq!(results.filter(|content| content.contains("two places")).count(), 1);
}
