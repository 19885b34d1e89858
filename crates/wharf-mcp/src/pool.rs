//! The MCP servers of this process: each one once, however many sessions have it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use wharf_protocol::mcp::{McpServer, McpServerState, McpSource, McpStatus};

use crate::config::{BadServer, Checked, checked};
use crate::ground::Ground;
use crate::server::Handle;
use crate::set::{McpSet, Remembered};
use wharf_exec::supervisor::SupervisorProgram;
use wharf_tools::Home;

/// What MCP servers are run with.
#[derive(Debug, Clone)]
pub struct McpConfig {
    /// Servers that every session has.
    pub servers: Vec<McpServer>,
    /// The server's environment; programs get an allow-list out of it.
    pub environment: BTreeMap<String, String>,
    /// Further variables that programs may see.
    pub pass_environment: Vec<String>,
    /// Longest call.
    pub call_timeout_ms: u64,
    /// What runs programs so that none outlives this process. Linux only.
    pub supervisor: Option<SupervisorProgram>,
}

impl Default for McpConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            environment: BTreeMap::new(),
            pass_environment: Vec::new(),
            call_timeout_ms: 600_000,
            supervisor: None,
        }
    }
}

impl McpConfig {
    /// Whether the configuration file's servers can be tried.
    pub fn check(servers: &[McpServer]) -> Result<(), BadServer> {
        checked(servers, McpSource::Config).map(drop)
    }
}

/// The MCP servers of this process. Cheap to clone.
#[derive(Clone)]
pub struct Mcp {
    pool: Arc<Pool>,
}

struct Pool {
    ground: Arc<Ground>,
    /// Of the configuration file.
    common: Vec<Checked>,
    call_timeout_ms: u64,
    handles: Mutex<HashMap<(String, Home), Weak<Handle>>>,
    tasks: TaskTracker,
}

impl Mcp {
    /// Starts nothing. Servers of the configuration that cannot be tried are left out; [`McpConfig::check`] says why.
    #[must_use]
    pub fn new(config: McpConfig) -> Self {
        let McpConfig { servers, environment, pass_environment, call_timeout_ms, supervisor } = config;
        let common = checked(&servers, McpSource::Config).unwrap_or_else(|error| {
            tracing::error!(%error, "the configured MCP servers are not used");
            Vec::new()
        });
        let ground = Ground::new(environment, &pass_environment, supervisor);
        let pool = Pool {
            ground: Arc::new(ground),
            common,
            call_timeout_ms,
            handles: Mutex::default(),
            tasks: TaskTracker::new(),
        };
        Self { pool: Arc::new(pool) }
    }

    /// Whether a session that names no server has one.
    #[must_use]
    pub fn has_common(&self) -> bool {
        !self.pool.common.is_empty()
    }

    /// The servers of a session that is in use: they are started or reached now, as far as they are not already.
    #[must_use]
    pub fn open(&self, servers: &[McpServer], remembered: Remembered, directory: &Home) -> McpSet {
        let members = self.of_session(servers).into_iter();
        let members = members.map(|server| (self.handle(&server, directory), server)).collect();
        McpSet::new(members, remembered, self.pool.call_timeout_ms)
    }

    /// The same servers, for a session that is not in use.
    #[must_use]
    pub fn describe(&self, servers: &[McpServer], remembered: &Remembered) -> Vec<McpServerState> {
        let servers = self.of_session(servers);
        let names = remembered.tool_names(&servers);
        let described = servers.iter().zip(names).map(|(server, tools)| McpServerState {
            name: server.name.clone(),
            transport: server.transport(),
            source: server.source,
            status: McpStatus::Stopped,
            target: server.target(),
            server: None,
            tools,
            left_out: Vec::new(),
            error: None,
            stderr: None,
            restarts: 0,
        });
        described.collect()
    }

    /// Its own ones, then those of the configuration file that it has not named itself.
    fn of_session(&self, servers: &[McpServer]) -> Vec<Checked> {
        let mut all = checked(servers, McpSource::Session).unwrap_or_else(|error| {
            tracing::error!(%error, "a session's MCP servers are not used");
            Vec::new()
        });
        let more = self.pool.common.iter().filter(|common| all.iter().all(|own| own.name != common.name));
        let more: Vec<Checked> = more.cloned().collect();
        all.extend(more);
        all
    }

    fn handle(&self, server: &Checked, directory: &Home) -> Arc<Handle> {
        let key = (server.identity.clone(), directory.clone());
        let mut handles = self.pool.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = handles.get(&key).and_then(Weak::upgrade) {
            return handle;
        }
        handles.retain(|_, handle| handle.strong_count() > 0);
        let (handle, task) = Handle::new(server.clone(), directory.clone(), Arc::clone(&self.pool.ground));
        self.pool.tasks.spawn(task);
        let handle = Arc::new(handle);
        handles.insert(key, Arc::downgrade(&handle));
        handle
    }

    /// Stops every server: asks, waits, kills. Those that take longer are ended by their keepers once this process is gone.
    pub async fn close(&self, limit: Duration) {
        self.pool.ground.stop.cancel();
        self.pool.tasks.close();
        if timeout(limit, self.pool.tasks.wait()).await.is_err() {
            tracing::info!("MCP servers are still ending");
        }
    }
}

impl Default for Mcp {
    fn default() -> Self {
        Self::new(McpConfig::default())
    }
}

impl std::fmt::Debug for Mcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mcp").field("common", &self.pool.common).finish_non_exhaustive()
    }
}
