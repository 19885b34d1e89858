//! The session: its state, and the one way in which events come to be and change it.

mod fold;

use std::mem;
use std::sync::Arc;

use wharf_failpoints::mistake;
use wharf_protocol::event::SessionCreated;
use wharf_protocol::prompt::QueuedPrompt;
use wharf_protocol::{
    CallId, Event, EventBody, Message, MessageId, Permission, Seq, Session, SessionId, Timestamp, ToolSpec, TurnId,
    UnseenImages,
};

use crate::config::CoreConfig;
use crate::ids::Ids;
use crate::input::Surroundings;
use crate::outcome::{Answer, Effect, Outcome, Rejected};
use crate::shown::ShownMessages;
use crate::size::{self, INSTRUCTIONS_TOKENS};
use crate::state::{Call, Commands, Compaction, Measure, OpenTurn, Permissions, Prompts, Titling, Touched};

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
    pub(crate) measure: Measure,
    /// Images that the model was not shown, as the log has last told.
    pub(crate) unseen: UnseenImages,

    // What follows is this process's alone and not on the log.
    pub(crate) ids: Ids,
    /// False from `load` to `recover`: what was left open is not to be gone on with as if this process had begun it.
    pub(crate) is_taken_up: bool,
    pub(crate) draining: bool,
    /// The session ends as soon as nothing runs; who wants it.
    pub(crate) deleting: Option<Option<String>>,
    pub(crate) answerers: usize,
    /// What the session's model takes, in tokens, where that is known before it is asked.
    pub(crate) context_limit: Option<u64>,
    /// What the tools' schemas take of the model's context, in tokens.
    pub(crate) tools_tokens: u64,
    /// What the instructions take.
    pub(crate) instructions_tokens: u64,
    pub(crate) surroundings: Option<Surroundings>,
    pub(crate) touched: Touched,
    pub(crate) titling: Option<Titling>,
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
        let tools_tokens = size::schema_tokens(&config.tools);
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
            measure: Measure::default(),
            unseen: UnseenImages::default(),
            ids: Ids::new(entropy),
            is_taken_up: true,
            draining: false,
            deleting: None,
            answerers: 0,
            context_limit: None,
            instructions_tokens: INSTRUCTIONS_TOKENS,
            surroundings: None,
            touched: Touched::default(),
            titling: None,
            last_ask: 0,
            skip_to: None,
            events: Vec::new(),
            effects: Vec::new(),
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

    pub(crate) fn tool(&self, name: &str) -> Option<Arc<ToolSpec>> {
        self.config.tools.iter().find(|spec| spec.name == name).cloned()
    }

    pub(crate) fn call(&self, id: &CallId) -> Option<&Call> {
        self.calls.iter().find(|call| call.proposal.call_id == *id)
    }

    pub(crate) fn call_mut(&mut self, id: &CallId) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.proposal.call_id == *id)
    }

    /// The open calls of the turn, or the direct ones; in order.
    pub(crate) fn open_calls(&self, direct: bool) -> Vec<CallId> {
        let calls = self.calls.iter().filter(|call| call.proposal.turn_id.is_none() == direct);
        calls.map(|call| call.proposal.call_id.clone()).collect()
    }

    pub(crate) fn has_turn_calls(&self) -> bool {
        self.calls.iter().any(|call| call.proposal.turn_id.is_some())
    }

    /// The request as it is estimated, without what is known of the provider's counting.
    pub(crate) fn estimated(&self) -> u64 {
        self.shown.total + self.instructions_tokens + self.tools_tokens
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

    pub(crate) fn take_config(&mut self) {
        if let Some(config) = self.next_config.take() {
            // The tools have a way of their own.
            self.config = CoreConfig { tools: self.tools(), ..config };
        }
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
