//! A server over streamable HTTP: each message is a request; answers come as JSON or as a stream of events.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, NoProxy, Proxy, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::MESSAGE_MAX_BYTES;
use crate::event_stream::SseReader;
use crate::link::{Arrival, Link};
use crate::message::{self, Incoming, Outgoing};
use wharf_foreign::visible;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// For the answer to a notification, and to our farewell.
const SHORT_LIMIT: Duration = Duration::from_secs(10);
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);
const REDIRECTS: usize = 5;
/// Requests that run at the same time; further ones wait.
const RUNNING: usize = 64;
/// Between two attempts to listen: first, and at most.
const LISTEN_FIRST: Duration = Duration::from_secs(1);
const LISTEN_LONGEST: Duration = Duration::from_secs(60);
/// Of an error's text.
const EXCERPT_BYTES: usize = 300;
/// Never through a proxy: this machine is not reached by way of another one.
const LOCAL: &str = "localhost,127.0.0.0/8,::1";
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// A client that stays with the host that it was sent to: what it carries is for nobody else.
pub(crate) fn client(environment: &BTreeMap<String, String>) -> Result<Client, String> {
    wharf_tls::choose_provider();
    let mut builder = Client::builder().connect_timeout(CONNECT_LIMIT).redirect(Policy::custom(same_place)).no_proxy();
    let value = |names: &[&str]| names.iter().find_map(|name| environment.get(*name).filter(|it| !it.is_empty()));
    let exceptions = value(&["NO_PROXY", "no_proxy"]).map_or("", String::as_str);
    let exceptions = NoProxy::from_string(&format!("{LOCAL},{exceptions}"));
    // The address may hold a password: the message leaves it out.
    let refused = |_| "the address of the proxy is none".to_owned();
    if let Some(address) = value(&["http_proxy", "ALL_PROXY", "all_proxy"]) {
        builder = builder.proxy(Proxy::http(address).map_err(refused)?.no_proxy(exceptions.clone()));
    }
    if let Some(address) = value(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) {
        builder = builder.proxy(Proxy::https(address).map_err(refused)?.no_proxy(exceptions));
    }
    builder.user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION"))).build().map_err(|error| words(&error))
}

fn same_place(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let is_same = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if !is_same {
        attempt.error("it leads to another place")
    } else if attempt.previous().len() > REDIRECTS {
        attempt.error("it leads on and on")
    } else {
        attempt.follow()
    }
}

/// An error without its address, which may hold a key.
pub(crate) fn words(error: &reqwest::Error) -> String {
    use std::error::Error;
    let mut source = error.source();
    let mut text = None;
    while let Some(inner) = source {
        text = Some(inner.to_string());
        source = inner.source();
    }
    visible::line(&text.unwrap_or_else(|| "the request failed".to_owned()), EXCERPT_BYTES)
}

pub(crate) fn open(client: Client, url: Url, headers: HeaderMap) -> Link {
    let peer = Arc::new(Peer { client, url, headers, known: Mutex::default() });
    Link::new(|outgoing, arrived| carry(peer, outgoing, arrived))
}

struct Peer {
    client: Client,
    url: Url,
    headers: HeaderMap,
    known: Mutex<Known>,
}

/// What goes along with each request once the server has said it.
#[derive(Default)]
struct Known {
    session: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

/// What became of a request.
enum Posted {
    Done,
    Failed(String),
    /// The server does not know us any more.
    Forgotten,
}

async fn carry(peer: Arc<Peer>, mut outgoing: mpsc::Receiver<Outgoing>, arrived: mpsc::Sender<Arrival>) {
    let mut posts: JoinSet<Option<Arrival>> = JoinSet::new();
    let mut running: HashMap<u64, AbortHandle> = HashMap::new();
    let mut listening = JoinSet::new();
    loop {
        tokio::select! {
            message = outgoing.recv(), if posts.len() < RUNNING => {
                let Some(message) = message else { break };
                if let Some(post) = message.cancels.and_then(|id| running.remove(&id)) {
                    post.abort();
                }
                let Some(id) = message.id else {
                    // In their order, and before what follows.
                    let _ = timeout(SHORT_LIMIT, peer.post(message.body, None, &arrived)).await;
                    if listening.is_empty() && peer.known().version.is_some() {
                        listening.spawn(listen(Arc::clone(&peer), arrived.clone()));
                    }
                    continue;
                };
                let (peer, arrived) = (Arc::clone(&peer), arrived.clone());
                let post = posts.spawn(async move {
                    match peer.post(message.body, Some(id), &arrived).await {
                        Posted::Done => None,
                        Posted::Failed(reason) => Some(Arrival::Failed { id, reason }),
                        Posted::Forgotten => Some(Arrival::Ended("it does not know this session any more".to_owned())),
                    }
                });
                running.retain(|_, post| !post.is_finished());
                running.insert(id, post);
            }
            Some(posted) = posts.join_next() => {
                // An aborted one has nobody who waits for it.
                if let Ok(Some(arrival)) = posted
                    && arrived.send(arrival).await.is_err()
                {
                    break;
                }
            }
        }
    }
    posts.shutdown().await;
    listening.shutdown().await;
    peer.farewell().await;
}

impl Peer {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(&self, builder: RequestBuilder) -> RequestBuilder {
        let known = self.known();
        let mut headers = self.headers.clone();
        headers.extend(known.session.clone().map(|session| (SESSION, session)));
        headers.extend(known.version.clone().map(|version| (VERSION, version)));
        builder.headers(headers)
    }

    /// Sends a message and passes on what it is answered with; `id` is the request that has to be among it.
    async fn post(&self, body: Vec<u8>, id: Option<u64>, arrived: &mpsc::Sender<Arrival>) -> Posted {
        let request = self.request(self.client.post(self.url.clone()));
        let request = request.header(ACCEPT, "application/json, text/event-stream");
        let response = match request.header(CONTENT_TYPE, "application/json").body(body).send().await {
            Ok(response) => response,
            Err(error) => return Posted::Failed(words(&error)),
        };
        if !response.status().is_success() {
            return self.refused(response, id, arrived).await;
        }
        if let Some(session) = response.headers().get(SESSION) {
            self.known().session.get_or_insert_with(|| session.clone());
        }
        let Some(id) = id else { return Posted::Done };
        let answered = if is_event_stream(&response) {
            self.events(response, Some(id), arrived).await
        } else {
            match whole(response).await {
                Ok(body) => Ok(self.pass_on(&body, Some(id), arrived).await),
                Err(why) => Err(why),
            }
        };
        match answered {
            Ok(true) => Posted::Done,
            Ok(false) => Posted::Failed("its answer broke off".to_owned()),
            Err(why) => Posted::Failed(why),
        }
    }

    async fn refused(&self, response: Response, id: Option<u64>, arrived: &mpsc::Sender<Arrival>) -> Posted {
        let status = response.status();
        let body = whole(response).await.unwrap_or_default();
        let had_session = self.known().session.is_some();
        let text = String::from_utf8_lossy(&body);
        let names_session = status == StatusCode::BAD_REQUEST && text.to_lowercase().contains("session");
        if had_session && (status == StatusCode::NOT_FOUND || names_session) {
            return Posted::Forgotten;
        }
        if id.is_some() && self.pass_on(&body, id, arrived).await {
            return Posted::Done;
        }
        let excerpt = visible::line(&text, EXCERPT_BYTES);
        let reason = status.canonical_reason().unwrap_or_default();
        Posted::Failed(format!("{} {reason} {excerpt}", status.as_u16()).trim_end().to_owned())
    }

    /// Passes the messages of a stream on; whether the answer to `id` was among them.
    async fn events(
        &self,
        mut response: Response,
        id: Option<u64>,
        arrived: &mpsc::Sender<Arrival>,
    ) -> Result<bool, String> {
        let mut stream = SseReader::default();
        let mut is_answered = false;
        while let Some(bytes) = response.chunk().await.map_err(|error| words(&error))? {
            for event in stream.push(&bytes).map_err(|_| too_long())? {
                if event.name == "message" {
                    is_answered |= self.pass_on(&event.data, id, arrived).await;
                }
            }
            // Some servers leave the stream open.
            if is_answered {
                break;
            }
        }
        Ok(is_answered)
    }

    async fn pass_on(&self, body: &[u8], wanted: Option<u64>, arrived: &mpsc::Sender<Arrival>) -> bool {
        let mut is_answered = false;
        for message in message::parse(body).unwrap_or_default() {
            if let Incoming::Response { id, outcome } = &message {
                is_answered |= Some(*id) == wanted;
                let version = outcome.as_ref().ok().and_then(|result| result.get("protocolVersion")?.as_str());
                if let Some(version) = version.and_then(|version| HeaderValue::from_str(version).ok()) {
                    self.known().version.get_or_insert(version);
                }
            }
            let _ = arrived.send(Arrival::Message(message)).await;
        }
        is_answered
    }

    async fn farewell(&self) {
        if self.known().session.is_some() {
            let request = self.request(self.client.delete(self.url.clone()));
            // It may be gone, or not take this.
            let _ = timeout(FAREWELL_LIMIT, request.send()).await;
        }
    }
}

/// Listens to what the server says of itself, where it offers that.
async fn listen(peer: Arc<Peer>, arrived: mpsc::Sender<Arrival>) {
    let mut wait = LISTEN_FIRST;
    loop {
        let request = peer.request(peer.client.get(peer.url.clone())).header(ACCEPT, "text/event-stream");
        match request.send().await {
            Ok(response) if response.status().is_success() && is_event_stream(&response) => {
                wait = LISTEN_FIRST;
                if let Err(why) = peer.events(response, None, &arrived).await {
                    tracing::debug!(why, "an MCP server's own stream broke off");
                }
            }
            // It has none.
            Ok(_) => return,
            Err(_) => wait = (wait * 2).min(LISTEN_LONGEST),
        }
        sleep(wait).await;
    }
}

pub(crate) fn is_event_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}

pub(crate) fn too_long() -> String {
    format!("it sent a message of more than {} MiB", MESSAGE_MAX_BYTES >> 20)
}

async fn whole(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|error| words(&error))? {
        body.extend_from_slice(&bytes);
        if body.len() > MESSAGE_MAX_BYTES {
            return Err(too_long());
        }
    }
    Ok(body)
}
