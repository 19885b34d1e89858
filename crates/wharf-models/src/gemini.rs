//! Google's Gemini, and the servers that speak its API.

mod arguments;
mod decoder;
mod request;
mod schema;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName};
use wharf_protocol::Thinking;
use wharf_protocol::model::{ModelError, ModelErrorKind, Protocol};

use crate::http::Transport;
use crate::image::{self, Limits, Refusal};
use crate::key::ApiKey;
use crate::remote::{InvalidKey, Remote, Settings, below, encoded, secret};
use crate::{Model, ModelRequest, ModelStream};
use decoder::Chunks;
use request::{Body, Effort, Options};

/// Requests that one call may make until the server takes one of them: the first, and one for each thing that it may refuse.
const MAX_ATTEMPTS: usize = 5;

/// Not in the URL, which ends up in logs.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-goog-api-key");

/// One model behind a server that speaks Gemini's API.
pub(crate) struct Gemini {
    remote: Remote,
    generation: Generation,
    concessions: Concessions,
}

/// Which of Gemini's models it is, as its name says: they differ in what they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Generation {
    /// None of Google's: another model behind the same API.
    Other,
    /// Major and minor number.
    Numbered(u32, u32),
    /// A name without a number, which means the newest.
    Latest,
}

impl Generation {
    fn of(name: &str) -> Self {
        let name = name.rsplit('/').next().unwrap_or(name);
        let Some(rest) = name.strip_prefix("gemini-") else { return Self::Other };
        let mut numbers = rest.split('-').next().unwrap_or_default().split('.').map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Self::Numbered(major, minor),
            (Some(Ok(major)), _) => Self::Numbered(major, 0),
            _ => Self::Latest,
        }
    }

    fn is_at_least(self, major: u32, minor: u32) -> bool {
        self >= Self::Numbered(major, minor)
    }
}

/// What the server was found not to take. Kept for the model's life, so that it is found out once.
#[derive(Debug, Default)]
struct Concessions {
    no_images: AtomicBool,
    no_json_schema: AtomicBool,
    no_effort: AtomicBool,
    no_thinking: AtomicBool,
}

impl fmt::Debug for Gemini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gemini").field("id", &self.remote.id()).finish_non_exhaustive()
    }
}

impl Gemini {
    pub(crate) fn new(settings: Settings, transport: Arc<Transport>) -> Result<Self, InvalidKey> {
        let headers = headers(settings.key.as_ref())?;
        let url = endpoint(&settings.base_url, &settings.name);
        let is_googles = url.host_str().is_some_and(|host| host.ends_with(".googleapis.com"));
        let generation = Generation::of(&settings.name);
        let concessions = Concessions { no_images: AtomicBool::new(!settings.images), ..Concessions::default() };
        // Others that speak this API know the older field only, and pass over the newer one.
        concessions.no_json_schema.store(!is_googles || !generation.is_at_least(2, 5), Ordering::Relaxed);
        Ok(Self { remote: Remote::new(settings, Protocol::Gemini, url, headers, transport), generation, concessions })
    }

    fn options(&self, thinking: Thinking) -> Options {
        let is_off = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let has_thoughts = self.generation.is_at_least(2, 5) && !is_off(&self.concessions.no_thinking);
        Options {
            images: !is_off(&self.concessions.no_images),
            images_in_results: self.generation.is_at_least(3, 0),
            signed: self.generation.is_at_least(3, 0),
            json_schema: !is_off(&self.concessions.no_json_schema),
            thinking: has_thoughts.then(|| match is_off(&self.concessions.no_effort) {
                true => Effort::Default,
                false => effort(self.generation, self.remote.name.contains("flash"), thinking),
            }),
        }
    }
}

pub(crate) fn headers(key: Option<&ApiKey>) -> Result<HeaderMap, InvalidKey> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        headers.insert(KEY_HEADER, secret(key.reveal().trim())?);
    }
    Ok(headers)
}

/// `.../models/NAME:streamGenerateContent?alt=sse`: without the last part the answer is one JSON list.
fn endpoint(base_url: &Url, name: &str) -> Url {
    let name = name.strip_prefix("models/").unwrap_or(name);
    let mut url = below(base_url, &["models", &format!("{name}:streamGenerateContent")]);
    url.query_pairs_mut().append_pair("alt", "sse");
    url
}

/// How much to think, as the generation says it.
fn effort(generation: Generation, is_flash: bool, thinking: Thinking) -> Effort {
    if generation.is_at_least(3, 0) {
        return match thinking {
            Thinking::Default => Effort::Default,
            // None of them can be told not to think.
            Thinking::Off if is_flash => Effort::Level("minimal"),
            Thinking::Off | Thinking::Low => Effort::Level("low"),
            Thinking::Medium => Effort::Level("medium"),
            Thinking::High => Effort::Level("high"),
        };
    }
    match thinking {
        Thinking::Default => Effort::Default,
        Thinking::Off => Effort::Budget(0),
        Thinking::Low => Effort::Budget(1_024),
        Thinking::Medium => Effort::Budget(8_192),
        Thinking::High => Effort::Budget(24_576),
    }
}

#[async_trait]
impl Model for Gemini {
    fn id(&self) -> &str {
        self.remote.id()
    }

    fn context_tokens(&self) -> Option<u64> {
        self.remote.context_tokens
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        // Whether this call still shows its images.
        let mut shows = true;
        let sees = !self.concessions.no_images.load(Ordering::Relaxed);
        let asked = self.remote.fitted(request, Limits::GEMINI, sees).await;
        let request = &asked.request;
        for attempt in 1.. {
            let mut options = self.options(request.thinking);
            options.images &= shows;
            let body = encoded(&Body::new(&self.remote.origin, request, options))?;
            let error = match self.remote.ask(body).await {
                Ok(response) => return Ok(self.remote.reply(response, Chunks::default(), &asked, options.images)),
                Err(error) => error,
            };
            if attempt == MAX_ATTEMPTS || !self.concessions.widen(&error, request, options, &mut shows) {
                return Err(error);
            }
            tracing::debug!(model = self.id(), %error, "asking again in the server's dialect");
        }
        unreachable!("the loop ends at its last attempt")
    }
}

impl Concessions {
    /// Takes back what the server refused; whether there was something to take back.
    fn widen(&self, error: &ModelError, request: &ModelRequest, sent: Options, shows: &mut bool) -> bool {
        if error.kind != ModelErrorKind::Refused {
            return false;
        }
        let said = error.message.to_lowercase();
        let take = |flag: &AtomicBool| !flag.swap(true, Ordering::Relaxed);
        if said.contains("thinking") && !said.contains("signature") {
            let sent_effort = sent.thinking.is_some_and(|effort| effort != Effort::Default);
            return (sent_effort && take(&self.no_effort)) || (sent.thinking.is_some() && take(&self.no_thinking));
        }
        if said.contains("parametersjsonschema") || said.contains("parameters_json_schema") {
            return take(&self.no_json_schema);
        }
        match image::refusal(&said, request) {
            Some(Refusal::All) => take(&self.no_images),
            Some(Refusal::These) => std::mem::take(shows),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests;
