//! Bodies and queries of the REST endpoints that are not domain types themselves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Provider;
use crate::prompt::QueuedPrompt;
use crate::{
    Agent, Cost, EventKind, McpServer, Message, MessageId, Mode, Permission, PermissionOption, Priority,
    RecoveryPolicy, Seq, Session, SessionId, SessionStatus, StopReason, Thinking, Timestamp, ToolLocation, ToolSpec,
    Turn, TurnId, TurnStatus, Usage,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    pub healthy: bool,
    pub version: String,
    pub uptime_seconds: u64,
    /// With `?ready=1`, where not ready: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Info {
    pub name: String,
    pub version: String,
    pub protocol_version: String,
    pub capabilities: Vec<String>,
    pub agents: Vec<String>,
    pub tools_count: usize,
    pub limits: Limits,
    /// Whether commands run in a process namespace of their own.
    #[serde(default)]
    pub containment: Containment,
}

/// Whether commands run in a process namespace of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainmentSetting {
    /// They do not.
    #[default]
    None,
    /// They do where the machine can.
    Auto,
    /// They do, or do not run at all.
    Require,
}

/// What is set, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Containment {
    pub setting: ContainmentSetting,
    pub active: bool,
    /// Why not, where it is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What the server refuses to exceed; the names carry the units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub body_bytes: usize,
    pub frame_bytes: usize,
    pub prompt_text_bytes: usize,
    pub queued_prompts: usize,
    pub live_sessions: usize,
    pub tool_output_bytes: usize,
    pub tool_time_ms: u64,
    pub model_idle_ms: u64,
    pub events_page: usize,
    /// Background commands of one session that run at a time.
    pub session_commands: usize,
    /// Background commands of all sessions that run at a time.
    pub commands: usize,
    /// Longest run of a background command.
    pub command_time_ms: u64,
    /// So much of a background command's output is kept: the newest bytes.
    pub command_output_bytes: u64,
    /// Connections that are open at a time. A server with fewer descriptors takes fewer.
    pub connections: usize,
    /// Bytes of all clients together that were received and that nothing was made of yet: unfinished frames, bodies, lines of imports.
    pub in_flight_bytes: usize,
    pub requests_per_second: u32,
    pub request_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            frame_bytes: 16 << 20,
            prompt_text_bytes: 1 << 20,
            queued_prompts: 100,
            live_sessions: 10_000,
            tool_output_bytes: 256 << 10,
            tool_time_ms: 600_000,
            model_idle_ms: 300_000,
            events_page: 1_000,
            session_commands: 8,
            commands: 64,
            command_time_ms: 12 * 3_600_000,
            command_output_bytes: 4 << 20,
            connections: 10_000,
            in_flight_bytes: 64 << 20,
            requests_per_second: 100,
            request_burst: 200,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    pub timestamp: Timestamp,
    pub version: String,
    pub uptime_seconds: u64,
    pub sessions: SessionCounts,
    pub connections: ConnectionCounts,
    pub config: ServerConfigView,
    #[serde(default)]
    pub containment: Containment,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionCounts {
    /// Stored.
    pub total: u64,
    /// With a running turn.
    pub busy: u64,
    /// In memory without a running turn.
    pub idle: u64,
    /// Most sessions in memory at a time.
    pub max: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionCounts {
    pub websocket: u64,
    pub sse: u64,
    pub acp: u64,
    pub total: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerConfigView {
    pub host: String,
    pub port: u16,
    pub work_dir: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    pub timestamp: Timestamp,
    /// Watching every session.
    pub global_connections: u64,
    pub session_connections: BTreeMap<SessionId, u64>,
    pub total_sessions_with_clients: u64,
    pub total_connections: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreateSession {
    /// Absent: the server's working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// Directories that the tools reach beside `cwd`: absolute paths of directories that are there, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_directories: Vec<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    /// Absent: a new id is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// `provider/name`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Absent: at the client, as far as one offers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_location: Option<ToolLocation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// MCP servers whose tools this session's agent gets. Needs the scope `tools:execute`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<McpServer>,
    /// Absent: as the server is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryPolicy>,
}

/// A copy of a session as a session of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForkSession {
    /// The last event that is taken over. Absent: the last one there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_seq: Option<Seq>,
    /// Absent: a new id is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Absent: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Where the session that an import makes differs from what the export says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImportSession {
    /// Absent: a new id is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Absent: the export's, which has to be there on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    /// `provider/name`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateSession {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Counts from the next turn on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Counts from the next model call on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// Counts from the next tool call on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_location: Option<ToolLocation>,
    /// In place of those that the session has. Counts from the next tool call on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_directories: Option<Vec<PathBuf>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryPolicy>,
}

/// Which sessions to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionQuery {
    /// 1 to 1,000; 50 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<SessionStatus>,
    /// Words of the title or of a prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Absent: sessions that are not archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

/// What sums of usage are kept apart by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    /// In UTC.
    #[default]
    Day,
    Model,
    /// A session's `cwd`.
    Workspace,
}

/// Which usage is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsageQuery {
    /// `day` where absent.
    #[serde(default)]
    pub by: UsageBy,
    /// First day, as `YYYY-MM-DD` in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

impl UsageBy {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Model => "model",
            Self::Workspace => "workspace",
        }
    }
}

impl UsageQuery {
    /// The field that is no day, if one is not.
    #[must_use]
    pub fn wrong_field(&self) -> Option<&'static str> {
        let is_day = |text: &String| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
        let fields = [("since", &self.since), ("until", &self.until)];
        fields.into_iter().find(|(_, day)| day.as_ref().is_some_and(|day| !is_day(day))).map(|(name, _)| name)
    }

    /// First and last day; days are compared as text.
    #[must_use]
    pub fn range(&self) -> (&str, &str) {
        (self.since.as_deref().unwrap_or_default(), self.until.as_deref().unwrap_or("9999-12-31"))
    }
}

/// What model calls took and cost: of all sessions, also of those that were deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageReport {
    pub by: UsageBy,
    /// By day the newest first, else the dearest.
    pub rows: Vec<UsageRow>,
    /// Of everything in the range, also of rows that are not here.
    pub total_usage: Usage,
    pub total_cost: Cost,
    /// There are more than 1,000 rows; these are the first.
    pub more: bool,
}

/// One day, model or workspace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageRow {
    /// The day, the model's id, or the directory; `(others)` where there were too many in a day to tell apart.
    pub key: String,
    pub usage: Usage,
    pub cost: Cost,
}

impl UsageRow {
    /// Adds to both sums.
    pub fn add(&mut self, usage: &Usage, cost: &Cost) {
        self.usage += *usage;
        self.cost += *cost;
    }
}

/// Newest change first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionPage {
    pub sessions: Vec<Session>,
    /// How many match, over all pages.
    pub total: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionDeletedBody {
    /// `deleted`
    pub status: String,
    pub session_id: SessionId,
}

/// The answer to a prompt that was waited for, or only accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PromptAnswer {
    pub session_id: SessionId,
    pub message_id: MessageId,
    pub turn_id: TurnId,
    pub status: PromptStatus,
    /// In the queue; 1 is next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What its model calls have cost, as far as it is known.
    #[serde(default)]
    pub cost: Option<Cost>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<StopReason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromptStatus {
    Queued,
    Streaming,
    Complete,
    Cancelled,
    Failed,
    Withdrawn,
}

impl From<TurnStatus> for PromptStatus {
    fn from(status: TurnStatus) -> Self {
        match status {
            TurnStatus::Queued => Self::Queued,
            TurnStatus::Running => Self::Streaming,
            TurnStatus::Completed => Self::Complete,
            TurnStatus::Cancelled => Self::Cancelled,
            TurnStatus::Failed => Self::Failed,
            TurnStatus::Withdrawn => Self::Withdrawn,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Queue {
    pub session_id: SessionId,
    pub prompts: Vec<QueuedPrompt>,
    /// Most prompts that may wait.
    pub limit: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateQueued {
    pub priority: Priority,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cancel {
    /// Also clears the queue.
    #[serde(default)]
    pub force: bool,
    /// Only this turn, running or queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    #[serde(default)]
    pub clear_queue: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CancelAnswer {
    /// `cancelled`
    pub status: String,
    pub session_id: SessionId,
    /// The turn that is being cancelled, where one was running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
}

/// A page of turns, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnPage {
    pub session_id: SessionId,
    pub turns: Vec<Turn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which part of the conversation: with neither cursor, the newest page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageQuery {
    /// 1 to 1,000; 100 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Messages older than this seq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// Messages newer than this seq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
}

/// A page of the conversation, oldest first inside the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessagePage {
    pub session_id: SessionId,
    pub messages: Vec<Message>,
    /// How many messages the session has.
    pub total: u64,
    /// `before` of the next older page, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<Seq>,
    /// `after` of the next newer page, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer: Option<Seq>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessagesCleared {
    /// `cleared`
    pub status: String,
    pub session_id: SessionId,
}

/// `POST /sessions/{id}/compact`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CompactSession {
    /// What the summary is to keep above all; at most 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompactAnswer {
    /// `compacting`
    pub status: String,
    pub session_id: SessionId,
    /// What comes of it is an event after this seq: `context.compacted` or `context.compaction_failed`.
    pub seq: Seq,
}

/// Cursor of a page of events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventQuery {
    /// Events after this seq. Absent: a stream starts at the present, a page at the first event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// Of a page: 1 to 1,000; 1,000 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What happened when, how long it took, how many tokens: never content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineEntry {
    pub seq: Seq,
    pub r#type: EventKind,
    pub timestamp: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<crate::CallId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// A word for how it ended: a stop reason, an error's code, an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    pub session_id: SessionId,
    pub entries: Vec<TimelineEntry>,
    /// `after` of the next page, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Seq>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Permissions {
    pub session_id: SessionId,
    pub permissions: Vec<Permission>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerPermission {
    pub option: PermissionOption,
    /// For the model, for example why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PermissionAnswered {
    /// `resolved`
    pub status: String,
    pub permission_id: crate::PermissionId,
    pub option: PermissionOption,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolList {
    pub tools: Vec<ToolSpec>,
    pub total: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCategories {
    /// Names of the tools, by category.
    pub categories: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExecuteTool {
    pub session_id: SessionId,
    #[serde(default)]
    pub arguments: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolExecuted {
    pub session_id: SessionId,
    pub call_id: crate::CallId,
    pub tool_name: String,
    pub success: bool,
    /// What a model would be told.
    pub result: String,
    pub duration_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentList {
    pub agents: Vec<Agent>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelList {
    /// What a new session gets.
    pub default: String,
    /// Why that one.
    pub reason: String,
    /// The month of the facts that come with Wharf: `YYYY-MM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogue_as_of: Option<String>,
    pub providers: Vec<Provider>,
}

/// A ticket for one connection that cannot set headers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ticket {
    /// To be sent once, as `?ticket=`.
    pub ticket: String,
    pub expires_at: Timestamp,
}
