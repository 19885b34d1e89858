//! Servers that say how large their window is, each in its own way.

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::super::{Models, ModelsConfig};
use super::*;
use crate::ModelSource;

/// A server with these answers, as the only one that is set.
async fn window(tasks: &mut JoinSet<()>, answers: &[(&'static str, &'static str)]) -> Option<u64> {
    let routes = answers.iter().fold(Router::new(), |routes, &(path, body)| match path.strip_prefix("POST ") {
        Some(path) => routes.route(path, post(move || async move { body })),
        None => routes.route(path, get(move || async move { body })),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let models = Models::discover(ModelsConfig {
        model: Some("here/qwen".to_owned()),
        base_url: Some(base_url),
        local_servers: Vec::new(),
        ..ModelsConfig::default()
    });
    let asked = models.window("here/qwen").await;
    assert_eq!(models.context_tokens("here/qwen"), asked, "it is known from then on");
    asked
}

const LISTED: &str = r#"{"data":[{"id":"other","max_model_len":1024},{"id":"qwen","max_model_len":40960}]}"#;

#[tokio::test]
async fn each_server_is_asked_in_its_own_way() {
    let tasks = &mut JoinSet::new();
    assert_eq!(window(tasks, &[]).await, None);
    assert_eq!(window(tasks, &[("/v1/models", LISTED)]).await, Some(40_960));
    let slots = r#"{"default_generation_settings":{"id":0,"n_ctx":8192},"total_slots":4}"#;
    assert_eq!(window(tasks, &[("/v1/models", LISTED), ("/props", slots)]).await, Some(8_192), "of one slot");
    let studio = r#"{"data":[{"id":"qwen","max_context_length":131072,"loaded_context_length":4096}]}"#;
    assert_eq!(window(tasks, &[("/api/v0/models", studio)]).await, Some(4_096), "as it was loaded");
}

#[tokio::test]
async fn ollama_says_what_it_has_loaded_or_will_load() {
    let tasks = &mut JoinSet::new();
    let version = ("/api/version", r#"{"version":"0.21.0"}"#);
    let idle = ("/api/ps", r#"{"models":[]}"#);
    let loaded = ("/api/ps", r#"{"models":[{"name":"qwen:latest","model":"qwen:latest","context_length":16384}]}"#);
    let set = (
        "POST /api/show",
        r#"{"parameters":"stop \"x\"\nnum_ctx                        8192","model_info":{"qwen3.context_length":40960}}"#,
    );
    let unset = ("POST /api/show", r#"{"model_info":{"qwen3.context_length":40960}}"#);
    let small = ("POST /api/show", r#"{"model_info":{"qwen3.context_length":2048}}"#);
    assert_eq!(window(tasks, &[version, loaded, set]).await, Some(16_384));
    assert_eq!(window(tasks, &[version, idle, set]).await, Some(8_192));
    assert_eq!(window(tasks, &[version, idle, unset]).await, Some(OLLAMA_DEFAULT), "it cuts without a word");
    assert_eq!(window(tasks, &[version, idle, small]).await, Some(2_048));
    assert_eq!(window(tasks, &[idle, set]).await, None, "only Ollama is posted to");
}
