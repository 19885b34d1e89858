//! The one door: everything that a transport or an embedded client can ask for.

pub(crate) mod directories;
mod mcp;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use wharf_core::{Accepted, Answer, Core, Input, NewPrompt};
use wharf_failpoints::mistake;
use wharf_models::ModelSource;
use wharf_protocol::event::SessionCreated;
use wharf_protocol::rest::{
    AnswerPermission, Cancel, CancelAnswer, Containment, CreateSession, ExecuteTool, MessagePage, MessageQuery,
    ModelList, PermissionAnswered, Permissions, Queue, SessionCounts, SessionPage, SessionQuery, Timeline,
    ToolExecuted, TurnPage, UpdateSession,
};
use wharf_protocol::{
    Agent, CallId, EncodedEvent, EventBody, EventKind, MessageId, PermissionId, Priority, Prompt, Seq, Session,
    SessionId, Timestamp, ToolSpec, Turn, TurnId,
};
use wharf_store::{AppendError, Entry, NewLog, Position, Store, Window};
use wharf_tools::{ClientHost, ClientTool, Toolbox};

use crate::actor::entropy;
use crate::clients::Offer;
use crate::cursor::{AllCursor, Cursor, Watcher};
use crate::history;
use crate::live::{Request, Shared};
use crate::seal;
use crate::{EngineConfig, EngineError};

pub use mcp::check_mcp;
use mcp::forget_leftovers;

/// Most sessions that are taken up at the same time when the engine starts.
const RECOVERING: usize = 32;
/// How often old chunks are dropped and unused entries swept.
const MAINTENANCE_EVERY: Duration = Duration::from_secs(60);
/// How often a store that failed is asked whether it works again.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Chunks dropped in one go, so that appends never wait long behind it.
const DROP_BATCH: usize = 2_000;
/// Bytes that one page of events holds, about.
const PAGE_BYTES: usize = 4 << 20;
/// Longest title, in characters.
const TITLE_CHARS: usize = 200;

/// What the engine stands on.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub models: Arc<dyn ModelSource>,
    pub tools: Toolbox,
}

/// Who asks. The name stands on the log as `sender` or `by`.
#[derive(Debug, Clone)]
pub struct Caller {
    pub name: Arc<str>,
}

impl Caller {
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into() }
    }

    fn by(&self) -> Option<String> {
        Some(self.name.to_string())
    }
}

/// A page of a session's log.
#[derive(Debug, Clone)]
pub struct EventPage {
    pub events: Vec<EncodedEvent>,
    /// The last seq of the log.
    pub last_seq: Seq,
    /// There are later events than these.
    pub more: bool,
}

/// A running engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

impl Engine {
    /// Starts the engine and takes up what a dead one left, in the background.
    pub async fn start(config: EngineConfig, parts: Parts) -> Result<Self, EngineError> {
        check_agents(&config)?;
        let Parts { store, models, tools } = parts;
        let shared = Shared::new(config, store, models, tools);
        if shared.config().recover_at_start {
            shared.tasks.spawn(recover(Arc::clone(&shared)));
        }
        shared.tasks.spawn(maintain(Arc::clone(&shared)));
        shared.tasks.spawn(mend(Arc::clone(&shared)));
        Ok(Self { shared })
    }

    #[must_use]
    pub fn config(&self) -> Arc<EngineConfig> {
        self.shared.config()
    }

    /// From here on the engine is run with this: sessions that are not live at once, live ones from their next turn on. Where it
    /// keeps its state cannot be changed.
    pub fn reconfigure(&self, config: EngineConfig) -> Result<(), EngineError> {
        check_agents(&config)?;
        let state_dir = self.shared.config().state_dir.clone();
        self.shared.reconfigure(EngineConfig { state_dir, ..config });
        Ok(())
    }

    /// `Err` says why no new work is taken. Costs nothing; [`Engine::check`] also asks the store.
    pub fn is_ready(&self) -> Result<(), String> {
        if *self.shared.draining.borrow() { Err("the server is stopping".to_owned()) } else { Ok(()) }
    }

    /// Whether work would be taken now.
    pub async fn check(&self) -> Result<(), EngineError> {
        self.is_ready().map_err(|_| EngineError::Stopping)?;
        Ok(self.shared.store.check().await?)
    }

    pub async fn create_session(&self, request: CreateSession, caller: &Caller) -> Result<Session, EngineError> {
        self.is_ready().map_err(|_| EngineError::Stopping)?;
        let CreateSession {
            cwd,
            additional_directories,
            agent_name,
            session_id,
            model,
            mode,
            thinking,
            tool_location,
            title,
            mcp_servers,
            recovery,
        } = request;
        let cwd = self.workspace_of(cwd)?;
        let additional_directories = directories::further(&self.shared.config(), &cwd, additional_directories, &[])?;
        let agent = self.agent_of(agent_name.as_deref())?;
        check_title(title.as_deref())?;
        check_mcp(&mcp_servers)?;
        let engine_config = self.shared.config();
        let wanted = model.as_deref().or(agent.model.as_deref()).or(engine_config.default_model.as_deref());
        let model = self.model_of(wanted).await?;
        let session_id = session_id.unwrap_or_else(|| SessionId::from_bits(entropy()));
        let created = SessionCreated {
            cwd,
            additional_directories,
            agent_name: agent.name.clone(),
            model,
            mode: mode.or(agent.mode).unwrap_or(engine_config.default_mode),
            thinking,
            tool_location,
            title,
            recovery: recovery.unwrap_or_default(),
            forked_from: None,
        };
        let config = engine_config.core(&agent, Arc::new([]), self.shared.subjects(), &[]);
        let (core, event) = Core::create(session_id.clone(), created, config, entropy(), Timestamp::now());
        let session = core.session().clone();
        let entries = [Entry::new(event)].into();
        let has_mcp = !mcp_servers.is_empty();
        if has_mcp {
            // Before the session is there: one that is there has its servers, also after a crash.
            if self.shared.store.session(&session_id).await?.is_some() {
                return Err(EngineError::SessionExists(session_id));
            }
            self.shared.mcp.keep(&session_id, mcp_servers).await?;
        }
        let lease = match self.shared.store.create(NewLog { entries, session: session.clone() }).await {
            Ok(lease) => lease,
            Err(AppendError::Exists { session }) => return Err(EngineError::SessionExists(session)),
            Err(error) => {
                if has_mcp {
                    self.shared.mcp.forget(&session_id).await;
                }
                self.shared.trouble.notify_one();
                return Err(error.into());
            }
        };
        // The first prompt makes it live; until then it costs no memory.
        self.shared.store.release(&session_id, lease.fence).await?;
        tracing::info!(session.id = %session_id, by = %caller.name, "session created");
        if has_mcp {
            // Its servers take their time: they start now, not with the first prompt.
            if let Err(error) = self.shared.look(&session_id, |_| ()).await {
                tracing::debug!(session.id = %session_id, %error, "the MCP servers start with the first prompt");
            }
        }
        Ok(session)
    }

    pub async fn session(&self, session: &SessionId) -> Result<Session, EngineError> {
        self.shared.store.session(session).await?.ok_or_else(|| EngineError::SessionNotFound(session.clone()))
    }

    pub async fn sessions(&self, mut query: SessionQuery) -> Result<SessionPage, EngineError> {
        check_limit(query.limit)?;
        query.cwd = query.cwd.map(directories::as_stored);
        Ok(self.shared.store.sessions(&query).await?)
    }

    pub async fn update_session(
        &self,
        session: &SessionId,
        mut change: UpdateSession,
        caller: &Caller,
    ) -> Result<Session, EngineError> {
        check_title(change.title.as_deref())?;
        if let Some(agent) = &change.agent_name {
            self.agent_of(Some(agent))?;
        }
        if let Some(model) = &change.model {
            change.model = Some(self.model_of(Some(model)).await?);
        }
        if let Some(wanted) = change.additional_directories.take() {
            let Session { cwd, additional_directories: known, .. } = self.session(session).await?;
            change.additional_directories = Some(directories::further(&self.shared.config(), &cwd, wanted, &known)?);
        }
        self.ask(session, Input::Update { change, by: caller.by() }).await?;
        self.session(session).await
    }

    /// Takes a sealed session up again; the answer says whether it stayed so. One that is not sealed is left as it is.
    pub async fn unseal_session(&self, session: &SessionId, caller: &Caller) -> Result<Session, EngineError> {
        self.is_ready().map_err(|_| EngineError::Stopping)?;
        if self.session(session).await?.sealed.is_some() {
            seal::unseal(&self.shared, session, caller.by()).await?;
            tracing::info!(session.id = %session, by = %caller.name, "session unsealed");
            match self.shared.look(session, |_| ()).await {
                // What made it so is still there.
                Ok(()) | Err(EngineError::Sealed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.session(session).await
    }

    /// Cancels what runs, then removes the session and its log.
    pub async fn delete_session(&self, session: &SessionId, caller: &Caller) -> Result<(), EngineError> {
        let by = caller.by();
        match self.shared.ask(session, |reply| Request::Delete { by: by.clone(), reply }).await {
            Err(EngineError::Sealed { .. }) => seal::delete(&self.shared, session, by).await?,
            asked => asked?,
        }
        let outputs = self.shared.output_dir(session);
        // Most sessions have none.
        drop(tokio::fs::remove_dir_all(outputs).await);
        self.shared.mcp.forget(session).await;
        Ok(())
    }

    /// Accepts a prompt: once this returns, it is on disk and will reach exactly one end, whoever leaves.
    pub async fn prompt(&self, session: &SessionId, prompt: Prompt, caller: &Caller) -> Result<Accepted, EngineError> {
        let Prompt { content, id, priority, conflict_strategy, stream: _, metadata } = prompt;
        if content.is_empty() {
            return Err(EngineError::Invalid { field: "content", reason: "must not be empty".to_owned() });
        }
        // Judged here and nowhere else: every door leads through here, and the limit may change while the server runs.
        let limit = self.shared.config().limits.prompt_text_bytes;
        let length = content.text().len();
        if length > limit {
            let reason = format!("{length} bytes of text; a prompt may have {limit} (limits.prompt_text_bytes)");
            return Err(EngineError::TooLarge { field: "content", reason });
        }
        metadata.as_ref().map_or(Ok(()), |metadata| loggable("metadata", metadata))?;
        let meaning = serde_json::to_vec(&(&content, priority, conflict_strategy, &metadata))
            .map_err(|error| EngineError::Internal(error.to_string()))?;
        let lookup = id.is_some();
        let prompt = Box::new(NewPrompt {
            message_id: id.unwrap_or_else(|| MessageId::from_bits(entropy())),
            content,
            priority,
            conflict_strategy,
            sender: caller.by(),
            metadata,
            body_hash: hex(&Sha256::digest(meaning)),
        });
        match self.shared.ask(session, |reply| Request::Prompt { prompt, lookup, reply }).await? {
            Answer::Prompt(accepted) => Ok(accepted),
            other => Err(EngineError::Internal(format!("a prompt was answered with {other:?}"))),
        }
    }

    /// Waits for a turn's end. Dropping the future only stops the waiting.
    pub async fn wait_turn(&self, session: &SessionId, turn: &TurnId) -> Result<Turn, EngineError> {
        let feed = self.shared.feed(session).await?;
        let mut turns = feed.turns();
        loop {
            turns.borrow_and_update();
            let turn = self.turn(session, turn).await?;
            // The row may be ahead of what may be shown, by one sync.
            if turn.status.is_final() && turn.last_seq.is_none_or(|last| last <= feed.last()) {
                return Ok(turn);
            }
            if feed.has_ended() {
                return Err(EngineError::SessionNotFound(session.clone()));
            }
            if let Some(seal) = self.session(session).await?.sealed {
                return Err(EngineError::Sealed { session: session.clone(), seal: Box::new(seal) });
            }
            turns.changed().await.map_err(|_| EngineError::Stopping)?;
        }
    }

    pub async fn cancel(
        &self,
        session: &SessionId,
        cancel: Cancel,
        caller: &Caller,
    ) -> Result<CancelAnswer, EngineError> {
        let Cancel { force, turn_id, clear_queue } = cancel;
        let input = Input::Cancel { by: caller.by(), force, clear_queue: clear_queue || force, turn_id };
        let turn_id = match self.ask(session, input).await? {
            Answer::Cancelled(turn_id) => turn_id,
            _ => None,
        };
        Ok(CancelAnswer { status: "cancelled".to_owned(), session_id: session.clone(), turn_id })
    }

    pub async fn queue(&self, session: &SessionId) -> Result<Queue, EngineError> {
        let prompts = self.shared.look(session, Core::queue).await?;
        Ok(Queue { session_id: session.clone(), prompts, limit: self.shared.config().limits.queued_prompts })
    }

    pub async fn withdraw(&self, session: &SessionId, prompt: &MessageId, caller: &Caller) -> Result<(), EngineError> {
        self.ask(session, Input::Withdraw { message_id: prompt.clone(), by: caller.by() }).await.map(drop)
    }

    pub async fn reprioritise(
        &self,
        session: &SessionId,
        prompt: &MessageId,
        priority: Priority,
        _caller: &Caller,
    ) -> Result<Queue, EngineError> {
        self.ask(session, Input::Reprioritise { message_id: prompt.clone(), priority }).await?;
        self.queue(session).await
    }

    pub async fn turn(&self, session: &SessionId, turn: &TurnId) -> Result<Turn, EngineError> {
        if let Some(turn) = self.shared.store.turn(session, turn).await? {
            return Ok(turn);
        }
        self.session(session).await?;
        Err(EngineError::TurnNotFound(turn.clone()))
    }

    /// Newest first.
    pub async fn turns(&self, session: &SessionId, before: Option<Seq>, limit: usize) -> Result<TurnPage, EngineError> {
        check_limit(Some(limit))?;
        self.session(session).await?;
        let mut turns = self.shared.store.turns(session, before, limit + 1).await?;
        let is_more = turns.len() > limit;
        turns.truncate(limit);
        let next_cursor = turns.last().filter(|_| is_more).map(|turn| turn.first_seq.to_string());
        Ok(TurnPage { session_id: session.clone(), turns, next_cursor })
    }

    pub async fn messages(&self, session: &SessionId, query: MessageQuery) -> Result<MessagePage, EngineError> {
        check_limit(query.limit)?;
        let row = self.session(session).await?;
        let limit = query.limit.unwrap_or(100);
        let (window, is_forward) = match (query.after, query.before) {
            (Some(_), Some(_)) => {
                let reason = "give either `before` or `after`".to_owned();
                return Err(EngineError::Invalid { field: "after", reason });
            }
            (Some(after), None) => (Window::After(after), true),
            (None, before) => (Window::Before(before), false),
        };
        let read = self.shared.store.read_kinds(session, &history::MESSAGE_KINDS, window, limit + 1).await;
        let mut events = read.map_err(|error| EngineError::from_read(error, query.after.unwrap_or_default()))?;
        let is_more = events.len() > limit;
        if is_more && is_forward {
            events.truncate(limit);
        } else if is_more {
            events.remove(0);
        }
        let (first, last) = (events.first().map(|event| event.seq), events.last().map(|event| event.seq));
        let older = if is_forward { query.after.map(Seq::next) } else { first.filter(|_| is_more) };
        let newer = if is_forward { last.filter(|_| is_more) } else { query.before.and(last) };
        let decoded: Result<Vec<_>, _> = events.iter().map(EncodedEvent::decode).collect();
        let decoded =
            decoded.map_err(|error| EngineError::Damaged { session: session.clone(), reason: error.to_string() })?;
        Ok(MessagePage {
            session_id: session.clone(),
            messages: history::messages(decoded),
            total: row.message_count,
            older,
            newer,
        })
    }

    pub async fn clear_messages(&self, session: &SessionId, caller: &Caller) -> Result<(), EngineError> {
        let by = caller.by();
        self.shared.ask(session, |reply| Request::Clear { by, reply }).await
    }

    /// A page of the log after `after`; from its first event where that is absent.
    pub async fn events(
        &self,
        session: &SessionId,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<EventPage, EngineError> {
        check_limit(Some(limit))?;
        let feed = self.shared.feed(session).await?;
        let row = self.session(session).await?;
        let last_seq = feed.last();
        let after = after.unwrap_or(Seq(row.first_seq.0.saturating_sub(1)));
        check_cursor(after, last_seq, row.first_seq)?;
        let read = self.shared.store.read(session, after, limit, PAGE_BYTES).await;
        let mut events = read.map_err(|error| EngineError::from_read(error, after))?;
        events.truncate(events.partition_point(|event| event.seq <= last_seq));
        let more = events.last().is_some_and(|event| event.seq < last_seq);
        Ok(EventPage { events, last_seq, more })
    }

    /// What happened when, without content.
    pub async fn timeline(
        &self,
        session: &SessionId,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Timeline, EngineError> {
        check_limit(Some(limit))?;
        let row = self.session(session).await?;
        let after = after.unwrap_or(Seq(row.first_seq.0.saturating_sub(1)));
        let kinds = history::timeline_kinds();
        let read = self.shared.store.read_kinds(session, &kinds, Window::After(after), limit + 1).await;
        let mut events = read.map_err(|error| EngineError::from_read(error, after))?;
        let is_more = events.len() > limit;
        events.truncate(limit);
        let next = events.last().filter(|_| is_more).map(|event| event.seq);
        let decoded: Result<Vec<_>, _> = events.iter().map(EncodedEvent::decode).collect();
        let decoded =
            decoded.map_err(|error| EngineError::Damaged { session: session.clone(), reason: error.to_string() })?;
        let entries = decoded.iter().map(history::timeline_entry).collect();
        Ok(Timeline { session_id: session.clone(), entries, next })
    }

    pub async fn permissions(&self, session: &SessionId) -> Result<Permissions, EngineError> {
        let permissions = self.shared.look(session, Core::permissions).await?;
        Ok(Permissions { session_id: session.clone(), permissions })
    }

    /// Answers a permission; the first answer counts.
    pub async fn answer(
        &self,
        session: Option<&SessionId>,
        permission: &PermissionId,
        answer: AnswerPermission,
        caller: &Caller,
    ) -> Result<PermissionAnswered, EngineError> {
        let AnswerPermission { option, message } = answer;
        let session = match session {
            Some(session) => session.clone(),
            None => self
                .shared
                .permissions
                .session(permission)
                .ok_or_else(|| EngineError::PermissionNotFound(permission.clone()))?,
        };
        let input = Input::Answer { permission_id: permission.clone(), option, by: caller.by(), message };
        self.ask(&session, input).await?;
        Ok(PermissionAnswered { status: "resolved".to_owned(), permission_id: permission.clone(), option })
    }

    /// Whether commands run in a process namespace of their own. The first answer takes the time of one attempt.
    pub async fn containment(&self) -> Containment {
        let tools = self.shared.tools.clone();
        tokio::task::spawn_blocking(move || tools.containment()).await.unwrap_or_default()
    }

    #[must_use]
    pub fn tools(&self) -> Arc<[Arc<ToolSpec>]> {
        self.shared.tools.specs()
    }

    /// Runs one tool on a client's behalf: through the session's policy, on its log.
    pub async fn execute_tool(
        &self,
        name: &str,
        request: ExecuteTool,
        caller: &Caller,
    ) -> Result<ToolExecuted, EngineError> {
        let ExecuteTool { session_id, arguments } = request;
        if self.shared.tools.get(name).is_none() {
            // Only a session knows the tools of its MCP servers and of its clients.
            if !name.starts_with("mcp__") && !name.starts_with(ClientTool::PREFIX) {
                return Err(EngineError::ToolNotFound(name.to_owned()));
            }
            self.tools_of(&session_id).await?;
        }
        let arguments = match arguments {
            Value::Null => Value::Object(serde_json::Map::new()),
            Value::Object(_) => arguments,
            _ => return Err(EngineError::Invalid { field: "arguments", reason: "must be an object".to_owned() }),
        };
        loggable("arguments", &arguments)?;
        let mut cursor = self.watch(&session_id, None, Watcher { may_answer: false }).await?;
        let input = Input::Execute { tool_name: name.to_owned(), arguments, by: caller.by() };
        let Answer::Call(call_id) = self.ask(&session_id, input).await? else {
            return Err(EngineError::Internal("a call was not answered with its id".to_owned()));
        };
        loop {
            for event in cursor.next(PAGE_BYTES).await? {
                if let Some((success, result, duration_ms)) = call_end(&event, &call_id) {
                    let tool_name = name.to_owned();
                    return Ok(ToolExecuted { session_id, call_id, tool_name, success, result, duration_ms });
                }
            }
        }
    }

    /// What an attached client does for the session's tools from here on, until the offer is dropped.
    #[must_use]
    pub fn offer(&self, session: &SessionId, host: Arc<dyn ClientHost>) -> Offer {
        let has_tools = host.offers().tools;
        let offer = self.shared.clients.add(session, Arc::clone(&host));
        if has_tools {
            let discovering = offer.discovering(host);
            let stop = self.shared.stop.clone();
            self.shared.tasks.spawn(async move { stop.run_until_cancelled(discovering).await });
        }
        offer
    }

    #[must_use]
    pub fn agents(&self) -> Vec<Agent> {
        self.shared.config().agents.clone()
    }

    pub async fn models(&self) -> ModelList {
        self.shared.models.list().await
    }

    /// A cursor over one session's log: after `after`, or from the present.
    pub async fn watch(
        &self,
        session: &SessionId,
        after: Option<Seq>,
        watcher: Watcher,
    ) -> Result<Cursor, EngineError> {
        let feed = self.shared.feed(session).await?;
        let back = u64::from(mistake("resume_minus_one"));
        let after = after.map(|after| Seq(after.0.saturating_sub(back)));
        if let Some(after) = after {
            let row = self.session(session).await?;
            check_cursor(after, feed.last(), row.first_seq)?;
        }
        Ok(Cursor::new(feed, Arc::clone(&self.shared.store), watcher, after))
    }

    /// A cursor over the log of all sessions: after `after`, or from the present.
    pub async fn watch_all(&self, after: Option<Position>) -> Result<AllCursor, EngineError> {
        let last = *self.shared.store.head().borrow();
        if let Some(after) = after.filter(|after| *after > last) {
            return Err(EngineError::CursorAhead { after: Seq(after.0), last: Seq(last.0) });
        }
        Ok(AllCursor::new(Arc::clone(&self.shared.store), after))
    }

    pub async fn session_counts(&self) -> Result<SessionCounts, EngineError> {
        let total = self.shared.store.session_count().await?;
        let (busy, idle) = self.shared.counts();
        Ok(SessionCounts { total, busy, idle, max: self.shared.config().limits.live_sessions as u64 })
    }

    /// A client has closed the session: where nobody watches it and nothing runs, what it holds is given back now.
    pub fn rest(&self, session: &SessionId) {
        self.shared.rest(session);
    }

    /// Open cursors, by session.
    #[must_use]
    pub fn watchers(&self) -> BTreeMap<SessionId, u64> {
        self.shared.watchers()
    }

    /// No further turn starts; running ones go on.
    pub fn drain(&self) {
        self.shared.draining.send_replace(true);
    }

    /// Drains, waits for running turns up to `grace`, then stops; what still runs is left to recovery.
    pub async fn stop(&self, grace: Duration) {
        self.drain();
        let quiet = async {
            while self.shared.counts().0 > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(grace, quiet).await.is_err() {
            tracing::warn!("turns were still running; they go on after the next start");
        }
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.mcp.close(grace).await;
        self.shared.store.close().await;
    }

    async fn ask(&self, session: &SessionId, input: Input) -> Result<Answer, EngineError> {
        let input = Box::new(input);
        self.shared.ask(session, |reply| Request::Ask { input, reply }).await
    }

    pub(crate) fn agent_of(&self, name: Option<&str>) -> Result<Agent, EngineError> {
        let config = self.shared.config();
        let agents = &config.agents;
        match name {
            None => agents.first(),
            Some(name) => agents.iter().find(|agent| agent.name == name),
        }
        .cloned()
        .ok_or_else(|| EngineError::AgentNotFound {
            name: name.unwrap_or_default().to_owned(),
            known: agents.iter().map(|agent| agent.name.clone()).collect(),
        })
    }

    /// The full name of a model that can be used now.
    pub(crate) async fn model_of(&self, wanted: Option<&str>) -> Result<String, EngineError> {
        match self.shared.models.resolve(wanted).await {
            Ok(model) => Ok(model.id().to_owned()),
            Err(error) => Err(EngineError::Invalid { field: "model", reason: error.to_string() }),
        }
    }

    /// The real directory that a session may work in.
    pub(crate) fn workspace_of(&self, cwd: Option<PathBuf>) -> Result<PathBuf, EngineError> {
        let config = self.shared.config();
        let cwd = cwd.unwrap_or_else(|| config.work_dir.clone());
        directories::real(&config, "cwd", &cwd)
    }
}

fn check_cursor(after: Seq, last: Seq, first: Seq) -> Result<(), EngineError> {
    if after > last {
        return Err(EngineError::CursorAhead { after, last });
    }
    if after.next() < first {
        return Err(EngineError::CursorExpired { after, first });
    }
    Ok(())
}

fn check_limit(limit: Option<usize>) -> Result<(), EngineError> {
    match limit {
        Some(limit) if !(1..=1_000).contains(&limit) => {
            Err(EngineError::Invalid { field: "limit", reason: format!("{limit} is not in 1..=1000") })
        }
        _ => Ok(()),
    }
}

fn check_agents(config: &EngineConfig) -> Result<(), EngineError> {
    if config.agents.is_empty() {
        return Err(EngineError::Invalid { field: "agents", reason: "there must be at least one".to_owned() });
    }
    Ok(())
}

pub(crate) fn check_title(title: Option<&str>) -> Result<(), EngineError> {
    match title {
        Some(title) if title.chars().count() > TITLE_CHARS => {
            Err(EngineError::Invalid { field: "title", reason: format!("longer than {TITLE_CHARS} characters") })
        }
        _ => Ok(()),
    }
}

fn call_end(event: &EncodedEvent, wanted: &CallId) -> Option<(bool, String, u64)> {
    if !matches!(event.kind, EventKind::ToolCallComplete | EventKind::ToolCallError) {
        return None;
    }
    match event.decode().ok()?.body {
        EventBody::ToolCallComplete(done) if done.call_id == *wanted => Some((true, done.result, done.duration_ms)),
        EventBody::ToolCallError(failed) if failed.call_id == *wanted => {
            Some((false, wharf_core::told(&failed), failed.duration_ms))
        }
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Brings every session to life that a dead engine left with work to do.
async fn recover(shared: Arc<Shared>) {
    let unfinished = tokio::select! {
        sessions = shared.store.unfinished() => sessions,
        () = shared.stop.cancelled() => return,
    };
    forget_leftovers(&shared).await;
    let sessions = match unfinished {
        Ok(sessions) => sessions,
        Err(error) => {
            tracing::error!(%error, "unfinished turns could not be listed; they go on when their session is used");
            return;
        }
    };
    if sessions.is_empty() {
        return;
    }
    tracing::info!(sessions = sessions.len(), "taking up unfinished turns");
    let limit = tokio::sync::Semaphore::new(RECOVERING);
    let wake = |session: SessionId| {
        let (shared, limit) = (&shared, &limit);
        async move {
            let Ok(_permit) = limit.acquire().await else { return };
            // Its answer comes once the session is loaded and its recovery is on disk.
            if let Err(error) = shared.look(&session, |_| ()).await
                && !matches!(error, EngineError::Sealed { .. })
            {
                tracing::warn!(session.id = %session, %error, "an unfinished session could not be taken up");
            }
        }
    };
    let all = futures_util::future::join_all(sessions.into_iter().map(wake));
    tokio::select! {
        _ = all => {}
        () = shared.stop.cancelled() => {}
    }
}

/// Asks a store that failed until it works again: some failures end only when somebody looks.
async fn mend(shared: Arc<Shared>) {
    let work = async {
        loop {
            shared.trouble.notified().await;
            while let Err(error) = shared.store.check().await {
                tracing::error!(%error, "the storage does not work; nothing new is accepted");
                tokio::time::sleep(CHECK_EVERY).await;
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = shared.stop.cancelled() => {}
    }
}

/// Drops what retention no longer wants and entries that nobody uses.
async fn maintain(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(MAINTENANCE_EVERY) => {}
            () = shared.stop.cancelled() => return,
        }
        shared.sweep();
        let retention_ms = shared.config().chunk_retention_ms;
        if retention_ms == 0 {
            continue;
        }
        let before = Timestamp(Timestamp::now().0.saturating_sub_unsigned(retention_ms));
        loop {
            match shared.store.drop_chunks(before, DROP_BATCH).await {
                Ok(dropped) if dropped == DROP_BATCH && !shared.stop.is_cancelled() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "old chunks could not be dropped");
                    break;
                }
            }
        }
    }
}

/// A client's value must not make a log that nobody can read back.
fn loggable(field: &'static str, value: &Value) -> Result<(), EngineError> {
    wharf_foreign::nesting::logged(value).map_err(|error| EngineError::Invalid { field, reason: error.to_string() })
}
