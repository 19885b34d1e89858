//! OpenAI's chat completions, and the many servers that speak them.

mod decoder;
mod request;
mod stream;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::header::HeaderValue;
use reqwest::{Response, Url};
use wharf_protocol::Thinking;
use wharf_protocol::model::{ModelError, ModelErrorKind};

use crate::http::{Endpoint, Transport, failure};
use crate::key::ApiKey;
use crate::words::is_image;
use crate::{Model, ModelRequest, ModelStream};

/// Most bytes of an error's body that are read.
const MAX_ERROR_BODY_BYTES: usize = 64 << 10;

/// How long the rest of an error's body is waited for.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests that one call may make until the server takes one of them: the first, and one for each `Concession`.
const MAX_ATTEMPTS: usize = 5;

/// One model behind a server that speaks chat completions.
pub(crate) struct OpenAiChat {
    id: String,
    name: String,
    context_tokens: Option<u64>,
    idle: Duration,
    key: Option<ApiKey>,
    endpoint: Endpoint,
    transport: Arc<Transport>,
    concessions: Concessions,
}

/// What an `OpenAiChat` is made of.
pub(crate) struct Settings {
    /// First part of the id.
    pub provider: String,
    /// As the provider knows the model.
    pub name: String,
    pub base_url: Url,
    pub key: Option<ApiKey>,
    pub context_tokens: Option<u64>,
    pub idle: Duration,
}

/// Where servers differ in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// OpenAI's newer models refuse `max_tokens`; most other servers know nothing else.
    pub max_completion_tokens: bool,
    pub stream_options: bool,
}

/// What the server was found not to take. Kept for the model's life, so that it is found out once.
#[derive(Debug)]
struct Concessions {
    images: AtomicBool,
    stream_options: AtomicBool,
    max_completion_tokens: AtomicBool,
    /// A bit for each thinking level that was refused.
    refused_efforts: AtomicU8,
}

impl fmt::Debug for OpenAiChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiChat").field("id", &self.id).finish_non_exhaustive()
    }
}

impl OpenAiChat {
    pub(crate) fn new(settings: Settings, transport: Arc<Transport>) -> Result<Self, InvalidKey> {
        let Settings { provider, name, base_url, key, context_tokens, idle } = settings;
        let max_completion_tokens = base_url.host_str() == Some("api.openai.com");
        let authorization = key.as_ref().map(bearer).transpose()?;
        Ok(Self {
            id: format!("{provider}/{name}"),
            name,
            context_tokens,
            idle,
            key,
            endpoint: Endpoint::new(below(&base_url, &["chat", "completions"]), authorization),
            transport,
            concessions: Concessions {
                images: AtomicBool::new(true),
                stream_options: AtomicBool::new(true),
                max_completion_tokens: AtomicBool::new(max_completion_tokens),
                refused_efforts: AtomicU8::new(0),
            },
        })
    }

    fn body(&self, request: &ModelRequest) -> Result<Bytes, ModelError> {
        let body = request::Body {
            id: &self.id,
            model: &self.name,
            request,
            dialect: Dialect {
                max_completion_tokens: self.concessions.max_completion_tokens.load(Ordering::Relaxed),
                stream_options: self.concessions.stream_options.load(Ordering::Relaxed),
            },
            images: self.concessions.images.load(Ordering::Relaxed),
            effort: self.concessions.effort(request.thinking),
        };
        serde_json::to_vec(&body).map(Bytes::from).map_err(|error| ModelError {
            kind: ModelErrorKind::Refused,
            message: format!("the request cannot be written as JSON: {error}"),
            retry_after_ms: None,
        })
    }

    fn secret(&self) -> Option<&str> {
        self.key.as_ref().map(ApiKey::reveal)
    }

    async fn refusal(&self, response: Response) -> ModelError {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = read_at_most(response, MAX_ERROR_BODY_BYTES, ERROR_BODY_TIMEOUT).await;
        failure::from_response(status, &headers, &body, self.secret())
    }
}

#[async_trait]
impl Model for OpenAiChat {
    fn id(&self) -> &str {
        &self.id
    }

    fn context_tokens(&self) -> Option<u64> {
        self.context_tokens
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        for attempt in 1.. {
            let body = self.body(&request)?;
            let sent = self.transport.post(&self.endpoint, body, self.idle).await;
            let response = sent.map_err(|error| failure::redacted(error, self.secret()))?;
            if response.status().is_success() {
                let (id, key, tools) = (self.id.clone(), self.key.clone(), Arc::clone(&request.tools));
                return Ok(Box::pin(stream::ReplyStream::new(response, self.idle, id, key, tools)));
            }
            let error = self.refusal(response).await;
            if attempt == MAX_ATTEMPTS || !self.concessions.widen(&error, &request) {
                return Err(error);
            }
            tracing::debug!(model = self.id, %error, "asking again in the server's dialect");
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
    fn widen(&self, error: &ModelError, request: &ModelRequest) -> bool {
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
        if said.contains("stream_options") {
            flags.push(&self.stream_options);
        }
        if said.contains("image") && request.messages.iter().any(|message| message.content.iter().any(is_image)) {
            flags.push(&self.images);
        }
        flags.into_iter().any(|flag| flag.swap(false, Ordering::Relaxed))
    }
}

fn bit(thinking: Thinking) -> u8 {
    1 << thinking as u8
}

/// A key that cannot stand in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidKey;

pub(crate) fn bearer(key: &ApiKey) -> Result<HeaderValue, InvalidKey> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.reveal().trim())).map_err(|_| InvalidKey)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The URL of an endpoint under `base_url`.
pub(crate) fn below(base_url: &Url, segments: &[&str]) -> Url {
    let mut url = base_url.clone();
    // Fails only for URLs without a host, which are no base URLs.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// As much of a body as comes within the limits.
pub(crate) async fn read_at_most(response: Response, max_bytes: usize, limit: Duration) -> Vec<u8> {
    let mut pieces = response.bytes_stream();
    let mut body = Vec::new();
    let read = async {
        while let Some(Ok(piece)) = pieces.next().await {
            let room = max_bytes - body.len();
            body.extend_from_slice(&piece[..piece.len().min(room)]);
            if body.len() == max_bytes {
                break;
            }
        }
    };
    // What has come until then is the answer.
    let _ = tokio::time::timeout(limit, read).await;
    body
}

#[cfg(test)]
mod tests;
