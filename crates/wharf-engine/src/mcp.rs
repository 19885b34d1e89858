//! The MCP servers of sessions: kept beside the log, because they may hold secrets; open while their session is in use.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use wharf_mcp::{Catalogue, Mcp, McpSet, Remembered};
use wharf_protocol::mcp::{McpServer, McpServerState};
use wharf_protocol::{SessionId, ToolSpec};
use wharf_store::StoreError;
use wharf_tools::{Home, Tool};

use crate::EngineError;

/// How long a turn waits for the servers of its session before it asks the model without their tools.
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(15);
/// A file of a session that is not there is a leftover once it is so old: it is written before its session is.
const LEFTOVER_AFTER: Duration = Duration::from_secs(3_600);
/// Largest file that is read: 32 servers, and 128 tools of each.
const FILE_MAX_BYTES: u64 = 256 << 20;

/// What is kept of a session's servers.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// Those that a client gave it.
    servers: Vec<McpServer>,
    /// Also of the configuration file's servers.
    tools: Remembered,
}

/// The files, and the sets that are open.
pub(crate) struct McpSessions {
    mcp: Mcp,
    dir: PathBuf,
    open: Mutex<HashMap<SessionId, Weak<McpSet>>>,
}

/// The servers of a live session.
pub(crate) struct LiveMcp {
    pub(crate) set: Arc<McpSet>,
    changes: watch::Receiver<u64>,
    servers: Vec<McpServer>,
    kept: Remembered,
    tools: HashMap<String, Arc<dyn Tool>>,
    /// What the tools were made of.
    seen: Option<Vec<Option<Arc<Catalogue>>>>,
}

impl McpSessions {
    pub(crate) fn new(mcp: Mcp, state_dir: &Path) -> Self {
        Self { mcp, dir: state_dir.join("mcp"), open: Mutex::default() }
    }

    fn sets(&self) -> MutexGuard<'_, HashMap<SessionId, Weak<McpSet>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, session: &SessionId) -> PathBuf {
        self.dir.join(format!("{session}.json"))
    }

    /// Keeps the servers of a session, before anybody is told that it has them.
    pub(crate) async fn keep(&self, session: &SessionId, servers: Vec<McpServer>) -> Result<(), EngineError> {
        self.write(session, Kept { servers, tools: Remembered::default() }, true).await
    }

    async fn write(&self, session: &SessionId, kept: Kept, durable: bool) -> Result<(), EngineError> {
        let path = self.path(session);
        let write = move || write(&path, &kept, durable);
        let written = tokio::task::spawn_blocking(write).await.map_err(|_| EngineError::Stopping)?;
        written.map_err(|error| {
            let reason = format!("the MCP servers of a session: {error}");
            EngineError::Storage(match error.kind() {
                io::ErrorKind::StorageFull => StoreError::Full(reason),
                io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly(reason),
                _ => StoreError::Unavailable(reason),
            })
        })
    }

    async fn read(&self, session: &SessionId) -> Option<Kept> {
        let path = self.path(session);
        let read = tokio::task::spawn_blocking(move || read(&path)).await.ok()?;
        match read {
            Ok(kept) => Some(kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::error!(session.id = %session, %error, "the MCP servers of a session cannot be read");
                None
            }
        }
    }

    /// Those that a client gave a session.
    pub(crate) async fn servers(&self, session: &SessionId) -> Vec<McpServer> {
        self.read(session).await.unwrap_or_default().servers
    }

    pub(crate) async fn forget(&self, session: &SessionId) {
        self.sets().remove(session);
        // Most sessions have none.
        drop(tokio::fs::remove_file(self.path(session)).await);
    }

    /// Opens the servers of a session that comes to life, if it has any.
    pub(crate) async fn open(&self, session: &SessionId, cwd: &Home) -> Option<LiveMcp> {
        let kept = self.read(session).await;
        if kept.is_none() && !self.mcp.has_common() {
            return None;
        }
        let Kept { servers, tools } = kept.unwrap_or_default();
        Some(self.open_these(session, cwd, servers, tools))
    }

    fn open_these(&self, session: &SessionId, cwd: &Home, servers: Vec<McpServer>, kept: Remembered) -> LiveMcp {
        let set = Arc::new(self.mcp.open(&servers, kept.clone(), cwd));
        let mut sets = self.sets();
        sets.retain(|_, set| set.strong_count() > 0);
        sets.insert(session.clone(), Arc::downgrade(&set));
        LiveMcp { changes: set.changes(), set, servers, kept, tools: HashMap::new(), seen: None }
    }

    /// Gives a live session other servers. Those that stay go on.
    pub(crate) async fn replace(
        &self,
        session: &SessionId,
        cwd: &Home,
        servers: Vec<McpServer>,
        old: Option<LiveMcp>,
    ) -> Result<LiveMcp, EngineError> {
        let tools = old.as_ref().map(|old| old.set.remembered()).unwrap_or_default();
        self.write(session, Kept { servers: servers.clone(), tools: tools.clone() }, true).await?;
        let live = self.open_these(session, cwd, servers, tools);
        // Only here, so that what both have was in use all the time.
        drop(old);
        Ok(live)
    }

    /// The set of a session that is in use.
    pub(crate) fn set(&self, session: &SessionId) -> Option<Arc<McpSet>> {
        self.sets().get(session).and_then(Weak::upgrade)
    }

    /// How a session's servers are, whether it is in use or not.
    pub(crate) async fn states(&self, session: &SessionId) -> Vec<McpServerState> {
        if let Some(set) = self.set(session) {
            return set.states();
        }
        let Kept { servers, tools } = self.read(session).await.unwrap_or_default();
        self.mcp.describe(&servers, &tools)
    }

    /// Stops every server.
    pub(crate) async fn close(&self, limit: Duration) {
        self.mcp.close(limit).await;
    }

    /// Sessions of which a file is left, and that may be gone.
    pub(crate) async fn leftovers(&self) -> Vec<SessionId> {
        let dir = self.dir.clone();
        tokio::task::spawn_blocking(move || leftovers(&dir)).await.unwrap_or_default()
    }
}

impl LiveMcp {
    /// Waits until a server's state or tools change. Safe to drop.
    pub(crate) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Takes over the tools that the servers have now; whether they are others than at the last look.
    pub(crate) fn look(&mut self) -> bool {
        let now = self.set.catalogues();
        let is_same = |before: &Vec<Option<Arc<Catalogue>>>| {
            before.iter().zip(&now).all(|(before, now)| match (before, now) {
                (Some(before), Some(now)) => Arc::ptr_eq(before, now),
                (before, now) => before.is_none() && now.is_none(),
            })
        };
        if self.seen.as_ref().is_some_and(is_same) {
            return false;
        }
        self.seen = Some(now);
        self.tools = self.set.tools().into_iter().map(|tool| (tool.spec().name.clone(), tool)).collect();
        true
    }

    /// The tools beside the built-in ones, as they are now.
    pub(crate) fn specs(&self) -> Vec<Arc<ToolSpec>> {
        self.set.tools().iter().map(|tool| Arc::clone(tool.spec())).collect()
    }

    pub(crate) fn tool(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.tools.get(name).cloned()
    }

    /// Keeps the tools for the next time, where they are others than those that are kept.
    pub(crate) async fn remember(&mut self, sessions: &McpSessions, session: &SessionId) {
        let tools = self.set.remembered();
        if tools == self.kept {
            return;
        }
        let kept = Kept { servers: self.servers.clone(), tools: tools.clone() };
        match sessions.write(session, kept, false).await {
            Ok(()) => self.kept = tools,
            Err(error) => tracing::warn!(session.id = %session, %error, "the tools of MCP servers are not remembered"),
        }
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    let mut text = Vec::new();
    File::open(path)?.take(FILE_MAX_BYTES).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Whole or not at all, and for nobody else to read.
fn write(path: &Path, kept: &Kept, durable: bool) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let new = path.with_extension("json.new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    if durable {
        file.sync_all()?;
    }
    std::fs::rename(&new, path)?;
    if durable {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

fn leftovers(dir: &Path) -> Vec<SessionId> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let now = SystemTime::now();
    let is_old = |entry: &std::fs::DirEntry| {
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        changed.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age >= LEFTOVER_AFTER))
    };
    let old = entries.flatten().filter(is_old);
    old.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
