//! Forks, exports and imports.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestServer, read};

#[tokio::test]
async fn a_fork_is_a_session_of_its_own() {
    let server = TestServer::start().await;
    let session = server.session().await;
    server.prompt(&session, "hello there").await;
    let last = server.log(&session).await.last().unwrap()["seq"].as_u64().unwrap();
    let fork = format!("/api/v1/sessions/{session}/fork");
    let mut watching = server.events(&format!("/api/v1/sessions/{session}/events?after=0")).await;
    watching.until("agent.idle").await;

    let (status, forked) = server.post(&fork, json!({ "session_id": "fork", "title": "Else" })).await;
    assert_eq!(status, 200, "{forked}");
    assert_eq!(forked["forked_from"], json!({ "session_id": session, "seq": last }));
    assert_eq!((forked["id"].as_str(), forked["title"].as_str()), (Some("fork"), Some("Else")));
    let (_, messages) = server.get("/api/v1/sessions/fork/messages").await;
    assert_eq!(messages["messages"].as_array().unwrap().len(), 2);
    let mut events = server.events("/api/v1/sessions/fork/events?after=0").await;
    assert!(!events.until("agent.idle").await.is_empty());
    // Without a body: everything.
    assert_eq!(server.send(Method::POST, &fork, None).await.0, 200);

    for (body, expected, code) in [
        (json!({ "session_id": "fork" }), 409, "ALREADY_EXISTS"),
        (json!({ "at_seq": last + 1 }), 409, "CURSOR_AHEAD"),
        (json!({ "at_seq": 0 }), 400, "VALIDATION_ERROR"),
    ] {
        let (status, error) = server.post(&fork, body).await;
        assert_eq!((status.as_u16(), error["code"].as_str()), (expected, Some(code)));
    }
    assert_eq!(server.post("/api/v1/sessions/nobody/fork", json!({})).await.0, 404);
    server.prompt("fork", "and on").await;
    assert_eq!(server.log(&session).await.last().unwrap()["seq"].as_u64(), Some(last));
}

#[tokio::test]
async fn an_export_is_imported() {
    let server = TestServer::start().await;
    let session = server.session().await;
    server.prompt(&session, "hello there").await;
    let response = server.request(Method::GET, &format!("/api/v1/sessions/{session}/export")).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    assert_eq!(response.headers()["content-disposition"], format!("attachment; filename=\"{session}.jsonl\""));
    let text = response.text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines[0]["format"].as_str(), lines[0]["version"].as_u64()), (Some("wharf-session"), Some(1)));
    assert_eq!(lines[1..], server.log(&session).await);

    let import = |query: &str, body: String| {
        let request = server.request(Method::POST, &format!("/api/v1/sessions/import{query}"));
        read(request.header("content-type", "application/x-ndjson").body(body))
    };
    let (status, imported) = import("?session_id=copy", text.clone()).await;
    assert_eq!(status, 200, "{imported}");
    let (_, messages) = server.get("/api/v1/sessions/copy/messages").await;
    assert_eq!(messages["messages"].as_array().unwrap().len(), 2);
    let (status, error) = import("?session_id=copy", text.clone()).await;
    assert_eq!((status.as_u16(), error["code"].as_str()), (409, Some("ALREADY_EXISTS")));
    let (status, error) = import("?session_id=other", text.replace("turn.started", "turn.begun")).await;
    assert_eq!((status.as_u16(), error["code"].as_str()), (400, Some("VALIDATION_ERROR")));
    let line = lines.iter().position(|line| line["type"] == "turn.started").unwrap() + 1;
    assert_eq!(error["details"]["line"].as_u64(), Some(line as u64));
    assert_eq!(server.get("/api/v1/sessions/other").await.0, 404);
}
