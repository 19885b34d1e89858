//! A live session: one task that owns its core, its log's lease, its model call and its tool calls.
//!
//! One rule holds everywhere: first the core decides, then its events go to disk, then they are shown and their effects begin.

mod commands;
mod equipment;
mod load;
mod requests;
mod surroundings;
mod title;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use wharf_core::{Again, Answer, Core, Effect, Input, Outcome, Rejected};
use wharf_failpoints::point;
use wharf_models::ModelRequest;
use wharf_protocol::model::{ModelError, ModelErrorKind};
use wharf_protocol::{CommandEnd, CommandId, Event, EventBody, Message, SessionId, Timestamp};

use crate::append::OpenLog;
use crate::commands::{CommandStart, RunningCommands};
use crate::entropy::entropy;
use crate::feed::Feed;
use crate::live::Shared;
use crate::mcp::LiveMcp;
use crate::progress::Piece;
use crate::request::{ReplyTo, Request};
use crate::run::{CallEvent, FoundModel, ModelCall, ModelEvent, RunningCalls};
use crate::{EngineConfig, EngineError};

use equipment::Equipment;
use surroundings::SeenAround;
use title::TitleCall;

/// How long calls get to stop when the session is taken out of memory.
const CALLS_GRACE: Duration = Duration::from_secs(4);
/// How long a new model may take to be found.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest summary that is read, in bytes; a model that goes on writing is stopped.
const SUMMARY_BYTES: usize = 256 << 10;

/// What a model is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Reply,
    Summary,
    QuotedSummary,
}

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
    end
}

/// What woke the task.
enum Wakeup {
    Stop,
    Request(Request),
    Call(CallEvent),
    Command(CommandId, CommandEnd),
    Model(ModelEvent),
    Title(Input),
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
    session: SessionId,
    feed: Arc<Feed>,
    core: Core,
    log: OpenLog,
    equipment: Equipment,
    around: SeenAround,
    model: Option<ModelCall>,
    title: Option<TitleCall>,
    calls: RunningCalls,
    commands: RunningCommands,
    /// The command that is just being asked for.
    starting: Option<CommandStart>,
    news: News,
    idleness: Idleness,
    /// They wait for the session's end.
    deleting: Vec<ReplyTo<()>>,
}

/// What the engine tells all sessions, or everybody who watches this one.
struct News {
    answerers: watch::Receiver<usize>,
    draining: watch::Receiver<bool>,
    configs: watch::Receiver<Arc<EngineConfig>>,
}

/// Whether anybody still needs the session.
#[derive(Default)]
struct Idleness {
    since: Option<Instant>,
    /// The last word was that a client has left.
    is_resting: bool,
    /// What [`Shared`] was told: a turn runs.
    is_busy: bool,
}

impl Actor {
    async fn serve(&mut self, inbox: &mut mpsc::Receiver<Request>) -> Exit {
        loop {
            let wakeup = self.next_wakeup(inbox).await;
            match self.on(wakeup, inbox).await {
                Ok(None) => {}
                Ok(Some(exit)) => return exit,
                Err(error) => return Exit::Failed(error),
            }
            if self.feed.has_ended() {
                return Exit::Gone(EngineError::SessionNotFound(self.session.clone()));
            }
        }
    }

    async fn next_wakeup(&mut self, inbox: &mut mpsc::Receiver<Request>) -> Wakeup {
        let stop = self.shared.stop.clone();
        let deadline = self.core.next_deadline().map(|at| Instant::now() + at.wait_from(Timestamp::now()));
        let is_quiet = self.core.is_quiet();
        if !is_quiet {
            self.idleness.since = None;
        }
        let idle_until = is_quiet.then(|| {
            let since = *self.idleness.since.get_or_insert_with(Instant::now);
            let is_left = self.idleness.is_resting && self.feed.watcher_count() == 0;
            since + if is_left { Duration::ZERO } else { Duration::from_millis(self.shared.config().idle_unload_ms) }
        });
        tokio::select! {
            biased;
            () = stop.cancelled() => Wakeup::Stop,
            Some(request) = inbox.recv() => {
                self.idleness.since = None;
                self.idleness.is_resting = false;
                Wakeup::Request(request)
            }
            event = self.calls.next() => Wakeup::Call(event),
            (command_id, end) = self.commands.next() => Wakeup::Command(command_id, end),
            event = next_of(&mut self.model) => Wakeup::Model(event),
            input = title::written(&mut self.title) => Wakeup::Title(input),
            () = at(deadline) => Wakeup::Deadline,
            Ok(()) = self.news.answerers.changed() => Wakeup::Answerers,
            Ok(()) = self.news.draining.changed() => Wakeup::Drain,
            () = changed(&mut self.equipment.mcp) => Wakeup::Mcp,
            Ok(()) = self.news.configs.changed() => Wakeup::Configured,
            () = at(idle_until) => Wakeup::IdleTooLong,
        }
    }

    async fn on(&mut self, wakeup: Wakeup, inbox: &mpsc::Receiver<Request>) -> Result<Option<Exit>, EngineError> {
        // First: whatever comes next may be about a tool that has just come.
        self.look_at_tools();
        if let Some(input) = self.equipment.untold() {
            self.handle(input).await?.ok();
        }
        match wakeup {
            Wakeup::Stop => return Ok(Some(Exit::Idle)),
            Wakeup::Request(request) => self.on_request(request).await?,
            Wakeup::Call(event) => self.on_call(event).await?,
            Wakeup::Command(command_id, end) => self.end_command(command_id, end).await?,
            Wakeup::Model(event) => self.on_model(event).await?,
            Wakeup::Title(input) => {
                self.handle(input).await?.ok();
            }
            Wakeup::Deadline => {
                self.handle(Input::Tick).await?.ok();
            }
            Wakeup::Answerers => {
                let here = *self.news.answerers.borrow_and_update();
                self.handle(Input::Answerers(here)).await?.ok();
            }
            Wakeup::Drain => {
                if *self.news.draining.borrow_and_update() {
                    self.handle(Input::Drain).await?.ok();
                }
            }
            Wakeup::Mcp => {
                if let Some(mcp) = &mut self.equipment.mcp {
                    mcp.remember(&self.shared.mcp, &self.session).await;
                }
            }
            Wakeup::Configured => {
                let agent = self.shared.agent(&self.core.session().agent_name);
                let config = self.news.configs.borrow_and_update().core(
                    &agent,
                    self.core.tools(),
                    self.shared.subjects(),
                    &self.shared.agent_sizes(),
                );
                self.equipment.is_reconfigured = true;
                self.handle(Input::Configured(Box::new(config))).await?.ok();
                self.follow_agent();
            }
            Wakeup::IdleTooLong => {
                self.idleness.since = None;
                self.feed.forget();
                self.shared.store.release(&self.session, self.log.lease.fence).await?;
                if self.shared.retire(&self.session, inbox) {
                    return Ok(Some(Exit::Idle));
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
        let (ask, window) = (call.ask, call.context_tokens);
        let waits = matches!(event, ModelEvent::Window);
        if window.is_some() {
            self.tell_window(window, waits.then_some(ask)).await?;
        }
        let Some(call) = self.model.as_mut().filter(|_| !waits) else { return Ok(()) };
        let is_over = matches!(event, ModelEvent::Finished(_) | ModelEvent::Failed(_));
        let again = Again { jitter: jitter(), attempts: call.attempts };
        let input = match (event, call.summary.take()) {
            (ModelEvent::Text(text), Some(summary)) if summary.len() + text.len() <= SUMMARY_BYTES => {
                call.summary = Some(summary + &text);
                return Ok(());
            }
            (ModelEvent::Text(_), Some(_)) => {
                self.model = None;
                Input::SummaryFailed { ask, error: endless(), again: Again::default() }
            }
            (ModelEvent::Reasoning(_), Some(summary)) => {
                call.summary = Some(summary);
                return Ok(());
            }
            (ModelEvent::Finished(reply), Some(text)) => {
                point("engine.summary_written");
                Input::SummaryWritten { ask, text, reply }
            }
            (ModelEvent::Failed(error), Some(_)) => Input::SummaryFailed { ask, error, again },
            // Told above.
            (ModelEvent::Window, _) => return Ok(()),
            (ModelEvent::Text(text), None) => Input::ModelText { ask, text },
            (ModelEvent::Reasoning(text), None) => Input::ModelReasoning { ask, text },
            (ModelEvent::Finished(reply), None) => Input::ModelFinished { ask, reply },
            (ModelEvent::Failed(error), None) => Input::ModelFailed { ask, error, again },
        };
        if is_over {
            self.model = None;
        }
        self.handle(input).await.map(drop)
    }

    async fn handle(&mut self, input: Input) -> Result<Result<Answer, Rejected>, EngineError> {
        if matches!(input, Input::Prompt(_) | Input::CallFinished { .. } | Input::Compact { .. } | Input::Tick) {
            self.look_at_window().await?;
        }
        self.look_around_before(&input).await;
        let outcome = self.core.handle(Timestamp::now(), input);
        self.settle(outcome).await
    }

    /// Events to disk, then to the clients, then their effects; then what the core has to be told of the session's tools, which may
    /// bring more. Only a model is asked before that, as it changes nothing outside: it is at work while the disk is, and what it
    /// says is looked at when the disk has what it answers to.
    pub(super) async fn settle(&mut self, outcome: Outcome) -> Result<Result<Answer, Rejected>, EngineError> {
        let Outcome { mut events, mut effects, answer } = outcome;
        loop {
            if !events.is_empty() {
                if events.iter().any(has_other_directories) {
                    self.follow_directories();
                }
                self.follow_agent();
                let ask = effects.iter().position(|effect| matches!(effect, Effect::CallModel { .. }));
                if let Some(at) = ask {
                    self.begin(effects.remove(at)).await?;
                }
                self.append(events, ask.is_some()).await?;
            }
            for effect in effects {
                self.begin(effect).await?;
            }
            let Some(input) = self.equipment.untold() else { return Ok(answer) };
            Outcome { events, effects, .. } = self.core.handle(Timestamp::now(), input);
        }
    }

    async fn append(&mut self, events: Vec<Event>, asks_model: bool) -> Result<(), EngineError> {
        for event in &events {
            if let EventBody::PermissionRequested(asked) = &event.body {
                self.shared.permissions.add(&asked.permission_id, &self.session);
            }
        }
        let model = self.model.as_mut().filter(|_| asks_model);
        let appending = self.log.append(&self.shared.appender, events, self.core.session());
        tokio::select! {
            biased;
            appended = appending => appended?,
            never = ask(model) => match never {},
        }
        let is_busy = !self.core.is_between_turns();
        if is_busy != self.idleness.is_busy {
            self.idleness.is_busy = is_busy;
            self.shared.set_busy(&self.session, is_busy);
        }
        Ok(())
    }

    async fn begin(&mut self, effect: Effect) -> Result<(), EngineError> {
        match effect {
            Effect::CallModel { ask, turn_id: _, messages } => self.call_model(ask, messages, Wish::Reply),
            Effect::AskSummary { ask, turn_id: _, messages, is_quoted } => {
                point("engine.before_summary");
                self.call_model(ask, messages, if is_quoted { Wish::QuotedSummary } else { Wish::Summary });
            }
            Effect::AskTitle { ask, message } => self.ask_title(ask, message),
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
            Effect::StartCommand { command_id, timeout_ms, output_max_bytes } => {
                point("engine.before_start_command");
                if let Some(start) = self.starting.take() {
                    self.commands.start(command_id, CommandStart { timeout_ms, output_max_bytes, ..start });
                }
            }
            Effect::StopCommand { command_id } => self.commands.stop(&command_id),
            Effect::Truncate { through } => {
                self.shared.store.truncate(&self.session, self.log.lease.fence, through).await?;
            }
            Effect::Delete => self.delete().await?,
        }
        Ok(())
    }

    async fn delete(&mut self) -> Result<(), EngineError> {
        let deleted = self.shared.store.delete(&self.session, self.log.lease.fence).await;
        let deleted = deleted.map_err(EngineError::from);
        for reply in self.deleting.drain(..) {
            // Whoever asked may have left.
            drop(reply.send(deleted.as_ref().copied().map_err(EngineError::again)));
        }
        if deleted.is_ok() {
            self.feed.end();
        }
        deleted
    }

    fn call_model(&mut self, ask: u64, messages: Vec<Arc<Message>>, wish: Wish) {
        let models = Arc::clone(&self.shared.models);
        let name = self.core.session().model.clone();
        let known = models.context_tokens(&name);
        // In this order: what is not waited for is there at the look.
        let awaited = self.awaited_tools();
        self.look_at_tools();
        let mut request = ModelRequest {
            system: Arc::clone(&self.equipment.system),
            messages,
            tools: Arc::clone(&self.equipment.tools),
            max_tokens: None,
            thinking: self.core.session().thinking,
        };
        // What is quoted stands for itself; else the request begins like those before it, as providers keep what they have read.
        let awaited = awaited.filter(|_| wish != Wish::QuotedSummary);
        if wish == Wish::QuotedSummary {
            (request.system, request.tools) = (Arc::from(""), Arc::new([]));
        }
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
            let context_tokens = models.window(&name).await.or_else(|| model.context_tokens());
            let is_news = context_tokens.is_some() && context_tokens != known;
            let attempts = model.attempts();
            let opening = async move { model.stream(request).await }.boxed();
            Ok(FoundModel { context_tokens, is_news, attempts, opening })
        };
        let mut call = ModelCall::new(ask, connecting.boxed());
        call.summary = (wish != Wish::Reply).then(String::new);
        self.model = Some(call);
    }

    /// Stops what runs and gives the lease back.
    async fn shut_down(mut self, end: &Exit) {
        self.model = None;
        let is_orderly = !matches!(end, Exit::Failed(_));
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

fn endless() -> ModelError {
    let message = format!("the model wrote more than {SUMMARY_BYTES} bytes");
    ModelError { kind: ModelErrorKind::Refused, message, retry_after_ms: None }
}

fn jitter() -> u16 {
    (entropy() & 0xffff) as u16
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

/// Has the model answer. Brings nothing: what it says is kept for [`next_of`].
async fn ask(model: Option<&mut ModelCall>) -> Infallible {
    if let Some(call) = model {
        call.begin().await;
    }
    std::future::pending().await
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
