//! Names of things: opaque ids, and `Seq`, the position of an event in its session's log.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an id chosen by a client has to match.
pub const ID_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$";

/// Longest id, in bytes.
pub const ID_MAX_LEN: usize = 128;

/// A text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must match {ID_PATTERN}")]
pub struct InvalidId {
    /// Which id was read, for example `session_id`.
    pub what: &'static str,
}

fn is_valid(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=ID_MAX_LEN).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// What an id made by Wharf starts with.
            pub const PREFIX: &'static str = $prefix;

            /// An id from 96 random bits (the lower 96 of `bits`).
            #[must_use]
            pub fn from_bits(bits: u128) -> Self {
                Self(format!("{}{:024x}", $prefix, bits & ((1 << 96) - 1)).into())
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_valid(text) { Ok(Self(text.into())) } else { Err(InvalidId { what: $what }) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": ID_PATTERN })
            }
        }
    )*};
}

ids! {
    /// A durable conversation with one agent in one workspace.
    SessionId, "session_id", "session-";
    /// A message; a prompt's id is the id of the user's message that it becomes.
    MessageId, "message_id", "msg-";
    /// One turn of a session.
    TurnId, "turn_id", "turn-";
    /// One tool call of a session.
    CallId, "call_id", "call-";
    /// One background command of a session.
    CommandId, "command_id", "cmd-";
    /// One question whether a tool call may run.
    PermissionId, "permission_id", "perm-";
}

impl CallId {
    /// A call id that every provider takes back as its own: some accept exactly nine letters and digits.
    #[must_use]
    pub fn short(bits: u64) -> Self {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut rest = bits;
        let text: String = (0..9)
            .map(|_| {
                let digit = ALPHABET[(rest % 62) as usize];
                rest /= 62;
                char::from(digit)
            })
            .collect();
        Self(text.into())
    }
}

/// An event's position in its session's log: 1, 2, 3, ... As a cursor it means "everything after this"; 0 is the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first event.
    pub const ZERO: Seq = Seq(0);

    #[must_use]
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Seq {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Seq)
    }
}
