//! `GET /models`: what can be used now.

use axum::{Extension, Json};
use wharf_protocol::rest::ModelList;

use crate::route::Operation;
use crate::routes::Asker;

pub(super) fn operation() -> Operation {
    Operation::get("listModels", "/api/v1/models", models)
        .about("models", "Providers and models that can be used now, and why")
        .answers::<ModelList>(200, "What was found or configured.")
}

async fn models(Extension(principal): Asker) -> Json<ModelList> {
    Json(principal.access.models().await)
}
