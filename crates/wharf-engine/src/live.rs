//! Which sessions are live: at most one owner task each, made when first needed, gone when idle.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wharf_core::{Answer, Core, Input, NewPrompt, SubjectsOf};
use wharf_models::ModelSource;
use wharf_protocol::{Agent, CallId, CommandId, McpServer, Seq, SessionId, ToolSpec};
use wharf_store::Store;
use wharf_tools::Toolbox;
use wharf_tools::commands::Launch;

use crate::actor::{self, Exit};
use crate::clients::ClientIndex;
use crate::commands::CommandIndex;
use crate::feed::Feed;
use crate::mcp::McpSessions;
use crate::permissions::PermissionIndex;
use crate::progress::Budget;
use crate::seal::{self, RECOVERIES_MAX};
use crate::{EngineConfig, EngineError};

/// Senders wait when the inbox is full: a busy session slows its own clients, not the process.
const INBOX_CAPACITY: usize = 64;
/// Owners that are tried, where one ends just when a message is handed to it: one whose session is sealed does so at once.
const SEND_ATTEMPTS: usize = 16;
/// First and longest wait before a session that failed (a disk that does not take data) is taken up again.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// What a session's owner is told or asked.
pub(crate) enum Request {
    Ask {
        input: Box<Input>,
        reply: ReplyTo<Answer>,
    },
    /// `lookup`: the id is the client's own, so an older prompt may have it.
    Prompt {
        prompt: Box<NewPrompt>,
        lookup: bool,
        reply: ReplyTo<Answer>,
    },
    Clear {
        by: Option<String>,
        reply: ReplyTo<()>,
    },
    Delete {
        by: Option<String>,
        reply: ReplyTo<()>,
    },
    /// A client has left: without anything to do the session leaves the memory now.
    Rest,
    /// Other MCP servers than before.
    Mcp {
        servers: Vec<McpServer>,
        reply: ReplyTo<()>,
    },
    /// A running call wants a command that outlives it.
    StartCommand {
        call_id: CallId,
        launch: Box<Launch>,
        reply: ReplyTo<CommandId>,
    },
    Look(Look),
}

/// Reads the session's state, or learns why it cannot be read.
pub(crate) type Look = Box<dyn FnOnce(Result<&Core, EngineError>) + Send>;

pub(crate) type ReplyTo<T> = oneshot::Sender<Result<T, EngineError>>;

impl Request {
    /// Nobody will act on it.
    pub(crate) fn refuse(self, error: EngineError) {
        // Whoever asked may have left.
        match self {
            Self::Ask { reply, .. } | Self::Prompt { reply, .. } => drop(reply.send(Err(error))),
            Self::Clear { reply, .. } | Self::Delete { reply, .. } | Self::Mcp { reply, .. } => {
                drop(reply.send(Err(error)));
            }
            Self::StartCommand { reply, .. } => drop(reply.send(Err(error))),
            Self::Look(look) => look(Err(error)),
            Self::Rest => {}
        }
    }
}

/// What every session task works with.
pub(crate) struct Shared {
    config: watch::Sender<Arc<EngineConfig>>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) models: Arc<dyn ModelSource>,
    pub(crate) tools: Toolbox,
    pub(crate) mcp: McpSessions,
    /// True: no further turn starts.
    pub(crate) draining: watch::Sender<bool>,
    /// Cancelled: session tasks stop where they are; recovery goes on from there.
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) permissions: PermissionIndex,
    pub(crate) clients: Arc<ClientIndex>,
    pub(crate) commands: Arc<CommandIndex>,
    /// A place for each background command that may run.
    pub(crate) command_places: Arc<Semaphore>,
    /// Bytes of progress on the log.
    pub(crate) progress: Arc<Budget>,
    /// Rung when the store failed: it is asked until it works again.
    pub(crate) trouble: Notify,
    /// Sessions that a process died with are taken up alone: the write half; others that were left unfinished: the read half.
    pub(crate) taking_up: tokio::sync::RwLock<()>,
    /// Held by a call that runs once more after a crash: one of all sessions at a time.
    pub(crate) running_again: Arc<tokio::sync::Mutex<()>>,
    /// A place for each fork, and each import, that is being made.
    pub(crate) forks: Semaphore,
    pub(crate) imports: Arc<Semaphore>,
    slots: Mutex<HashMap<SessionId, Slot>>,
}

#[derive(Default)]
struct Slot {
    feed: Weak<Feed>,
    owner: Option<Owner>,
}

struct Owner {
    inbox: mpsc::Sender<Request>,
    busy: bool,
    // Keeps the feed while the session is live.
    _feed: Arc<Feed>,
}

impl Shared {
    pub(crate) fn new(
        config: EngineConfig,
        store: Arc<dyn Store>,
        models: Arc<dyn ModelSource>,
        tools: Toolbox,
    ) -> Arc<Self> {
        let command_places = Arc::new(Semaphore::new(config.limits.commands.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            mcp: McpSessions::new(&tools, &config.state_dir),
            config: watch::Sender::new(Arc::new(config)),
            store,
            models,
            tools,
            draining: watch::channel(false).0,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            permissions: PermissionIndex::default(),
            clients: Arc::default(),
            commands: Arc::default(),
            command_places,
            progress: Budget::of_server(),
            trouble: Notify::new(),
            taking_up: tokio::sync::RwLock::default(),
            running_again: Arc::default(),
            forks: Semaphore::new(crate::copy::FORKING),
            imports: Arc::new(Semaphore::new(crate::copy::IMPORTING)),
            slots: Mutex::default(),
        })
    }

    /// What the engine is run with at this moment.
    pub(crate) fn config(&self) -> Arc<EngineConfig> {
        Arc::clone(&self.config.borrow())
    }

    /// The same, with news of every change.
    pub(crate) fn configs(&self) -> watch::Receiver<Arc<EngineConfig>> {
        self.config.subscribe()
    }

    pub(crate) fn reconfigure(&self, config: EngineConfig) {
        self.config.send_replace(Arc::new(config));
    }

    /// The agent of that name; one that the configuration no longer has is replaced by the default.
    pub(crate) fn agent(&self, name: &str) -> Agent {
        let config = self.config();
        let agents = &config.agents;
        agents.iter().find(|agent| agent.name == name).or(agents.first()).cloned().unwrap_or_else(|| Agent {
            name: name.to_owned(),
            description: String::new(),
            instructions: String::new(),
            model: None,
            tools: Vec::new(),
            mode: None,
            max_steps: 1,
        })
    }

    pub(crate) fn tools_of(&self, agent: &Agent) -> Arc<[Arc<ToolSpec>]> {
        self.tools.specs().iter().filter(|spec| agent.tools.contains(&spec.name)).cloned().collect()
    }

    /// The agents, and what their tools take of each request, in tokens.
    pub(crate) fn agent_sizes(&self) -> Vec<(String, u64)> {
        let config = self.config();
        let size = |agent: &Agent| (agent.name.clone(), wharf_core::schema_tokens(&self.tools_of(agent)));
        config.agents.iter().map(size).collect()
    }

    /// Asks each tool what its calls are about.
    pub(crate) fn subjects(&self) -> SubjectsOf {
        let tools = self.tools.clone();
        SubjectsOf(Arc::new(move |spec, arguments| {
            tools.get(&spec.name).map(|tool| tool.subjects(arguments)).unwrap_or_default()
        }))
    }

    /// What the tools of a session put out that is too long for its log, and what its commands put out.
    pub(crate) fn output_dir(&self, session: &SessionId) -> PathBuf {
        self.config().state_dir.join("outputs").join(session.as_str())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<SessionId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The inbox of a session's owner, which is started if there is none.
    fn owner(self: &Arc<Self>, session: &SessionId) -> Result<mpsc::Sender<Request>, EngineError> {
        if self.stop.is_cancelled() {
            return Err(EngineError::Stopping);
        }
        let mut slots = self.slots();
        if let Some(owner) = slots.get(session).and_then(|slot| slot.owner.as_ref()) {
            return Ok(owner.inbox.clone());
        }
        let live = slots.values().filter(|slot| slot.owner.is_some()).count();
        let max = self.config().limits.live_sessions;
        if live >= max {
            return Err(EngineError::TooManySessions { max });
        }
        let slot = slots.entry(session.clone()).or_default();
        let feed = slot.feed.upgrade().unwrap_or_else(|| {
            let feed = Feed::new(session.clone(), Seq::ZERO);
            slot.feed = Arc::downgrade(&feed);
            feed
        });
        let (inbox, messages) = mpsc::channel(INBOX_CAPACITY);
        slot.owner = Some(Owner { inbox: inbox.clone(), busy: false, _feed: Arc::clone(&feed) });
        self.tasks.spawn(own(Arc::clone(self), feed, messages));
        Ok(inbox)
    }

    /// Hands a message to a session's owner. Waits while its inbox is full.
    pub(crate) async fn send(self: &Arc<Self>, session: &SessionId, message: Request) -> Result<(), EngineError> {
        let mut message = message;
        for _ in 0..SEND_ATTEMPTS {
            match self.owner(session)?.send(message).await {
                Ok(()) => return Ok(()),
                // This owner has just ended; the next one is another.
                Err(returned) => message = returned.0,
            }
            tokio::task::yield_now().await;
        }
        match self.store.session(session).await? {
            Some(_) => Err(EngineError::Overloaded("the session is being reloaded")),
            None => Err(EngineError::SessionNotFound(session.clone())),
        }
    }

    /// Asks a session's owner and waits for the answer.
    pub(crate) async fn ask<T>(
        self: &Arc<Self>,
        session: &SessionId,
        message: impl FnOnce(ReplyTo<T>) -> Request,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(session, message(reply)).await?;
        answer.await.map_err(|_| EngineError::Overloaded("the request was dropped while the session was reloaded"))?
    }

    /// Tells a live session that a client has left. A busy one finds out by itself.
    pub(crate) fn rest(&self, session: &SessionId) {
        let inbox = self.slots().get(session).and_then(|slot| Some(slot.owner.as_ref()?.inbox.clone()));
        if let Some(inbox) = inbox {
            // A full inbox is not at rest.
            let _ = inbox.try_send(Request::Rest);
        }
    }

    /// Reads a live session's state; loads it where it is not live.
    pub(crate) async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        session: &SessionId,
        read: impl FnOnce(&Core) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        let look = move |core: Result<&Core, EngineError>| drop(reply.send(core.map(read)));
        self.send(session, Request::Look(Box::new(look))).await?;
        answer.await.map_err(|_| EngineError::Overloaded("the session is being reloaded"))?
    }

    /// The feed of a session that exists, knowing where its log ends.
    pub(crate) async fn feed(self: &Arc<Self>, session: &SessionId) -> Result<Arc<Feed>, EngineError> {
        let feed = {
            let mut slots = self.slots();
            let slot = slots.entry(session.clone()).or_default();
            slot.feed.upgrade().unwrap_or_else(|| {
                let feed = Feed::new(session.clone(), Seq::ZERO);
                slot.feed = Arc::downgrade(&feed);
                feed
            })
        };
        // In the map first, then the row: an owner that starts in between finds this feed and tells it where the log ends.
        let Some(row) = self.store.session(session).await? else {
            self.forget_if_unused(session);
            return Err(EngineError::SessionNotFound(session.clone()));
        };
        {
            let slots = self.slots();
            if slots.get(session).is_none_or(|slot| slot.owner.is_none()) {
                // Not live: whatever the row counts was acknowledged by the process that wrote it, or is as durable as it gets.
                feed.skip_to(row.last_seq);
            }
        }
        if feed.last() == Seq::ZERO {
            // The owner is loading: it knows in a moment.
            let mut head = feed.head();
            let known = tokio::time::timeout(Duration::from_secs(10), head.wait_for(|head| head.last > Seq::ZERO));
            known.await.map_err(|_| EngineError::Timeout { ms: 10_000 })?.map_err(|_| EngineError::Stopping)?;
        }
        Ok(feed)
    }

    fn forget_if_unused(&self, session: &SessionId) {
        let mut slots = self.slots();
        if slots.get(session).is_some_and(|slot| slot.owner.is_none() && slot.feed.strong_count() == 0) {
            slots.remove(session);
        }
    }

    /// Drops the entries of sessions that nobody uses.
    pub(crate) fn sweep(&self) {
        self.clients.sweep();
        let mut slots = self.slots();
        slots.retain(|_, slot| slot.owner.is_some() || slot.feed.strong_count() > 0);
        if slots.capacity() > 4 * (slots.len() + 64) {
            slots.shrink_to_fit();
        }
    }

    /// Takes an owner out of the map, unless a message reached it meanwhile.
    pub(crate) fn retire(&self, session: &SessionId, inbox: &mpsc::Receiver<Request>) -> bool {
        let mut slots = self.slots();
        // Whoever holds a sender beside the map's is about to send.
        if !inbox.is_empty() || inbox.sender_strong_count() > 1 {
            return false;
        }
        if let Some(slot) = slots.get_mut(session) {
            slot.owner = None;
            if slot.feed.strong_count() == 0 {
                slots.remove(session);
            }
        }
        true
    }

    fn remove(&self, session: &SessionId) {
        let mut slots = self.slots();
        if let Some(slot) = slots.get_mut(session) {
            slot.owner = None;
            if slot.feed.strong_count() == 0 {
                slots.remove(session);
            }
        }
    }

    pub(crate) fn set_busy(&self, session: &SessionId, busy: bool) {
        if let Some(owner) = self.slots().get_mut(session).and_then(|slot| slot.owner.as_mut()) {
            owner.busy = busy;
        }
    }

    /// Live sessions with and without a running turn.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let slots = self.slots();
        let live = slots.values().filter_map(|slot| slot.owner.as_ref());
        live.fold((0, 0), |(busy, idle), owner| if owner.busy { (busy + 1, idle) } else { (busy, idle + 1) })
    }

    /// Open cursors, by session.
    pub(crate) fn watchers(&self) -> BTreeMap<SessionId, u64> {
        let slots = self.slots();
        let feeds = slots.values().filter_map(|slot| slot.feed.upgrade());
        feeds.map(|feed| (feed.session.clone(), feed.watcher_count())).filter(|(_, count)| *count > 0).collect()
    }
}

/// Runs one session's owner, again after a failure, until it is idle, gone or the engine stops.
async fn own(shared: Arc<Shared>, feed: Arc<Feed>, mut inbox: mpsc::Receiver<Request>) {
    let session = feed.session.clone();
    let mut wait = RETRY_FIRST;
    let mut was_live = false;
    let mut panics = 0;
    loop {
        let is_loaded = AtomicBool::new(false);
        let run = AssertUnwindSafe(actor::run(&shared, &feed, &mut inbox, &is_loaded)).catch_unwind().await;
        let died_loading = run.is_err() && !is_loaded.load(Ordering::Relaxed);
        panics = if died_loading { panics + 1 } else { 0 };
        if panics >= RECOVERIES_MAX {
            let error = seal::seal_panicked(&shared, &feed).await;
            shared.remove(&session);
            refuse_all(&mut inbox, error).await;
            return;
        }
        let error = match run {
            Ok(Exit::Idle) => return,
            Ok(Exit::NotLoaded { error, is_final }) if is_final || !was_live => {
                if matches!(error, EngineError::Storage(_)) {
                    shared.trouble.notify_one();
                }
                shared.remove(&session);
                refuse_all(&mut inbox, error).await;
                return;
            }
            Ok(Exit::Gone(error)) => {
                shared.remove(&session);
                feed.end();
                refuse_all(&mut inbox, error).await;
                return;
            }
            Ok(Exit::NotLoaded { error, .. }) => error,
            Ok(Exit::Failed(error)) => {
                was_live = true;
                wait = RETRY_FIRST;
                tracing::warn!(session.id = %session, %error, "session stopped; taking it up again");
                error
            }
            Err(_panic) => {
                was_live = true;
                tracing::error!(session.id = %session, "session task panicked; taking it up again");
                EngineError::Internal("session task panicked".to_owned())
            }
        };
        shared.trouble.notify_one();
        // Nothing runs until it is taken up again: a server that stops need not wait for it.
        shared.set_busy(&session, false);
        refuse_waiting(&mut inbox, &error);
        // Whatever was under way is on the log; loading decides how it goes on.
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.stop.cancelled() => {
                shared.remove(&session);
                refuse_all(&mut inbox, EngineError::Stopping).await;
                return;
            }
        }
        wait = (wait * 2).min(RETRY_LONGEST);
    }
}

/// Answers what waits now; the inbox stays open.
fn refuse_waiting(inbox: &mut mpsc::Receiver<Request>, error: &EngineError) {
    while let Ok(message) = inbox.try_recv() {
        message.refuse(error.again());
    }
}

/// Closes the inbox and answers everything in it, also what is being sent at this moment.
async fn refuse_all(inbox: &mut mpsc::Receiver<Request>, error: EngineError) {
    inbox.close();
    while let Some(message) = inbox.recv().await {
        message.refuse(error.again());
    }
}
