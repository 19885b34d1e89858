//! Which attached clients do something for a session's tools, and in which order they are asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wharf_protocol::{MessageId, SessionId};
use wharf_tools::{ClientHost, Clients};

/// Prompts of one client that are remembered: a turn whose prompt is forgotten is led by nobody.
const PROMPTS: usize = 256;

#[derive(Default)]
pub(crate) struct ClientIndex(Mutex<Known>);

#[derive(Default)]
struct Known {
    last_id: u64,
    /// In the order in which they came.
    sessions: HashMap<SessionId, Vec<Attached>>,
}

struct Attached {
    id: u64,
    host: Arc<dyn ClientHost>,
    prompts: VecDeque<MessageId>,
}

impl ClientIndex {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(self: &Arc<Self>, session: &SessionId, host: Arc<dyn ClientHost>) -> Offer {
        let mut known = self.known();
        known.last_id += 1;
        let id = known.last_id;
        known.sessions.entry(session.clone()).or_default().push(Attached { id, host, prompts: VecDeque::new() });
        Offer { index: Arc::clone(self), session: session.clone(), id }
    }

    /// The one that sent `prompt` leads, the others follow, the last to come first: that is where the user is.
    pub(crate) fn of(&self, session: &SessionId, prompt: Option<&MessageId>) -> Clients {
        let known = self.known();
        let Some(attached) = known.sessions.get(session) else { return Clients::default() };
        let mut order: Vec<&Attached> = attached.iter().rev().collect();
        order.sort_by_key(|client| prompt.is_none_or(|prompt| !client.prompts.contains(prompt)));
        Clients::new(order.into_iter().map(|client| Arc::clone(&client.host)).collect())
    }
}

/// What a client offers to a session's tools. Withdrawn when it is dropped; calls that use it learn from the client that it
/// has gone.
pub struct Offer {
    index: Arc<ClientIndex>,
    session: SessionId,
    id: u64,
}

impl Offer {
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
        let mut known = self.index.known();
        if let Some(attached) = known.sessions.get_mut(&self.session) {
            attached.retain(|it| it.id != self.id);
            if attached.is_empty() {
                known.sessions.remove(&self.session);
            }
        }
    }
}

#[cfg(test)]
mod tests;
