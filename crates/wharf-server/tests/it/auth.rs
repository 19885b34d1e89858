//! Who may do what.

use std::net::IpAddr;

use reqwest::Method;
use serde_json::json;
use wharf_protocol::Scopes;
use wharf_server::{Auth, Key, Server, ServerConfig, ServerError};

use crate::support::{EventReader, KEY, READER, TestServer, read};

#[tokio::test]
async fn everything_but_health_and_the_static_pages_needs_a_key() {
    let server = TestServer::start().await;
    for path in ["/health", "/api/v1/health", "/", "/docs", "/docs/docs.js", "/docs/docs.css"] {
        let response = server.http.get(server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    for path in [
        "/api/v1/info",
        "/api/v1/sessions",
        "/api/v1/sessions/x/events",
        "/metrics",
        "/openapi.json",
        "/ws",
        "/nowhere",
    ] {
        for key in [None, Some("wrong"), Some("")] {
            let mut request = server.http.get(server.url(path));
            if let Some(key) = key {
                request = request.header("x-api-key", key);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{path} {key:?}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
        }
    }
    let (status, _) = read(server.http.get(server.url("/api/v1/info")).header("X-API-Key", KEY)).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_missing_scope_is_403_and_named() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let as_reader = |method, path: String| server.http.request(method, server.url(&path)).bearer_auth(READER);
    let (status, _) = read(as_reader(Method::GET, format!("/api/v1/sessions/{session}"))).await;
    assert_eq!(status, 200);
    for (method, path, scope) in [
        (Method::POST, "/api/v1/sessions".to_owned(), "sessions:write"),
        (Method::POST, format!("/api/v1/sessions/{session}/prompt"), "sessions:write"),
        (Method::DELETE, format!("/api/v1/sessions/{session}"), "sessions:write"),
        (Method::POST, "/api/v1/permissions/p".to_owned(), "permissions:answer"),
        (Method::POST, "/api/v1/tools/bash/execute".to_owned(), "tools:execute"),
        (Method::PUT, format!("/api/v1/sessions/{session}/mcp"), "tools:execute"),
        (Method::GET, "/metrics".to_owned(), "admin"),
    ] {
        let (status, body) = read(as_reader(method, path.clone())).await;
        assert_eq!(status, 403, "{path}");
        assert_eq!(body["details"]["scope"], scope, "{path}");
    }
    let mut socket = server.try_socket(&format!("?session_id={session}"), Some(READER)).await.unwrap();
    socket.send("1", json!({ "action": "prompt", "content": "hi" })).await;
    let answer = socket.answer("1").await;
    assert_eq!(answer["type"], "error");
    assert_eq!(answer["payload"]["code"], "FORBIDDEN");
}

#[tokio::test]
async fn a_ticket_opens_one_stream() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let (_, ticket) = server.send(Method::POST, "/api/v1/tickets", None).await;
    let ticket = ticket["ticket"].as_str().unwrap().to_owned();
    let events = format!("/api/v1/sessions/{session}/events?after=0&ticket={ticket}");
    // Only streams and sockets take tickets.
    let elsewhere = server.http.get(server.url(&format!("/api/v1/info?ticket={ticket}"))).send().await.unwrap();
    assert_eq!(elsewhere.status(), 401);
    let open = || server.http.get(server.url(&events)).header("Accept", "text/event-stream").send();
    let mut first = EventReader::new(open().await.unwrap());
    assert_eq!(first.next().await.unwrap().event, "connected");
    assert_eq!(open().await.unwrap().status(), 401);

    let (_, ticket) = server.send(Method::POST, "/api/v1/tickets", None).await;
    let query = format!("?session_id={session}&ticket={}", ticket["ticket"].as_str().unwrap());
    let mut socket = server.try_socket(&query, None).await.unwrap();
    assert_eq!(socket.next().await["payload"]["kind"], "connected");
    assert_eq!(server.try_socket(&query, None).await.err().unwrap(), 401);
}

#[tokio::test]
async fn a_server_without_authentication_is_not_exposed() {
    let server = TestServer::start().await;
    let bind_as = |host: &str, auth, insecure| {
        let mut config = ServerConfig::new(auth);
        config.insecure = insecure;
        config.host = host.parse::<IpAddr>().unwrap();
        config.port = 0;
        Server::bind(config, server.engine.clone()).map(|_| ())
    };
    let bind = |host: &str, auth| bind_as(host, auth, false);
    assert!(matches!(bind_as("0.0.0.0", Auth::None, true), Err(ServerError::Unauthenticated(_))));
    let keys = || Auth::Keys(vec![Key::from_secret("laptop", KEY, Scopes::ALL)]);
    for host in ["0.0.0.0", "::", "192.0.2.1", "::ffff:10.0.0.1"] {
        assert!(matches!(bind(host, keys()), Err(ServerError::InTheClear(_))), "{host}");
    }
    assert!(bind_as("0.0.0.0", keys(), true).is_ok());
    assert!(bind("127.0.0.2", keys()).is_ok());
    assert!(matches!(bind("0.0.0.0", Auth::None), Err(ServerError::Unauthenticated(_))));
    assert!(matches!(bind("0.0.0.0", Auth::Keys(Vec::new())), Err(ServerError::NoKeys)));
    assert!(matches!(bind("127.0.0.1", Auth::Keys(Vec::new())), Err(ServerError::NoKeys)));
    assert!(bind("127.0.0.1", Auth::None).is_ok());
}

#[tokio::test]
async fn without_authentication_nothing_is_asked() {
    let mut builder = TestServer::builder();
    builder.server.auth = Auth::None;
    let server = builder.start().await;
    let (status, _) = read(server.http.get(server.url("/api/v1/sessions"))).await;
    assert_eq!(status, 200);
}
