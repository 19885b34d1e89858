//! The session: its state, the way in for inputs, and the one way in which events come to be.

use std::mem;
use std::sync::Arc;

use wharf_failpoints::mistake;
use wharf_protocol::event::SessionCreated;
use wharf_protocol::prompt::QueuedPrompt;
use wharf_protocol::{
    CallId, Event, EventBody, Message, MessageId, Permission, Seq, Session, SessionId, Timestamp, ToolSpec, TurnId,
};

use crate::calls::Call;
use crate::commands::Commands;
use crate::compaction::Compaction;
use crate::context::{Counted, UNMEASURED};
use crate::ids::Ids;
use crate::permissions::Permissions;
use crate::queue::Prompts;
use crate::shown::{self, INSTRUCTIONS_TOKENS, MESSAGE_TOKENS, ShownMessages};
use crate::turn::OpenTurn;
use crate::{Accepted, Answer, CoreConfig, Effect, Input, Outcome, Rejected};

/// One session's state machine.
#[derive(Debug)]
pub struct Core {
    pub(crate) config: CoreConfig,
    /// Holds from the next turn on.
    pub(crate) next_config: Option<CoreConfig>,
    pub(crate) session: Session,
    pub(crate) prompts: Prompts,
    pub(crate) shown: ShownMessages,
    pub(crate) turn: Option<OpenTurn>,
    /// Calls without an outcome, in the order in which they were asked for: the turn's and the direct ones.
    pub(crate) calls: Vec<Call>,
    pub(crate) permissions: Permissions,
    pub(crate) commands: Commands,
    pub(crate) deleted: bool,
    /// A model, and the window that its server named, in tokens.
    pub(crate) told_window: Option<(String, u64)>,
    pub(crate) compaction: Option<Compaction>,
    /// What the provider counted of the last request, where that still is what is shown.
    pub(crate) counted: Option<Counted>,
    /// What the session's model's provider counts for what is estimated as a thousand tokens.
    pub(crate) per_mille: u64,

    // What follows is this process's alone and not on the log.
    pub(crate) ids: Ids,
    /// False from `load` to `recover`: what was left open is not to be gone on with as if this process had begun it.
    pub(crate) is_taken_up: bool,
    pub(crate) draining: bool,
    /// The session ends as soon as nothing runs; who wants it.
    pub(crate) deleting: Option<Option<String>>,
    pub(crate) answerers: usize,
    pub(crate) context_limit: Option<u64>,
    /// What the tools' schemas take of the model's context, in tokens.
    pub(crate) tools_tokens: u64,
    /// What the instructions take.
    pub(crate) instructions_tokens: u64,
    pub(crate) last_ask: u64,
    /// The next event's seq is above this one.
    pub(crate) skip_to: Option<Seq>,
    /// The time of the input that is being handled.
    pub(crate) now: Timestamp,
    events: Vec<Event>,
    pub(crate) effects: Vec<Effect>,
}

impl Core {
    /// A new session: the core and its first event (`session.created`, seq 1).
    #[must_use]
    pub fn create(
        session_id: SessionId,
        created: SessionCreated,
        config: CoreConfig,
        entropy: u128,
        now: Timestamp,
    ) -> (Self, Event) {
        let event = Event {
            seq: Seq(1),
            session_id: session_id.clone(),
            turn_id: None,
            timestamp: now,
            body: EventBody::SessionCreated(created.clone()),
        };
        let session = Session::from_created(&event).unwrap_or_else(|| blank(session_id, created, now));
        (Self::empty(session, config, entropy), event)
    }

    /// A session from its log: `session` is the view after `events`, which are those that the log still has, in order; of
    /// the chunks only those of a message or call that is still open matter.
    #[must_use]
    pub fn load(session: Session, events: impl IntoIterator<Item = Event>, config: CoreConfig, entropy: u128) -> Self {
        let mut core = Self::empty(session, config, entropy);
        core.is_taken_up = false;
        for event in events {
            if event.seq > core.session.last_seq {
                core.session.apply(&event);
            }
            core.fold(&event);
        }
        if mistake("lose_queue") {
            core.prompts = Prompts::default();
        }
        core
    }

    fn empty(session: Session, config: CoreConfig, entropy: u128) -> Self {
        let tools_tokens = shown::schema_tokens(&config.tools);
        Self {
            now: session.updated_at,
            session,
            tools_tokens,
            config,
            next_config: None,
            prompts: Prompts::default(),
            shown: ShownMessages::default(),
            turn: None,
            calls: Vec::new(),
            permissions: Permissions::default(),
            commands: Commands::default(),
            deleted: false,
            told_window: None,
            compaction: None,
            counted: None,
            per_mille: UNMEASURED,
            ids: Ids::new(entropy),
            is_taken_up: true,
            draining: false,
            deleting: None,
            answerers: 0,
            context_limit: None,
            instructions_tokens: INSTRUCTIONS_TOKENS,
            last_ask: 0,
            skip_to: None,
            events: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Takes an input; a loaded session does nothing by itself until [`Core::recover`] was called. Inputs about a model call or a tool call that is over change nothing.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Outcome {
        self.now = now;
        if self.deleted {
            return self.outcome(Err(Rejected::Deleted));
        }
        let answer = match input {
            Input::Prompt(prompt) => self.prompt_received(prompt),
            Input::Cancel { by, force, clear_queue, turn_id } => self.cancel(by, force, clear_queue, turn_id),
            Input::Withdraw { message_id, by } => self.withdraw(message_id, by),
            Input::Reprioritise { message_id, priority } => self.reprioritise(message_id, priority),
            Input::Answer { permission_id, option, by, message } => self.answer(permission_id, option, by, message),
            Input::Update { change, by } => self.update(change, by),
            Input::Clear { by } => self.clear(by),
            Input::Compact { focus, by } => self.compact_as_asked(focus, by),
            Input::Delete { by } => self.delete(by),
            Input::Execute { tool_name, arguments, by: _ } => self.execute(tool_name, arguments),
            Input::StartCommand(new) => self.start_command(new),
            Input::StopCommand { command_id, by } => self.stop_command(&command_id, by),
            input => {
                self.report(input);
                Ok(Answer::Done)
            }
        };
        self.advance();
        let answer = answer.map(|answer| self.placed(answer));
        self.outcome(answer)
    }

    /// Inputs that nobody waits for.
    fn report(&mut self, input: Input) {
        match input {
            Input::WindowKnown { ask } => self.window_known(ask),
            Input::ModelText { ask, text } => self.model_text(ask, text),
            Input::ModelReasoning { ask, text } => self.model_reasoning(ask, text),
            Input::ModelFinished { ask, reply } => self.model_finished(ask, reply),
            Input::ModelFailed { ask, error, again } => self.model_failed(ask, error, again),
            Input::SummaryWritten { ask, text, reply } => self.summary_written(ask, &text, &reply),
            Input::SummaryFailed { ask, error, again } => self.summary_failed(ask, &error, again),
            Input::CallSeen { call_id, seen } => self.call_seen(&call_id, seen),
            Input::CallProgress { call_id, output, omitted } => self.call_progress(&call_id, output, omitted),
            Input::CallFinished { call_id, outcome } => self.call_finished(&call_id, outcome),
            Input::CommandEnded { command_id, end } => self.command_ended(&command_id, end),
            Input::ToolsChanged(tools) => self.take_tools(tools),
            Input::AgentChanged { tools, max_steps } => {
                self.take_tools(tools);
                self.config.max_steps = max_steps;
            }
            Input::Configured(config) => self.configured(*config),
            Input::Answerers(count) => self.answerers = count,
            Input::Drain => self.draining = true,
            Input::Tick => self.tick(),
            // Answered in `handle`.
            Input::Prompt(_)
            | Input::Cancel { .. }
            | Input::Withdraw { .. }
            | Input::Reprioritise { .. }
            | Input::Answer { .. }
            | Input::Update { .. }
            | Input::Clear { .. }
            | Input::Compact { .. }
            | Input::Delete { .. }
            | Input::Execute { .. }
            | Input::StartCommand(_)
            | Input::StopCommand { .. } => {}
        }
    }

    /// A prompt's place is known only after everything else was done.
    fn placed(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Prompt(accepted) => {
                let position = self.prompts.position(&accepted.message_id);
                Answer::Prompt(Accepted { position, ..accepted })
            }
            answer => answer,
        }
    }

    pub(crate) fn outcome(&mut self, answer: Result<Answer, Rejected>) -> Outcome {
        Outcome { events: mem::take(&mut self.events), effects: mem::take(&mut self.effects), answer }
    }

    /// Makes an event and applies it: the only way in which the session's state changes.
    pub(crate) fn emit(&mut self, turn_id: Option<TurnId>, body: impl Into<EventBody>) {
        let last = self.session.last_seq.max(self.skip_to.take().unwrap_or_default());
        let event = Event {
            seq: last.next(),
            session_id: self.session.id.clone(),
            turn_id,
            timestamp: self.now,
            body: body.into(),
        };
        self.session.apply(&event);
        self.fold(&event);
        self.events.push(event);
    }

    /// The same, for an event of the running turn.
    pub(crate) fn emit_in_turn(&mut self, body: impl Into<EventBody>) {
        self.emit(self.turn_id(), body);
    }

    pub(crate) fn turn_id(&self) -> Option<TurnId> {
        self.turn.as_ref().map(|turn| turn.turn_id.clone())
    }

    /// The view after all events.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Prompts that wait, in the order in which they will run; those that will join the running turn come first.
    #[must_use]
    pub fn queue(&self) -> Vec<QueuedPrompt> {
        self.prompts.queue()
    }

    /// The open questions, oldest first.
    #[must_use]
    pub fn permissions(&self) -> Vec<Permission> {
        self.permissions.open.clone()
    }

    /// A prompt waits, runs, or is among the last 256 that ended. What became of an older one only the store knows
    /// ([`crate::NewPrompt::earlier`]).
    #[must_use]
    pub fn knows_prompt(&self, id: &MessageId) -> bool {
        self.prompts.known(id).is_some()
    }

    /// The prompt that a call's turn answers; none where a client asked for the call itself.
    #[must_use]
    pub fn prompt_of_call(&self, call: &CallId) -> Option<&MessageId> {
        self.call(call)?.proposal.turn_id.as_ref()?;
        self.turn.as_ref()?.prompts.first()
    }

    /// Nothing runs and nothing could start by itself: the session may leave the memory. Commands keep it there, so that their
    /// end gets onto the log.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.is_between_turns() && self.commands.open.is_empty()
    }

    /// No turn and no call runs or could start by itself.
    #[must_use]
    pub fn is_between_turns(&self) -> bool {
        self.turn.is_none()
            && self.compaction.is_none()
            && self.calls.is_empty()
            && (!self.starts_turns() || self.prompts.is_empty())
    }

    /// Whether a prompt that waits would get its turn.
    pub(crate) fn starts_turns(&self) -> bool {
        !self.draining && self.deleting.is_none() && !self.deleted
    }

    /// The agent that the running turn began with, or that the next one will.
    #[must_use]
    pub fn agent_name(&self) -> &str {
        self.turn.as_ref().map_or(&self.session.agent_name, |turn| &turn.agent_name)
    }

    fn take_tools(&mut self, tools: Arc<[Arc<ToolSpec>]>) {
        self.tools_tokens = shown::schema_tokens(&tools);
        self.config.tools = tools;
    }

    fn configured(&mut self, config: CoreConfig) {
        self.next_config = Some(config);
        if self.turn.is_none() {
            self.take_config();
        }
    }

    pub(crate) fn take_config(&mut self) {
        if let Some(config) = self.next_config.take() {
            // The tools have a way of their own.
            self.config = CoreConfig { tools: self.tools(), ..config };
        }
    }

    /// How much the session's model takes, in tokens, where it is known.
    pub fn set_context_limit(&mut self, tokens: Option<u64>) {
        self.context_limit = tokens;
    }

    /// What the session's instructions take of each request, in bytes.
    pub fn set_instructions(&mut self, bytes: usize) {
        self.instructions_tokens = bytes as u64 / 4 + MESSAGE_TOKENS;
    }

    /// The tools that the session's agent has.
    #[must_use]
    pub fn tools(&self) -> Arc<[Arc<ToolSpec>]> {
        Arc::clone(&self.config.tools)
    }

    /// The messages as the model is shown them.
    #[must_use]
    pub fn messages(&self) -> &[Arc<Message>] {
        self.shown.messages()
    }
}

/// What `Session::from_created` gives for a `session.created`.
fn blank(id: SessionId, created: SessionCreated, now: Timestamp) -> Session {
    let SessionCreated {
        cwd,
        additional_directories,
        agent_name,
        model,
        mode,
        thinking,
        tool_location,
        title,
        recovery,
        forked_from,
    } = created;
    Session {
        id,
        created_at: now,
        updated_at: now,
        cwd,
        additional_directories,
        agent_name,
        model,
        mode,
        thinking: thinking.unwrap_or_default(),
        tool_location: tool_location.unwrap_or_default(),
        title,
        archived: false,
        status: wharf_protocol::SessionStatus::Idle,
        message_count: 0,
        token_usage: wharf_protocol::Usage::default(),
        cost: wharf_protocol::Cost::default(),
        queued_count: 0,
        running_commands: 0,
        last_seq: Seq(1),
        first_seq: Seq(1),
        recovery,
        sealed: None,
        forked_from,
    }
}
