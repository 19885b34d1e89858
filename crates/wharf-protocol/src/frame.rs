//! The frames of `POST /prompt/stream` (NDJSON) and of a WebSocket `prompt`: one turn, as it happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::CallErrorReason;
use crate::permission::{Preview, Resolution};
use crate::{
    CallId, ErrorCode, Event, EventBody, PermissionId, PermissionOption, Seq, SessionId, StopReason, Timestamp, TurnId,
    TurnStatus, Usage,
};

/// One frame of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// The event that the frame renders: where to go on after a lost connection.
    pub seq: Seq,
    pub turn_id: TurnId,
    #[serde(flatten)]
    pub body: FrameBody,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FrameBody {
    Start {
        session_id: SessionId,
        /// `queued` or `streaming`
        status: String,
    },
    Chunk {
        content: String,
    },
    Reasoning {
        content: String,
    },
    /// Nothing happened for a while; the turn goes on.
    Ping,
    Tool(ToolFrame),
    Permission(PermissionFrame),
    Complete {
        status: TurnStatus,
        usage: Usage,
        stop_reason: StopReason,
    },
    Error {
        error: String,
        code: ErrorCode,
        retryable: bool,
    },
}

/// What happens to a tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolFrame {
    pub event: ToolFrameEvent,
    pub tool_name: String,
    pub tool_id: CallId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// With `call_progress`: the output's next part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_length: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolFrameEvent {
    CallStart,
    CallProgress,
    CallComplete,
    CallError,
    CallDenied,
    CallCancelled,
}

/// A question was asked, or answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PermissionFrame {
    pub permission_id: PermissionId,
    pub call_id: CallId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// What the call would touch and change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<PermissionOption>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
}

impl FrameBody {
    fn cancelled(error: &str) -> Self {
        Self::Error { error: error.to_owned(), code: ErrorCode::TurnCancelled, retryable: false }
    }
}

impl Frame {
    /// The frame that renders `event` to a client that follows `turn_id`; `None` where the frames say nothing of it.
    #[must_use]
    pub fn render(event: &Event, turn_id: &TurnId) -> Option<Self> {
        if event.turn_id.as_ref() != Some(turn_id) {
            return None;
        }
        let body = match &event.body {
            EventBody::TurnStarted(_) => {
                FrameBody::Start { session_id: event.session_id.clone(), status: "streaming".to_owned() }
            }
            EventBody::PromptQueued(_) => {
                FrameBody::Start { session_id: event.session_id.clone(), status: "queued".to_owned() }
            }
            EventBody::MessageChunk(chunk) => FrameBody::Chunk { content: chunk.content.clone() },
            EventBody::AgentThinking(chunk) => FrameBody::Reasoning { content: chunk.content.clone() },
            EventBody::ToolCallStart(start) => FrameBody::Tool(ToolFrame {
                arguments: Some(start.arguments.clone()),
                title: Some(start.title.clone()),
                ..ToolFrame::new(ToolFrameEvent::CallStart, &start.tool_name, &start.call_id)
            }),
            EventBody::ToolCallProgress(progress) => FrameBody::Tool(ToolFrame {
                content: Some(progress.text()),
                ..ToolFrame::new(ToolFrameEvent::CallProgress, "", &progress.call_id)
            }),
            EventBody::ToolCallComplete(done) => FrameBody::Tool(ToolFrame {
                success: Some(true),
                duration_ms: Some(done.duration_ms),
                result_length: Some(done.result.len()),
                ..ToolFrame::new(ToolFrameEvent::CallComplete, &done.tool_name, &done.call_id)
            }),
            EventBody::ToolCallError(failed) => {
                let kind = match failed.reason {
                    CallErrorReason::Denied => ToolFrameEvent::CallDenied,
                    CallErrorReason::Cancelled => ToolFrameEvent::CallCancelled,
                    CallErrorReason::Failed | CallErrorReason::TimedOut | CallErrorReason::Interrupted => {
                        ToolFrameEvent::CallError
                    }
                };
                FrameBody::Tool(ToolFrame {
                    success: Some(false),
                    error: Some(failed.error.clone()),
                    duration_ms: Some(failed.duration_ms),
                    result_length: Some(failed.output.len()),
                    ..ToolFrame::new(kind, &failed.tool_name, &failed.call_id)
                })
            }
            EventBody::PermissionRequested(asked) => FrameBody::Permission(PermissionFrame {
                permission_id: asked.permission_id.clone(),
                call_id: asked.call_id.clone(),
                question: Some(asked.question.clone()),
                preview: asked.preview.clone(),
                options: asked.options.clone(),
                expires_at: Some(asked.expires_at),
                resolution: None,
            }),
            EventBody::PermissionResolved(answered) => FrameBody::Permission(PermissionFrame {
                permission_id: answered.permission_id.clone(),
                call_id: answered.call_id.clone(),
                question: None,
                preview: None,
                options: Vec::new(),
                expires_at: None,
                resolution: Some(answered.option),
            }),
            EventBody::TurnCompleted(done) => {
                FrameBody::Complete { status: TurnStatus::Completed, usage: done.usage, stop_reason: done.stop_reason }
            }
            EventBody::TurnCancelled(_) => FrameBody::cancelled("turn cancelled"),
            EventBody::TurnFailed(failed) => FrameBody::Error {
                error: failed.error.error.clone(),
                code: failed.error.code,
                retryable: failed.error.retryable,
            },
            EventBody::PromptWithdrawn(_) => FrameBody::cancelled("prompt withdrawn"),
            _ => return None,
        };
        Some(Self { seq: event.seq, turn_id: turn_id.clone(), body })
    }

    /// No frame of this turn follows.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self.body, FrameBody::Complete { .. } | FrameBody::Error { .. })
    }
}

impl ToolFrame {
    fn new(event: ToolFrameEvent, tool_name: &str, call_id: &CallId) -> Self {
        Self {
            event,
            tool_name: tool_name.to_owned(),
            tool_id: call_id.clone(),
            arguments: None,
            title: None,
            content: None,
            success: None,
            error: None,
            duration_ms: None,
            result_length: None,
        }
    }
}

#[cfg(test)]
mod tests;
