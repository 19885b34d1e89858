//! What a session is run with.

use std::sync::Arc;

use serde_json::Value;
use wharf_protocol::{Rule, ToolSpec};

/// What a session is run with. Everything that may differ between servers and agents.
#[derive(Debug, Clone, PartialEq)]
pub struct CoreConfig {
    /// The tools that the session's agent has.
    pub tools: Arc<[Arc<ToolSpec>]>,
    /// What a call is about: a tool may forgive other names of an argument, and rules have to see what it will act on.
    pub subjects: SubjectsOf,
    pub rules: Arc<[Rule]>,
    /// The engine looks at what a call would touch before it is decided ([`Effect::LookAtCall`](crate::Effect::LookAtCall)); else it is
    /// judged by its text.
    pub looks_at_calls: bool,
    /// Most model calls in one turn.
    pub max_steps: u32,
    /// Longest turn; waiting for a permission does not count.
    pub max_turn_ms: u64,
    /// Most tokens (prompt and completion, as the provider counts) in one turn.
    pub max_turn_tokens: Option<u64>,
    /// How often one model call is tried before the turn fails.
    pub max_model_attempts: u32,
    /// First wait before a repeated model call; doubles each time.
    pub retry_base_ms: u64,
    pub retry_max_ms: u64,
    /// What a session goes on with, in this order, when a model fails again and again.
    pub fallback_models: Arc<[String]>,
    pub queue_limit: usize,
    /// Most background commands of the session that run at a time.
    pub max_commands: usize,
    /// The same of all sessions together. The engine counts them ([`NewCommand::has_place`](crate::NewCommand::has_place)).
    pub max_server_commands: usize,
    /// Longest time that a background command may take.
    pub max_command_ms: u64,
    /// So much of its output is kept.
    pub command_output_bytes: u64,
    /// How long a permission waits for its answer while somebody is attached who may answer.
    pub permission_timeout_ms: u64,
    /// The same with nobody there.
    pub unattended_permission_timeout_ms: u64,
    /// After a cancel: how long the turn waits for its calls to stop before it ends without them.
    pub stop_grace_ms: u64,
    pub recovery: Recovery,
    /// A turn that was taken up again this often is failed instead.
    pub max_resumes: u32,
    /// There is a small model that writes titles.
    pub asks_for_titles: bool,
    /// The other agents that a session could have, and what their tools take of each request, in tokens.
    pub other_agents: Arc<[(String, u64)]>,
}

/// What happens to a turn that a dead server left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recovery {
    #[default]
    Continue,
    Interrupt,
}

/// What permission rules match in a call's arguments: a command, paths, a pattern. Must depend on its arguments only.
#[derive(Clone)]
pub struct SubjectsOf(pub Arc<FindSubjects>);

type FindSubjects = dyn Fn(&ToolSpec, &Value) -> Vec<String> + Send + Sync;

impl PartialEq for SubjectsOf {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for SubjectsOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubjectsOf")
    }
}
