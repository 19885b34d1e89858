//! The routes. A file's path mirrors its URL; one action a file.

mod agents;
mod connections;
mod events;
mod health;
mod info;
mod metrics;
mod models;
mod openapi;
mod permissions;
mod root;
mod schemas;
mod sessions;
mod status;
mod tickets;
mod tools;
mod usage;

use std::sync::Arc;

use axum::Extension;
use serde::Deserialize;
use wharf_protocol::SessionId;

use crate::gate::Principal;
use crate::route::Operation;

/// Every route, in the order of the documentation.
pub(crate) fn operations() -> Vec<Operation> {
    let mut operations = vec![
        root::operation(),
        health::operation("/health", "getHealthAtRoot"),
        health::operation("/api/v1/health", "getHealth"),
        info::operation(),
        status::operation(),
        connections::operation(),
        metrics::operation(),
        models::operation(),
        usage::operation(),
        tickets::operation(),
    ];
    operations.extend(sessions::operations());
    operations.push(permissions::answer::operation());
    operations.push(events::operation());
    operations.push(crate::ws::operation());
    operations.push(crate::acp::operation());
    operations.extend(tools::operations());
    operations.extend(agents::operations());
    operations.extend(schemas::operations());
    operations.extend(openapi::operations());
    operations
}

/// Who asks.
pub(crate) type Asker = Extension<Arc<Principal>>;

/// A path below one session.
#[derive(Debug, Deserialize)]
pub(crate) struct InSession {
    pub(crate) session_id: SessionId,
}
