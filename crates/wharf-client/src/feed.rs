//! What a connection brings, over whichever transport: events, and where they lie.

use serde::Deserialize;
use serde_json::Value;
use wharf_protocol::{Event, EventKind, Seq, SessionId};

use crate::ClientError;

/// An event and where it lies: its seq in a session's stream, its place among all sessions' events in
/// [`crate::Client::all_events`].
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    pub position: u64,
    pub event: Event,
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
    Event(Box<Located>),
    /// An event of a type that this client does not know.
    Unknown {
        position: u64,
    },
}

/// The last position that a `connected` message names, under the names that it goes by.
pub(crate) fn last_from(data: &Value) -> Option<u64> {
    let inner = data.get("payload").unwrap_or(data);
    ["last_seq", "last_position", "position"].iter().find_map(|name| inner.get(name).and_then(Value::as_u64))
}

/// An event from its text. One whose type is newer than this client only moves the cursor.
pub(crate) fn located_from(text: &str, id: Option<&str>) -> Result<FeedItem, ClientError> {
    #[derive(Deserialize)]
    struct Head<'a> {
        seq: Seq,
        #[serde(borrow)]
        r#type: std::borrow::Cow<'a, str>,
    }
    let malformed = |error: serde_json::Error| ClientError::Protocol(format!("an event: {error}"));
    let head: Head<'_> = serde_json::from_str(text).map_err(malformed)?;
    let position = match id {
        Some(id) => id.parse().map_err(|_| ClientError::Protocol(format!("an event's id {id:?}")))?,
        None => head.seq.0,
    };
    if head.r#type.parse::<EventKind>().is_err() {
        return Ok(FeedItem::Unknown { position });
    }
    let event: Event = serde_json::from_str(text).map_err(malformed)?;
    Ok(FeedItem::Event(Box::new(Located { position, event })))
}
