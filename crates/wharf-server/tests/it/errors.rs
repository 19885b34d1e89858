//! One shape, whatever goes wrong.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::TestServer;

async fn problem(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["request_id"], request_id);
    assert!(body["error"].is_string() && body["retryable"].is_boolean(), "{body}");
    (status, body)
}

#[tokio::test]
async fn addresses_and_methods_that_are_not_there() {
    let server = TestServer::start().await;
    let (status, body) = problem(server.request(Method::GET, "/api/v1/nowhere").send().await.unwrap()).await;
    assert_eq!((status, body["code"].as_str()), (404, Some("NOT_FOUND")));
    let response = server.request(Method::PUT, "/api/v1/sessions").send().await.unwrap();
    let allow = response.headers()["allow"].to_str().unwrap().to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    let (status, body) = problem(response).await;
    assert_eq!((status, body["code"].as_str()), (405, Some("METHOD_NOT_ALLOWED")));
    let (status, body) = problem(server.request(Method::GET, "/api/v1/sessions/nobody").send().await.unwrap()).await;
    assert_eq!((status, body["code"].as_str()), (404, Some("SESSION_NOT_FOUND")));
    let (status, body) = problem(server.request(Method::GET, "/ws").send().await.unwrap()).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("BAD_REQUEST")));
}

#[tokio::test]
async fn bodies_that_are_wrong() {
    let server = TestServer::start().await;
    let send = |body: &'static str, content_type: &'static str| {
        let request = server.request(Method::POST, "/api/v1/sessions").header("content-type", content_type);
        async move { problem(request.body(body).send().await.unwrap()).await }
    };
    let (status, body) = send("{\n  \"title\": }", "application/json").await;
    assert_eq!((status, body["code"].as_str()), (400, Some("INVALID_JSON")));
    assert_eq!(body["details"], json!({ "line": 2, "column": 12 }));
    let (status, body) = send(r#"{"title": 7}"#, "application/json; charset=utf-8").await;
    assert_eq!((status, body["code"].as_str()), (400, Some("VALIDATION_ERROR")));
    assert_eq!(body["details"]["field"], "title");
    let (status, body) = send(r#"{"session_id": "../x"}"#, "application/json").await;
    assert_eq!((status, body["details"]["field"].as_str()), (400, Some("session_id")));
    let (status, body) = send(r#"{"cwd": "/nowhere/at/all"}"#, "application/json").await;
    assert_eq!((status, body["details"]["field"].as_str()), (400, Some("cwd")));
    for list in ["[]", "[null, null]", "null", "7"] {
        let (status, body) = send(list, "application/json").await;
        assert_eq!((status, body["details"]["field"].as_str()), (400, Some("body")), "{list}");
    }
    let (status, body) = send("{} {}", "application/json").await;
    assert_eq!((status, body["code"].as_str()), (400, Some("INVALID_JSON")));
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let (status, body) = send("{}", content_type).await;
        assert_eq!((status, body["code"].as_str()), (415, Some("UNSUPPORTED_MEDIA_TYPE")), "{content_type}");
    }
    let plain = server.request(Method::POST, "/api/v1/sessions").body("{}").send().await.unwrap();
    assert_eq!(problem(plain).await.0, 415);
}

#[tokio::test]
async fn parameters_that_are_wrong() {
    let server = TestServer::start().await;
    let session = server.session().await;
    for (path, field) in [
        ("/api/v1/sessions?limit=0".to_owned(), "limit"),
        ("/api/v1/sessions?limit=1001".to_owned(), "limit"),
        ("/api/v1/sessions?limit=x".to_owned(), "limit"),
        ("/api/v1/sessions?status=asleep".to_owned(), "status"),
        ("/api/v1/sessions?cursor=made-up".to_owned(), "cursor"),
        ("/api/v1/sessions/a%20b".to_owned(), "session_id"),
        ("/api/v1/sessions/%FF".to_owned(), "session_id"),
        (format!("/api/v1/sessions/{session}/turns/a%2Fb"), "turn_id"),
        (format!("/api/v1/sessions/{session}/events?after=-1"), "after"),
        ("/health?ready=maybe".to_owned(), "ready"),
        ("/api/v1/events?after=x".to_owned(), "after"),
    ] {
        let (status, body) = problem(server.request(Method::GET, &path).send().await.unwrap()).await;
        assert_eq!((status, body["code"].as_str()), (400, Some("VALIDATION_ERROR")), "{path}: {body}");
        assert_eq!(body["details"]["field"], field, "{path}: {body}");
    }
}

#[tokio::test]
async fn a_request_keeps_its_own_id_where_that_is_sane() {
    let server = TestServer::start().await;
    let answered = |id: &'static str| {
        let request = server.request(Method::GET, "/api/v1/info").header("x-request-id", id);
        async move { request.send().await.unwrap().headers()["x-request-id"].to_str().unwrap().to_owned() }
    };
    assert_eq!(answered("trace-1:a.b").await, "trace-1:a.b");
    assert_ne!(answered("a b").await, "a b");
    assert_ne!(answered("").await, "");
}
