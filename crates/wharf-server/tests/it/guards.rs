//! Requests that are not meant for us, or come from pages that may not call.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::{KEY, TestServer};

async fn status(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let mut request = server.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_foreign_host_or_origin_is_refused_before_anything_else() {
    let server = TestServer::start().await;
    let paths = ["/health", "/", "/docs", "/api/v1/info", "/api/v1/sessions", "/nowhere", "/ws", "/metrics"];
    for path in paths {
        for headers in [
            [("host", "evil.example:80")],
            [("host", "localhost")],
            [("origin", "https://evil.example")],
            [("origin", "null")],
            [("sec-fetch-site", "cross-site")],
        ] {
            let refused = (StatusCode::FORBIDDEN, "FORBIDDEN".to_owned());
            assert_eq!(status(&server, path, &headers).await, refused, "{path} {headers:?}");
        }
    }
    let own = format!("localhost:{}", server.address.port());
    let origin = format!("http://{own}");
    let (status, _) = status(&server, "/api/v1/info", &[("host", &own), ("origin", &origin)]).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_listed_origin_may_call_and_is_told_so() {
    let mut builder = TestServer::builder();
    builder.server.allowed_origins = vec!["https://app.example".to_owned()];
    let server = builder.start().await;
    let url = server.url("/api/v1/info");
    let preflight = server
        .http
        .request(Method::OPTIONS, &url)
        .header("Origin", "https://app.example")
        .header("Access-Control-Request-Method", "GET")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "https://app.example");
    assert!(preflight.headers()["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
    let call = server.http.get(&url).header("Origin", "https://app.example").bearer_auth(KEY).send().await.unwrap();
    assert_eq!(call.status(), 200);
    assert_eq!(call.headers()["access-control-allow-origin"], "https://app.example");
    assert_eq!(call.headers()["vary"], "origin");
    let plain = server.http.get(&url).bearer_auth(KEY).send().await.unwrap();
    assert!(!plain.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = TestServer::start().await;
    for path in ["/health", "/nowhere", "/api/v1/sessions", "/docs", "/ws"] {
        let response = server.request(Method::GET, path).send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(headers.contains_key("x-request-id"), "{path}");
    }
}
