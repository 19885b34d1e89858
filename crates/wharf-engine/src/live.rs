//! Which sessions are live: at most one owner task each, made when first needed, gone when idle.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wharf_core::{Core, SubjectsOf};
use wharf_mcp::Mcp;
use wharf_models::ModelSource;
use wharf_protocol::{Agent, Seq, SessionId, ToolSpec};
use wharf_store::{Logs, Store};
use wharf_tools::Toolbox;

use crate::append::Appender;
use crate::clients::ClientIndex;
use crate::commands::CommandIndex;
use crate::feed::Feed;
use crate::instructions::Instructions;
use crate::mcp::McpSessions;
use crate::permissions::PermissionIndex;
use crate::progress::Budget;
use crate::request::{ReplyTo, Request};
use crate::surroundings::Surveyor;
use crate::{EngineConfig, EngineError};

/// Senders wait when the inbox is full: a busy session slows its own clients, not the process.
const INBOX_CAPACITY: usize = 64;
/// Owners that are tried, where one ends just when a message is handed to it: one whose session is sealed does so at once.
const SEND_ATTEMPTS: usize = 16;

/// Forks that are made at the same time; more wait. Each holds a conversation in memory, as a live session does.
const FORKING: usize = 2;
/// Imports at the same time; more are told to come back, since how long one takes is its client's to say.
const IMPORTING: usize = 4;

/// What every session task works with.
pub(crate) struct Shared {
    config: watch::Sender<Arc<EngineConfig>>,
    pub(crate) store: Arc<dyn Logs>,
    pub(crate) appender: Appender,
    pub(crate) models: Arc<dyn ModelSource>,
    pub(crate) tools: Toolbox,
    pub(crate) instructions: Instructions,
    pub(crate) surveyor: Arc<Surveyor>,
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
    owner_task: OwnerTask,
    slots: Mutex<HashMap<SessionId, Slot>>,
}

/// How a session's owner runs: it works with all that is here, so it is handed in.
pub(crate) type OwnerTask = fn(Arc<Shared>, Arc<Feed>, mpsc::Receiver<Request>) -> BoxFuture<'static, ()>;

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
        mcp: Mcp,
        owner_task: OwnerTask,
    ) -> Arc<Self> {
        let (appender, store) = Appender::of(store);
        let command_places = Arc::new(Semaphore::new(config.limits.commands.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            mcp: McpSessions::new(mcp, &config.state_dir),
            config: watch::Sender::new(Arc::new(config)),
            store,
            appender,
            models,
            instructions: Instructions::new(tools.shell().map(Path::to_path_buf)),
            tools,
            surveyor: Arc::default(),
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
            forks: Semaphore::new(FORKING),
            imports: Arc::new(Semaphore::new(IMPORTING)),
            owner_task,
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
        let (inbox, requests) = mpsc::channel(INBOX_CAPACITY);
        slot.owner = Some(Owner { inbox: inbox.clone(), busy: false, _feed: Arc::clone(&feed) });
        self.tasks.spawn((self.owner_task)(Arc::clone(self), feed, requests));
        Ok(inbox)
    }

    /// Hands a request to a session's owner. Waits while its inbox is full.
    pub(crate) async fn send(self: &Arc<Self>, session: &SessionId, request: Request) -> Result<(), EngineError> {
        let mut request = request;
        for _ in 0..SEND_ATTEMPTS {
            match self.owner(session)?.send(request).await {
                Ok(()) => return Ok(()),
                // This owner has just ended; the next one is another.
                Err(returned) => request = returned.0,
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
        request: impl FnOnce(ReplyTo<T>) -> Request,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(session, request(reply)).await?;
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

    /// Takes an owner out of the map, unless a request reached it meanwhile.
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

    pub(crate) fn remove(&self, session: &SessionId) {
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

    /// Whether new work is taken.
    pub(crate) fn check_ready(&self) -> Result<(), EngineError> {
        if *self.draining.borrow() { Err(EngineError::Stopping) } else { Ok(()) }
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
