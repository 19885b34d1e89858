//! MCP servers of a session.

use serde_json::json;
use wharf_protocol::{Scope, Scopes};
use wharf_server::{Auth, Key};

use crate::support::{KEY, TestServer};

#[tokio::test]
async fn a_session_is_given_servers_and_tells_how_they_are() {
    let server = TestServer::start().await;
    let broken = json!({ "name": "broken", "command": "/nonexistent", "env": [{ "name": "K", "value": "hunter22" }] });
    let (status, session) = server.post("/api/v1/sessions", json!({ "mcp_servers": [broken] })).await;
    assert_eq!(status, 200, "{session}");
    let id = session["id"].as_str().unwrap();
    let (status, tools) = server.get(&format!("/api/v1/sessions/{id}/tools")).await;
    assert_eq!(status, 200);
    assert!(tools["tools"].as_array().unwrap().iter().all(|tool| tool["source"] == "builtin"), "{tools}");
    let (_, mcp) = server.get(&format!("/api/v1/sessions/{id}/mcp")).await;
    assert_eq!((&mcp["servers"][0]["name"], &mcp["servers"][0]["status"]), (&json!("broken"), &json!("failed")));
    assert!(!mcp.to_string().contains("hunter22"), "{mcp}");
    let (_, again) = server.get(&format!("/api/v1/sessions/{id}")).await;
    assert!(!again.to_string().contains("hunter22"), "{again}");
    assert_eq!(server.get("/api/v1/sessions/none/mcp").await.0, 404);
    assert_eq!(server.get("/api/v1/sessions/none/tools").await.0, 404);
}

#[tokio::test]
async fn a_bad_server_is_refused_with_its_place() {
    let server = TestServer::start().await;
    let session = server.session().await;
    for (body, place) in [
        (json!({ "mcp_servers": [{ "name": "a", "command": "x" }] }), "mcp_servers: [0].command: x is not"),
        (json!({ "mcp_servers": [{ "name": "a", "type": "pigeon" }] }), "mcp_servers[0].type"),
        (json!({ "mcp_servers": [{ "name": "a", "comand": "/x" }] }), "mcp_servers[0].comand"),
    ] {
        for (method, path) in
            [("POST", "/api/v1/sessions".to_owned()), ("PUT", format!("/api/v1/sessions/{session}/mcp"))]
        {
            let (status, told) = server.send(method.parse().unwrap(), &path, Some(body.clone())).await;
            assert_eq!(status, 400, "{told}");
            assert!(told["error"].as_str().unwrap().contains(place), "{place}: {told}");
        }
    }
}

#[tokio::test]
async fn who_may_not_run_tools_may_not_bring_servers() {
    let mut builder = TestServer::builder();
    let scopes: Scopes = [Scope::SessionsRead, Scope::SessionsWrite].into_iter().collect();
    builder.server.auth = Auth::Keys(vec![Key::from_secret("writer", KEY, scopes)]);
    let server = builder.start().await;
    let with = json!({ "mcp_servers": [{ "name": "a", "command": "/bin/true" }] });
    let (status, told) = server.post("/api/v1/sessions", with).await;
    assert_eq!((status.as_u16(), &told["details"]["scope"]), (403, &json!("tools:execute")));
    assert_eq!(server.post("/api/v1/sessions", json!({ "mcp_servers": [] })).await.0, 200);
}
