//! `/ws`: the envelope protocol. Requests and events of many sessions on one socket.

mod envelope;
mod prompt;
mod request;
mod socket;
mod watch;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use http::HeaderMap;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::{ErrorCode, Seq, SessionId};

use crate::app::App;
use crate::connection::Peer;
use crate::error::{Failure, Result};
use crate::extract::QueryOf;
use crate::gate::{Principal, Stream};
use crate::presence::Present;
use crate::route::{Operation, Success};
use crate::websocket;
use socket::{Socket, Start};
use wharf_protocol::Scope;

pub(crate) fn operation() -> Operation {
    Operation::get("openSocket", "/ws", open)
        .about("sockets", "Open a WebSocket")
        .details(
            "Speaks the envelope of `/api/v1/schemas/ws.json`. With `session_id` the socket gets that session's events; \
             without, and while it subscribes to nothing, those of every session.",
        )
        .scope(Scope::SessionsRead)
        .takes_ticket()
        .query::<SocketQuery>()
        .answer(Success { status: 101, description: "The connection is a WebSocket.", content: Vec::new() })
        .fails(&[ErrorCode::BadRequest, ErrorCode::SessionNotFound, ErrorCode::CursorAhead, ErrorCode::CursorExpired])
}

#[derive(Debug, Deserialize, JsonSchema)]
struct SocketQuery {
    /// The session whose events arrive, and which requests mean that name none.
    session_id: Option<SessionId>,
    /// Events of that session after this seq. Absent: from the present.
    after: Option<Seq>,
    /// `false`: nobody at this socket answers permissions.
    answers: Option<bool>,
    /// In place of a key.
    #[serde(rename = "ticket")]
    _ticket: Option<String>,
}

async fn open(
    State(app): State<App>,
    Extension(principal): Extension<Arc<Principal>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    QueryOf(query): QueryOf<SocketQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response> {
    let upgrade = upgrade.map_err(|error| Failure::new(ErrorCode::BadRequest, error.body_text()))?;
    if asks_for(&headers, crate::acp::SUBPROTOCOL) {
        return Ok(crate::acp::serve(app, principal, peer.map(|Extension(peer)| peer), upgrade));
    }
    let answers = query.answers.unwrap_or(true);
    let start = match query.session_id {
        Some(session_id) => {
            let watcher = app.gate.open(&principal, Stream::Session(&session_id), answers).await?;
            let cursor = principal.access.watch(&session_id, query.after, watcher).await?;
            Start::Session(session_id, cursor)
        }
        None if query.after.is_some() => {
            return Err(Failure::invalid("after", "is a position in one session's log: give session_id too"));
        }
        None => {
            app.gate.open(&principal, Stream::Everything, answers).await?;
            Start::All(principal.access.watch_all(None).await?)
        }
    };
    let peer = peer.map(|Extension(peer)| peer);
    let present = Present::new(&app.presence.websocket);
    Ok(websocket::serve(&app.clone(), peer.clone(), upgrade, move |stream| async move {
        Socket::new(app, principal, peer, answers).run(stream, start).await;
        drop(present);
    }))
}

/// Whether the client offers to speak a subprotocol.
fn asks_for(headers: &HeaderMap, subprotocol: &str) -> bool {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    offers.flat_map(|value| value.split(',')).any(|offered| offered.trim() == subprotocol)
}
