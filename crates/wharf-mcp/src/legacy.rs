//! A server over HTTP with server-sent events, as before 2025: one stream for all that comes, and an address to post to.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Response, Url};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::event_stream::{SseEvent, SseReader};
use crate::http::{is_event_stream, too_long, words};
use crate::link::{Arrival, Link};
use crate::message::{self, Outgoing};

/// For a message to be taken; its answer comes on the stream.
const POST_LIMIT: Duration = Duration::from_secs(30);
/// Messages that are on their way; further ones wait.
const RUNNING: usize = 32;

/// Opens the stream and learns where to post to. Takes as long as its caller lets it.
pub(crate) async fn open(client: Client, url: Url, headers: HeaderMap) -> Result<Link, String> {
    let request = client.get(url.clone()).headers(headers.clone()).header(ACCEPT, "text/event-stream");
    let mut response = request.send().await.map_err(|error| words(&error))?;
    if !response.status().is_success() || !is_event_stream(&response) {
        return Err(format!("{}: it gives no stream of events", response.status().as_u16()));
    }
    let mut stream = SseReader::default();
    let mut early = Vec::new();
    let endpoint = loop {
        let bytes = response.chunk().await.map_err(|error| words(&error))?;
        let bytes = bytes.ok_or("its stream ended before it said where to post to")?;
        let events = stream.push(&bytes).map_err(|_| too_long())?;
        let mut events = events.into_iter();
        if let Some(found) = events.by_ref().find(|event| event.name == "endpoint") {
            early.extend(events);
            break found;
        }
    };
    let endpoint = String::from_utf8_lossy(&endpoint.data).trim().to_owned();
    let endpoint = url.join(&endpoint).map_err(|_| "it said no address to post to")?;
    // What we send may hold keys: they are for this place alone.
    if endpoint.origin() != url.origin() {
        return Err("the address to post to is at another place".to_owned());
    }
    let poster = Poster { client, endpoint, headers };
    Ok(Link::new(|outgoing, arrived| async move {
        let why = tokio::select! {
            why = read(response, stream, early, &arrived) => why,
            () = poster.send_all(outgoing, &arrived) => return,
        };
        let _ = arrived.send(Arrival::Ended(why)).await;
    }))
}

async fn read(
    mut response: Response,
    mut stream: SseReader,
    early: Vec<SseEvent>,
    arrived: &mpsc::Sender<Arrival>,
) -> String {
    let mut events = early;
    loop {
        for event in events.into_iter().filter(|event| event.name == "message") {
            for message in message::parse(&event.data).unwrap_or_default() {
                let _ = arrived.send(Arrival::Message(message)).await;
            }
        }
        events = match response.chunk().await {
            Ok(Some(bytes)) => match stream.push(&bytes) {
                Ok(events) => events,
                Err(_) => return too_long(),
            },
            Ok(None) => return "its stream ended".to_owned(),
            Err(error) => return words(&error),
        };
    }
}

struct Poster {
    client: Client,
    endpoint: Url,
    headers: HeaderMap,
}

impl Poster {
    async fn send_all(&self, mut outgoing: mpsc::Receiver<Outgoing>, arrived: &mpsc::Sender<Arrival>) {
        let mut posts: JoinSet<Option<Arrival>> = JoinSet::new();
        loop {
            tokio::select! {
                message = outgoing.recv(), if posts.len() < RUNNING => {
                    let Some(Outgoing { id, body, .. }) = message else { return };
                    let request = self.client.post(self.endpoint.clone()).headers(self.headers.clone());
                    let request = request.header(CONTENT_TYPE, "application/json").body(body);
                    let post = async move {
                        let failed = |reason: String| id.map(|id| Arrival::Failed { id, reason });
                        match timeout(POST_LIMIT, request.send()).await {
                            Ok(Ok(response)) if response.status().is_success() => None,
                            Ok(Ok(response)) => failed(response.status().to_string()),
                            Ok(Err(error)) => failed(words(&error)),
                            Err(_) => failed(format!("it took no message within {POST_LIMIT:?}")),
                        }
                    };
                    if id.is_some() {
                        posts.spawn(post);
                    } else {
                        // In their order, and before what follows.
                        post.await;
                    }
                }
                Some(posted) = posts.join_next() => {
                    if let Ok(Some(arrival)) = posted {
                        let _ = arrived.send(arrival).await;
                    }
                }
            }
        }
    }
}
