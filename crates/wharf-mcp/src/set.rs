//! The MCP servers of one session that is in use, and the tools that it has of them.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use wharf_protocol::mcp::{McpServerState, McpStatus};

use crate::catalogue::Catalogue;
use crate::config::Checked;
use crate::server::{Handle, State};
use crate::tool::{self, McpTool};
use wharf_tools::Tool;
use wharf_tools::remote::names;

/// Tools of one session's servers together. Providers take few; a model is served badly by many.
const TOOLS_MAX: usize = 512;

/// The MCP servers of a session. Dropped, those are stopped that no other session has.
pub struct McpSet {
    members: Vec<Member>,
    changes: watch::Receiver<u64>,
    since: Instant,
    call_timeout_ms: u64,
    // They end with the set.
    _watching: JoinSet<()>,
}

struct Member {
    server: Arc<Checked>,
    part: String,
    handle: Arc<Handle>,
    /// What it listed when it was connected last, until it does again.
    remembered: Option<Arc<Catalogue>>,
    /// The tools that it listed first in this session, each with a hash of its description: `trust_annotations` believes what the user
    /// could look at then, not what a server says later.
    trusted: OnceLock<BTreeMap<String, String>>,
}

/// The tools that a session's servers had when they were connected last, so that a session that is taken up again has them
/// at once. By the servers' names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Remembered(BTreeMap<String, Known>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    /// Of the server's configuration: with another one it is another server.
    hash: String,
    catalogue: Catalogue,
    /// What it listed first.
    #[serde(default)]
    trusted: Option<BTreeMap<String, String>>,
}

impl Remembered {
    fn of(&self, server: &Checked) -> Option<&Catalogue> {
        self.known(server).map(|known| &known.catalogue)
    }

    fn known(&self, server: &Checked) -> Option<&Known> {
        self.0.get(&server.name).filter(|known| known.hash == hash(&server.identity))
    }

    /// What a server listed first in the session.
    fn trusted(&self, server: &Checked) -> OnceLock<BTreeMap<String, String>> {
        let first =
            self.known(server).map(|known| known.trusted.clone().unwrap_or_else(|| described(&known.catalogue)));
        first.map(OnceLock::from).unwrap_or_default()
    }

    /// Each server's tools, as a session has them.
    pub(crate) fn tool_names(&self, servers: &[Checked]) -> Vec<Vec<String>> {
        let parts = names::server_parts(servers.iter().map(|server| server.name.as_str()));
        let names = servers
            .iter()
            .zip(parts)
            .map(|(server, part)| self.of(server).map(|catalogue| names_in(&part, catalogue)).unwrap_or_default());
        names.collect()
    }
}

fn hash(identity: &str) -> String {
    Sha256::digest(identity.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Each tool, and what it is described as.
fn described(catalogue: &Catalogue) -> BTreeMap<String, String> {
    catalogue.tools.iter().map(|tool| (tool.name.clone(), tool.definition())).collect()
}

fn names_in(part: &str, catalogue: &Catalogue) -> Vec<String> {
    let tools: Vec<&str> = catalogue.tools.iter().map(|tool| tool.name.as_str()).collect();
    names::tool_names(&format!("mcp__{part}__"), &tools)
}

impl McpSet {
    pub(crate) fn new(members: Vec<(Arc<Handle>, Checked)>, remembered: Remembered, call_timeout_ms: u64) -> Self {
        let parts = names::server_parts(members.iter().map(|(_, server)| server.name.as_str()));
        let members: Vec<Member> = members
            .into_iter()
            .zip(parts)
            .map(|((handle, server), part)| Member {
                trusted: remembered.trusted(&server),
                remembered: remembered.of(&server).cloned().map(Arc::new),
                server: Arc::new(server),
                part,
                handle,
            })
            .collect();
        let (changed, changes) = watch::channel(0);
        let changed = Arc::new(changed);
        let mut watching = JoinSet::new();
        for member in &members {
            let (mut state, changed) = (member.handle.state.clone(), Arc::clone(&changed));
            watching.spawn(async move {
                while state.changed().await.is_ok() {
                    changed.send_modify(|count| *count += 1);
                }
            });
        }
        Self { members, changes, since: Instant::now(), call_timeout_ms, _watching: watching }
    }

    /// Changes whenever a server's state or tools do.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Waits until of every server is known what tools it has, or that it has failed; at most so long from the beginning.
    pub async fn settled(&self, limit: Duration) {
        let settle = async {
            for member in self.members.iter().filter(|member| member.remembered.is_none()) {
                // An error means that it was stopped.
                let _ = member.handle.state.clone().wait_for(|state| state.is_settled).await;
            }
        };
        let _ = timeout_at(self.since + limit, settle).await;
    }

    /// Nothing would be waited for any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.members.iter().all(|member| member.remembered.is_some() || member.handle.state.borrow().is_settled)
    }

    /// The tools, by server in the servers' order.
    #[must_use]
    pub fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
        let mut known = HashSet::new();
        for member in &self.members {
            let Some(catalogue) = member.catalogue() else { continue };
            for (name, remote) in names_in(&member.part, &catalogue).into_iter().zip(&catalogue.tools) {
                if tools.len() >= TOOLS_MAX || !known.insert(name.clone()) {
                    continue;
                }
                let trusted = member.trusted.get_or_init(|| described(&catalogue));
                let is_trusted = trusted.get(&remote.name).is_some_and(|known| *known == remote.definition());
                let spec = tool::spec(name, remote, &member.server, is_trusted, self.call_timeout_ms);
                tools.push(Arc::new(McpTool {
                    spec: Arc::new(spec),
                    server: Arc::clone(&member.server),
                    remote: remote.name.clone(),
                    handle: Arc::clone(&member.handle),
                }));
            }
        }
        tools
    }

    /// What each server lists, to see whether the tools are others than before.
    #[must_use]
    pub fn catalogues(&self) -> Vec<Option<Arc<Catalogue>>> {
        self.members.iter().map(Member::catalogue).collect()
    }

    /// How each server is.
    #[must_use]
    pub fn states(&self) -> Vec<McpServerState> {
        self.members.iter().map(Member::state).collect()
    }

    /// What is worth keeping for the next time.
    #[must_use]
    pub fn remembered(&self) -> Remembered {
        let known = self.members.iter().filter_map(|member| {
            let catalogue = Catalogue::clone(member.catalogue()?.as_ref());
            Some((
                member.server.name.clone(),
                Known { hash: hash(&member.server.identity), catalogue, trusted: member.trusted.get().cloned() },
            ))
        });
        Remembered(known.collect())
    }
}

impl Member {
    fn catalogue(&self) -> Option<Arc<Catalogue>> {
        self.handle.state.borrow().catalogue.clone().or_else(|| self.remembered.clone())
    }

    fn state(&self) -> McpServerState {
        let State { status, restarts, server, error, .. } = self.handle.state.borrow().clone();
        let catalogue = self.catalogue();
        let stderr = self.handle.tail.text().filter(|_| status != McpStatus::Connected);
        McpServerState {
            name: self.server.name.clone(),
            transport: self.server.transport(),
            source: self.server.source,
            status,
            target: self.server.target(),
            server,
            tools: catalogue.as_ref().map(|catalogue| names_in(&self.part, catalogue)).unwrap_or_default(),
            left_out: catalogue.map(|catalogue| catalogue.left_out.clone()).unwrap_or_default(),
            error,
            stderr: stderr.map(|text| self.server.redacted(&text)),
            restarts,
        }
    }
}
