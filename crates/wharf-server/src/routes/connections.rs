//! `GET /connections`: who watches what.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use wharf_protocol::Timestamp;
use wharf_protocol::rest::Connections;

use crate::app::App;
use crate::auth::Scope;
use crate::route::Operation;

pub(super) fn operation() -> Operation {
    Operation::get("getConnections", "/api/v1/connections", connections)
        .about("server", "How many clients watch which session")
        .scope(Scope::Admin)
        .answers::<Connections>(200, "Connected clients, counted.")
}

async fn connections(State(app): State<App>) -> Json<Connections> {
    let session_connections = app.engine.watchers();
    Json(Connections {
        timestamp: Timestamp::now(),
        global_connections: app.presence.global.load(Ordering::Relaxed),
        total_sessions_with_clients: session_connections.len() as u64,
        session_connections,
        total_connections: app.presence.counts().total,
    })
}
