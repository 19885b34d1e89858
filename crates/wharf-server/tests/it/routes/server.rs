//! What the server says of itself.

use reqwest::Method;
use serde_json::json;

use crate::support::TestServer;

#[tokio::test]
async fn health_info_status_and_connections() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let (_, root) = server.get("/").await;
    assert_eq!(root["docs"], "/docs");
    for path in ["/health", "/api/v1/health", "/health?ready=1"] {
        let (status, health) = server.get(path).await;
        assert_eq!((status.as_u16(), health["healthy"].as_bool()), (200, Some(true)), "{path}");
    }
    let (_, info) = server.get("/api/v1/info").await;
    assert_eq!(info["protocol_version"], "1.0");
    assert_eq!(info["limits"]["events_page"], 1_000);
    assert_eq!(info["agents"][0], "coder");
    let mut events = server.events(&format!("/api/v1/sessions/{session}/events")).await;
    events.until("connected").await;
    let mut socket = server.socket("").await;
    socket.until_kind("connected").await;
    let (_, status) = server.get("/api/v1/status").await;
    assert_eq!(status["sessions"]["total"], 1);
    assert_eq!(status["connections"], json!({ "websocket": 1, "sse": 1, "acp": 0, "total": 2 }));
    assert_eq!(status["config"]["port"], server.address.port());
    let (_, connections) = server.get("/api/v1/connections").await;
    assert_eq!(connections["session_connections"], json!({ session.as_str(): 1 }));
    assert_eq!(connections["global_connections"], 1);
    assert_eq!(connections["total_connections"], 2);
    assert_eq!(server.get("/api/v1/models").await.1["default"], "test/obedient");
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let server = TestServer::start().await;
    let session = server.session().await;
    server.prompt(&session, "hello").await;
    server.get("/api/v1/sessions/nobody").await;
    let text = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        r#"wharf_http_requests_total{method="POST",route="/api/v1/sessions",status="200"} 1"#,
        r#"wharf_http_requests_total{method="GET",route="/api/v1/sessions/{session_id}",status="404"} 1"#,
        r#"wharf_sessions{state="stored"} 1"#,
        "wharf_turns_running 0",
        r#"wharf_connections{transport="sse"} 0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(text.contains("process_resident_memory_bytes"));
}
