//! Events of kinds that this version does not know: a newer server's log is still read, and what is unknown in it is named.

use serde::Deserialize;

use super::Event;
use crate::{Seq, Timestamp, TurnId};

/// An event of a log that a newer version may have written.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyEvent {
    Known(Box<Event>),
    /// A kind that is not known, or a payload that does not fit its kind.
    Unknown(UnknownEvent),
}

/// What every event has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UnknownEvent {
    pub seq: Seq,
    pub r#type: String,
    #[serde(default)]
    pub turn_id: Option<TurnId>,
    pub timestamp: Timestamp,
}

impl AnyEvent {
    /// Reads one.
    ///
    /// # Errors
    /// Where it is no event at all.
    pub fn from_json(json: &[u8]) -> serde_json::Result<Self> {
        let known = serde_json::from_slice(json).map(|event| Self::Known(Box::new(event)));
        known.or_else(|error| serde_json::from_slice(json).map(Self::Unknown).map_err(|_| error))
    }
}
