//! `GET /models`: what can be used now.

use std::time::Duration;

use axum::{Extension, Json};
use wharf_protocol::rest::ModelList;

use crate::route::Operation;
use crate::routes::Asker;

/// For servers that are asked which models they have; those that take longer are shown without a list.
const WAIT: Duration = Duration::from_secs(5);

pub(super) fn operation() -> Operation {
    Operation::get("listModels", "/api/v1/models", models)
        .about("models", "Providers and models that can be used now, and why")
        .answers::<ModelList>(200, "What was found or configured.")
}

async fn models(Extension(principal): Asker) -> Json<ModelList> {
    Json(principal.access.models(WAIT).await)
}
