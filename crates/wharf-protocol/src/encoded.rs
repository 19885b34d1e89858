//! An event as bytes: made once, shared by the store and every client.

use bytes::Bytes;

use crate::{Event, EventKind, Seq};

/// An event, encoded as one line of JSON without a line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    pub seq: Seq,
    pub kind: EventKind,
    pub json: Bytes,
}

impl EncodedEvent {
    /// # Panics
    /// Never: every field of an event has a JSON form.
    #[must_use]
    pub fn new(event: &Event) -> Self {
        let mut json = Vec::with_capacity(320);
        #[expect(clippy::expect_used, reason = "maps with string keys and plain values always encode")]
        serde_json::to_writer(&mut json, event).expect("an event encodes");
        Self { seq: event.seq, kind: event.kind(), json: json.into() }
    }

    /// Reads the event back.
    pub fn decode(&self) -> serde_json::Result<Event> {
        serde_json::from_slice(&self.json)
    }
}
