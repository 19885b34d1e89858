//! `GET /connections`: who watches what.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::{Extension, Json};
use wharf_protocol::Timestamp;
use wharf_protocol::rest::Connections;

use crate::app::App;
use crate::route::Operation;
use crate::routes::Asker;
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::get("getConnections", "/api/v1/connections", connections)
        .about("server", "How many clients watch which session")
        .scope(Scope::Admin)
        .answers::<Connections>(200, "Connected clients, counted.")
}

async fn connections(State(app): State<App>, Extension(principal): Asker) -> Json<Connections> {
    let session_connections = principal.access.watchers();
    Json(Connections {
        timestamp: Timestamp::now(),
        global_connections: app.presence.global.load(Ordering::Relaxed),
        total_sessions_with_clients: session_connections.len() as u64,
        session_connections,
        total_connections: app.presence.counts().total,
    })
}
