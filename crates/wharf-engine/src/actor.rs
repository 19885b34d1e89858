//! A live session: one task that owns its core, its log's lease, its model call and its tool calls.
//!
//! One rule holds everywhere: first the core decides, then its events go to disk, then they are shown and their effects begin.

mod commands;
mod tools;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use wharf_core::{Answer, Core, Effect, Input, NewPrompt, Outcome, Rejected};
use wharf_failpoints::{point, point_for};
use wharf_models::ModelRequest;
use wharf_protocol::model::{ModelError, ModelErrorKind};
use wharf_protocol::{CallId, CommandId, Event, EventBody, Message, Seq, SessionId, Timestamp, ToolLocation, ToolSpec};
use wharf_store::Lease;
use wharf_tools::commands::CommandOver;
use wharf_tools::supervisor::{forget, recorded};

use crate::append::OpenLog;
use crate::commands::{CommandStart, RunningCommands};
use crate::entropy::entropy;
use crate::feed::Feed;
use crate::live::Shared;
use crate::mcp::LiveMcp;
use crate::progress::{Budget, Piece};
use crate::request::{ReplyTo, Request};
use crate::run::{self, CallEvent, ModelCall, ModelEvent, RunningCalls};
use crate::{EngineConfig, EngineError, directories, seal};

use tools::instructions;

/// How long calls get to stop when the session is taken out of memory.
const CALLS_GRACE: Duration = Duration::from_secs(4);
/// How long a new model may take to be found.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a session's task ended.
pub(crate) enum Exit {
    /// Nobody used it, or the engine stops: it is out of the map already, or nobody can reach it.
    Idle,
    /// It could not be loaded; `is_final`: and never will be.
    NotLoaded { error: EngineError, is_final: bool },
    /// It was deleted.
    Gone(EngineError),
    /// It could not go on and should be loaded again.
    Failed(EngineError),
}

/// Loads the session, serves it, and takes it out of memory.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    feed: &Arc<Feed>,
    inbox: &mut mpsc::Receiver<Request>,
    is_loaded: &AtomicBool,
) -> Exit {
    let mut actor = match Actor::load(shared, feed).await {
        Ok(actor) => actor,
        Err(error) => {
            let is_final = matches!(
                error,
                EngineError::SessionNotFound(_)
                    | EngineError::HeldElsewhere { .. }
                    | EngineError::Sealed { .. }
                    | EngineError::Damaged { .. }
                    | EngineError::Stopping
            );
            return Exit::NotLoaded { error, is_final };
        }
    };
    is_loaded.store(true, Ordering::Relaxed);
    let end = actor.serve(inbox).await;
    actor.shut_down(&end).await;
    let session = feed.session.clone();
    match end {
        End::Idle | End::Stop => Exit::Idle,
        End::Deleted => Exit::Gone(EngineError::SessionNotFound(session)),
        End::Failed(error) => Exit::Failed(error),
    }
}

enum End {
    Idle,
    Stop,
    Deleted,
    Failed(EngineError),
}

/// What woke the task.
enum Wakeup {
    Stop,
    Request(Request),
    Call(CallEvent),
    Command(CommandId, CommandOver),
    Model(ModelEvent),
    Deadline,
    Answerers,
    Drain,
    /// An MCP server came, went, or has other tools.
    Mcp,
    Configured,
    IdleTooLong,
}

struct Actor {
    shared: Arc<Shared>,
    feed: Arc<Feed>,
    session: SessionId,
    core: Core,
    log: OpenLog,
    /// Whose tools and instructions these are.
    agent_name: String,
    /// The agent's own.
    builtin: Arc<[Arc<ToolSpec>]>,
    /// These, those of the session's MCP servers, and those that its clients have.
    tools: Arc<[Arc<ToolSpec>]>,
    /// Counts changes of the clients' tools; and whether they count, when they were looked at last.
    client_tools: watch::Receiver<u64>,
    tool_location: ToolLocation,
    mcp: Option<LiveMcp>,
    system: Arc<str>,
    /// The model whose window the core was told.
    window_of: String,
    model: Option<ModelCall>,
    calls: RunningCalls,
    commands: RunningCommands,
    /// The command that is just being asked for.
    starting: Option<CommandStart>,
    answerers: watch::Receiver<usize>,
    draining: watch::Receiver<bool>,
    configs: watch::Receiver<Arc<EngineConfig>>,
    /// What the agent has may have changed since it was looked at.
    is_reconfigured: bool,
    idle_since: Option<Instant>,
    /// The last word was that a client has left.
    is_resting: bool,
    is_busy: bool,
    deleting: Option<(Option<String>, ReplyTo<()>)>,
}

impl Actor {
    async fn load(shared: &Arc<Shared>, feed: &Arc<Feed>) -> Result<Self, EngineError> {
        let session = feed.session.clone();
        let lease = shared.store.acquire(&session).await?;
        point("recovery.after_lease");
        match Self::load_admitted(shared, feed, lease).await {
            Ok(actor) => Ok(actor),
            Err(error) => {
                let error = seal::seal_damaged(shared, feed, &lease, error).await;
                // The error that stopped us tells more than one of giving back.
                drop(shared.store.release(&session, lease.fence).await);
                Err(error)
            }
        }
    }

    async fn load_admitted(shared: &Arc<Shared>, feed: &Arc<Feed>, lease: Lease) -> Result<Self, EngineError> {
        let admitted = seal::admit(shared, feed, &lease).await?;
        let (actor, loaded_at) = Self::load_leased(shared, feed, lease).await?;
        let wrote = actor.log.last() > loaded_at;
        admitted.done(shared, feed, &lease, wrote).await?;
        Ok(actor)
    }

    /// The session, and where its log ended before it was taken up.
    async fn load_leased(shared: &Arc<Shared>, feed: &Arc<Feed>, lease: Lease) -> Result<(Self, Seq), EngineError> {
        let session = feed.session.clone();
        let saved =
            shared.store.read_state(&session).await.map_err(|error| EngineError::from_read(error, Seq::ZERO))?;
        let last = saved.session.last_seq;
        let agent = shared.agent(&saved.session.agent_name);
        let tools = shared.tools_of(&agent);
        let builtin = Arc::clone(&tools);
        let mcp = shared.mcp.open(&session, &directories::home(&shared.config(), &saved.session.cwd)).await;
        let tool_location = saved.session.tool_location;
        let mut client_tools = shared.clients.changes(&session);
        client_tools.mark_changed();
        let mut configs = shared.configs();
        let config =
            configs.borrow_and_update().core(&agent, Arc::clone(&tools), shared.subjects(), &shared.agent_sizes());
        let system = instructions(&agent, &saved.session);
        let agent_name = saved.session.agent_name.clone();
        let core = Core::load(saved.session, saved.events, config, entropy());
        point_for("recovery.after_load", session.as_str());
        for permission in core.permissions() {
            shared.permissions.add(&permission.permission_id, &session);
        }
        let log = OpenLog::new(feed, lease, last);
        let commands = RunningCommands::new(session.clone(), Arc::clone(&shared.commands));
        let mut answerers = feed.answerers();
        let mut draining = shared.draining.subscribe();
        answerers.mark_changed();
        draining.mark_changed();
        let mut actor = Self {
            shared: Arc::clone(shared),
            feed: Arc::clone(feed),
            session,
            core,
            log,
            builtin,
            agent_name,
            tools,
            client_tools,
            tool_location,
            mcp,
            system,
            window_of: String::new(),
            model: None,
            calls: RunningCalls::new(Budget::of_session(&shared.progress)),
            commands,
            starting: None,
            answerers,
            draining,
            configs,
            is_reconfigured: false,
            idle_since: None,
            is_resting: false,
            is_busy: false,
            deleting: None,
        };
        // A turn that is taken up goes on with the agent that it began with.
        actor.follow_agent();
        // The tools that the session's servers had last are known at once: a call that was asked for finds its tool.
        actor.look_at_tools();
        actor.look_at_window();
        // Who may answer decides how long a permission waits: known before recovery asks one.
        let here = *actor.answerers.borrow_and_update();
        actor.handle(Input::Answerers(here)).await?.ok();
        actor.recover(lease.skip_to).await?;
        Ok((actor, last))
    }

    /// Takes up what the last owner left, with what its commands came to after its death.
    async fn recover(&mut self, skip_to: Option<Seq>) -> Result<(), EngineError> {
        let begun = self.core.begun_calls();
        let mut known = HashMap::new();
        if !begun.is_empty() {
            let calls = begun.clone();
            let look = move |dir: &Path, limit| {
                let found = calls.into_iter().filter_map(|id| Some((recorded(dir, &id, limit)?, id)));
                found.map(|(call, id)| (id, run::recorded(call))).collect()
            };
            known = self.in_outputs(look).await;
        }
        let outcome = self.core.recover(Timestamp::now(), skip_to, known);
        let before = self.log.last();
        self.settle(outcome).await?.ok();
        if self.log.last() > before {
            // Of a session that had nothing left open this place says nothing.
            point("recovery.after_append");
        }
        for call_id in begun {
            self.forget(call_id).await;
        }
        self.recover_commands().await
    }

    /// The outcome is on the log: what was written down for the case of our death is not needed any more.
    async fn forget(&mut self, call_id: CallId) {
        self.in_outputs(move |dir, limit| forget(dir, &call_id, limit)).await;
    }

    /// Works on the session's outputs, where a slow disk holds up no other session; given are the directory and the longest
    /// result of a call.
    async fn in_outputs<T: Default + Send + 'static>(
        &mut self,
        work: impl FnOnce(&Path, usize) -> T + Send + 'static,
    ) -> T {
        let (dir, limit) = (self.output_dir(), self.shared.config().limits.tool_output_bytes);
        // It fails only where the runtime ends, and this session with it.
        tokio::task::spawn_blocking(move || work(&dir, limit)).await.unwrap_or_default()
    }

    fn output_dir(&self) -> PathBuf {
        self.shared.output_dir(&self.session)
    }

    async fn serve(&mut self, inbox: &mut mpsc::Receiver<Request>) -> End {
        loop {
            let wakeup = self.next_wakeup(inbox).await;
            match self.on(wakeup, inbox).await {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(error) => return End::Failed(error),
            }
            if let Err(error) = self.go_on_deleting().await {
                return End::Failed(error);
            }
            if self.feed.has_ended() {
                return End::Deleted;
            }
        }
    }

    async fn next_wakeup(&mut self, inbox: &mut mpsc::Receiver<Request>) -> Wakeup {
        let stop = self.shared.stop.clone();
        let deadline = self.core.next_deadline().map(|at| Instant::now() + at.wait_from(Timestamp::now()));
        let is_quiet = self.core.is_quiet() && self.deleting.is_none();
        if !is_quiet {
            self.idle_since = None;
        }
        let idle_until = is_quiet.then(|| {
            let since = *self.idle_since.get_or_insert_with(Instant::now);
            let is_left = self.is_resting && self.feed.watcher_count() == 0;
            since + if is_left { Duration::ZERO } else { Duration::from_millis(self.shared.config().idle_unload_ms) }
        });
        tokio::select! {
            biased;
            () = stop.cancelled() => Wakeup::Stop,
            Some(request) = inbox.recv() => {
                self.idle_since = None;
                self.is_resting = false;
                Wakeup::Request(request)
            }
            event = self.calls.next() => Wakeup::Call(event),
            (command_id, over) = self.commands.next() => Wakeup::Command(command_id, over),
            event = next_of(&mut self.model) => Wakeup::Model(event),
            () = at(deadline) => Wakeup::Deadline,
            Ok(()) = self.answerers.changed() => Wakeup::Answerers,
            Ok(()) = self.draining.changed() => Wakeup::Drain,
            () = changed(&mut self.mcp) => Wakeup::Mcp,
            Ok(()) = self.configs.changed() => Wakeup::Configured,
            () = at(idle_until) => Wakeup::IdleTooLong,
        }
    }

    async fn on(&mut self, wakeup: Wakeup, inbox: &mpsc::Receiver<Request>) -> Result<Option<End>, EngineError> {
        // First: whatever comes next may be about a tool that has just come.
        self.look_at_tools();
        match wakeup {
            Wakeup::Stop => return Ok(Some(End::Stop)),
            Wakeup::Request(request) => self.on_request(request).await?,
            Wakeup::Call(event) => self.on_call(event).await?,
            Wakeup::Command(command_id, over) => self.end_command(command_id, over).await?,
            Wakeup::Model(event) => self.on_model(event).await?,
            Wakeup::Deadline => {
                self.handle(Input::Tick).await?.ok();
            }
            Wakeup::Answerers => {
                let here = *self.answerers.borrow_and_update();
                self.handle(Input::Answerers(here)).await?.ok();
            }
            Wakeup::Drain => {
                if *self.draining.borrow_and_update() {
                    self.handle(Input::Drain).await?.ok();
                }
            }
            Wakeup::Mcp => {
                if let Some(mcp) = &mut self.mcp {
                    mcp.remember(&self.shared.mcp, &self.session).await;
                }
            }
            Wakeup::Configured => {
                let agent = self.shared.agent(&self.core.session().agent_name);
                let config = self.configs.borrow_and_update().core(
                    &agent,
                    Arc::clone(&self.tools),
                    self.shared.subjects(),
                    &self.shared.agent_sizes(),
                );
                self.core.configure(config);
                self.is_reconfigured = true;
                self.follow_agent();
            }
            Wakeup::IdleTooLong => {
                self.idle_since = None;
                self.feed.forget();
                self.shared.store.release(&self.session, self.log.lease.fence).await?;
                if self.shared.retire(&self.session, inbox) {
                    return Ok(Some(End::Idle));
                }
                // Somebody came while the lease was given back.
                self.log.lease = self.shared.store.acquire(&self.session).await?;
                if self.shared.store.session(&self.session).await?.map(|row| row.last_seq) != Some(self.log.last()) {
                    return Err(EngineError::Overloaded("another process wrote to the session"));
                }
            }
        }
        Ok(None)
    }

    async fn on_request(&mut self, request: Request) -> Result<(), EngineError> {
        match request {
            Request::Ask { input, reply } => {
                let answer = self.handle(*input).await;
                self.reply(reply, answer)
            }
            Request::Prompt { prompt, lookup, reply } => {
                let answer = self.prompt(*prompt, lookup).await;
                self.reply(reply, answer)
            }
            Request::Clear { by, reply } => {
                let answer = self.clear(by).await;
                self.reply(reply, answer)
            }
            Request::Delete { by, reply } => {
                let cancel = Input::Cancel { by: by.clone(), force: true, clear_queue: true, turn_id: None };
                self.deleting = Some((by.clone(), reply));
                self.handle(cancel).await?.ok();
                for command_id in self.core.open_commands() {
                    self.handle(Input::StopCommand { command_id, by: by.clone() }).await?.ok();
                }
                Ok(())
            }
            Request::Rest => {
                self.is_resting = true;
                Ok(())
            }
            Request::Mcp { servers, reply } => {
                let old = self.mcp.take();
                let cwd = self.home();
                let replaced = self.shared.mcp.replace(&self.session, &cwd, servers, old).await;
                match replaced {
                    Ok(mcp) => {
                        self.mcp = Some(mcp);
                        self.look_at_tools();
                        drop(reply.send(Ok(())));
                    }
                    Err(error) => {
                        // What is kept did not change: neither does what is open.
                        self.mcp = self.shared.mcp.open(&self.session, &cwd).await;
                        drop(reply.send(Err(error)));
                    }
                }
                Ok(())
            }
            Request::StartCommand { call_id, launch, reply } => {
                let answer = self.start_command(call_id, *launch).await;
                self.reply(reply, answer)
            }
            Request::Look(look) => {
                look(Ok(&self.core));
                Ok(())
            }
        }
    }

    /// Tells the one who asked; an error of the store also ends this life of the session.
    fn reply<T>(&self, reply: ReplyTo<T>, answer: Result<Result<T, Rejected>, EngineError>) -> Result<(), EngineError> {
        let (told, end) = match answer {
            Ok(Ok(answer)) => (Ok(answer), Ok(())),
            Ok(Err(rejected)) => (Err(EngineError::from_rejected(&self.session, rejected)), Ok(())),
            Err(error) => (Err(error.again()), Err(error)),
        };
        // Whoever asked may have left.
        drop(reply.send(told));
        end
    }

    async fn prompt(&mut self, prompt: NewPrompt, lookup: bool) -> Result<Result<Answer, Rejected>, EngineError> {
        if lookup && self.core.prompt(&prompt.message_id).is_none() {
            let earlier = self.shared.store.turn_of_prompt(&self.session, &prompt.message_id).await?;
            if let Some((turn, body_hash)) = earlier {
                let message_id = prompt.message_id;
                if body_hash != prompt.body_hash {
                    return Ok(Err(Rejected::IdempotencyMismatch { message_id }));
                }
                let accepted =
                    wharf_core::Accepted { message_id, turn_id: turn.turn_id, position: None, seq: turn.first_seq };
                return Ok(Ok(Answer::Prompt(accepted)));
            }
        }
        self.handle(Input::Prompt(prompt)).await
    }

    async fn clear(&mut self, by: Option<String>) -> Result<Result<(), Rejected>, EngineError> {
        if let Err(rejected) = self.handle(Input::Clear { by }).await? {
            return Ok(Err(rejected));
        }
        let through = Seq(self.log.last().0.saturating_sub(1));
        self.shared.store.truncate(&self.session, self.log.lease.fence, through).await?;
        Ok(Ok(()))
    }

    async fn go_on_deleting(&mut self) -> Result<(), EngineError> {
        if self.deleting.is_none() || !self.core.is_quiet() {
            return Ok(());
        }
        let Some((by, reply)) = self.deleting.take() else { return Ok(()) };
        let deleted = match self.handle(Input::Delete { by }).await {
            Ok(Ok(_)) => {
                self.shared.store.delete(&self.session, self.log.lease.fence).await.map_err(EngineError::from).map(Ok)
            }
            Ok(Err(rejected)) => Ok(Err(rejected)),
            Err(error) => Err(error),
        };
        if matches!(deleted, Ok(Ok(()))) {
            self.feed.end();
        }
        self.reply(reply, deleted)
    }

    async fn on_call(&mut self, event: CallEvent) -> Result<(), EngineError> {
        match event {
            CallEvent::Seen { call_id, seen } => {
                self.handle(Input::CallSeen { call_id, seen }).await?.ok();
            }
            CallEvent::Progress { call_id, piece: Piece { output, omitted } } => {
                self.handle(Input::CallProgress { call_id, output, omitted }).await?.ok();
            }
            CallEvent::Finished { call_id, outcome } => {
                point("engine.call_finished");
                self.handle(Input::CallFinished { call_id: call_id.clone(), outcome }).await?.ok();
                point("engine.after_outcome");
                self.forget(call_id).await;
            }
        }
        Ok(())
    }

    async fn on_model(&mut self, event: ModelEvent) -> Result<(), EngineError> {
        let Some(call) = &self.model else { return Ok(()) };
        let ask = call.ask;
        if let Some(tokens) = call.context_tokens {
            self.core.set_context_limit(Some(tokens));
        }
        let input = match event {
            ModelEvent::Text(text) => Input::ModelText { ask, text },
            ModelEvent::Reasoning(text) => Input::ModelReasoning { ask, text },
            ModelEvent::Finished(reply) => {
                self.model = None;
                Input::ModelFinished { ask, reply }
            }
            ModelEvent::Failed(error) => {
                self.model = None;
                let jitter = (entropy() & 0xffff) as u16;
                Input::ModelFailed { ask, error, jitter }
            }
        };
        self.handle(input).await.map(drop)
    }

    async fn handle(&mut self, input: Input) -> Result<Result<Answer, Rejected>, EngineError> {
        if matches!(input, Input::Prompt(_) | Input::CallFinished { .. } | Input::Tick) {
            self.look_at_window();
        }
        let outcome = self.core.handle(Timestamp::now(), input);
        self.settle(outcome).await
    }

    /// Events to disk, then to the clients, then their effects.
    async fn settle(&mut self, outcome: Outcome) -> Result<Result<Answer, Rejected>, EngineError> {
        let Outcome { events, effects, answer } = outcome;
        if !events.is_empty() {
            let is_other = events.iter().any(has_other_directories);
            self.append(events).await?;
            if is_other {
                self.follow_directories();
            }
            self.follow_agent();
        }
        for effect in effects {
            self.begin(effect);
        }
        Ok(answer)
    }

    async fn append(&mut self, events: Vec<Event>) -> Result<(), EngineError> {
        for event in &events {
            if let EventBody::PermissionRequested(asked) = &event.body {
                self.shared.permissions.add(&asked.permission_id, &self.session);
            }
        }
        self.log.append(&self.shared.appender, events, self.core.session()).await?;
        let is_busy = !self.core.is_between_turns();
        if is_busy != self.is_busy {
            self.is_busy = is_busy;
            self.shared.set_busy(&self.session, is_busy);
        }
        Ok(())
    }

    fn begin(&mut self, effect: Effect) {
        match effect {
            Effect::CallModel { ask, turn_id: _, messages } => self.call_model(ask, messages),
            Effect::StopModel { ask } => {
                if self.model.as_ref().is_some_and(|call| call.ask == ask) {
                    self.model = None;
                }
            }
            Effect::LookAtCall { call_id, tool_name, arguments, preview } => {
                self.look_at_call(call_id, &tool_name, arguments, preview);
            }
            Effect::RunCall { call_id, tool_name, arguments, timeout_ms, alone, bound } => {
                point("engine.before_run_call");
                self.run_call(call_id, &tool_name, arguments, timeout_ms, alone, bound);
                point("engine.after_run_call");
            }
            Effect::StopCall { call_id } => self.calls.stop(&call_id),
            Effect::StartCommand { command_id } => {
                point("engine.before_start_command");
                if let Some(start) = self.starting.take() {
                    self.commands.start(command_id, start);
                }
            }
            Effect::StopCommand { command_id } => self.commands.stop(&command_id),
        }
    }

    fn call_model(&mut self, ask: u64, messages: Vec<Arc<Message>>) {
        let models = Arc::clone(&self.shared.models);
        let name = self.core.session().model.clone();
        // In this order: what is not waited for is there at the look. A server may have come while the prompt went to disk.
        let awaited = self.awaited_tools();
        self.look_at_tools();
        let mut request = ModelRequest {
            system: Arc::clone(&self.system),
            messages,
            tools: Arc::clone(&self.tools),
            max_tokens: None,
            thinking: self.core.session().thinking,
        };
        let connecting = async move {
            if let Some(tools) = awaited {
                request.tools = tools.await;
            }
            let model = tokio::time::timeout(RESOLVE_TIMEOUT, models.resolve(Some(&name))).await;
            let model = match model {
                Ok(Ok(model)) => model,
                Ok(Err(error)) => return Err(refused(error.to_string())),
                Err(_) => return Err(refused(format!("model {name} was not found within {RESOLVE_TIMEOUT:?}"))),
            };
            let context_tokens = model.context_tokens();
            Ok((model.stream(request).await, context_tokens))
        };
        self.model = Some(ModelCall::new(ask, connecting.boxed()));
    }

    /// Stops what runs and gives the lease back.
    async fn shut_down(mut self, end: &End) {
        self.model = None;
        let is_orderly = !matches!(end, End::Failed(_));
        let commands_until = is_orderly.then(|| self.commands.stop_all());
        self.calls.shut_down(CALLS_GRACE).await;
        if let Some(until) = commands_until {
            self.end_commands(until).await;
        }
        if !self.feed.has_ended() {
            // Not given back, it is taken over once this process is gone.
            drop(self.shared.store.release(&self.session, self.log.lease.fence).await);
        }
    }
}

async fn changed(mcp: &mut Option<LiveMcp>) {
    match mcp {
        Some(mcp) => mcp.changed().await,
        None => std::future::pending().await,
    }
}

fn refused(message: String) -> ModelError {
    ModelError { kind: ModelErrorKind::Refused, message, retry_after_ms: None }
}

async fn next_of(model: &mut Option<ModelCall>) -> ModelEvent {
    match model {
        Some(call) => call.next().await,
        None => std::future::pending().await,
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

fn has_other_directories(event: &Event) -> bool {
    matches!(&event.body, EventBody::SessionUpdated(changed) if changed.additional_directories.is_some())
}
