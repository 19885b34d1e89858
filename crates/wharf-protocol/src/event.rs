//! Events: the entries of a session's log. This list is the product's memory; names and payloads are the wire's.

mod command;
mod payload;
mod session;
mod unknown;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

pub use payload::*;
pub use unknown::{AnyEvent, UnknownEvent};

use crate::{Seq, SessionId, Timestamp, TurnId};

/// What has to be true before an event may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Committed: survives the process. A power cut may take the last second of these.
    Chunk,
    /// Committed and synced to disk: survives the machine.
    Synced,
}

/// One entry of a session's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub seq: Seq,
    pub session_id: SessionId,
    pub turn_id: Option<TurnId>,
    pub timestamp: Timestamp,
    pub body: EventBody,
}

impl Event {
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.body.kind()
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $durability:ident;)*) => {
        /// What happened. The wire's `type` and `payload`.
        #[derive(Debug, Clone, PartialEq)]
        pub enum EventBody {
            $($(#[$doc])* $variant($variant),)*
        }

        /// An event's type.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventKind {
            $($variant,)*
        }

        impl EventKind {
            /// Every type, in the order of the documentation.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$variant,)*];

            /// The wire's `type`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            #[must_use]
            pub fn durability(self) -> Durability {
                match self { $(Self::$variant => Durability::$durability,)* }
            }

            fn parse_payload(self, payload: &RawValue) -> serde_json::Result<EventBody> {
                match self {
                    $(Self::$variant => serde_json::from_str(payload.get()).map(EventBody::$variant),)*
                }
            }

            fn payload_schema(self, generator: &mut SchemaGenerator) -> Schema {
                match self { $(Self::$variant => generator.subschema_for::<$variant>(),)* }
            }
        }

        impl EventBody {
            #[must_use]
            pub fn kind(&self) -> EventKind {
                match self { $(Self::$variant(_) => EventKind::$variant,)* }
            }

            fn serialize_payload<S: SerializeStruct>(&self, into: &mut S) -> Result<(), S::Error> {
                match self { $(Self::$variant(payload) => into.serialize_field("payload", payload),)* }
            }
        }

        $(impl From<$variant> for EventBody {
            fn from(payload: $variant) -> Self {
                Self::$variant(payload)
            }
        })*
    };
}

events! {
    SessionCreated = "session.created", Synced;
    SessionUpdated = "session.updated", Synced;
    SessionDeleted = "session.deleted", Synced;
    /// The conversation was cleared: the model starts afresh, and everything before this event is gone from the log.
    SessionCleared = "session.cleared", Synced;
    SessionStatusChanged = "session.status_changed", Synced;
    /// The server stopped without finishing what it did in this session, and took it up again here.
    SessionRecovered = "session.recovered", Synced;
    /// The session is not taken up any more: it can be read and takes no work.
    SessionSealed = "session.sealed", Synced;
    /// Somebody wants it to be tried again.
    SessionUnsealed = "session.unsealed", Synced;
    PromptReceived = "prompt.received", Synced;
    PromptQueued = "prompt.queued", Synced;
    PromptStarted = "prompt.started", Synced;
    PromptRejected = "prompt.rejected", Synced;
    PromptWithdrawn = "prompt.withdrawn", Synced;
    TurnStarted = "turn.started", Synced;
    /// Somebody asked to cancel: from here on nothing new starts in this turn.
    TurnCancelRequested = "turn.cancel_requested", Synced;
    TurnResumed = "turn.resumed", Synced;
    TurnCompleted = "turn.completed", Synced;
    TurnCancelled = "turn.cancelled", Synced;
    TurnFailed = "turn.failed", Synced;
    // Not synced: a sync here would stand between the model's first token and the client.
    MessageStart = "message.start", Chunk;
    MessageChunk = "message.chunk", Chunk;
    MessageComplete = "message.complete", Synced;
    MessageError = "message.error", Synced;
    AgentThinking = "agent.thinking", Chunk;
    AgentIdle = "agent.idle", Synced;
    ToolCallStart = "tool.call_start", Synced;
    /// A read-only call that a dead server had begun runs once more: durable before it does.
    ToolCallResumed = "tool.call_resumed", Synced;
    ToolCallProgress = "tool.call_progress", Chunk;
    ToolCallComplete = "tool.call_complete", Synced;
    ToolCallError = "tool.call_error", Synced;
    /// A background command is about to begin. It outlives the call that started it.
    CommandStarted = "command.started", Synced;
    CommandEnded = "command.ended", Synced;
    PermissionRequested = "permission.requested", Synced;
    PermissionResolved = "permission.resolved", Synced;
    PlanUpdated = "plan.updated", Synced;
    UsageUpdated = "usage.updated", Synced;
    /// The model is about to be asked for a summary of the older part of what it is shown. Ends with one of the next two.
    ContextCompacting = "context.compacting", Synced;
    ContextCompacted = "context.compacted", Synced;
    ContextCompactionFailed = "context.compaction_failed", Synced;
    /// The model is told of its workspace, beside what is said.
    ContextNoted = "context.noted", Synced;
    ModelRetrying = "model.retrying", Synced;
}

impl EventKind {
    /// Part of a text whose whole stands in a later event: dropped by retention once its turn is old.
    #[must_use]
    pub fn is_chunk(self) -> bool {
        self.durability() == Durability::Chunk
    }

    /// Every text that has chunks before this event has its whole in a later event, this one included: a session's state can
    /// be rebuilt without those chunks.
    #[must_use]
    pub fn closes_texts(self) -> bool {
        self.ends_turn()
            || matches!(
                self,
                Self::SessionCreated
                    | Self::SessionCleared
                    | Self::TurnStarted
                    | Self::MessageComplete
                    | Self::MessageError
            )
    }

    /// Ends a turn.
    #[must_use]
    pub fn ends_turn(self) -> bool {
        matches!(self, Self::TurnCompleted | Self::TurnCancelled | Self::TurnFailed)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown event type {0:?}")]
pub struct UnknownEventKind(pub String);

impl FromStr for EventKind {
    type Err = UnknownEventKind;
    fn from_str(text: &str) -> Result<Self, UnknownEventKind> {
        EventKind::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownEventKind(text.to_owned()))
    }
}

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for EventKind {
    fn schema_name() -> Cow<'static, str> {
        "EventKind".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 5 + usize::from(self.turn_id.is_some());
        let mut out = serializer.serialize_struct("Event", fields)?;
        out.serialize_field("seq", &self.seq)?;
        out.serialize_field("type", self.kind().as_str())?;
        out.serialize_field("session_id", &self.session_id)?;
        if let Some(turn_id) = &self.turn_id {
            out.serialize_field("turn_id", turn_id)?;
        }
        out.serialize_field("timestamp", &self.timestamp)?;
        self.body.serialize_payload(&mut out)?;
        out.end()
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            seq: Seq,
            r#type: EventKind,
            session_id: SessionId,
            #[serde(default)]
            turn_id: Option<TurnId>,
            timestamp: Timestamp,
            payload: Box<RawValue>,
        }
        let wire = Wire::deserialize(deserializer)?;
        let body = wire.r#type.parse_payload(&wire.payload).map_err(serde::de::Error::custom)?;
        Ok(Self { seq: wire.seq, session_id: wire.session_id, turn_id: wire.turn_id, timestamp: wire.timestamp, body })
    }
}

impl JsonSchema for Event {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let variants: Vec<Schema> = EventKind::ALL
            .iter()
            .map(|kind| {
                let payload = kind.payload_schema(generator);
                json_schema!({
                    "type": "object",
                    "properties": { "type": { "const": kind.as_str() }, "payload": payload }
                })
            })
            .collect();
        let (seq, session, turn, time) = (
            generator.subschema_for::<Seq>(),
            generator.subschema_for::<SessionId>(),
            generator.subschema_for::<TurnId>(),
            generator.subschema_for::<Timestamp>(),
        );
        json_schema!({
            "type": "object",
            "required": ["seq", "type", "session_id", "timestamp", "payload"],
            "properties": {
                "seq": seq, "type": { "type": "string" }, "session_id": session, "turn_id": turn,
                "timestamp": time, "payload": { "type": "object" }
            },
            "oneOf": variants
        })
    }
}

#[cfg(test)]
mod tests;
