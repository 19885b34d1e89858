//! What a connection brings, over whichever transport: events, and where they lie.

use serde_json::Value;
use wharf_protocol::SessionId;
use wharf_protocol::event::AnyEvent;

use crate::ClientError;

/// An event and where it lies: its seq in a session's stream, its place among all sessions' events in
/// [`crate::Client::all_events`].
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    pub position: u64,
    /// Of a newer server it may be one that this version does not know.
    pub event: AnyEvent,
}

/// Whose events are followed.
#[derive(Debug, Clone)]
pub(crate) enum Followed {
    Session(SessionId),
    All,
}

/// What a connection gives.
#[derive(Debug)]
pub(crate) enum FeedItem {
    /// The connection stands; `last` is where the log ended then.
    Connected {
        last: Option<u64>,
    },
    Event(Located),
}

/// The last position that a `connected` message names, under the names that it goes by.
pub(crate) fn last_from(data: &Value) -> Option<u64> {
    let inner = data.get("payload").unwrap_or(data);
    ["last_seq", "last_position", "position"].iter().find_map(|name| inner.get(name).and_then(Value::as_u64))
}

/// An event from its text. Without an `id` it lies at its seq.
pub(crate) fn located_from(text: &str, id: Option<&str>) -> Result<Located, ClientError> {
    let event = AnyEvent::from_json(text.as_bytes());
    let event = event.map_err(|error| ClientError::Protocol(format!("an event: {error}")))?;
    let position = match id {
        Some(id) => id.parse().map_err(|_| ClientError::Protocol(format!("an event's id {id:?}")))?,
        None => event.seq().0,
    };
    Ok(Located { position, event })
}
