//! A model server that says what it is told to, with every fault on request: OpenAI's chat completions and Responses and Google's
//! Gemini over real HTTP, each where its clients look for it below one base URL.
//!
//! Which reply a request gets, first match wins: a reply queued with `on` whose words stand in the last user message; the
//! next reply of `push`; a `[[marker]]` in the last user message (see `script`); the default reply.

mod encode;
mod recorded;
mod reply;
mod script;
mod serve;
mod wire;

pub use recorded::Recorded;
pub use reply::{Gate, Reply};

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::wait::{STEP_LIMIT, within};

/// Requests kept for inspection; the oldest goes when one more comes.
const RECORDED_LIMIT: usize = 2_000;
/// Connections at a time; one more waits in the listener's queue.
const CONNECTION_LIMIT: usize = 20_000;

/// A running model server. It stops when this is dropped.
#[derive(Debug)]
pub struct ScriptedModel {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl ScriptedModel {
    /// Starts on a free port of loopback.
    ///
    /// # Panics
    /// When the machine has none.
    pub async fn start() -> Self {
        match Self::start_on(0, true).await {
            Ok(model) => model,
            Err(error) => panic!("start a scripted model: {error}"),
        }
    }

    /// Starts on a given port. Without `record`, requests are counted but not kept.
    pub async fn start_on(port: u16, record: bool) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { record, ..Shared::default() });
        let server = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, server })
    }

    /// The base URL for clients of OpenAI's protocol: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Queues a reply for the next request that nothing else is queued for.
    pub fn push(&self, reply: Reply) -> &Self {
        self.shared.replies().queue.push_back(reply);
        self
    }

    /// Queues a reply for the next request whose last user message holds `words`.
    pub fn on(&self, words: impl Into<String>, reply: Reply) -> &Self {
        self.shared.replies().matching.push((words.into(), reply));
        self
    }

    /// What requests get that neither a queue nor a marker speaks for.
    pub fn default_reply(&self, reply: Reply) -> &Self {
        self.shared.replies().fallback = Some(reply);
        self
    }

    /// Asked first with the body of each request: a server that has a mind of its own.
    pub fn answer(&self, answer: impl FnMut(&Value) -> Option<Reply> + Send + 'static) -> &Self {
        self.shared.replies().answer = Some(Answer(Box::new(answer)));
        self
    }

    /// Replies that were queued and not asked for yet.
    #[must_use]
    pub fn left(&self) -> usize {
        let replies = self.shared.replies();
        replies.queue.len() + replies.matching.len()
    }

    /// The requests so far, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.recorded().iter().cloned().collect()
    }

    /// How many requests came so far.
    #[must_use]
    pub fn request_count(&self) -> usize {
        *self.shared.count.borrow()
    }

    /// Waits until `count` requests have come in all.
    ///
    /// # Panics
    /// When they do not come within `STEP_LIMIT`.
    pub async fn wait_for_requests(&self, count: usize) {
        let mut seen = self.shared.count.subscribe();
        // The sender lives in `self`: waiting can end only with the condition.
        let _ = within(&format!("model request number {count}"), seen.wait_for(|now| *now >= count)).await;
    }

    /// Replies that are being written at this moment.
    #[must_use]
    pub fn replying(&self) -> usize {
        *self.shared.replying.borrow()
    }

    /// Waits until no reply is being written: what hung was left by its client.
    ///
    /// # Panics
    /// When one still is after `STEP_LIMIT`.
    pub async fn wait_until_quiet(&self) {
        let mut replying = self.shared.replying.subscribe();
        let _ = within("the end of every model reply", replying.wait_for(|now| *now == 0)).await;
    }

    /// Replies whose client left before their end.
    #[must_use]
    pub fn abandoned(&self) -> usize {
        self.shared.abandoned.load(Ordering::SeqCst)
    }

    /// Whether every request had a valid history: each tool call with exactly one result, right behind it.
    ///
    /// # Panics
    /// When one had not, with the request and the reason.
    pub fn assert_histories_are_valid(&self) {
        let invalid = self.shared.invalid.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(reason) = invalid.front() {
            panic!("a request that no provider takes: {reason}");
        }
        for (at, request) in self.requests().iter().enumerate() {
            if let Err(reason) = request.check_history() {
                panic!("model request {at}: {reason}\n{:#}", request.body);
            }
        }
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Debug, Default)]
struct Shared {
    record: bool,
    /// Why requests had a history that no provider would take.
    invalid: Mutex<VecDeque<String>>,
    replies: Mutex<Replies>,
    recorded: Mutex<VecDeque<Recorded>>,
    count: watch::Sender<usize>,
    replying: watch::Sender<usize>,
    abandoned: AtomicUsize,
    issued: Arc<wire::Issued>,
}

/// What decides on replies itself.
struct Answer(Box<Decide>);

type Decide = dyn FnMut(&Value) -> Option<Reply> + Send;

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer")
    }
}

#[derive(Debug, Default)]
struct Replies {
    answer: Option<Answer>,
    queue: VecDeque<Reply>,
    matching: Vec<(String, Reply)>,
    fallback: Option<Reply>,
}

impl Shared {
    fn replies(&self) -> MutexGuard<'_, Replies> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recorded(&self) -> MutexGuard<'_, VecDeque<Recorded>> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request that a strict wire refused.
    fn refused(&self, error: &Value) {
        self.invalid(format!("refused: {error}"));
        self.count.send_modify(|count| *count += 1);
    }

    fn invalid(&self, reason: String) {
        let mut invalid = self.invalid.lock().unwrap_or_else(PoisonError::into_inner);
        if invalid.len() < RECORDED_LIMIT {
            invalid.push_back(reason);
        }
    }

    /// `chat`: the same request as chat completions have it.
    fn record(&self, request: Recorded, chat: &Value) {
        if self.record {
            if let Err(reason) = recorded::check_history(recorded::messages(chat)) {
                self.invalid(reason);
            }
            let mut recorded = self.recorded();
            if recorded.len() == RECORDED_LIMIT {
                recorded.pop_front();
            }
            recorded.push_back(request);
        }
        self.count.send_modify(|count| *count += 1);
    }

    fn choose(&self, body: &Value) -> Reply {
        let asked = recorded::last_user_text(body);
        let mut replies = self.replies();
        if let Some(reply) = replies.answer.as_mut().and_then(|answer| (answer.0)(body)) {
            return reply;
        }
        if let Some(at) = replies.matching.iter().position(|(words, _)| asked.contains(words.as_str())) {
            return replies.matching.remove(at).1;
        }
        if let Some(reply) = replies.queue.pop_front() {
            return reply;
        }
        script::reply(&asked, recorded::step(body), recorded::rounds(body))
            .or_else(|| replies.fallback.clone())
            .unwrap_or_else(|| Reply::text("Hello from the scripted model."))
    }
}

/// Serves until aborted; the connections end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTION_LIMIT => match accepted {
                Ok((stream, _)) => { connections.spawn(serve::connection(stream, shared.clone())); }
                // Out of descriptors, most likely: some come back when a connection ends.
                Err(_) => tokio::time::sleep(STEP_LIMIT / 1_000).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests;
