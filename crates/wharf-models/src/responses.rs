//! OpenAI's Responses, and the servers that speak them. Nothing is kept at the provider: each request holds the whole conversation.

mod decoder;
mod items;
mod request;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use async_trait::async_trait;
use wharf_protocol::Thinking;
use wharf_protocol::model::{ModelError, ModelErrorKind, Protocol};

use crate::http::Transport;
use crate::image::{self, Limits, Refusal};
use crate::remote::{InvalidKey, Remote, Settings, bearer, below, encoded};
use crate::{Model, ModelRequest, ModelStream};
use decoder::Events;
use request::{Body, Options};

/// Requests that one call may make until the server takes one of them: the first, and one for each thing that it may refuse.
const MAX_ATTEMPTS: usize = 8;

/// One model behind a server that speaks Responses.
pub(crate) struct Responses {
    remote: Remote,
    concessions: Concessions,
}

/// What the server was found not to take. Kept for the model's life, so that it is found out once.
#[derive(Debug, Default)]
struct Concessions {
    no_images: AtomicBool,
    no_include: AtomicBool,
    no_summary: AtomicBool,
    /// For each level, how many of its words were refused.
    refused_efforts: [AtomicU8; Thinking::ALL.len()],
}

impl fmt::Debug for Responses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responses").field("id", &self.remote.id()).finish_non_exhaustive()
    }
}

impl Responses {
    pub(crate) fn new(settings: Settings, transport: Arc<Transport>) -> Result<Self, InvalidKey> {
        let headers = bearer(settings.key.as_ref(), settings.key_header)?;
        let url = below(&settings.base_url, &["responses"]);
        let concessions = Concessions { no_images: AtomicBool::new(!settings.images), ..Concessions::default() };
        let remote = Remote::new(settings, Protocol::Responses, url, headers, transport);
        Ok(Self { remote, concessions })
    }
}

#[async_trait]
impl Model for Responses {
    fn id(&self) -> &str {
        self.remote.id()
    }

    fn context_tokens(&self) -> Option<u64> {
        self.remote.context_tokens
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let mut own_items = true;
        // Whether this call still shows its images.
        let mut shows = true;
        let sees = !self.concessions.no_images.load(Ordering::Relaxed);
        let asked = self.remote.fitted(request, Limits::RESPONSES, sees).await;
        let request = &asked.request;
        for attempt in 1.. {
            let mut options = self.concessions.options(request.thinking, own_items);
            options.images &= shows;
            let body = encoded(&Body::new(&self.remote.origin, &self.remote.name, request, options))?;
            let error = match self.remote.ask(body).await {
                Ok(response) => return Ok(self.remote.reply(response, Events::default(), &asked, options.images)),
                Err(error) => error,
            };
            // Another key, another organisation, a prefix that was edited: this conversation goes on without its reasoning.
            let drops_items = own_items && cannot_read_items(&error);
            own_items &= !drops_items;
            if attempt == MAX_ATTEMPTS || !(drops_items || self.concessions.widen(&error, request, &mut shows)) {
                return Err(error);
            }
            tracing::debug!(model = self.id(), %error, "asking again in the server's dialect");
        }
        unreachable!("the loop ends at its last attempt")
    }
}

fn cannot_read_items(error: &ModelError) -> bool {
    let said = error.message.to_lowercase();
    let of_reasoning = said.contains("encrypted content") && (said.contains("verified") || said.contains("decrypt"));
    error.kind == ModelErrorKind::Refused
        && (of_reasoning
            || said.contains("without its required")
            || (said.contains("item with id") && said.contains("not found")))
}

impl Concessions {
    fn options(&self, thinking: Thinking, own_items: bool) -> Options {
        let is_off = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        Options {
            images: !is_off(&self.no_images),
            include: !is_off(&self.no_include),
            summary: !is_off(&self.no_summary),
            effort: self.effort(thinking),
            own_items,
        }
    }

    /// The word for a level that the model has not refused; nothing where the model is to do as it does by itself.
    fn effort(&self, thinking: Thinking) -> Option<&'static str> {
        let refused = self.refused_efforts[thinking as usize].load(Ordering::Relaxed);
        words(thinking).get(usize::from(refused)).copied()
    }

    /// Takes back what the server refused; whether there was something to take back.
    fn widen(&self, error: &ModelError, request: &ModelRequest, shows: &mut bool) -> bool {
        if error.kind != ModelErrorKind::Refused {
            return false;
        }
        let said = error.message.to_lowercase();
        let take = |flag: &AtomicBool| !flag.swap(true, Ordering::Relaxed);
        // Only some models reason, and only some accounts may read of it.
        let of_summary = said.contains("reasoning.summary") || said.contains("reasoning summar");
        if (said.contains("encrypted") && take(&self.no_include)) || (of_summary && take(&self.no_summary)) {
            return true;
        }
        // Where a level is refused, its word is quoted.
        let is_quoted = |word: &str| said.contains("value") && said.contains(&format!("'{word}'"));
        let of_effort = ["reasoning.effort", "reasoning_effort"].iter().any(|field| said.contains(field))
            || self.effort(request.thinking).is_some_and(is_quoted);
        if (of_effort || said.contains("'reasoning'")) && self.effort(request.thinking).is_some() {
            self.refused_efforts[request.thinking as usize].fetch_add(1, Ordering::Relaxed);
            return true;
        }
        if said.contains("'reasoning'") && take(&self.no_summary) {
            return true;
        }
        match image::refusal(&said, request) {
            Some(Refusal::All) => take(&self.no_images),
            Some(Refusal::These) => std::mem::take(shows),
            None => false,
        }
    }
}

/// What a level is called, the best word first: models differ in those that they take.
fn words(thinking: Thinking) -> &'static [&'static str] {
    match thinking {
        Thinking::Default => &[],
        Thinking::Off => &["none", "minimal", "low"],
        Thinking::Low => &["low"],
        Thinking::Medium => &["medium"],
        Thinking::High => &["high"],
    }
}

#[cfg(test)]
mod tests;
