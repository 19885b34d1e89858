//! `/ws`: the envelope protocol. Requests and events of many sessions on one socket.

mod envelope;
mod prompt;
mod request;
mod socket;
mod watch;
pub(crate) mod writer;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocketUpgrade, close_code};
use axum::response::Response;
use http::HeaderMap;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use schemars::JsonSchema;
use serde::Deserialize;
use wharf_engine::Watcher;
use wharf_protocol::{ErrorCode, Seq, SessionId};

use crate::app::App;
use crate::auth::Principal;
use crate::connection::Peer;
use crate::error::{Failure, Result};
use crate::extract::QueryOf;
use crate::presence::Present;
use crate::route::{Answer, Operation};
use socket::{Socket, Start};
use wharf_protocol::Scope;

/// Bytes read from a socket at a time, and gathered before they are written.
const BUFFER_BYTES: usize = 16 << 10;

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
        .answer(Answer { status: 101, description: "The connection is a WebSocket.", content: Vec::new() })
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
    let watcher = Watcher { may_answer: principal.may_answer(query.answers.unwrap_or(true)) };
    let start = match query.session_id {
        Some(session_id) => {
            let cursor = principal.access.watch(&session_id, query.after, watcher).await?;
            Start::Session(session_id, cursor)
        }
        None if query.after.is_some() => {
            return Err(Failure::invalid("after", "is a position in one session's log: give session_id too"));
        }
        None => Start::All(principal.access.watch_all(None).await?),
    };
    let peer = peer.map(|Extension(peer)| peer);
    if let Some(peer) = &peer {
        peer.traffic.upgraded.store(true, Ordering::Relaxed);
    }
    let present = Present::new(&app.presence.websocket);
    let limit = app.config.limits.frame_bytes;
    let tasks = app.sockets.clone();
    Ok(upgrade
        .max_message_size(limit)
        .max_frame_size(limit)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .on_upgrade(move |stream| {
            // Tracked: the server waits for it when it stops.
            tasks.track_future(async move {
                Socket::new(app, principal, peer.clone(), watcher).run(stream, start).await;
                drop((present, peer));
            })
        }))
}

/// How a socket that cannot be read on is closed; `None` where nobody is left to be told.
pub(crate) fn close_for(error: axum::Error, peer: Option<&Peer>) -> Option<(u16, &'static str)> {
    if peer.is_some_and(|peer| peer.traffic.is_full.load(Ordering::Relaxed)) {
        return Some((
            close_code::AGAIN,
            "the server holds as many unfinished messages as it may; try again in a moment",
        ));
    }
    let error = error.into_inner().downcast::<tungstenite::Error>().ok()?;
    match *error {
        tungstenite::Error::Utf8(_) => Some((close_code::INVALID, "a text frame is not UTF-8")),
        tungstenite::Error::Capacity(_) => Some((close_code::SIZE, "the message is too large")),
        tungstenite::Error::Protocol(_) => Some((close_code::PROTOCOL, "not a WebSocket frame")),
        _ => None,
    }
}

/// What came with a message is free again, once it was served. Pings and pongs may stand between the frames of a message, which
/// is held on.
pub(crate) fn release(peer: Option<&Peer>, control: Option<usize>) {
    /// Head and mask of a frame that is no longer than 125 bytes.
    const CONTROL_HEAD_BYTES: usize = 6;
    let Some(peer) = peer else { return };
    match control {
        Some(bytes) => peer.traffic.unread.shrink(bytes + CONTROL_HEAD_BYTES),
        None => peer.traffic.unread.clear(),
    }
}

/// Whether the client offers to speak a subprotocol.
fn asks_for(headers: &HeaderMap, subprotocol: &str) -> bool {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    offers.flat_map(|value| value.split(',')).any(|offered| offered.trim() == subprotocol)
}
