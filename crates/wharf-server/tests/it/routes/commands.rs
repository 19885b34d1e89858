//! Background commands over HTTP: who may, what is refused. What they do is tested where there is a supervisor.

use reqwest::Method;
use serde_json::json;

use crate::support::{READER, TestServer, read};

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_is_wrong_is_named() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let base = format!("/api/v1/sessions/{session}/commands");
    let (status, list) = server.get(&base).await;
    assert_eq!((status.as_u16(), &list), (200, &json!({ "session_id": session, "commands": [], "limit": 8 })));
    for path in [format!("{base}/cmd-none"), format!("{base}/cmd-none/output")] {
        let (status, missing) = server.get(&path).await;
        assert_eq!((status.as_u16(), missing["code"].as_str()), (404, Some("COMMAND_NOT_FOUND")), "{path}");
    }
    for (action, body) in
        [("stop", json!({})), ("input", json!({ "content": "x" })), ("resize", json!({ "columns": 10, "rows": 10 }))]
    {
        let (status, missing) = server.post(&format!("{base}/cmd-none/{action}"), body).await;
        assert_eq!((status.as_u16(), missing["code"].as_str()), (404, Some("COMMAND_NOT_FOUND")), "{action}");
    }
    let elsewhere = server.get("/api/v1/sessions/nowhere/commands").await;
    assert_eq!((elsewhere.0.as_u16(), elsewhere.1["code"].as_str()), (404, Some("SESSION_NOT_FOUND")));
    for (query, field) in
        [("offset=-1", "offset"), ("limit=0", "limit"), ("limit=1048577", "limit"), ("wait_ms=60001", "wait_ms")]
    {
        let (status, refused) = server.get(&format!("{base}/cmd-none/output?{query}")).await;
        assert_eq!((status.as_u16(), refused["details"]["field"].as_str()), (400, Some(field)), "{query}: {refused}");
    }
    for (action, body, field) in [
        ("input", json!({ "content": 1 }), "content"),
        ("input", json!({ "content": "x".repeat(65_537) }), "content"),
        ("input", json!({ "text": "x" }), "text"),
        ("resize", json!({ "columns": 0, "rows": 10 }), "columns"),
        ("resize", json!({ "columns": 70_000, "rows": 10 }), "columns"),
        ("stop", json!({ "now": true }), "now"),
    ] {
        let (status, refused) = server.post(&format!("{base}/cmd-none/{action}"), body).await;
        assert_eq!((status.as_u16(), refused["details"]["field"].as_str()), (400, Some(field)), "{action}: {refused}");
    }
}

#[tokio::test]
async fn a_reader_reads_and_changes_nothing() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let base = format!("/api/v1/sessions/{session}/commands");
    let as_reader = |method, path: &str| server.http.request(method, server.url(path)).bearer_auth(READER);
    assert_eq!(read(as_reader(Method::GET, &base)).await.0, 200);
    for (action, scope) in [("stop", "sessions:write"), ("input", "tools:execute"), ("resize", "tools:execute")] {
        let request = as_reader(Method::POST, &format!("{base}/cmd-none/{action}")).json(&json!({}));
        let (status, refused) = read(request).await;
        assert_eq!((status.as_u16(), refused["details"]["scope"].as_str()), (403, Some(scope)), "{action}");
    }
}

#[tokio::test]
async fn a_server_without_a_supervisor_says_so() {
    let server = TestServer::start().await;
    let session = server.session().await;
    for arguments in [json!({ "command": "true", "background": true }), json!({ "command": "true", "terminal": true })]
    {
        let body = json!({ "session_id": session, "arguments": arguments });
        let (status, executed) = server.post("/api/v1/tools/bash/execute", body).await;
        assert_eq!((status.as_u16(), executed["success"].as_bool()), (200, Some(false)));
        assert!(executed["result"].as_str().unwrap().contains("no exec supervisor"), "{executed}");
    }
}
