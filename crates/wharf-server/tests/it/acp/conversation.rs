//! Prompts, updates, cancels.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, kinds, prompt, text};
use crate::support::TestServer;

#[tokio::test]
async fn a_prompt_is_answered_after_the_updates_of_its_turn() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let (messages, reason) = client.turn(&session, "one|two").await;
    assert_eq!(reason, "end_turn");
    assert_eq!(text(&messages, "agent_message_chunk"), "onetwo");
    // The client shows its own prompt itself.
    assert_eq!(text(&messages, "user_message_chunk"), "");
    assert!(messages.iter().all(|message| message["params"]["sessionId"] == session.as_str()));
    let chunks: Vec<&Value> = messages
        .iter()
        .map(|message| &message["params"]["update"])
        .filter(|update| update["sessionUpdate"] == "agent_message_chunk")
        .collect();
    assert!(chunks.iter().all(|chunk| chunk["messageId"] == chunks[0]["messageId"] && chunk["messageId"].is_string()));
    let info = messages.iter().find(|message| message["params"]["update"]["sessionUpdate"] == "session_info_update");
    assert_eq!(info.unwrap()["params"]["update"]["title"], "one|two");
}

#[tokio::test]
async fn every_advertised_block_is_taken() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let blocks = json!([
        { "type": "text", "text": "look" },
        { "type": "resource_link", "uri": "file:///a.txt", "name": "a.txt" },
        { "type": "resource", "resource": { "uri": "file:///b.txt", "text": "b", "mimeType": "text/plain" } },
        { "type": "image", "data": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAAAABJRU5ErkJggg==", "mimeType": "image/png" },
    ]);
    let request = json!({ "sessionId": session, "prompt": blocks, "_meta": { "traceparent": "00-1-2-01" } });
    assert_eq!(client.call("session/prompt", request).await["stopReason"], "end_turn");
    let audio = json!({ "sessionId": session, "prompt": [{ "type": "audio", "data": "", "mimeType": "audio/wav" }] });
    assert_eq!(client.fail("session/prompt", audio).await["code"], -32602);
    let empty = json!({ "sessionId": session, "prompt": [] });
    assert_eq!(client.fail("session/prompt", empty).await["code"], -32602);
    let replayed = client.request("session/load", json!({ "sessionId": session, "cwd": "/", "mcpServers": [] })).await;
    let replayed = client.until_answer(replayed).await;
    let user: Vec<&Value> = replayed
        .iter()
        .map(|message| &message["params"]["update"])
        .filter(|update| update["sessionUpdate"] == "user_message_chunk")
        .map(|update| &update["content"])
        .collect();
    assert_eq!(json!(user), blocks);
}

#[tokio::test]
async fn a_tool_call_is_announced_updated_and_finished_with_its_diff() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let (messages, reason) = client.turn(&session, r#"call write_file {"path":"a.txt","content":"new\n"}"#).await;
    assert_eq!(reason, "end_turn");
    let calls: Vec<&Value> = messages
        .iter()
        .map(|message| &message["params"]["update"])
        .filter(|update| update["sessionUpdate"].as_str().is_some_and(|kind| kind.starts_with("tool_call")))
        .collect();
    assert_eq!(calls[0]["sessionUpdate"], "tool_call");
    assert!(calls.iter().all(|call| call["toolCallId"] == calls[0]["toolCallId"]));
    assert_eq!((calls[0]["kind"].as_str(), calls[0]["name"].as_str()), (Some("edit"), Some("write_file")));
    assert_eq!(calls[0]["rawInput"], json!({ "path": "a.txt", "content": "new\n" }));
    assert_eq!(calls[1]["status"], "in_progress");
    let last = calls.last().unwrap();
    assert_eq!(last["status"], "completed");
    let diff = &last["content"][0];
    assert_eq!((diff["type"].as_str(), diff["newText"].as_str()), (Some("diff"), Some("new\n")));
    let path = server.engine.config().work_dir.canonicalize().unwrap().join("a.txt");
    assert_eq!(diff["path"], json!(path));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "new\n");
}

#[tokio::test]
async fn a_cancelled_prompt_is_answered_so_and_nothing_of_its_turn_follows() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let id = client.prompt(&session, "before|wait|after").await;
    client.update("agent_message_chunk").await;
    client.notify("session/cancel", json!({ "sessionId": session })).await;
    let answer = client.until_answer(id).await.pop().unwrap();
    assert_eq!(answer["result"]["stopReason"], "cancelled");
    assert_eq!(client.settle().await, Vec::<Value>::new());
    // By the general way to cancel a request, too.
    let id = client.prompt(&session, "again|wait").await;
    client.update("agent_message_chunk").await;
    client.notify("$/cancel_request", json!({ "requestId": id })).await;
    let answer = client.until_answer(id).await.pop().unwrap();
    assert_eq!(answer["result"]["stopReason"], "cancelled");
    assert_eq!(client.turn(&session, "and on").await.1, "end_turn");
}

#[tokio::test]
async fn a_cancel_never_overtakes_its_prompt_and_takes_the_queued_ones_along() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let first = client.prompt(&session, "wait").await;
    let second = client.prompt(&session, "wait").await;
    client.notify("session/cancel", json!({ "sessionId": session })).await;
    let mut open = vec![first, second];
    while !open.is_empty() {
        let answer = client.until(|message| message.get("id").is_some()).await.pop().unwrap();
        assert_eq!(answer["result"]["stopReason"], "cancelled");
        open.retain(|id| answer["id"] != *id);
    }
}

#[tokio::test]
async fn a_second_prompt_waits_for_the_first() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let first = client.prompt(&session, "first|wait").await;
    client.update("agent_message_chunk").await;
    let second = client.prompt(&session, "second").await;
    server.open_gate();
    let messages = client.until_answer(second).await;
    let first_at = messages.iter().position(|message| message["id"] == first).unwrap();
    assert_eq!(text(&messages[..first_at], "agent_message_chunk"), "");
    assert_eq!(text(&messages[first_at..], "agent_message_chunk"), "second");
}

#[tokio::test]
async fn a_failed_turn_is_an_error_that_says_why() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let error = client.fail("session/prompt", prompt(&session, "fail")).await;
    assert_eq!(error["code"], -32603);
    assert!(error["message"].as_str().unwrap().contains("no such model"), "{error}");
    assert!(error["data"]["details"].as_str().unwrap().contains("no such model"), "{error}");
    assert_eq!(client.turn(&session, "fine").await.1, "end_turn");
}

#[tokio::test]
async fn clients_on_one_session_see_each_others_prompts() {
    let server = TestServer::start().await;
    let (mut one, mut two) = (Client::start(&server).await, Client::start(&server).await);
    let session = one.new_session(&server).await;
    two.call("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
    let (messages, _) = one.turn(&session, "hello").await;
    assert!(!kinds(&messages).contains(&"user_message_chunk"));
    let seen = two.until(|message| message["params"]["update"]["sessionUpdate"] == "agent_message_chunk").await;
    assert_eq!(
        (text(&seen, "user_message_chunk"), text(&seen, "agent_message_chunk")),
        ("hello".into(), "hello".into())
    );
    // And those of other transports.
    server.prompt(&session, "from outside").await;
    assert_eq!(one.update("user_message_chunk").await["content"]["text"], "from outside");
    assert_eq!(one.update("agent_message_chunk").await["content"]["text"], "from outside");
}

#[tokio::test]
async fn slash_commands_are_offered_and_answered_without_the_model() {
    let server = TestServer::start().await;
    let mut client = Client::start(&server).await;
    let session = client.new_session(&server).await;
    let offered = client.update("available_commands_update").await;
    let offered = offered["availableCommands"].as_array().unwrap();
    let names: Vec<&str> = offered.iter().map(|command| command["name"].as_str().unwrap()).collect();
    let expected = "help status clear compact fork agent model mode thinking queue tools agents models";
    assert_eq!(names.join(" "), expected);
    assert!(offered.iter().find(|command| command["name"] == "mode").unwrap()["input"]["hint"].is_string());
    let before = server.log(&session).await.len();
    for name in names.iter().filter(|name| !["clear", "compact"].contains(name)) {
        let (messages, reason) = client.turn(&session, &format!("/{name}")).await;
        assert_eq!(reason, "end_turn", "{name}");
        assert!(!text(&messages, "agent_message_chunk").is_empty(), "{name}");
    }
    let error = client.fail("session/prompt", prompt(&session, "/compact the names")).await;
    assert!(error["message"].as_str().unwrap().contains("nothing yet"), "{error}");
    assert_eq!(server.log(&session).await.len(), before, "none of it is on the log");
    let (messages, _) = client.turn(&session, "/tools").await;
    assert!(text(&messages, "agent_message_chunk").contains("* `edit_file`: "));
    client.turn(&session, "/agent explorer").await;
    assert_eq!(client.update("config_option_update").await["configOptions"][2]["currentValue"], "explorer");
    let (messages, _) = client.turn(&session, "/tools").await;
    assert!(!text(&messages, "agent_message_chunk").contains("edit_file"));
    client.turn(&session, "/thinking high").await;
    client.turn(&session, "/mode ask").await;
    let (messages, _) = client.turn(&session, "/status").await;
    let status = text(&messages, "agent_message_chunk");
    assert!(status.contains("thinking: `high`") && status.contains("mode: `ask`"), "{status}");
    for wrong in ["/mode yolo", "/agent nobody", "/thinking hard"] {
        let error = client.fail("session/prompt", prompt(&session, wrong)).await;
        assert!(error["code"] == -32602 || error["code"] == -32002, "{wrong}: {error}");
    }
    // What only looks like a command is for the model.
    for prompt in ["/home/me/file", "/sessions", "/what is this"] {
        let (messages, _) = client.turn(&session, prompt).await;
        assert_eq!(text(&messages, "agent_message_chunk"), prompt);
    }
    client.turn(&session, "/clear").await;
    let loaded = client.request("session/load", json!({ "sessionId": session, "cwd": "/", "mcpServers": [] })).await;
    assert_eq!(text(&client.until_answer(loaded).await, "user_message_chunk"), "");
}

#[tokio::test]
async fn what_another_client_chooses_is_told_to_all() {
    let server = TestServer::start().await;
    let (mut one, mut two) = (Client::start(&server).await, Client::start(&server).await);
    let session = one.new_session(&server).await;
    two.call("session/resume", json!({ "sessionId": session, "cwd": "/" })).await;
    let change = json!({ "agent_name": "planner", "thinking": "low", "mode": "plan" });
    let path = format!("/api/v1/sessions/{session}");
    let (status, row) = server.send(Method::PATCH, &path, Some(change)).await;
    assert_eq!((status.as_u16(), &row["agent_name"], &row["thinking"]), (200, &json!("planner"), &json!("low")));
    for client in [&mut one, &mut two] {
        assert_eq!(client.update("current_mode_update").await["currentModeId"], "plan");
        let options = client.update("config_option_update").await;
        let values: Vec<&Value> =
            options["configOptions"].as_array().unwrap().iter().map(|option| &option["currentValue"]).collect();
        assert_eq!((values[0], values[2], values[3]), (&json!("plan"), &json!("planner"), &json!("low")));
    }
    for wrong in [json!({ "agent_name": "nobody" }), json!({ "thinking": "hard" })] {
        assert!(server.send(Method::PATCH, &path, Some(wrong)).await.0.is_client_error());
    }
}
