//! One life of a server's connection: from the greeting over its tools and its calls to its end.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::VERSIONS;
use crate::catalogue::{Catalogue, PAGES_MAX};
use crate::link::{Arrival, Link};
use crate::message::{self, Incoming, Outgoing, RpcError};
use wharf_foreign::visible;
use wharf_tools::Progress;

/// For a server to answer the greeting; some are downloaded first.
const GREETING_LIMIT: Duration = Duration::from_secs(60);
/// For a whole list of tools.
const LIST_LIMIT: Duration = Duration::from_secs(30);
/// Between two lists: a server that says all the time that its tools changed is not asked all the time.
const LIST_PAUSE: Duration = Duration::from_secs(2);
/// Calls of one server that run at the same time.
const CALLS_MAX: usize = 128;
const TEXT_MAX_BYTES: usize = 200;
const METHOD_NOT_FOUND: i64 = -32601;

/// What is wanted of a server's task.
pub(crate) enum Ask {
    Call(RemoteCall),
    /// The call was stopped; its answer is of no use any more.
    Cancel(u64),
    /// Somebody wants the server, also where it was given up.
    Wake,
}

pub(crate) struct RemoteCall {
    pub(crate) id: u64,
    pub(crate) tool: String,
    pub(crate) arguments: Value,
    pub(crate) progress: Progress,
    pub(crate) reply: oneshot::Sender<Result<Value, CallError>>,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CallError {
    /// The server is not there, or was lost meanwhile.
    Lost(String),
    Refused(RpcError),
}

/// Why a life ended.
pub(crate) enum LifeEnd {
    Stopped,
    Lost { reason: String, was_ready: bool },
}

/// What is known of the server, as it becomes known.
pub(crate) enum ServerNews {
    Ready {
        server: Option<String>,
        catalogue: Catalogue,
    },
    Tools(Catalogue),
    /// Whoever comes from here on waits for the next life.
    Over,
}

pub(crate) struct Life<'a> {
    link: Link,
    ids: &'a AtomicU64,
    directory: &'a Path,
    news: &'a mut (dyn FnMut(ServerNews) + Send),
    pending: HashMap<u64, Pending>,
    stage: Stage,
    server: Option<String>,
    listing: Option<Listing>,
    /// When the tools are asked for again.
    list_at: Option<Instant>,
    listed_at: Instant,
}

struct Pending {
    reply: oneshot::Sender<Result<Value, CallError>>,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Greeting {
        id: u64,
        until: Instant,
    },
    /// Greeted; its tools are not known yet.
    Greeted,
    Ready,
}

struct Listing {
    id: u64,
    catalogue: Catalogue,
    pages: usize,
    until: Instant,
}

enum Wakeup {
    Stop,
    Arrival(Option<Arrival>),
    Ask(Option<Ask>),
    Due,
}

type Over = String;

impl<'a> Life<'a> {
    pub(crate) fn new(
        link: Link,
        ids: &'a AtomicU64,
        directory: &'a Path,
        news: &'a mut (dyn FnMut(ServerNews) + Send),
    ) -> Self {
        let stage = Stage::Greeted;
        let listed_at = Instant::now();
        Self {
            link,
            ids,
            directory,
            news,
            pending: HashMap::new(),
            stage,
            server: None,
            listing: None,
            list_at: None,
            listed_at,
        }
    }

    /// Lives to the end; every call that was begun has its answer then.
    pub(crate) async fn run(mut self, asks: &mut mpsc::Receiver<Ask>, stop: &CancellationToken) -> LifeEnd {
        let end = match self.greet() {
            Ok(()) => self.serve(asks, stop).await,
            Err(reason) => Some(reason),
        };
        (self.news)(ServerNews::Over);
        let reason = end.clone().unwrap_or_else(|| "it was stopped".to_owned());
        for (_, pending) in self.pending.drain() {
            // Whoever called may have left.
            let _ = pending.reply.send(Err(CallError::Lost(reason.clone())));
        }
        let was_ready = self.stage == Stage::Ready;
        self.link.close().await;
        end.map_or(LifeEnd::Stopped, |reason| LifeEnd::Lost { reason, was_ready })
    }

    /// `None`: it was asked to stop.
    async fn serve(&mut self, asks: &mut mpsc::Receiver<Ask>, stop: &CancellationToken) -> Option<Over> {
        loop {
            let due = self.due();
            let wakeup = tokio::select! {
                biased;
                () = stop.cancelled() => Wakeup::Stop,
                arrival = self.link.incoming.recv() => Wakeup::Arrival(arrival),
                ask = asks.recv() => Wakeup::Ask(ask),
                () = at(due) => Wakeup::Due,
            };
            let done = match wakeup {
                Wakeup::Stop | Wakeup::Ask(None) => return None,
                Wakeup::Arrival(Some(Arrival::Message(message))) => self.take(message),
                Wakeup::Arrival(Some(Arrival::Failed { id, reason })) => self.failed(id, reason),
                Wakeup::Arrival(Some(Arrival::Ended(reason))) => Err(reason),
                Wakeup::Arrival(None) => Err("the connection ended".to_owned()),
                Wakeup::Ask(Some(ask)) => self.on_ask(ask),
                Wakeup::Due => self.on_due(),
            };
            if let Err(reason) = done {
                return Some(reason);
            }
        }
    }

    fn send(&self, message: Outgoing) -> Result<(), Over> {
        self.link.outgoing.try_send(message).map_err(|_| "it takes no messages".to_owned())
    }

    fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn greet(&mut self) -> Result<(), Over> {
        let id = self.next_id();
        self.stage = Stage::Greeting { id, until: Instant::now() + GREETING_LIMIT };
        let params = json!({
            "protocolVersion": VERSIONS[0],
            "capabilities": { "roots": { "listChanged": false } },
            "clientInfo": { "name": "wharf", "title": "Wharf", "version": env!("CARGO_PKG_VERSION") },
        });
        self.send(message::request(id, "initialize", &params))
    }

    fn due(&self) -> Option<Instant> {
        let greeting = match self.stage {
            Stage::Greeting { until, .. } => Some(until),
            _ => None,
        };
        let listing = self.listing.as_ref().map(|listing| listing.until);
        [greeting, listing, self.list_at].into_iter().flatten().min()
    }

    fn on_due(&mut self) -> Result<(), Over> {
        let now = Instant::now();
        if let Stage::Greeting { until, .. } = self.stage
            && until <= now
        {
            return Err(format!("it did not answer within {} s", GREETING_LIMIT.as_secs()));
        }
        if self.listing.as_ref().is_some_and(|listing| listing.until <= now) {
            return Err(format!("it did not list its tools within {} s", LIST_LIMIT.as_secs()));
        }
        if self.list_at.is_some_and(|at| at <= now) && self.listing.is_none() {
            self.list_at = None;
            self.list()?;
        }
        Ok(())
    }

    fn take(&mut self, message: Incoming) -> Result<(), Over> {
        match message {
            Incoming::Response { id, outcome } => self.answered(id, outcome),
            Incoming::Request { id, method } => {
                let answer = match method.as_str() {
                    "ping" => Ok(json!({})),
                    "roots/list" => Ok(json!({ "roots": [{ "uri": file_uri(self.directory), "name": "workspace" }] })),
                    _ => Err((METHOD_NOT_FOUND, "not supported")),
                };
                self.send(message::response(&id, answer))
            }
            Incoming::Notification { method, params } => {
                match method.as_str() {
                    "notifications/progress" => self.progressed(&params),
                    // A list that is being read may be an old one.
                    "notifications/tools/list_changed" if self.stage == Stage::Ready => {
                        self.list_at.get_or_insert((self.listed_at + LIST_PAUSE).max(Instant::now()));
                    }
                    _ => {}
                }
                Ok(())
            }
        }
    }

    fn answered(&mut self, id: u64, outcome: Result<Value, RpcError>) -> Result<(), Over> {
        if let Some(pending) = self.pending.remove(&id) {
            let _ = pending.reply.send(outcome.map_err(CallError::Refused));
            return Ok(());
        }
        if matches!(self.stage, Stage::Greeting { id: greeting, .. } if greeting == id) {
            return self.greeted(outcome.map_err(|error| refusal("the greeting", &error))?);
        }
        if self.listing.as_ref().is_some_and(|listing| listing.id == id) {
            return self.listed(outcome.map_err(|error| refusal("the list of its tools", &error))?);
        }
        // Of a call that was stopped.
        Ok(())
    }

    fn failed(&mut self, id: u64, reason: String) -> Result<(), Over> {
        match self.pending.remove(&id) {
            Some(pending) => {
                let _ = pending.reply.send(Err(CallError::Lost(reason)));
                Ok(())
            }
            // Without a greeting or its tools it is of no use.
            None => Err(reason),
        }
    }

    fn greeted(&mut self, result: Value) -> Result<(), Over> {
        let version = result.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
        if !VERSIONS.contains(&version) {
            return Err(format!(
                "it speaks version {:?} of the protocol, which is not known here",
                visible::line(version, 40)
            ));
        }
        let about = |name: &str| {
            let text = result.get("serverInfo")?.get(name)?.as_str()?;
            Some(visible::line(text, TEXT_MAX_BYTES))
        };
        self.server =
            about("name").map(|name| format!("{name} {}", about("version").unwrap_or_default()).trim().to_owned());
        self.stage = Stage::Greeted;
        self.send(message::notification("notifications/initialized", None))?;
        let has_tools = result.get("capabilities").is_some_and(|capabilities| capabilities.get("tools").is_some());
        if has_tools { self.list() } else { self.complete(Catalogue::default()) }
    }

    fn list(&mut self) -> Result<(), Over> {
        let id = self.next_id();
        let until = Instant::now() + LIST_LIMIT;
        self.listing = Some(Listing { id, catalogue: Catalogue::default(), pages: 0, until });
        self.send(message::request(id, "tools/list", &json!({})))
    }

    fn listed(&mut self, page: Value) -> Result<(), Over> {
        let Some(mut listing) = self.listing.take() else { return Ok(()) };
        listing.pages += 1;
        match listing.catalogue.add_page(page).map_err(str::to_owned)? {
            Some(_) if listing.pages >= PAGES_MAX => {
                listing.catalogue.note(format!("its list has more than {PAGES_MAX} pages"));
                self.complete(listing.catalogue)
            }
            Some(cursor) => {
                listing.id = self.next_id();
                let request = message::request(listing.id, "tools/list", &json!({ "cursor": cursor }));
                self.listing = Some(listing);
                self.send(request)
            }
            None => self.complete(listing.catalogue),
        }
    }

    fn complete(&mut self, catalogue: Catalogue) -> Result<(), Over> {
        self.listed_at = Instant::now();
        if self.stage == Stage::Ready {
            (self.news)(ServerNews::Tools(catalogue));
        } else {
            self.stage = Stage::Ready;
            (self.news)(ServerNews::Ready { server: self.server.clone(), catalogue });
        }
        Ok(())
    }

    fn on_ask(&mut self, ask: Ask) -> Result<(), Over> {
        match ask {
            Ask::Call(RemoteCall { id, tool, arguments, progress, reply }) => {
                if self.pending.len() >= CALLS_MAX {
                    // Calls that nobody waits for any more, though the server was not told.
                    self.pending.retain(|_, pending| !pending.reply.is_closed());
                }
                let refused = match self.stage {
                    Stage::Ready if self.pending.len() < CALLS_MAX => None,
                    Stage::Ready => Some(format!("{CALLS_MAX} calls of it run already")),
                    _ => Some("it is not connected yet".to_owned()),
                };
                if let Some(why) = refused {
                    let _ = reply.send(Err(CallError::Lost(why)));
                    return Ok(());
                }
                self.pending.insert(id, Pending { reply, progress });
                let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": id } });
                self.send(message::request(id, "tools/call", &params))
            }
            Ask::Cancel(id) => match self.pending.remove(&id) {
                Some(_) => self.send(message::cancelled(id)),
                // Its answer was faster.
                None => Ok(()),
            },
            Ask::Wake => Ok(()),
        }
    }

    fn progressed(&self, params: &Value) {
        let token = params.get("progressToken");
        let id = token.and_then(|token| token.as_u64().or_else(|| token.as_str()?.parse().ok()));
        let Some(pending) = id.and_then(|id| self.pending.get(&id)) else { return };
        let number = |name: &str| params.get(name).and_then(Value::as_f64);
        let count = match (number("progress"), number("total")) {
            (Some(progress), Some(total)) => format!("{progress}/{total}"),
            (Some(progress), None) => progress.to_string(),
            _ => String::new(),
        };
        let words = params.get("message").and_then(Value::as_str).unwrap_or_default();
        let text = format!("{count} {}", visible::line(words, TEXT_MAX_BYTES));
        pending.progress.offer(format!("{}\n", text.trim()));
    }
}

fn refusal(what: &str, error: &RpcError) -> String {
    format!("it refused {what}: {} ({})", visible::line(&error.message, TEXT_MAX_BYTES), error.code)
}

fn file_uri(directory: &Path) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut uri = String::from("file://");
    for byte in directory.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
