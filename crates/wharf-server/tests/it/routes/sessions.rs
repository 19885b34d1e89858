//! Sessions and what they hold.

use reqwest::Method;
use serde_json::json;

use crate::support::TestServer;

#[tokio::test]
async fn a_session_is_made_changed_listed_and_deleted() {
    let server = TestServer::start().await;
    let (status, made) = server
        .post("/api/v1/sessions", json!({ "session_id": "mine", "title": "First", "channel": "x", "cwd": null }))
        .await;
    assert_eq!(status, 200, "{made}");
    assert_eq!((made["id"].as_str(), made["status"].as_str()), (Some("mine"), Some("idle")));
    let (status, again) = server.post("/api/v1/sessions", json!({ "session_id": "mine" })).await;
    assert_eq!((status.as_u16(), again["code"].as_str()), (409, Some("ALREADY_EXISTS")));
    let (status, agent) = server.post("/api/v1/sessions", json!({ "agent_name": "nobody" })).await;
    assert_eq!((status.as_u16(), agent["code"].as_str()), (404, Some("AGENT_NOT_FOUND")));
    // The design's clients send no body at all.
    let (status, other) = server.send(Method::POST, "/api/v1/sessions", None).await;
    assert_eq!(status, 200);
    assert!(other["id"].as_str().unwrap().starts_with("session-"));

    let (_, changed) =
        server.send(Method::PATCH, "/api/v1/sessions/mine", Some(json!({ "title": "Second", "mode": "plan" }))).await;
    assert_eq!((changed["title"].as_str(), changed["mode"].as_str()), (Some("Second"), Some("plan")));
    let (_, page) = server.get("/api/v1/sessions?limit=1").await;
    assert_eq!((page["total"].as_u64(), page["sessions"].as_array().unwrap().len()), (Some(2), 1));
    let (_, next) =
        server.get(&format!("/api/v1/sessions?limit=1&cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_ne!(next["sessions"][0]["id"], page["sessions"][0]["id"]);

    let (status, gone) = server.send(Method::DELETE, "/api/v1/sessions/mine", None).await;
    assert_eq!((status.as_u16(), gone), (200, json!({ "status": "deleted", "session_id": "mine" })));
    assert_eq!(server.get("/api/v1/sessions/mine").await.0, 404);
}

#[tokio::test]
async fn turns_messages_and_timeline_tell_of_a_prompt() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let base = format!("/api/v1/sessions/{session}");
    let answer = server.prompt(&session, "hello there").await;
    let turn = answer["turn_id"].as_str().unwrap();
    let (_, turns) = server.get(&format!("{base}/turns")).await;
    assert_eq!(turns["turns"][0]["turn_id"], turn);
    let (_, turn) = server.get(&format!("{base}/turns/{turn}")).await;
    assert_eq!((turn["status"].as_str(), turn["response"].as_str()), (Some("completed"), Some("hello there")));
    let (status, missing) = server.get(&format!("{base}/turns/turn-nobody")).await;
    assert_eq!((status.as_u16(), missing["code"].as_str()), (404, Some("TURN_NOT_FOUND")));
    let (_, messages) = server.get(&format!("{base}/messages")).await;
    let roles: Vec<_> = messages["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant"]);
    assert_eq!(server.get(&format!("{base}/history")).await.1, messages);
    let (_, timeline) = server.get(&format!("{base}/timeline?limit=1000")).await;
    assert!(!timeline.to_string().contains("hello"));
    assert!(timeline["entries"].as_array().unwrap().iter().any(|entry| entry["type"] == "turn.completed"));
    let (status, cleared) = server.send(Method::DELETE, &format!("{base}/messages"), None).await;
    assert_eq!((status.as_u16(), cleared["status"].as_str()), (200, Some("cleared")));
    assert_eq!(server.get(&format!("{base}/messages")).await.1["total"], 0);
    // What was before is gone, and whoever comes with an old cursor is told where to start.
    let (status, expired) = server.get(&format!("{base}/events?after=1")).await;
    assert_eq!((status.as_u16(), expired["code"].as_str()), (410, Some("CURSOR_EXPIRED")));
    let start = expired["details"]["start_after"].as_u64().unwrap();
    assert_eq!(server.get(&format!("{base}/events?after={start}")).await.0, 200);
}

#[tokio::test]
async fn further_directories_are_taken_changed_and_refused() {
    let server = TestServer::start().await;
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (lib, other) = (dir.path().canonicalize().unwrap(), other.path().canonicalize().unwrap());
    let missing = lib.join("missing");
    let body = json!({ "session_id": "wide", "additional_directories": [lib, missing] });
    let (status, refused) = server.post("/api/v1/sessions", body).await;
    let text = refused["error"].as_str().unwrap_or_default().to_owned() + &refused.to_string();
    assert_eq!((status.as_u16(), refused["code"].as_str()), (400, Some("VALIDATION_ERROR")), "{refused}");
    assert!(text.contains("additional_directories") && text.contains(missing.to_str().unwrap()), "{refused}");
    assert_eq!(server.get("/api/v1/sessions/wide").await.0, 404);
    let (_, made) =
        server.post("/api/v1/sessions", json!({ "session_id": "wide", "additional_directories": [lib] })).await;
    assert_eq!(made["additional_directories"], json!([lib]));
    let change = async |all: serde_json::Value| {
        server.send(Method::PATCH, "/api/v1/sessions/wide", Some(json!({ "additional_directories": all }))).await
    };
    assert_eq!(change(json!([other, "relative"])).await.0, 400);
    assert_eq!(server.get("/api/v1/sessions/wide").await.1["additional_directories"], json!([lib]));
    assert_eq!(change(json!([other])).await.1["additional_directories"], json!([other]));
    let (_, renamed) = server.send(Method::PATCH, "/api/v1/sessions/wide", Some(json!({ "title": "x" }))).await;
    assert_eq!(renamed["additional_directories"], json!([other]), "what is not named stays");
    assert_eq!(change(json!([])).await.1.get("additional_directories"), None);
    let log = server.log("wide").await;
    assert_eq!(log[0]["payload"]["additional_directories"], json!([lib]));
    let changes: Vec<_> = log[1..].iter().map(|event| &event["payload"]["additional_directories"]).collect();
    assert_eq!(changes, [&json!([other]), &json!(null), &json!([])]);
}
