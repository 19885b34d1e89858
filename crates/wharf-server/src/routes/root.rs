//! `GET /`: what this is, and where to go on.

use axum::Json;
use schemars::JsonSchema;
use serde::Serialize;

use crate::route::Operation;

#[derive(Debug, Serialize, JsonSchema)]
struct Root {
    name: &'static str,
    version: &'static str,
    api: &'static str,
    docs: &'static str,
    health: &'static str,
}

pub(super) fn operation() -> Operation {
    Operation::get("getRoot", "/", root)
        .about("server", "What this server is")
        .public()
        .answers::<Root>(200, "Where things are.")
}

async fn root() -> Json<Root> {
    Json(Root {
        name: "wharf",
        version: env!("CARGO_PKG_VERSION"),
        api: "/api/v1",
        docs: "/docs",
        health: "/api/v1/health",
    })
}
