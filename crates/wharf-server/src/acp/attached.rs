//! One session on one connection: takes the client's commands in their order, and shows it the session's log.
//!
//! A single task does both, so that an answer to a prompt comes after the updates of its turn and before nothing of it, and a
//! cancel never overtakes the prompt that it is for.

use std::collections::HashSet;
use std::sync::Arc;

use agent_client_protocol_schema::v1 as acp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use wharf_engine::{Cursor, EngineError, Watcher};
use wharf_protocol::event::PermissionRequested;
use wharf_protocol::rest::{AnswerPermission, Cancel, CreateSession, UpdateSession};
use wharf_protocol::{
    ContentBlock, EncodedEvent, MessageId, PermissionId, PermissionOption, Prompt, PromptContent, Seq, Session,
    SessionId, SessionStatus, TurnId,
};

use super::connection::{Client, Context, Frames, check_cwd, random_bits, unknown_session};
use super::outbox::{self, Gone, META, Place};
use super::render::{Effect, Question, Renderer, Viewer, end_of};
use super::rpc::{self, Id, RpcError};
use super::{content, options};
use crate::routes::check_prompt;

/// Events pulled at a time, in bytes.
const BATCH_BYTES: usize = 32 << 10;
/// Events read at a time when a view is caught up without being shown.
const PAGE_EVENTS: usize = 500;
/// Turns looked at for those that are not over: the running one, and as many as can be queued.
const TURNS: usize = 200;

/// What the client wants of this session.
#[derive(Debug)]
pub(super) enum Command {
    New {
        id: Id,
        request: acp::NewSessionRequest,
    },
    /// Replays the conversation before it answers.
    Load {
        id: Id,
    },
    /// From the present, or after an event that the client has seen.
    Attach {
        id: Id,
        after: Option<Seq>,
    },
    Prompt {
        id: Id,
        blocks: Vec<acp::ContentBlock>,
        prompt_id: Option<MessageId>,
    },
    Cancel,
    SetMode {
        id: Id,
        mode_id: String,
    },
    SetOption {
        id: Id,
        config_id: String,
        value: acp::SessionConfigOptionValue,
    },
    Close {
        id: Id,
    },
    CancelRequest(Id),
    /// `None`: the client cannot answer.
    Answered {
        permission_id: PermissionId,
        outcome: Option<acp::RequestPermissionOutcome>,
    },
}

/// A prompt of this client that has no answer yet.
struct Pending {
    id: Id,
    message_id: MessageId,
    turn_id: TurnId,
}

/// The log as this client sees it.
struct View {
    cursor: Cursor,
    renderer: Renderer,
}

enum Wakeup {
    Command(Option<Command>),
    Events(Result<Vec<EncodedEvent>, EngineError>),
}

/// Why the task ends.
enum End {
    Gone,
    Closed,
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

pub(super) struct Attached {
    context: Arc<Context>,
    client: Client,
    session_id: SessionId,
    inbox: mpsc::Receiver<Command>,
    view: Option<View>,
    pending: Vec<Pending>,
    /// Prompts of this client that have not started: they are on its screen already.
    own: HashSet<MessageId>,
    closing: Option<Id>,
}

impl Attached {
    pub(super) fn new(
        context: Arc<Context>,
        client: Client,
        session_id: SessionId,
        inbox: mpsc::Receiver<Command>,
    ) -> Self {
        Self { context, client, session_id, inbox, view: None, pending: Vec::new(), own: HashSet::new(), closing: None }
    }

    pub(super) async fn run(mut self) {
        while self.step().await.is_ok() {}
        // What still waits belongs to a session that is not there any more; each request has its answer.
        self.inbox.close();
        self.context.asked().retain(|_, session| *session != self.session_id);
        while let Ok(command) = self.inbox.try_recv() {
            if let Some(id) = command.request_id() {
                let error = unknown_session(self.session_id.as_str());
                let _ = self.context.out.answer(id, Err::<(), _>(error)).await;
            }
        }
    }

    async fn step(&mut self) -> Result<(), End> {
        let wakeup = tokio::select! {
            biased;
            command = self.inbox.recv() => Wakeup::Command(command),
            events = next(&mut self.view) => Wakeup::Events(events),
        };
        match wakeup {
            Wakeup::Command(None) => return Err(End::Gone),
            Wakeup::Command(Some(command)) => self.command(command).await?,
            Wakeup::Events(Ok(events)) => self.show(&events, false).await?,
            Wakeup::Events(Err(error)) => self.lost(error).await?,
        }
        if self.pending.is_empty()
            && let Some(id) = self.closing.take()
        {
            self.context.out.answer(&id, Ok(json!({}))).await?;
            return Err(End::Closed);
        }
        // Nothing could be opened: no task stays behind for it.
        if self.view.is_some() { Ok(()) } else { Err(End::Closed) }
    }

    /// The log ends here: the session was deleted, or the server stops.
    async fn lost(&mut self, error: EngineError) -> Result<(), End> {
        let error: RpcError = error.into();
        for pending in self.pending.drain(..) {
            self.context.out.answer(&pending.id, Err::<(), _>(error.clone())).await?;
        }
        if let Some(id) = self.closing.take() {
            self.context.out.answer(&id, Ok(json!({}))).await?;
        }
        Err(End::Closed)
    }

    async fn command(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::New { id, request } => match self.create(request).await {
                Ok(session) => {
                    let answer = acp::NewSessionResponse::new(acp::SessionId::new(self.session_id.as_str()))
                        .modes(options::modes(&session))
                        .config_options(options::config_options(&self.context.app.engine, &session).await)
                        .meta(self.stand());
                    self.context.out.answer(&id, Ok(answer)).await?;
                    self.introduce(&session).await
                }
                Err(error) => {
                    self.context.out.answer(&id, Err::<(), _>(error)).await?;
                    Err(End::Closed)
                }
            },
            Command::Load { id } => {
                let loaded = self.load().await?;
                self.opened(&id, loaded).await
            }
            Command::Attach { id, after } => {
                let attached = self.attach(after).await;
                self.opened(&id, attached).await
            }
            Command::Prompt { id, blocks, prompt_id } => {
                if let Err(error) = self.prompt(&id, blocks, prompt_id).await {
                    self.context.out.answer(&id, Err::<(), _>(error)).await?;
                }
                self.answer_ended_before().await
            }
            Command::Cancel => {
                if self.ensure_view().await.is_ok() {
                    self.cancel_all().await;
                }
                Ok(())
            }
            Command::SetMode { id, mode_id } => {
                let done = match options::mode_change(&mode_id) {
                    Ok(change) => self.update(change).await.map(|_| json!({})),
                    Err(error) => Err(error),
                };
                Ok(self.context.out.answer(&id, done).await?)
            }
            Command::SetOption { id, config_id, value } => {
                let done = match options::change(&config_id, &value) {
                    Ok(change) => self.update(change).await,
                    Err(error) => Err(error),
                };
                let done = match done {
                    Ok(session) => Ok(acp::SetSessionConfigOptionResponse::new(
                        options::config_options(&self.context.app.engine, &session).await,
                    )),
                    Err(error) => Err(error),
                };
                Ok(self.context.out.answer(&id, done).await?)
            }
            Command::Close { id } => self.close(id).await,
            Command::CancelRequest(id) => {
                if let Some(at) = self.pending.iter().position(|pending| pending.id == id) {
                    self.cancel_prompt(at).await;
                }
                Ok(())
            }
            Command::Answered { permission_id, outcome } => {
                self.answered(&permission_id, outcome).await;
                Ok(())
            }
        }
    }

    async fn create(&mut self, request: acp::NewSessionRequest) -> Result<Session, RpcError> {
        check_cwd(&request.cwd)?;
        if !request.mcp_servers.is_empty() {
            tracing::warn!(session.id = %self.session_id, "an editor's MCP servers are not connected: not supported yet");
        }
        let engine = &self.context.app.engine;
        let create = CreateSession {
            cwd: Some(request.cwd),
            session_id: Some(self.session_id.clone()),
            ..CreateSession::default()
        };
        let session = match engine.create_session(create, &self.context.principal.caller).await {
            // Our bridge asks again for what it may have got already.
            Err(EngineError::SessionExists(_)) if self.client.is_bridge => engine.session(&self.session_id).await?,
            created => created?,
        };
        let cursor = engine.watch(&self.session_id, Some(session.last_seq), self.watcher()).await?;
        self.view = Some(View { cursor, renderer: self.renderer(session.clone()) });
        Ok(session)
    }

    /// Answers a request that opened the session, then shows what stands beside the conversation.
    async fn opened(&mut self, id: &Id, opened: Result<Session, RpcError>) -> Result<(), End> {
        let session = match opened {
            Ok(session) => session,
            Err(error) => {
                self.context.out.answer(id, Err::<(), _>(error)).await?;
                return if self.view.is_none() { Err(End::Closed) } else { Ok(()) };
            }
        };
        let answer = acp::LoadSessionResponse::new()
            .modes(options::modes(&session))
            .config_options(options::config_options(&self.context.app.engine, &session).await)
            .meta(self.stand());
        self.context.out.answer(id, Ok(answer)).await?;
        self.introduce(&session).await
    }

    /// For our bridge: the event up to which it has seen the session.
    fn stand(&self) -> Option<acp::Meta> {
        let view = self.view.as_ref().filter(|_| self.client.is_bridge)?;
        let mut meta = acp::Meta::new();
        meta.insert(META.to_owned(), json!({ "seq": view.cursor.position() }));
        Some(meta)
    }

    async fn introduce(&mut self, session: &Session) -> Result<(), End> {
        // No commands are offered; saying so clears what a client shows of an earlier session.
        let commands = acp::SessionUpdate::AvailableCommandsUpdate(acp::AvailableCommandsUpdate::new(Vec::new()));
        self.context.out.send(vec![outbox::update(&self.session_id, commands, None)]).await?;
        // Asking about the permissions of a session that sleeps would wake it.
        if session.status != SessionStatus::Waiting {
            return Ok(());
        }
        let Ok(open) = self.context.app.engine.permissions(&self.session_id).await else { return Ok(()) };
        let mut effects = Vec::new();
        for permission in open.permissions {
            let requested = PermissionRequested {
                permission_id: permission.permission_id,
                call_id: permission.call_id,
                tool_name: permission.tool_name,
                arguments: permission.arguments,
                cwd: permission.cwd,
                question: permission.question,
                options: permission.options,
                expires_at: permission.expires_at,
            };
            if let Some(view) = &mut self.view {
                effects.extend(view.renderer.question(&requested).into_iter().map(|effect| (None, effect)));
            }
        }
        let frames = self.frames(effects, false).await;
        Ok(self.context.out.send(frames).await?)
    }

    fn watcher(&self) -> Watcher {
        Watcher { may_answer: self.context.principal.may_answer(true) }
    }

    fn renderer(&self, session: Session) -> Renderer {
        Renderer::new(session, self.context.app.engine.tools(), self.client.shows)
    }

    /// Shows the whole conversation, up to the present.
    async fn load(&mut self) -> Result<Result<Session, RpcError>, End> {
        let engine = self.context.app.engine.clone();
        let session = match engine.session(&self.session_id).await {
            Ok(session) => session,
            Err(error) => return Ok(Err(error.into())),
        };
        let before = Seq(session.first_seq.0.saturating_sub(1));
        let cursor = match engine.watch(&self.session_id, Some(before), self.watcher()).await {
            Ok(cursor) => cursor,
            Err(error) => return Ok(Err(error.into())),
        };
        let end = cursor.last_seq();
        let mut untitled = session.clone();
        untitled.title = None;
        self.view = Some(View { cursor, renderer: self.renderer(untitled) });
        while self.view.as_ref().is_some_and(|view| view.cursor.position() < end) {
            match next(&mut self.view).await {
                Ok(events) => self.show(&events, true).await?,
                Err(error) => return Ok(Err(error.into())),
            }
        }
        let Some(view) = &mut self.view else { return Ok(Err(unknown_session(self.session_id.as_str()))) };
        view.renderer.session.title.clone_from(&session.title);
        if session.title.is_some() {
            let info = view.renderer.info();
            self.context.out.send(vec![outbox::update(&self.session_id, info, None)]).await?;
        }
        Ok(Ok(view.renderer.session.clone()))
    }

    /// Watches from `after`, or from the present, without showing what was before.
    async fn attach(&mut self, after: Option<Seq>) -> Result<Session, RpcError> {
        let engine = self.context.app.engine.clone();
        let watcher = self.watcher();
        let cursor = match engine.watch(&self.session_id, after, watcher).await {
            Err(EngineError::CursorExpired { first, .. }) => {
                engine.watch(&self.session_id, Some(Seq(first.0.saturating_sub(1))), watcher).await?
            }
            Err(EngineError::CursorAhead { .. }) => engine.watch(&self.session_id, None, watcher).await?,
            cursor => cursor?,
        };
        let position = cursor.position();
        let session = engine.session(&self.session_id).await?;
        let mut renderer = self.renderer(session.clone());
        // What is open at the position began before it: what is half said, which calls run, what the queued prompts are.
        let turns = engine.turns(&self.session_id, None, TURNS).await?.turns;
        let open = turns.iter().filter(|turn| turn.last_seq.is_none_or(|last| last > position));
        if let Some(first) = open.map(|turn| turn.first_seq).min().filter(|first| *first <= position) {
            let mut read = Seq(first.0.saturating_sub(1));
            while read < position {
                let page = engine.events(&self.session_id, Some(read), PAGE_EVENTS).await?;
                let Some(last) = page.events.last() else { break };
                read = last.seq;
                for event in page.events.iter().take_while(|event| event.seq <= position) {
                    if let Ok(event) = event.decode() {
                        renderer.render(&event, |_| Viewer::Replay, true);
                    }
                }
            }
        }
        renderer.session = session.clone();
        self.view = Some(View { cursor, renderer });
        Ok(session)
    }

    /// A client may name a session that it has not opened here, for example after a reconnect.
    async fn ensure_view(&mut self) -> Result<(), RpcError> {
        if self.view.is_none() {
            self.attach(None).await?;
        }
        Ok(())
    }

    async fn prompt(
        &mut self,
        id: &Id,
        blocks: Vec<acp::ContentBlock>,
        prompt_id: Option<MessageId>,
    ) -> Result<(), RpcError> {
        self.ensure_view().await?;
        let blocks: Vec<_> = blocks.into_iter().map(content::from_acp).collect::<Result<_, _>>()?;
        let message_id = prompt_id.unwrap_or_else(|| MessageId::from_bits(random_bits()));
        // Plain text is what it is through every other door.
        let content = match <[_; 1]>::try_from(blocks) {
            Ok([ContentBlock::Text { text }]) => PromptContent::Text(text),
            Ok(block) => PromptContent::Blocks(block.into()),
            Err(blocks) => PromptContent::Blocks(blocks),
        };
        let mut prompt = Prompt::new(content);
        prompt.id = Some(message_id.clone());
        check_prompt(&self.context.app, &prompt)?;
        let (app, caller) = (&self.context.app, &self.context.principal.caller);
        // Before the log can say so: this client shows the prompt itself.
        self.own.insert(message_id.clone());
        match app.engine.prompt(&self.session_id, prompt, caller).await {
            Ok(accepted) => {
                let turn_id = accepted.turn_id;
                self.pending.push(Pending { id: id.clone(), message_id, turn_id });
                Ok(())
            }
            Err(error) => {
                self.own.remove(&message_id);
                Err(error.into())
            }
        }
    }

    /// A prompt that was sent twice may be about a turn whose end this client's cursor has passed.
    async fn answer_ended_before(&mut self) -> Result<(), End> {
        let (Some(last), Some(view), true) = (self.pending.last(), &self.view, self.client.is_bridge) else {
            return Ok(());
        };
        let Ok(turn) = self.context.app.engine.turn(&self.session_id, &last.turn_id).await else { return Ok(()) };
        if turn.status.is_final()
            && turn.last_seq.is_some_and(|end| end <= view.cursor.position())
            && let Some(pending) = self.pending.pop()
        {
            self.own.remove(&pending.message_id);
            let outcome = end_of(&turn).map(acp::PromptResponse::new).map_err(RpcError::from);
            self.context.out.answer(&pending.id, outcome).await?;
        }
        Ok(())
    }

    async fn update(&mut self, change: UpdateSession) -> Result<Session, RpcError> {
        self.ensure_view().await?;
        Ok(self.context.app.engine.update_session(&self.session_id, change, &self.context.principal.caller).await?)
    }

    /// Stops what runs, and withdraws what this client has waiting: first that, so that none of it starts meanwhile.
    async fn cancel_all(&mut self) {
        let (app, caller) = (&self.context.app, &self.context.principal.caller);
        for pending in &self.pending {
            // The one that runs cannot be withdrawn; it is cancelled.
            let _ = app.engine.withdraw(&self.session_id, &pending.message_id, caller).await;
        }
        if let Err(error) = app.engine.cancel(&self.session_id, Cancel::default(), caller).await {
            tracing::debug!(%error, session.id = %self.session_id, "nothing could be cancelled");
        }
    }

    async fn cancel_prompt(&self, at: usize) {
        let Some(pending) = self.pending.get(at) else { return };
        let (app, caller) = (&self.context.app, &self.context.principal.caller);
        if app.engine.withdraw(&self.session_id, &pending.message_id, caller).await.is_err() {
            let cancel = Cancel { turn_id: Some(pending.turn_id.clone()), ..Cancel::default() };
            // It may have ended by itself.
            let _ = app.engine.cancel(&self.session_id, cancel, caller).await;
        }
    }

    async fn close(&mut self, id: Id) -> Result<(), End> {
        if self.view.is_none() {
            let answer = match self.context.app.engine.session(&self.session_id).await {
                Ok(_) => Ok(json!({})),
                Err(error) => Err(RpcError::from(error)),
            };
            self.context.out.answer(&id, answer).await?;
            return Err(End::Closed);
        }
        // The session and what others do in it live on.
        for at in 0..self.pending.len() {
            self.cancel_prompt(at).await;
        }
        self.closing = Some(id);
        Ok(())
    }

    async fn answered(&mut self, permission_id: &PermissionId, outcome: Option<acp::RequestPermissionOutcome>) {
        let option = match outcome {
            Some(acp::RequestPermissionOutcome::Selected(selected)) => {
                let id = Value::String(selected.option_id.0.to_string());
                match serde_json::from_value::<PermissionOption>(id) {
                    Ok(option) => option,
                    Err(_) => {
                        tracing::warn!(option = %selected.option_id.0, "an ACP client chose an option that was not offered");
                        PermissionOption::RejectOnce
                    }
                }
            }
            // The dialog went away without an answer. After a cancel the question is settled already.
            Some(_) => PermissionOption::RejectOnce,
            // Others may answer, or the permission's own time limit does.
            None => return,
        };
        let answer = AnswerPermission { option, message: None };
        let (app, caller) = (&self.context.app, &self.context.principal.caller);
        if let Err(error) = app.engine.answer(Some(&self.session_id), permission_id, answer, caller).await {
            // Somebody else was first, or the turn is over.
            tracing::debug!(%error, "an ACP client's answer came too late");
        }
    }

    async fn show(&mut self, events: &[EncodedEvent], is_replay: bool) -> Result<(), End> {
        self.context.app.metrics.count_streamed(events.len(), 0);
        let mut effects = Vec::new();
        for encoded in events {
            let event = match encoded.decode() {
                Ok(event) => event,
                Err(error) => {
                    tracing::error!(%error, seq = encoded.seq.0, "an event cannot be read back");
                    continue;
                }
            };
            let Some(view) = &mut self.view else { return Ok(()) };
            let own = &mut self.own;
            let viewer = |prompt: &MessageId| match (is_replay, own.remove(prompt)) {
                (true, _) => Viewer::Replay,
                (false, true) => Viewer::Sender,
                (false, false) => Viewer::Other,
            };
            let rendered = view.renderer.render(&event, viewer, is_replay);
            effects.extend(rendered.into_iter().map(|effect| (Some(event.seq), effect)));
        }
        let frames = self.frames(effects, is_replay).await;
        Ok(self.context.out.send(frames).await?)
    }

    /// The frames of what was rendered; `None` stands for what is no event.
    async fn frames(&mut self, effects: Vec<(Option<Seq>, Effect)>, is_replay: bool) -> Frames {
        let effects = self.settle(effects).await;
        let mut frames = Vec::with_capacity(effects.len());
        for at in 0..effects.len() {
            let (seq, step) = &effects[at];
            match step {
                Step::Update(update) => {
                    let same = |step: &&(Option<Seq>, Step)| step.0 == *seq && matches!(step.1, Step::Update(_));
                    let place = seq.filter(|_| self.client.is_bridge).map(|seq| {
                        let part =
                            effects[..at].iter().rev().take_while(|step| step.0 == Some(seq)).filter(same).count();
                        let rest = effects[at..].iter().take_while(|step| step.0 == Some(seq)).filter(same).count();
                        Place { seq, part, parts: part + rest }
                    });
                    frames.push(outbox::update(&self.session_id, update.as_ref().clone(), place));
                }
                Step::Ask(question) if !is_replay => frames.extend(self.ask(question)),
                Step::Ask(_) => {}
                Step::Settled(permission_id) => {
                    // Whoever answered it is no longer in there.
                    if self.context.asked().remove(permission_id).is_some() {
                        frames.push(outbox::cancel_request(&Id::from_text(permission_id.as_str())));
                    }
                }
                Step::Answer(frame) => frames.push(frame.clone()),
            }
        }
        frames
    }

    /// Works out what needs the session's state, and leaves out output that later output of the same call replaces.
    async fn settle(&mut self, effects: Vec<(Option<Seq>, Effect)>) -> Vec<(Option<Seq>, Step)> {
        let mut steps: Vec<(Option<Seq>, Step)> = Vec::with_capacity(effects.len());
        let mut later = HashSet::new();
        let mut stale = HashSet::new();
        for (at, (_, effect)) in effects.iter().enumerate().rev() {
            if let Effect::Progress(call_id, _) = effect
                && !later.insert(call_id.clone())
            {
                stale.insert(at);
            }
        }
        for (at, (seq, effect)) in effects.into_iter().enumerate() {
            match effect {
                Effect::Progress(..) if stale.contains(&at) => {}
                Effect::Update(update) | Effect::Progress(_, update) => steps.push((seq, Step::Update(update))),
                Effect::Settings { mode_changed } => {
                    let Some(view) = &self.view else { continue };
                    let session = view.renderer.session.clone();
                    if mode_changed {
                        let mode = acp::CurrentModeUpdate::new(session.mode.as_str());
                        steps.push((seq, Step::Update(Box::new(acp::SessionUpdate::CurrentModeUpdate(mode)))));
                    }
                    let options = options::config_options(&self.context.app.engine, &session).await;
                    let options = acp::ConfigOptionUpdate::new(options);
                    steps.push((seq, Step::Update(Box::new(acp::SessionUpdate::ConfigOptionUpdate(options)))));
                }
                Effect::Ask(question) => steps.push((seq, Step::Ask(question))),
                Effect::Settled(permission_id) => steps.push((seq, Step::Settled(permission_id))),
                Effect::TurnEnded(turn_id, end) => {
                    let outcome = end.map(acp::PromptResponse::new).map_err(RpcError::from);
                    self.take_pending(|pending| pending.turn_id == turn_id, &outcome, seq, &mut steps);
                }
                Effect::Withdrawn(message_id) => {
                    self.own.remove(&message_id);
                    let outcome = Ok(acp::PromptResponse::new(acp::StopReason::Cancelled));
                    self.take_pending(|pending| pending.message_id == message_id, &outcome, seq, &mut steps);
                }
            }
        }
        steps
    }

    fn take_pending(
        &mut self,
        is_meant: impl Fn(&Pending) -> bool,
        outcome: &Result<acp::PromptResponse, RpcError>,
        seq: Option<Seq>,
        steps: &mut Vec<(Option<Seq>, Step)>,
    ) {
        self.pending.retain(|pending| {
            if !is_meant(pending) {
                return true;
            }
            let frame = match outcome {
                Ok(response) => rpc::response(&pending.id, response),
                Err(error) => rpc::error(&pending.id, error),
            };
            steps.push((seq, Step::Answer(frame)));
            false
        });
    }

    /// The question as a request to this client, unless it may not answer or has the question already.
    fn ask(&self, question: &Question) -> Option<axum::extract::ws::Utf8Bytes> {
        if !self.context.principal.may_answer(true) {
            return None;
        }
        let Question { permission_id, tool_call, options } = question;
        let known = self.context.asked().insert(permission_id.clone(), self.session_id.clone());
        if known.is_some() {
            return None;
        }
        let request = acp::RequestPermissionRequest::new(
            acp::SessionId::new(self.session_id.as_str()),
            tool_call.clone(),
            options.clone(),
        );
        Some(outbox::permission(&Id::from_text(permission_id.as_str()), request))
    }
}

/// What is to be sent, in order.
enum Step {
    Update(Box<acp::SessionUpdate>),
    Ask(Box<Question>),
    Settled(PermissionId),
    Answer(axum::extract::ws::Utf8Bytes),
}

impl Command {
    /// The request that waits for an answer, if it is one.
    fn request_id(&self) -> Option<&Id> {
        match self {
            Self::New { id, .. }
            | Self::Load { id }
            | Self::Attach { id, .. }
            | Self::Prompt { id, .. }
            | Self::SetMode { id, .. }
            | Self::SetOption { id, .. }
            | Self::Close { id } => Some(id),
            Self::Cancel | Self::CancelRequest(_) | Self::Answered { .. } => None,
        }
    }
}

async fn next(view: &mut Option<View>) -> Result<Vec<EncodedEvent>, EngineError> {
    match view {
        Some(view) => view.cursor.next(BATCH_BYTES).await,
        None => std::future::pending().await,
    }
}
