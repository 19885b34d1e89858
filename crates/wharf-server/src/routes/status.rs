//! `GET /status`: how busy the server is.

use axum::extract::State;
use axum::{Extension, Json};
use wharf_protocol::Timestamp;
use wharf_protocol::rest::{ServerConfigView, Status};

use crate::app::App;
use crate::error::Result;
use crate::route::Operation;
use crate::routes::Asker;
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::get("getStatus", "/api/v1/status", status)
        .about("server", "How busy the server is")
        .scope(Scope::SessionsRead)
        .answers::<Status>(200, "Sessions and connections, counted.")
}

async fn status(State(app): State<App>, Extension(principal): Asker) -> Result<Json<Status>> {
    Ok(Json(Status {
        timestamp: Timestamp::now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: app.started.elapsed().as_secs(),
        sessions: principal.access.session_counts().await?,
        connections: app.presence.counts(),
        config: ServerConfigView {
            host: app.config.host.to_string(),
            port: app.port,
            work_dir: app.config.work_dir.clone(),
        },
        containment: principal.access.containment().await,
    }))
}
