//! What every request passes before its handler, and what every answer gets.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http::header::HOST;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use wharf_engine::{Engine, EngineConfig, Parts};
use wharf_models::{Model, ModelSource, ResolveError};
use wharf_protocol::rest::ModelList;
use wharf_store::MemoryStore;
use wharf_tools::Toolbox;

use super::*;
use crate::{Auth, Server, ServerConfig};

struct NoModels;

#[async_trait]
impl ModelSource for NoModels {
    async fn resolve(&self, _: Option<&str>) -> Result<Arc<dyn Model>, ResolveError> {
        Err(ResolveError::Misconfigured("none".to_owned()))
    }

    async fn list(&self, _: std::time::Duration) -> ModelList {
        ModelList { default: String::new(), reason: String::new(), catalogue_as_of: None, providers: Vec::new() }
    }
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_own_request_only() {
    let home = tempfile::tempdir().unwrap();
    let parts = Parts {
        store: MemoryStore::new(),
        models: Arc::new(NoModels),
        tools: std::iter::empty::<Arc<dyn wharf_tools::Tool>>().collect::<Toolbox>(),
        mcp: Default::default(),
    };
    let engine = Engine::start(EngineConfig::new(home.path(), home.path()), parts).await.unwrap();
    let mut config = ServerConfig::new(Auth::None);
    config.port = 0;
    let server = Server::bind(config, engine).unwrap();
    let router = Router::new()
        .route(
            "/health",
            get(|| async {
                if true {
                    panic!("a bug")
                }
            }),
        )
        .layer(from_fn_with_state(server.app.clone(), front))
        .with_state(server.app.clone());
    for _ in 0..2 {
        let request = Request::get("/health").header(HOST, server.local_addr().to_string()).body(Body::empty());
        let response = router.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((body["code"].as_str(), body["error"].as_str()), (Some("INTERNAL_ERROR"), Some("internal error")));
    }
}
