//! The types that cross a crate, process or disk boundary: ids, commands, events, errors and the wire's bodies.
//!
//! Nothing here does IO. Other crates may add behaviour to these types, never second copies of them.

pub mod agent;
pub mod command;
pub mod content;
pub mod context;
pub mod cost;
pub mod encoded;
pub mod error;
pub mod event;
pub mod export;
pub mod frame;
pub mod id;
pub mod mcp;
pub mod message;
pub mod mode;
pub mod model;
pub mod outcome;
pub mod permission;
pub mod prompt;
pub mod recovery;
pub mod rest;
pub mod scope;
pub mod seen;
pub mod session;
pub mod slash;
pub mod thinking;
pub mod time;
pub mod tool;
pub mod transcript;
pub mod turn;
pub mod usage;
pub mod vocabulary;
pub mod ws;

pub use agent::Agent;
pub use command::{Command, CommandStatus, TerminalSize};
pub use content::{ContentBlock, UnseenImages};
pub use cost::{CallCost, Cost, Price};
pub use encoded::EncodedEvent;
pub use error::{ApiError, ErrorCode};
pub use event::{Durability, Event, EventBody, EventKind};
pub use id::{CallId, CommandId, MessageId, PermissionId, Seq, SessionId, TurnId};
pub use mcp::{McpServer, McpTransport};
pub use message::{Message, Role, ToolRequest};
pub use mode::{Mode, Rule, RuleAction};
pub use outcome::{CallOutcome, CommandEnd, RecordedCall, ToolError, ToolOutput};
pub use permission::{Permission, PermissionOption};
pub use prompt::{ConflictStrategy, Priority, Prompt, PromptContent};
pub use recovery::{RecoveryPolicy, Seal, SealReason};
pub use scope::{Scope, Scopes};
pub use seen::{GuardedPath, Seen, SeenPath, SeenScript, SeenUse};
pub use session::{ForkedFrom, Session, SessionStatus, ToolLocation};
pub use thinking::Thinking;
pub use time::Timestamp;
pub use tool::{ToolKind, ToolSpec};
pub use transcript::Transcript;
pub use turn::{StopReason, Turn, TurnStatus};
pub use usage::Usage;

/// Version of the REST, SSE and WebSocket contract, as `/info` reports it.
pub const PROTOCOL_VERSION: &str = "1.0";
