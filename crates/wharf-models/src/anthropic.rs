//! Anthropic's Messages, and the servers that speak them.

mod blocks;
mod decoder;
mod family;
mod request;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use wharf_protocol::Thinking;
use wharf_protocol::model::{ModelError, ModelErrorKind, Protocol};

use crate::http::Transport;
use crate::image::{self, Limits, Refusal};
use crate::key::ApiKey;
use crate::remote::{InvalidKey, Remote, Settings, bearer, below, encoded, secret};
use crate::{Model, ModelRequest, ModelStream};
use decoder::Events;
use family::Family;
use request::Dialect;

/// Requests that one call may make until the server takes one of them: the first, and one for each thing that it may refuse.
const MAX_ATTEMPTS: usize = 6;

/// A reply that may hold no more than this says nothing: the history is too long, not the reply.
const MIN_REPLY_TOKENS: u64 = 1_024;

/// The version of the protocol, which does not change with models.
const VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// One model behind a server that speaks Messages.
pub(crate) struct Anthropic {
    remote: Remote,
    family: Family,
    concessions: Concessions,
}

/// What the server was found not to take. Kept for the model's life, so that it is found out once.
#[derive(Debug)]
struct Concessions {
    images: AtomicBool,
    cache_marks: AtomicBool,
    /// A bit for each thinking level whose `thinking`, or whose effort, was refused.
    refused_thinking: AtomicU8,
    refused_efforts: AtomicU8,
    /// The most that a reply may be asked to hold; 0: not known.
    max_tokens: AtomicU64,
}

/// What one request gives up beyond that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Given {
    /// The thinking of earlier replies, which the server does not take back.
    thinking: bool,
    /// The images, of which the server does not like one.
    images: bool,
    /// Room for the reply, so that it fits behind this history.
    max_tokens: Option<u64>,
}

impl fmt::Debug for Anthropic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anthropic").field("id", &self.remote.id()).finish_non_exhaustive()
    }
}

impl Anthropic {
    pub(crate) fn new(settings: Settings, transport: Arc<Transport>) -> Result<Self, InvalidKey> {
        let headers = headers(&settings.base_url, settings.key.as_ref())?;
        let url = below(&settings.base_url, &["messages"]);
        let (images, output_tokens) = (settings.images, settings.output_tokens.unwrap_or_default());
        Ok(Self {
            family: Family::of(&settings.name),
            remote: Remote::new(settings, Protocol::Anthropic, url, headers, transport),
            concessions: Concessions {
                images: AtomicBool::new(images),
                cache_marks: AtomicBool::new(true),
                refused_thinking: AtomicU8::new(0),
                refused_efforts: AtomicU8::new(0),
                max_tokens: AtomicU64::new(output_tokens),
            },
        })
    }

    fn body(&self, request: &ModelRequest, given: Given) -> Result<Bytes, ModelError> {
        encoded(&request::body(request, self.dialect(request, given)))
    }

    fn dialect(&self, request: &ModelRequest, given: Given) -> Dialect<'_> {
        let Concessions { images, cache_marks, refused_thinking, refused_efforts, max_tokens } = &self.concessions;
        let is_taken = |refused: &AtomicU8| refused.load(Ordering::Relaxed) & bit(request.thinking) == 0;
        let wanted = request.max_tokens.unwrap_or_else(|| self.family.max_tokens(self.remote.context_tokens));
        let known = Some(max_tokens.load(Ordering::Relaxed)).filter(|known| *known > 0);
        let max_tokens = [known, given.max_tokens].into_iter().flatten().fold(wanted, u64::min).max(1);
        Dialect {
            origin: &self.remote.origin,
            model: &self.remote.name,
            family: self.family,
            max_tokens,
            images: images.load(Ordering::Relaxed) && !given.images,
            cache_marks: cache_marks.load(Ordering::Relaxed),
            thinking: is_taken(refused_thinking),
            effort: is_taken(refused_efforts),
            own_thinking: !given.thinking,
        }
    }
}

#[async_trait]
impl Model for Anthropic {
    fn id(&self) -> &str {
        self.remote.id()
    }

    fn context_tokens(&self) -> Option<u64> {
        self.remote.context_tokens
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let mut given = Given::default();
        let limits = if self.family.sees_more() { Limits::ANTHROPIC } else { Limits::OLDER_ANTHROPIC };
        let asked = self.remote.fitted(request, limits, self.concessions.images.load(Ordering::Relaxed)).await;
        let request = &asked.request;
        for attempt in 1.. {
            let sent = self.dialect(request, given);
            let sees = sent.images;
            let error = match self.remote.ask(self.body(request, given)?).await {
                Ok(response) => return Ok(self.remote.reply(response, Events::default(), &asked, sees)),
                Err(error) => error,
            };
            if attempt == MAX_ATTEMPTS || !self.concessions.widen(&error, request, sent, &mut given) {
                return Err(error);
            }
            tracing::debug!(model = self.id(), %error, "asking again in the server's dialect");
        }
        unreachable!("the loop ends at its last attempt")
    }
}

impl Concessions {
    /// Takes back what the server refused; whether there was something to take back.
    fn widen(&self, error: &ModelError, request: &ModelRequest, sent: Dialect<'_>, given: &mut Given) -> bool {
        let said = error.message.to_lowercase();
        let is_overflow = matches!(error.kind, ModelErrorKind::ContextOverflow { .. });
        if !is_overflow && error.kind != ModelErrorKind::Refused {
            return false;
        }
        if said.contains("max_tokens") {
            return self.fit(&said, sent.max_tokens, given);
        }
        if is_overflow {
            return false;
        }
        // Of another conversation, of another model, shortened, or missing where it stood: without any of it the request is whole.
        let is_about_blocks = ["signature", "bound to", "cannot be modified", "`thinking` or `redacted_thinking`"];
        if is_about_blocks.iter().any(|words| said.contains(words)) {
            return !std::mem::replace(&mut given.thinking, true);
        }
        let level = bit(request.thinking);
        let refuse = |refused: &AtomicU8| refused.fetch_or(level, Ordering::Relaxed) & level == 0;
        if (said.contains("effort") || said.contains("output_config")) && sent.effort {
            return refuse(&self.refused_efforts);
        }
        if (said.contains("thinking") || said.contains("budget_tokens")) && sent.thinking {
            return refuse(&self.refused_thinking);
        }
        if said.contains("cache_control") {
            return self.cache_marks.swap(false, Ordering::Relaxed);
        }
        match image::refusal(&said, request) {
            Some(Refusal::All) => self.images.swap(false, Ordering::Relaxed),
            Some(Refusal::These) => !std::mem::replace(&mut given.images, true),
            None => false,
        }
    }

    /// The reply is what does not fit: "max_tokens: 64000 > 32000, which is the maximum ...", or "input length and `max_tokens` exceed
    /// context limit: 190000 + 64000 > 200000".
    fn fit(&self, said: &str, sent: u64, given: &mut Given) -> bool {
        let numbers: Vec<u64> = said
            .split(|c: char| !c.is_ascii_digit() && c != ',')
            .filter_map(|word| word.replace(',', "").parse().ok())
            .collect();
        let at = numbers.iter().position(|number| *number == sent);
        let fits = match (at, numbers.as_slice()) {
            (Some(at @ 1..), list) if said.contains('+') => {
                let window = list.get(at + 1).copied().unwrap_or_default();
                let room = window.saturating_sub(list[at - 1]);
                given.max_tokens = Some(room);
                room
            }
            (Some(at), list) => {
                let most = list.get(at + 1).copied().unwrap_or_default();
                if most >= MIN_REPLY_TOKENS {
                    self.max_tokens.store(most, Ordering::Relaxed);
                }
                most
            }
            (None, _) => 0,
        };
        (MIN_REPLY_TOKENS..sent).contains(&fits)
    }
}

fn bit(thinking: Thinking) -> u8 {
    1 << thinking as u8
}

/// A key goes as a key, and as a bearer's token where it is one or the server knows nothing else; never as both, which is refused.
pub(crate) fn headers(base_url: &Url, key: Option<&ApiKey>) -> Result<HeaderMap, InvalidKey> {
    let is_token = key.is_some_and(|key| key.reveal().trim().starts_with("sk-ant-oat"));
    let wants_token = base_url.host_str() == Some("openrouter.ai");
    let mut headers = if is_token || wants_token { bearer(key, None)? } else { HeaderMap::new() };
    if let Some(key) = key.filter(|_| headers.is_empty()) {
        headers.insert(HeaderName::from_static("x-api-key"), secret(key.reveal().trim())?);
    }
    headers.insert(HeaderName::from_static("anthropic-version"), VERSION);
    Ok(headers)
}

#[cfg(test)]
mod tests;
