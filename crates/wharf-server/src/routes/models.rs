//! `GET /models`: what can be used now.

use axum::Json;
use axum::extract::State;
use wharf_protocol::rest::ModelList;

use crate::app::App;
use crate::route::Operation;

pub(super) fn operation() -> Operation {
    Operation::get("listModels", "/api/v1/models", models)
        .about("models", "Providers and models that can be used now, and why")
        .answers::<ModelList>(200, "What was found or configured.")
}

async fn models(State(app): State<App>) -> Json<ModelList> {
    Json(app.engine.models().await)
}
