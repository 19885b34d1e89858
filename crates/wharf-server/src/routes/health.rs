//! `GET /health`: whether the process lives; with `?ready=1`, whether it takes work.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::rest::Health;

use crate::app::App;
use crate::error::Result;
use crate::extract::QueryOf;
use crate::route::Operation;

#[derive(Debug, Deserialize, JsonSchema)]
struct HealthQuery {
    /// `1`: answer 503 while no work is taken.
    ready: Option<Switch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
enum Switch {
    #[serde(rename = "1")]
    One,
    #[serde(rename = "true")]
    True,
    #[serde(rename = "0")]
    Zero,
    #[serde(rename = "false")]
    False,
}

pub(super) fn operation(path: &'static str, id: &'static str) -> Operation {
    Operation::get(id, path, health)
        .about("server", "Whether the server lives, or takes work")
        .public()
        .query::<HealthQuery>()
        .answers::<Health>(200, "It does.")
        .answers::<Health>(503, "It does not: `reason` says why.")
}

async fn health(State(app): State<App>, QueryOf(query): QueryOf<HealthQuery>) -> Result<Response> {
    let mut health = Health {
        healthy: true,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: app.started.elapsed().as_secs(),
        reason: None,
    };
    if matches!(query.ready, Some(Switch::One | Switch::True))
        && let Err(error) = app.engine.check().await
    {
        health.healthy = false;
        health.reason = Some(error.to_api().error);
        return Ok((StatusCode::SERVICE_UNAVAILABLE, Json(health)).into_response());
    }
    Ok(Json(health).into_response())
}
