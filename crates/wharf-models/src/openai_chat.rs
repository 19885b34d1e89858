//! OpenAI's chat completions, and the many servers that speak them.

mod decoder;
mod request;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_protocol::Thinking;
use wharf_protocol::model::{ModelError, ModelErrorKind, Protocol};

use crate::http::Transport;
use crate::image::{self, Limits, Refusal};
use crate::remote::{InvalidKey, Remote, Settings, bearer, below, encoded};
use crate::{Model, ModelRequest, ModelStream};
use decoder::Chunks;

/// Requests that one call may make until the server takes one of them: the first, and one for each `Concession`.
const MAX_ATTEMPTS: usize = 6;

/// One model behind a server that speaks chat completions.
pub(crate) struct OpenAiChat {
    remote: Remote,
    concessions: Concessions,
}

/// Where servers differ in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// OpenAI's newer models refuse `max_tokens`; most other servers know nothing else.
    pub max_completion_tokens: bool,
    pub stream_options: bool,
    /// Models that think want to see that they did, in each of their messages: also in those of another model, where it is empty.
    pub reasoning: bool,
}

/// What the server was found not to take. Kept for the model's life, so that it is found out once.
#[derive(Debug)]
struct Concessions {
    images: AtomicBool,
    stream_options: AtomicBool,
    max_completion_tokens: AtomicBool,
    reasoning: AtomicBool,
    /// A bit for each thinking level that was refused.
    refused_efforts: AtomicU8,
}

impl fmt::Debug for OpenAiChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiChat").field("id", &self.remote.id()).finish_non_exhaustive()
    }
}

impl OpenAiChat {
    pub(crate) fn new(settings: Settings, transport: Arc<Transport>) -> Result<Self, InvalidKey> {
        let max_completion_tokens = settings.base_url.host_str() == Some("api.openai.com");
        // Its newer models refuse a history without it.
        let reasoning = settings.base_url.host_str() == Some("api.deepseek.com");
        let headers = bearer(settings.key.as_ref(), settings.key_header)?;
        let url = below(&settings.base_url, &["chat", "completions"]);
        let images = settings.images;
        Ok(Self {
            remote: Remote::new(settings, Protocol::Openai, url, headers, transport),
            concessions: Concessions {
                images: AtomicBool::new(images),
                stream_options: AtomicBool::new(true),
                max_completion_tokens: AtomicBool::new(max_completion_tokens),
                reasoning: AtomicBool::new(reasoning),
                refused_efforts: AtomicU8::new(0),
            },
        })
    }

    fn sees(&self) -> bool {
        self.concessions.images.load(Ordering::Relaxed)
    }

    fn body(&self, request: &ModelRequest, sees: bool) -> Result<Bytes, ModelError> {
        encoded(&request::Body {
            origin: &self.remote.origin,
            model: &self.remote.name,
            request,
            dialect: Dialect {
                max_completion_tokens: self.concessions.max_completion_tokens.load(Ordering::Relaxed),
                stream_options: self.concessions.stream_options.load(Ordering::Relaxed),
                reasoning: self.concessions.reasoning.load(Ordering::Relaxed),
            },
            images: sees,
            effort: self.concessions.effort(request.thinking),
        })
    }
}

#[async_trait]
impl Model for OpenAiChat {
    fn id(&self) -> &str {
        self.remote.id()
    }

    fn context_tokens(&self) -> Option<u64> {
        self.remote.context_tokens
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        // Whether this call still shows its images.
        let mut shows = true;
        let asked = self.remote.fitted(request, Limits::CHAT, self.sees()).await;
        for attempt in 1.. {
            let sees = shows && self.sees();
            let error = match self.remote.ask(self.body(&asked.request, sees)?).await {
                Ok(response) => return Ok(self.remote.reply(response, Chunks::default(), &asked, sees)),
                Err(error) => error,
            };
            if attempt == MAX_ATTEMPTS || !self.concessions.widen(&error, &asked.request, &mut shows) {
                return Err(error);
            }
            tracing::debug!(model = self.id(), %error, "asking again in the server's dialect");
        }
        unreachable!("the loop ends at its last attempt")
    }
}

impl Concessions {
    /// What the request says of thinking; nothing where the model is to do as it does by itself, or has refused the level.
    fn effort(&self, thinking: Thinking) -> Option<&'static str> {
        let is_refused = self.refused_efforts.load(Ordering::Relaxed) & bit(thinking) != 0;
        match thinking {
            _ if is_refused => None,
            Thinking::Default => None,
            Thinking::Off => Some("none"),
            Thinking::Low => Some("low"),
            Thinking::Medium => Some("medium"),
            Thinking::High => Some("high"),
        }
    }

    /// Takes back what the server refused; whether there was something to take back.
    fn widen(&self, error: &ModelError, request: &ModelRequest, shows: &mut bool) -> bool {
        if error.kind != ModelErrorKind::Refused {
            return false;
        }
        let said = error.message.to_lowercase();
        let mut flags = Vec::new();
        if said.contains("max_completion_tokens") || said.contains("max_tokens") {
            // The same message names both: whichever was sent was the wrong one.
            let sent = self.max_completion_tokens.load(Ordering::Relaxed);
            let wants_newer = said.contains("use 'max_completion_tokens'");
            if request.max_tokens.is_some() && sent != wants_newer {
                self.max_completion_tokens.store(wants_newer, Ordering::Relaxed);
                return true;
            }
        }
        // Models without levels refuse the field, others a single level.
        if said.contains("reasoning_effort") && self.effort(request.thinking).is_some() {
            self.refused_efforts.fetch_or(bit(request.thinking), Ordering::Relaxed);
            return true;
        }
        if said.contains("reasoning_content") && !self.reasoning.swap(true, Ordering::Relaxed) {
            return true;
        }
        if said.contains("stream_options") {
            flags.push(&self.stream_options);
        }
        match image::refusal(&said, request) {
            Some(Refusal::All) => flags.push(&self.images),
            Some(Refusal::These) if flags.is_empty() => return std::mem::take(shows),
            Some(Refusal::These) | None => {}
        }
        flags.into_iter().any(|flag| flag.swap(false, Ordering::Relaxed))
    }
}

fn bit(thinking: Thinking) -> u8 {
    1 << thinking as u8
}

#[cfg(test)]
mod tests;
