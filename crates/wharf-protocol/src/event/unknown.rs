//! Events of kinds that this version does not know: a newer server's log is still read, and what is unknown in it is named.

use serde::Deserialize;

use super::{Event, EventKind};
use crate::{Seq, Timestamp, TurnId};

/// An event of a log that a newer version may have written.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyEvent {
    Known(Box<Event>),
    /// A kind that is not known, or a payload that does not fit its kind.
    Unknown(UnknownEvent),
}

/// What every event has, and the event as it came.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UnknownEvent {
    pub seq: Seq,
    pub r#type: String,
    #[serde(default)]
    pub turn_id: Option<TurnId>,
    pub timestamp: Timestamp,
    /// All of it.
    #[serde(skip)]
    pub json: String,
}

impl AnyEvent {
    /// Reads one.
    ///
    /// # Errors
    /// Where it is no event at all.
    pub fn from_json(json: &[u8]) -> serde_json::Result<Self> {
        let known = serde_json::from_slice(json).map(|event| Self::Known(Box::new(event)));
        known.or_else(|error| {
            let unknown: UnknownEvent = serde_json::from_slice(json).map_err(|_| error)?;
            Ok(Self::Unknown(UnknownEvent { json: String::from_utf8_lossy(json).into_owned(), ..unknown }))
        })
    }

    #[must_use]
    pub fn seq(&self) -> Seq {
        match self {
            Self::Known(event) => event.seq,
            Self::Unknown(event) => event.seq,
        }
    }

    #[must_use]
    pub fn turn_id(&self) -> Option<&TurnId> {
        match self {
            Self::Known(event) => event.turn_id.as_ref(),
            Self::Unknown(event) => event.turn_id.as_ref(),
        }
    }

    /// `None` also for a kind that is known with a payload that is not.
    #[must_use]
    pub fn kind(&self) -> Option<EventKind> {
        self.as_known().map(Event::kind)
    }

    #[must_use]
    pub fn as_known(&self) -> Option<&Event> {
        match self {
            Self::Known(event) => Some(event),
            Self::Unknown(_) => None,
        }
    }

    #[must_use]
    pub fn into_known(self) -> Option<Event> {
        match self {
            Self::Known(event) => Some(*event),
            Self::Unknown(_) => None,
        }
    }
}
