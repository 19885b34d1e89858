//! Tools and agents.

use serde_json::json;

use crate::support::TestServer;

#[tokio::test]
async fn tools_are_listed_and_run_in_a_session() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let (_, tools) = server.get("/api/v1/tools").await;
    assert_eq!(tools["total"].as_u64().unwrap() as usize, tools["tools"].as_array().unwrap().len());
    let (_, categories) = server.get("/api/v1/tools/categories").await;
    assert!(categories["categories"].to_string().contains("bash"));
    assert_eq!(server.get("/api/v1/tools/bash").await.1["name"], "bash");
    assert_eq!(server.get("/api/v1/tools/nothing").await.1["code"], "TOOL_NOT_FOUND");
    let body = json!({ "session_id": session, "arguments": { "command": "echo out" } });
    let (status, done) = server.post("/api/v1/tools/bash/execute", body).await;
    assert_eq!((status.as_u16(), done["success"].as_bool()), (200, Some(true)), "{done}");
    assert!(done["result"].as_str().unwrap().contains("out"));
    let log = server.log(&session).await;
    assert!(log.iter().any(|event| event["type"] == "tool.call_complete"));
    let (status, missing) = server.post("/api/v1/tools/nothing/execute", json!({ "session_id": session })).await;
    assert_eq!((status.as_u16(), missing["code"].as_str()), (404, Some("TOOL_NOT_FOUND")));
}

#[tokio::test]
async fn a_call_without_a_result_tells_what_a_model_would_be_told() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let run = async |tool: &str, arguments: serde_json::Value| {
        let body = json!({ "session_id": session, "arguments": arguments });
        let (status, ended) = server.post(&format!("/api/v1/tools/{tool}/execute"), body).await;
        assert_eq!((status.as_u16(), ended["success"].as_bool()), (200, Some(false)), "{ended}");
        ended["result"].as_str().unwrap().to_owned()
    };
    let late = run("bash", json!({ "command": "echo so far; sleep 60", "timeout_ms": 300 })).await;
    assert!(late.contains("timed out after 300 ms") && late.ends_with("Output so far:\nso far\n"), "{late}");
    let missing = run("read_file", json!({ "path": "nothing" })).await;
    assert!(missing.contains("nothing"), "{missing}");
    let wrong = run("bash", json!({ "cmd": 7 })).await;
    assert!(wrong.contains("command"), "{wrong}");
    let in_terminal = json!({ "command": "echo so far; sleep 60", "timeout_ms": 300, "terminal": true });
    let in_terminal = run("bash", in_terminal).await;
    assert!(!in_terminal.is_empty());
}

#[tokio::test]
async fn agents_are_listed() {
    let server = TestServer::start().await;
    let (_, agents) = server.get("/api/v1/agents").await;
    assert_eq!(agents["agents"][0]["name"], "coder");
    assert_eq!(server.get("/api/v1/agents/planner").await.1["mode"], "plan");
    assert_eq!(server.get("/api/v1/agents/coder/spec").await.1["name"], "coder");
    assert_eq!(server.get("/api/v1/agents/nobody").await.1["code"], "AGENT_NOT_FOUND");
}
