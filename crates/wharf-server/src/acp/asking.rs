//! What we ask of one client: the only way to ask it anything. Each request has a string as its id, and every one ends, also where
//! the client never answers or goes.
//!
//! Who needs the answer to go on waits for it, with a time limit; few of those are open at once. A permission is asked for in
//! its place among the session's updates, and its answer goes to the session in its place among what the client says; it has no
//! limit here, since the permission has one itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent_client_protocol_schema::v1 as acp;
use axum::extract::ws::Utf8Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use wharf_engine::HostError;
use wharf_protocol::{PermissionId, SessionId};

use super::attached::ToSession;
use super::method::Ours;
use super::outbox::{self, MESSAGE_BYTES};
use super::rpc::{self, Id, one_line};
use crate::websocket::Outgoing;

/// Requests open at the same time; further ones wait, within their time.
const OPEN_REQUESTS: usize = 32;
/// A client that does not answer is done without for so long.
const SILENCE: Duration = Duration::from_secs(300);
/// For what is said without waiting to find room in the outbox.
const POST_WAIT: Duration = Duration::from_secs(5);
/// Longest words of a client about why it refuses, in bytes.
const WORDS_BYTES: usize = 500;

/// What a client answered: a result, or an error.
pub(super) type ClientAnswer = Result<Box<RawValue>, Box<RawValue>>;

/// Our requests to one client.
pub(super) struct Asking {
    /// Weak: who asks is not what keeps the connection's writer waiting.
    out: mpsc::WeakSender<Outgoing>,
    /// Begins our ids. Another connection has another one: an answer that comes late, over a new connection, finds nothing.
    prefix: String,
    open: Mutex<OpenRequests>,
    slots: Semaphore,
    /// Where what finds no room in the outbox waits for it.
    tasks: TaskTracker,
    /// A request had no answer in its time: so long nothing is asked, unless an answer comes to any.
    silent_until: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct OpenRequests {
    last: u64,
    requests: HashMap<String, Asker>,
    is_closed: bool,
}

/// Who gets an answer.
enum Asker {
    /// Somebody who waits for it.
    Waiting(oneshot::Sender<ClientAnswer>),
    /// A session on this connection, in the order in which the client says things.
    Session { session: SessionId, permission: PermissionId, commands: mpsc::WeakSender<ToSession> },
}

impl Asking {
    pub(super) fn new(out: mpsc::WeakSender<Outgoing>, connection: &str, tasks: TaskTracker) -> Self {
        Self {
            out,
            prefix: format!("wharf-{connection}-"),
            open: Mutex::default(),
            slots: Semaphore::new(OPEN_REQUESTS),
            tasks,
            silent_until: Mutex::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, OpenRequests> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silent(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client answers, as far as is known.
    pub(super) fn is_alive(&self) -> bool {
        self.silent().is_none_or(|until| until <= Instant::now()) && !self.open().is_closed
    }

    /// Asks, and waits for the answer. Dropped or out of time, the request is taken back with `$/cancel_request`.
    pub(super) async fn ask<T: DeserializeOwned>(
        self: &Arc<Self>,
        method: Ours,
        params: &impl Serialize,
        limit: Duration,
    ) -> Result<T, HostError> {
        let asked = async {
            let _slot = self.slots.acquire().await.map_err(|_| HostError::Gone)?;
            let (waiting, answer) = self.wait()?;
            let frame = rpc::request(&Id::from_text(&waiting.id), method, params);
            if frame.as_str().len() > MESSAGE_BYTES {
                return Err(HostError::Refused(format!(
                    "a message of {} bytes is too large for it",
                    frame.as_str().len()
                )));
            }
            let out = self.out.upgrade().ok_or(HostError::Gone)?;
            out.send(Outgoing::Frames(vec![frame])).await.map_err(|_| HostError::Gone)?;
            drop(out);
            answer.await.map_err(|_| HostError::Gone)
        };
        match timeout(limit, asked).await {
            Ok(answer) => read(method, answer?),
            Err(_) => {
                *self.silent() = Some(Instant::now() + SILENCE);
                let after_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(method = method.as_str(), after_ms, "an ACP client does not answer");
                Err(HostError::Silent { after_ms })
            }
        }
    }

    fn wait(self: &Arc<Self>) -> Result<(Waiting, oneshot::Receiver<ClientAnswer>), HostError> {
        let (sender, answer) = oneshot::channel();
        let mut open = self.open();
        if open.is_closed {
            return Err(HostError::Gone);
        }
        open.last += 1;
        let id = format!("{}{}", self.prefix, open.last);
        open.requests.insert(id.clone(), Asker::Waiting(sender));
        Ok((Waiting { asking: Arc::clone(self), id }, answer))
    }

    /// Says something whose answer nobody waits for.
    pub(super) fn post(&self, method: Ours, params: &impl Serialize) {
        let id = {
            let mut open = self.open();
            open.last += 1;
            format!("{}{}", self.prefix, open.last)
        };
        self.send_later(rpc::request(&Id::from_text(&id), method, params));
    }

    fn send_later(&self, frame: Utf8Bytes) {
        let Some(out) = self.out.upgrade() else { return };
        let Err(mpsc::error::TrySendError::Full(frames)) = out.try_send(Outgoing::Frames(vec![frame])) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // Ends by itself: when there is room, when the client has gone, or when the time is up.
        self.tasks.spawn_on(async move { timeout(POST_WAIT, out.send(frames)).await }, &runtime);
    }

    /// The request that asks for a permission, to be sent in its place; `None` where it is open already. Its id is the permission's:
    /// an answer over another connection counts as well.
    pub(super) fn permission(
        &self,
        permission: &PermissionId,
        request: acp::RequestPermissionRequest,
        session: &SessionId,
        commands: &mpsc::WeakSender<ToSession>,
    ) -> Option<Utf8Bytes> {
        let mut open = self.open();
        if open.is_closed || open.requests.contains_key(permission.as_str()) {
            return None;
        }
        let (session, permission) = (session.clone(), permission.clone());
        let id = Id::from_text(permission.as_str());
        let asker = Asker::Session { session, permission: permission.clone(), commands: commands.clone() };
        open.requests.insert(permission.to_string(), asker);
        Some(outbox::permission(&id, request))
    }

    /// What tells the client, in its place, that a permission is settled; `None` where it knows, because it was the one to answer.
    pub(super) fn settled(&self, permission: &PermissionId) -> Option<Utf8Bytes> {
        self.open().requests.remove(permission.as_str())?;
        Some(outbox::cancel_request(&Id::from_text(permission.as_str())))
    }

    /// A session is closed here: what was asked for it has no answer, and is not taken back.
    pub(super) fn forget(&self, closed: &SessionId) {
        self.open().requests.retain(|_, asker| !matches!(asker, Asker::Session { session, .. } if session == closed));
    }

    /// The client answers. An answer that comes too late, or to nothing of ours, finds nobody.
    pub(super) async fn answered(&self, id: &Id, answer: ClientAnswer) {
        let Some(id) = id.text() else { return };
        let asker = self.open().requests.remove(&id);
        if asker.is_some() || id.starts_with(&self.prefix) {
            *self.silent() = None;
        }
        match asker {
            // Whoever asked may have left.
            Some(Asker::Waiting(waiting)) => drop(waiting.send(answer)),
            Some(Asker::Session { permission, commands, .. }) => {
                if let Some(commands) = commands.upgrade() {
                    let _ = commands.send(ToSession::Answered { permission_id: permission, answer }).await;
                }
            }
            None => {}
        }
    }

    /// The connection ends: nothing is asked any more, and what waits learns that.
    pub(super) fn close(&self) {
        let mut open = self.open();
        open.is_closed = true;
        open.requests.clear();
    }
}

/// A request without an answer. Dropped while it still has none, it is taken back.
struct Waiting {
    asking: Arc<Asking>,
    id: String,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let is_open = self.asking.open().requests.remove(&self.id).is_some();
        if is_open {
            self.asking.send_later(outbox::cancel_request(&Id::from_text(&self.id)));
        }
    }
}

/// What an answer says.
pub(super) fn read<T: DeserializeOwned>(method: Ours, answer: ClientAnswer) -> Result<T, HostError> {
    let method = method.as_str();
    match answer {
        Ok(result) => serde_json::from_str(result.get()).map_err(|error| {
            tracing::warn!(method, %error, "an ACP client's answer cannot be read");
            HostError::Refused(format!("its answer to {method} cannot be read"))
        }),
        Err(error) => Err(HostError::Refused(words(&error))),
    }
}

/// What an error says, for a person or a model.
fn words(error: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Error {
        #[serde(default)]
        message: String,
        #[serde(default)]
        data: Option<serde_json::Value>,
    }
    let Ok(Error { message, data }) = serde_json::from_str(error.get()) else { return "an error".to_owned() };
    let details = match &data {
        Some(serde_json::Value::String(details)) => Some(details.as_str()),
        Some(data) => ["details", "message", "reason"].iter().find_map(|field| data.get(field)?.as_str()),
        None => None,
    };
    let text = match details.filter(|details| !message.contains(*details)) {
        Some(details) => format!("{message}: {details}"),
        None => message,
    };
    let mut text = one_line(&text);
    text.truncate(text.floor_char_boundary(WORDS_BYTES));
    if text.is_empty() { "an error without words".to_owned() } else { text }
}

#[cfg(test)]
mod tests;
