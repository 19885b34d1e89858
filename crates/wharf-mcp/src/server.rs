//! One server's task: connects, lives, starts again with growing pauses, gives up for a while.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use wharf_protocol::mcp::McpStatus;

use crate::catalogue::Catalogue;
use crate::config::{Checked, Place};
use crate::ground::{Ground, RUNNING_MAX};
use crate::life::{Ask, CallError, Life, LifeEnd, RemoteCall, ServerNews};
use crate::link::{Link, Tail};
use crate::{http, legacy, stdio};
use wharf_exec::Program;
use wharf_tools::{Home, Progress};

/// Calls that wait to be sent; a call waits when there are more.
const ASKS: usize = 64;
/// To start a program or reach an address.
const OPEN_LIMIT: Duration = Duration::from_secs(20);
/// Attempts in a row before a server is given up.
const ATTEMPTS: u32 = 5;
/// The first pause; doubles each time.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// A server that lived so long is well: what it dies of is new.
const WELL_AFTER: Duration = Duration::from_secs(60);
/// A server that was given up is not tried for every call.
const COOL: Duration = Duration::from_secs(5);

/// What is known of a server.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) status: McpStatus,
    /// The first attempt is over, well or not.
    pub(crate) is_settled: bool,
    /// Attempts that came to an end or to nothing.
    pub(crate) conclusions: u64,
    pub(crate) restarts: u32,
    pub(crate) server: Option<String>,
    /// As the server last listed them, also while it is down.
    pub(crate) catalogue: Option<Arc<Catalogue>>,
    pub(crate) error: Option<String>,
}

/// A server's task, as those see it who use it. Without anybody who does, the server is stopped.
pub(crate) struct Handle {
    pub(crate) state: watch::Receiver<State>,
    pub(crate) tail: Tail,
    asks: mpsc::Sender<Ask>,
    ids: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Handle {
    /// A new server, and what has to be run for it.
    pub(crate) fn new(server: Checked, directory: Home, ground: Arc<Ground>) -> (Self, impl Future<Output = ()>) {
        let (asks, inbox) = mpsc::channel(ASKS);
        let (state, seen) = watch::channel(State {
            status: McpStatus::Connecting,
            is_settled: false,
            conclusions: 0,
            restarts: 0,
            server: None,
            catalogue: None,
            error: None,
        });
        let handle = Self {
            state: seen,
            tail: Tail::default(),
            asks,
            ids: Arc::new(AtomicU64::new(1)),
            stop: ground.stop.child_token(),
        };
        let task = Task {
            server,
            directory,
            ground,
            state,
            asks: inbox,
            ids: Arc::clone(&handle.ids),
            tail: handle.tail.clone(),
            stop: handle.stop.clone(),
        };
        (handle, task.run())
    }

    /// Waits until the server is connected. One that was given up is tried again.
    pub(crate) async fn connected(&self, limit: Duration) -> Result<(), String> {
        let mut state = self.state.clone();
        let seen = state.borrow_and_update().clone();
        if seen.status == McpStatus::Failed && self.asks.send(Ask::Wake).await.is_err() {
            return Err("it was stopped".to_owned());
        }
        let is_decided = |state: &State| match state.status {
            McpStatus::Connected | McpStatus::Stopped => true,
            McpStatus::Failed => state.conclusions > seen.conclusions,
            McpStatus::Connecting | McpStatus::Restarting => false,
        };
        match timeout(limit, state.wait_for(is_decided)).await {
            Ok(Ok(state)) if state.status == McpStatus::Connected => Ok(()),
            Ok(Ok(state)) => Err(state.error.clone().unwrap_or_else(|| "it was stopped".to_owned())),
            Ok(Err(_)) => Err("it was stopped".to_owned()),
            Err(_) => {
                let why = self.state.borrow().error.clone().map(|error| format!(": {error}")).unwrap_or_default();
                Err(format!("it did not connect within {} s{why}", limit.as_secs()))
            }
        }
    }

    /// Calls a tool. Dropped, the server is told that nobody waits any more.
    pub(crate) async fn call(&self, tool: String, arguments: Value, progress: Progress) -> Result<Value, CallError> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let lost = || CallError::Lost("it was stopped".to_owned());
        let call = Ask::Call(RemoteCall { id, tool, arguments, progress, reply });
        self.asks.send(call).await.map_err(|_| lost())?;
        let mut waiting = Waiting { asks: &self.asks, id: Some(id) };
        let answer = answer.await;
        waiting.id = None;
        answer.unwrap_or_else(|_| Err(lost()))
    }
}

struct Waiting<'a> {
    asks: &'a mpsc::Sender<Ask>,
    id: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // A server that is so far behind learns nothing; its answer finds nobody.
            let _ = self.asks.try_send(Ask::Cancel(id));
        }
    }
}

struct Task {
    server: Checked,
    directory: Home,
    ground: Arc<Ground>,
    state: watch::Sender<State>,
    asks: mpsc::Receiver<Ask>,
    ids: Arc<AtomicU64>,
    tail: Tail,
    stop: CancellationToken,
}

/// Why there is no connection, and whether there may be one later.
struct NotOpened {
    reason: String,
    is_final: bool,
}

impl Task {
    async fn run(mut self) {
        let mut attempts = 0;
        loop {
            self.state.send_modify(|state| state.status = McpStatus::Connecting);
            let since = Instant::now();
            let Some((reason, was_ready, is_final)) = self.live().await else { break };
            if was_ready && since.elapsed() >= WELL_AFTER {
                attempts = 0;
            }
            attempts += 1;
            let is_given_up = is_final || attempts >= ATTEMPTS;
            let reason = self.server.redacted(&reason);
            tracing::info!(mcp.server = %self.server.name, reason, attempts, is_given_up, "an MCP server is not connected");
            self.state.send_modify(|state| {
                state.status = if is_given_up { McpStatus::Failed } else { McpStatus::Restarting };
                state.is_settled = true;
                state.conclusions += 1;
                state.error = Some(reason.clone());
            });
            let again = if is_given_up {
                attempts = ATTEMPTS - 1;
                self.wait_for_wish(&reason).await
            } else {
                self.pause(PAUSE_FIRST * 2_u32.pow(attempts - 1), &reason).await
            };
            if !again {
                break;
            }
            self.state.send_modify(|state| state.restarts += 1);
        }
        self.state.send_modify(|state| {
            state.status = McpStatus::Stopped;
            state.is_settled = true;
        });
    }

    /// One life; `None`: it was asked to stop. Otherwise why it ended, whether it had begun, and whether it is the last.
    async fn live(&mut self) -> Option<(String, bool, bool)> {
        self.tail.clear();
        let Ok(_permit) = Arc::clone(&self.ground.running).try_acquire_owned() else {
            return Some((format!("{RUNNING_MAX} MCP servers run already"), false, false));
        };
        let opening = timeout(OPEN_LIMIT, self.open());
        let opened = tokio::select! {
            biased;
            () = self.stop.cancelled() => return None,
            opened = opening => opened,
        };
        let link = match opened {
            Ok(Ok(link)) => link,
            Ok(Err(NotOpened { reason, is_final })) => return Some((reason, false, is_final)),
            Err(_) => return Some((format!("it was not reached within {} s", OPEN_LIMIT.as_secs()), false, false)),
        };
        let state = &self.state;
        let mut news = |news: ServerNews| match news {
            ServerNews::Ready { server, catalogue } => state.send_modify(|state| {
                state.status = McpStatus::Connected;
                state.is_settled = true;
                state.conclusions += 1;
                state.server = server;
                state.catalogue = Some(Arc::new(catalogue));
                state.error = None;
            }),
            ServerNews::Over => state.send_modify(|state| state.status = McpStatus::Restarting),
            ServerNews::Tools(catalogue) => state.send_modify(|state| state.catalogue = Some(Arc::new(catalogue))),
        };
        let life = Life::new(link, &self.ids, self.directory.path(), &mut news);
        match life.run(&mut self.asks, &self.stop).await {
            LifeEnd::Stopped => None,
            LifeEnd::Lost { reason, was_ready } => Some((reason, was_ready, false)),
        }
    }

    async fn open(&self) -> Result<Link, NotOpened> {
        match &self.server.place {
            Place::Program { command, args, env } => {
                let mut environment = self.ground.environment.clone();
                environment.retain(|(name, _)| !env.iter().any(|(given, _)| given == name));
                environment.extend(env.iter().cloned());
                let home = self.directory.clone();
                let opened = async {
                    let opened = tokio::task::spawn_blocking(move || home.open()).await;
                    let (directory, _) = opened.map_err(io::Error::other)??;
                    let program = Program { program: command.clone(), arguments: args.clone(), environment, directory };
                    stdio::open(program, self.ground.supervisor.as_ref(), self.tail.clone()).await
                };
                // What is not there does not come by waiting.
                opened.await.map_err(|error| NotOpened {
                    reason: format!("{} cannot be started: {error}", command.display()),
                    is_final: true,
                })
            }
            Place::Http { url, headers } => {
                let client = self.ground.client().map_err(may_pass)?;
                Ok(http::open(client, url.clone(), headers.clone()))
            }
            Place::Sse { url, headers } => {
                let client = self.ground.client().map_err(may_pass)?;
                legacy::open(client, url.clone(), headers.clone()).await.map_err(may_pass)
            }
        }
    }

    /// Waits before the next attempt; false: it is to stop.
    async fn pause(&mut self, pause: Duration, reason: &str) -> bool {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return false,
                () = sleep_until(until) => return true,
                ask = self.asks.recv() => match ask {
                    Some(ask) => refuse(ask, reason),
                    None => return false,
                },
            }
        }
    }

    /// Waits until somebody wants the server again; false: it is to stop.
    async fn wait_for_wish(&mut self, reason: &str) -> bool {
        let cool_at = Instant::now() + COOL;
        loop {
            let ask = tokio::select! {
                biased;
                () = self.stop.cancelled() => return false,
                ask = self.asks.recv() => ask,
            };
            match ask {
                None => return false,
                Some(Ask::Wake) if Instant::now() >= cool_at => return true,
                Some(Ask::Wake) => self.state.send_modify(|state| state.conclusions += 1),
                Some(ask) => refuse(ask, reason),
            }
        }
    }
}

fn may_pass(reason: String) -> NotOpened {
    NotOpened { reason, is_final: false }
}

fn refuse(ask: Ask, reason: &str) {
    if let Ask::Call(call) = ask {
        // Whoever called may have left.
        let _ = call.reply.send(Err(CallError::Lost(reason.to_owned())));
    }
}
