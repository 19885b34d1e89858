//! What every WebSocket of this server has in common, whatever is spoken on it: how it begins, how it is closed, what it holds.

mod writer;

use std::sync::atomic::Ordering;

use axum::extract::ws::{WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;

use crate::app::App;
use crate::connection::Peer;
pub(crate) use writer::{CAPACITY, Outgoing, Writer};

/// Bytes read from a socket at a time, and gathered before they are written.
const BUFFER_BYTES: usize = 16 << 10;

/// Answers with the 101, and gives the socket to `serve` until its end.
pub(crate) fn serve<S, F>(app: &App, peer: Option<Peer>, upgrade: WebSocketUpgrade, serve: S) -> Response
where
    S: FnOnce(WebSocket) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    if let Some(peer) = &peer {
        peer.traffic.upgraded.store(true, Ordering::Relaxed);
    }
    let limit = app.config.limits.frame_bytes;
    let tasks = app.sockets.clone();
    upgrade
        .max_message_size(limit)
        .max_frame_size(limit)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .on_upgrade(move |stream| {
            // Tracked: the server waits for it when it stops.
            tasks.track_future(async move {
                serve(stream).await;
                drop(peer);
            })
        })
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
