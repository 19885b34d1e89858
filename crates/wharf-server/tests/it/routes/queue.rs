//! Prompts that wait.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestServer;

fn contents(queue: &Value) -> Vec<&str> {
    queue["prompts"].as_array().unwrap().iter().map(|prompt| prompt["content"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_queue_is_listed_reordered_and_withdrawn_from() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let base = format!("/api/v1/sessions/{session}");
    server.prompt_async(&session, "first|wait").await;
    server.prompt(&session, "second").await;
    let third = server.prompt(&session, "third").await;
    let (_, queue) = server.get(&format!("{base}/queue")).await;
    assert_eq!(contents(&queue), ["second", "third"]);
    let third = format!("{base}/queue/{}", third["message_id"].as_str().unwrap());
    let (status, queue) = server.send(Method::PATCH, &third, Some(json!({ "priority": "urgent" }))).await;
    assert_eq!((status.as_u16(), contents(&queue)), (200, vec!["third", "second"]));
    let (status, withdrawn) = server.send(Method::DELETE, &third, None).await;
    assert_eq!((status.as_u16(), withdrawn["status"].as_str()), (200, Some("withdrawn")));
    let (status, again) = server.send(Method::DELETE, &third, None).await;
    assert_eq!((status.as_u16(), again["code"].as_str()), (404, Some("PROMPT_NOT_FOUND")));
    assert_eq!(contents(&server.get(&format!("{base}/queue")).await.1), ["second"]);
    let (_, cancelled) = server.post(&format!("{base}/cancel"), json!({ "force": true })).await;
    assert_eq!(cancelled["status"], "cancelled");
    assert!(contents(&server.get(&format!("{base}/queue")).await.1).is_empty());
}

#[tokio::test]
async fn a_full_queue_is_429_before_anything_is_accepted() {
    let mut builder = TestServer::builder();
    builder.server.limits.queued_prompts = 1;
    let server = builder.start().await;
    let session = server.session().await;
    server.prompt_async(&session, "first|wait").await;
    server.prompt(&session, "second").await;
    let path = format!("/api/v1/sessions/{session}/prompt");
    let response = server.request(Method::POST, &path).json(&json!({ "content": "third" })).send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "QUEUE_FULL");
}
