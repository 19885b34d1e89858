//! Which attached clients do something for a session's tools, and in which order they are asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use wharf_protocol::{MessageId, SessionId, ToolKind, ToolSpec};
use wharf_tools::{ClientHost, ClientTool, Clients, Tool};

/// Prompts of one client that are remembered: a turn whose prompt is forgotten is led by nobody.
const PROMPTS: usize = 256;
/// How long a turn waits for clients to say which tools they have, before it asks the model without those.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(crate) struct ClientIndex(Mutex<Known>);

#[derive(Default)]
struct Known {
    last_id: u64,
    /// In the order in which they came.
    sessions: HashMap<SessionId, Vec<Attached>>,
    /// Of sessions that are in use: counts what changes about their clients' tools.
    changes: HashMap<SessionId, watch::Sender<u64>>,
}

struct Attached {
    id: u64,
    host: Arc<dyn ClientHost>,
    prompts: VecDeque<MessageId>,
    /// Its own; `None`: it has not said yet.
    tools: Option<Vec<Arc<ClientTool>>>,
}

impl Known {
    fn tools_changed(&self, session: &SessionId) {
        if let Some(changes) = self.changes.get(session) {
            changes.send_modify(|count| *count += 1);
        }
    }
}

impl ClientIndex {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(self: &Arc<Self>, session: &SessionId, host: Arc<dyn ClientHost>) -> Offer {
        let mut known = self.known();
        known.last_id += 1;
        let id = known.last_id;
        let tools = if host.offers().tools { None } else { Some(Vec::new()) };
        let attached = Attached { id, host, prompts: VecDeque::new(), tools };
        known.sessions.entry(session.clone()).or_default().push(attached);
        let (again, gone) = (Arc::new(Notify::new()), CancellationToken::new());
        Offer { index: Arc::clone(self), session: session.clone(), id, again, gone }
    }

    pub(crate) fn of(&self, session: &SessionId, prompt: Option<&MessageId>) -> Clients {
        let known = self.known();
        Clients::new(known.order(session, prompt).into_iter().map(|client| Arc::clone(&client.host)).collect())
    }

    /// Changes whenever the tools of a session's clients do.
    pub(crate) fn changes(&self, session: &SessionId) -> watch::Receiver<u64> {
        self.known().changes.entry(session.clone()).or_default().subscribe()
    }

    /// Forgets sessions that are not in use any more.
    pub(crate) fn sweep(&self) {
        self.known().changes.retain(|_, changes| changes.receiver_count() > 0);
    }

    /// The tools that the session's clients have of their own. Which client a call reaches depends on its turn: where two have
    /// a tool of one name and either is to be asked about, the name is.
    pub(crate) fn specs(&self, session: &SessionId) -> Vec<Arc<ToolSpec>> {
        let known = self.known();
        let mut specs: Vec<Arc<ToolSpec>> = Vec::new();
        for tool in known.order(session, None).into_iter().filter_map(|client| client.tools.as_ref()).flatten() {
            let spec = tool.spec();
            match specs.iter_mut().find(|known| known.name == spec.name) {
                Some(known) if known.read_only != spec.read_only || known.kind != spec.kind => {
                    let known = Arc::make_mut(known);
                    (known.read_only, known.kind) = (false, ToolKind::Other);
                }
                Some(_) => {}
                None => specs.push(Arc::clone(spec)),
            }
        }
        specs
    }

    /// A client's tool: of the client that leads, if it has it.
    pub(crate) fn tool(&self, session: &SessionId, prompt: Option<&MessageId>, name: &str) -> Option<Arc<dyn Tool>> {
        let known = self.known();
        let order = known.order(session, prompt);
        let mut tools = order.into_iter().filter_map(|client| client.tools.as_ref()).flatten();
        tools.find(|tool| tool.spec().name == name).map(|tool| Arc::clone(tool) as Arc<dyn Tool>)
    }

    /// Every client of the session has said which tools it has, or that it does not say.
    pub(crate) fn is_settled(&self, session: &SessionId) -> bool {
        let known = self.known();
        known.sessions.get(session).is_none_or(|attached| attached.iter().all(|client| client.tools.is_some()))
    }

    /// Waits for that, for a while.
    pub(crate) async fn settled(&self, session: &SessionId) {
        let mut changes = self.changes(session);
        let settle = async { while !self.is_settled(session) && changes.changed().await.is_ok() {} };
        drop(tokio::time::timeout(DISCOVERY_LIMIT, settle).await);
    }

    fn found(&self, session: &SessionId, id: u64, tools: Vec<Arc<ClientTool>>) {
        let mut known = self.known();
        let attached = known.sessions.get_mut(session).and_then(|all| all.iter_mut().find(|it| it.id == id));
        let Some(attached) = attached else { return };
        attached.tools = Some(tools);
        known.tools_changed(session);
    }
}

impl Known {
    /// The one that sent `prompt` leads, the others follow, the last to come first: that is where the user is.
    fn order(&self, session: &SessionId, prompt: Option<&MessageId>) -> Vec<&Attached> {
        let mut order: Vec<&Attached> = self.sessions.get(session).into_iter().flatten().rev().collect();
        order.sort_by_key(|client| prompt.is_none_or(|prompt| !client.prompts.contains(prompt)));
        order
    }
}

/// What a client offers to a session's tools. Withdrawn when it is dropped; calls that use it learn from the client that it
/// has gone.
pub struct Offer {
    index: Arc<ClientIndex>,
    session: SessionId,
    id: u64,
    /// The client's tools are to be asked for once more.
    again: Arc<Notify>,
    gone: CancellationToken,
}

impl Offer {
    /// The client's own tools may be others than before.
    pub fn tools_changed(&self) {
        self.again.notify_one();
    }

    /// Keeps what the client's own tools are up to date, until the offer is dropped.
    pub(crate) fn discovering(&self, host: Arc<dyn ClientHost>) -> impl Future<Output = ()> + Send + 'static {
        let (index, session, id) = (Arc::clone(&self.index), self.session.clone(), self.id);
        let (again, gone) = (Arc::clone(&self.again), self.gone.clone());
        let work = async move {
            loop {
                let tools = match host.discover().await {
                    Ok(answer) => {
                        let (tools, left_out) = ClientTool::listed(&host, answer);
                        for why in left_out {
                            tracing::warn!(session.id = %session, why, "a client's tool is left out");
                        }
                        tools
                    }
                    Err(error) => {
                        tracing::info!(session.id = %session, %error, "a client does not say which tools it has");
                        Vec::new()
                    }
                };
                index.found(&session, id, tools);
                again.notified().await;
            }
        };
        async move {
            gone.run_until_cancelled_owned(work).await;
        }
    }

    /// Turns that answer this prompt turn to this client first.
    pub fn leads(&self, prompt: &MessageId) {
        let mut known = self.index.known();
        let attached = known.sessions.get_mut(&self.session).and_then(|all| all.iter_mut().find(|it| it.id == self.id));
        let Some(attached) = attached else { return };
        attached.prompts.push_back(prompt.clone());
        if attached.prompts.len() > PROMPTS {
            attached.prompts.pop_front();
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.gone.cancel();
        let mut known = self.index.known();
        if let Some(attached) = known.sessions.get_mut(&self.session) {
            attached.retain(|it| it.id != self.id);
            if attached.is_empty() {
                known.sessions.remove(&self.session);
            }
        }
        known.tools_changed(&self.session);
    }
}

#[cfg(test)]
mod tests;
