//! What an engine is run with. The binary composes it; nothing here reads an environment.

use std::path::PathBuf;
use std::sync::Arc;

use wharf_core::{CoreConfig, Recovery, SubjectsOf};
use wharf_protocol::rest::Limits;
use wharf_protocol::{Agent, Mode, Rule, ToolSpec};

use crate::agents::builtin_agents;

/// Configuration of an engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where sessions work that name no directory.
    pub work_dir: PathBuf,
    /// Directories that sessions may work in, with everything below them. Empty: any.
    pub allowed_roots: Vec<PathBuf>,
    /// Ours: outputs that were too long for the log go there.
    pub state_dir: PathBuf,
    /// Ours too, files or directories: where the configuration is. The tools that handle files neither read nor write in
    /// them, nor in `state_dir`, whatever directory a session works in.
    pub masked: Vec<PathBuf>,
    /// What models are told of where a session works, beside the system text.
    pub instructions: InstructionsConfig,
    /// `provider/name`: what writes a title when the first turn of a session is over that nobody named; absent: the first words of its first
    /// prompt are its title.
    pub small_model: Option<String>,
    /// `provider/name` of each: what a session goes on with, in this order, when its model fails again and again.
    pub fallback_models: Vec<String>,
    /// `provider/name`; absent: what the models find.
    pub default_model: Option<String>,
    pub default_mode: Mode,
    /// First one: what sessions get that name none.
    pub agents: Vec<Agent>,
    pub rules: Vec<Rule>,
    pub limits: Limits,
    pub recovery: Recovery,
    /// At its start the engine takes up every unfinished turn there is. Off: only those of sessions that are used, which is
    /// right for a process that leaves again soon.
    pub recover_at_start: bool,
    /// A live session that nobody used for so long leaves the memory.
    pub idle_unload_ms: u64,
    pub permission_timeout_ms: u64,
    pub unattended_permission_timeout_ms: u64,
    pub max_turn_ms: u64,
    pub max_turn_tokens: Option<u64>,
    pub max_model_attempts: u32,
    /// Chunks of turns that ended so long ago are dropped; their text stays in `message.complete`. 0 keeps them for ever.
    pub chunk_retention_ms: u64,
}

/// What models are told of where a session works. By default nothing: whoever embeds an engine says what is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstructionsConfig {
    /// `AGENTS.md` and `CLAUDE.md`.
    pub files: bool,
    /// The date, and the branch and status of the git repository.
    pub facts: bool,
    /// The user's own instructions, which need not exist; read with `files`.
    pub own_file: Option<PathBuf>,
}

impl EngineConfig {
    /// The defaults.
    #[must_use]
    pub fn new(work_dir: impl Into<PathBuf>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            work_dir: work_dir.into(),
            allowed_roots: Vec::new(),
            state_dir: state_dir.into(),
            masked: Vec::new(),
            instructions: InstructionsConfig::default(),
            small_model: None,
            fallback_models: Vec::new(),
            default_model: None,
            default_mode: Mode::Ask,
            agents: builtin_agents(),
            rules: Vec::new(),
            limits: Limits::default(),
            recovery: Recovery::Continue,
            recover_at_start: true,
            idle_unload_ms: 60_000,
            permission_timeout_ms: 600_000,
            unattended_permission_timeout_ms: 30_000,
            max_turn_ms: 3_600_000,
            max_turn_tokens: None,
            max_model_attempts: 4,
            chunk_retention_ms: 7 * 24 * 3_600_000,
        }
    }

    /// What the core of a session with this agent is run with.
    pub(crate) fn core(
        &self,
        agent: &Agent,
        tools: Arc<[Arc<ToolSpec>]>,
        subjects: SubjectsOf,
        agents: &[(String, u64)],
    ) -> CoreConfig {
        CoreConfig {
            tools,
            subjects,
            rules: self.rules.as_slice().into(),
            looks_at_calls: true,
            max_steps: agent.max_steps,
            max_turn_ms: self.max_turn_ms,
            max_turn_tokens: self.max_turn_tokens,
            max_model_attempts: self.max_model_attempts,
            retry_base_ms: 500,
            retry_max_ms: 60_000,
            fallback_models: self.fallback_models.as_slice().into(),
            queue_limit: self.limits.queued_prompts,
            max_commands: self.limits.session_commands,
            max_server_commands: self.limits.commands,
            max_command_ms: self.limits.command_time_ms,
            command_output_bytes: self.limits.command_output_bytes,
            permission_timeout_ms: self.permission_timeout_ms,
            unattended_permission_timeout_ms: self.unattended_permission_timeout_ms,
            stop_grace_ms: 2_800,
            recovery: self.recovery,
            max_resumes: 3,
            asks_for_titles: self.small_model.is_some(),
            other_agents: agents.iter().filter(|(name, _)| *name != agent.name).cloned().collect(),
        }
    }
}
