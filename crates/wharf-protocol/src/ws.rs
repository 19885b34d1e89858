//! The envelope that `/ws` speaks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ApiError, ConflictStrategy, MessageId, PermissionId, PermissionOption, Priority, PromptContent, Seq, SessionId,
    Timestamp,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnvelopeType {
    Request,
    Response,
    Event,
    Error,
}

/// One message of the server. `payload` depends on `type`: see the schema page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    pub r#type: EnvelopeType,
    /// Of a response or error: the request's. Of an event: the frame's own.
    pub id: String,
    pub timestamp: Timestamp,
    pub payload: Value,
}

/// One message of a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    pub r#type: EnvelopeType,
    pub id: String,
    /// Not read: clients send local times of many shapes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Value>,
    pub payload: Action,
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    Ping,
    Prompt {
        /// Absent: the session of the connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<SessionId>,
        content: PromptContent,
        /// Makes the prompt safe to repeat.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        #[serde(default)]
        priority: Priority,
        #[serde(default)]
        conflict_strategy: ConflictStrategy,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<Value>,
    },
    Cancel {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<SessionId>,
        #[serde(default)]
        force: bool,
    },
    /// Sum up what was said.
    Compact {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<SessionId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        focus: Option<String>,
    },
    Subscribe {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<SessionId>,
        /// Absent: the present.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Seq>,
    },
    Unsubscribe {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<SessionId>,
    },
    Approve {
        permission_id: PermissionId,
        option: PermissionOption,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
}

/// The payload of an `error` frame.
pub type ErrorPayload = ApiError;
