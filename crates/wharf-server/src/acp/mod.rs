//! `/acp`: the Agent Client Protocol, version 1, over a WebSocket. One JSON-RPC message a frame.
//!
//! A connection is a view: sessions and turns outlive it. Updates are rendered from the session's log by [`render`], so that
//! an editor sees what every other client sees.

mod asking;
mod attached;
mod connection;
mod content;
mod directories;
mod host;
mod mcp;
mod method;
mod options;
mod outbox;
mod render;
mod rpc;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::ErrorCode;

use crate::app::App;
use crate::connection::Peer;
use crate::error::{Failure, Result};
use crate::gate::Principal;
use crate::presence::Present;
use crate::random::random_id;
use crate::route::{Operation, Success};
use crate::trace::Trace;
use crate::websocket;
use connection::Connection;
use wharf_protocol::Scope;

/// The WebSocket subprotocol that asks for ACP.
pub(crate) const SUBPROTOCOL: &str = "acp";

const CONNECTION_ID: HeaderName = HeaderName::from_static("acp-connection-id");

pub(crate) fn operation() -> Operation {
    Operation::get("openAcp", "/acp", open)
        .about("sockets", "Open an ACP connection")
        .details(
            "Speaks version 1 of the Agent Client Protocol (agentclientprotocol.com): one JSON-RPC 2.0 message a frame. The \
             answer carries `Acp-Connection-Id`. `/ws` with the subprotocol `acp` is the same.",
        )
        .scope(Scope::SessionsRead)
        .takes_ticket()
        .query::<AcpQuery>()
        .answer(Success { status: 101, description: "The connection is a WebSocket.", content: Vec::new() })
        .fails(&[ErrorCode::BadRequest])
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "read by the guard in front of the handler; here for the documentation")]
struct AcpQuery {
    /// In place of a key.
    ticket: Option<String>,
}

async fn open(
    State(app): State<App>,
    Extension(principal): Extension<Arc<Principal>>,
    peer: Option<Extension<Peer>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response> {
    let upgrade = upgrade.map_err(|error| Failure::new(ErrorCode::BadRequest, error.body_text()))?;
    Ok(serve(app, principal, peer.map(|Extension(peer)| peer), upgrade))
}

/// Answers with the 101 and serves the connection to its end.
pub(crate) fn serve(app: App, principal: Arc<Principal>, peer: Option<Peer>, upgrade: WebSocketUpgrade) -> Response {
    let present = Present::new(&app.presence.acp);
    let connection_id = random_id();
    let trace = app.config.trace.as_ref().and_then(|dir| match Trace::in_directory(dir, &connection_id) {
        Ok(trace) => {
            trace.event(&format!("an ACP connection of {}", principal.access.caller().name));
            Some(Arc::new(trace))
        }
        Err(error) => {
            tracing::warn!(%error, directory = %dir.display(), "an ACP connection is not traced");
            None
        }
    });
    let upgrade = upgrade.protocols([SUBPROTOCOL]);
    let mut response = websocket::serve(&app.clone(), peer.clone(), upgrade, move |stream| async move {
        Connection::new(app, principal, peer, trace).run(stream).await;
        drop(present);
    });
    if let Ok(id) = HeaderValue::try_from(connection_id) {
        response.headers_mut().insert(CONNECTION_ID, id);
    }
    response
}
