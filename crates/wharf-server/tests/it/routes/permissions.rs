//! Questions and their answers.

use serde_json::json;
use wharf_protocol::Mode;

use crate::support::TestServer;

async fn asking() -> TestServer {
    let mut builder = TestServer::builder();
    builder.mode = Mode::Ask;
    builder.start().await
}

#[tokio::test]
async fn the_first_answer_counts_and_the_second_learns_of_it() {
    let server = asking().await;
    let session = server.session().await;
    let mut events = server.events(&format!("/api/v1/sessions/{session}/events")).await;
    events.until("connected").await;
    server.prompt_async(&session, r#"call bash {"command":"touch made"}"#).await;
    let asked = events.until("permission.requested").await.pop().unwrap().json();
    let (_, open) = server.get(&format!("/api/v1/sessions/{session}/permissions")).await;
    assert_eq!(open["permissions"][0]["permission_id"], asked["payload"]["permission_id"]);
    let permission = asked["payload"]["permission_id"].as_str().unwrap();
    let path = format!("/api/v1/permissions/{permission}");
    let (status, invalid) = server.post(&path, json!({ "option": "maybe" })).await;
    assert_eq!((status.as_u16(), invalid["details"]["field"].as_str()), (400, Some("option")));
    let (status, answered) = server.post(&path, json!({ "option": "allow_once" })).await;
    assert_eq!((status.as_u16(), answered["status"].as_str()), (200, Some("resolved")));
    let (status, late) = server.post(&path, json!({ "option": "reject_once" })).await;
    assert_eq!((status.as_u16(), late["code"].as_str()), (409, Some("ALREADY_RESOLVED")));
    assert_eq!(late["details"], json!({ "option": "allow_once", "by": "laptop" }));
    let below = format!("/api/v1/sessions/{session}/permissions/{permission}");
    assert_eq!(server.post(&below, json!({ "option": "reject_once" })).await.0, 409);
    events.until("tool.call_complete").await;
    events.until("turn.completed").await;
    let (status, unknown) = server.post("/api/v1/permissions/perm-nobody", json!({ "option": "allow_once" })).await;
    assert_eq!((status.as_u16(), unknown["code"].as_str()), (404, Some("PERMISSION_NOT_FOUND")));
}

#[tokio::test]
async fn reject_means_reject() {
    let server = asking().await;
    let session = server.session().await;
    let mut socket = server.socket(&format!("?session_id={session}")).await;
    socket.send("1", json!({ "action": "prompt", "content": r#"call bash {"command":"touch made"}"# })).await;
    let asked = socket.until_kind("permission.requested").await.pop().unwrap();
    let permission = asked["payload"]["permission_id"].clone();
    socket.send("2", json!({ "action": "approve", "permission_id": permission, "option": "reject_once" })).await;
    let mut seen = [false, false];
    socket
        .until(|frame| {
            seen[0] |= frame["id"] == "2" && frame["payload"]["action"] == "resolved";
            seen[1] |= frame["id"] == "1" && frame["payload"]["event"] == "call_denied";
            seen == [true, true]
        })
        .await;
    socket.send("3", json!({ "action": "approve", "permission_id": permission, "option": "allow_once" })).await;
    let late = socket.answer("3").await;
    assert_eq!((late["type"].as_str(), late["payload"]["code"].as_str()), (Some("error"), Some("ALREADY_RESOLVED")));
}
