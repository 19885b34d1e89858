//! What user, agent or a tool says, as history shows it and as a model is asked with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CallId, ContentBlock, MessageId, Seq, Timestamp, TurnId};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    User,
    Assistant,
    /// A tool's result.
    Tool,
}

/// The agent's request to run a tool, as its message holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolRequest {
    pub call_id: CallId,
    pub tool_name: String,
    /// An object, as the tool's schema describes it.
    pub arguments: Value,
    /// What the provider wants back with this call, unchanged (signatures).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_data: Option<Value>,
}

/// One message of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    pub message_id: MessageId,
    pub role: Role,
    pub content: Vec<ContentBlock>,
    /// The model's reasoning, where it shows it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolRequest>,
    /// With role `tool`: the call that this is the result of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// With role `tool`: the call failed, was refused or was stopped. With role `assistant`: the reply was cut off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
    /// What the provider wants back with this message, unchanged (reasoning details, signatures).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_data: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    /// The event that completed the message.
    pub seq: Seq,
    pub created_at: Timestamp,
}
