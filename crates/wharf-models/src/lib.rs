//! Models: one port, a private module per provider protocol, discovery, and the offline demo model.
//!
//! The only crate that talks to model providers.

mod anthropic;
mod catalogue;
mod demo;
mod discovery;
mod gemini;
mod http;
mod image;
mod key;
mod openai_chat;
mod origin;
mod remote;
mod reply;
mod responses;
mod words;

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::Stream;
use wharf_protocol::model::{ModelError, ModelReply};
use wharf_protocol::rest::ModelList;
use wharf_protocol::{Message, Thinking, ToolSpec};

pub use demo::DemoModel;
pub use discovery::{
    BadProfile, DefaultModel, KeySource, LocalServer, ModelSettings, Models, ModelsConfig, PROFILES_MAX, Place, Preset,
    Profile, ResolveError, preset, presets,
};
pub use http::{Authorities, ProxyChoice};
pub use key::ApiKey;

/// A model behind a provider's API.
#[async_trait]
pub trait Model: Send + Sync + 'static {
    /// `provider/name`
    fn id(&self) -> &str;

    /// What a request may fill, in tokens, where it is known.
    fn context_tokens(&self) -> Option<u64>;

    /// How often one call is tried, where its provider has a number of its own.
    fn attempts(&self) -> Option<u32> {
        None
    }

    /// Asks the model. Dropping the stream (or this future) ends the request and its connection's work.
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError>;
}

/// What a model is asked with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The agent's instructions.
    pub system: Arc<str>,
    /// The conversation, oldest first; every tool call in it is followed by its result.
    pub messages: Vec<Arc<Message>>,
    pub tools: Arc<[Arc<ToolSpec>]>,
    /// Most tokens of the reply; absent: the provider's default.
    pub max_tokens: Option<u64>,
    /// How much the model is to think first.
    pub thinking: Thinking,
}

/// The pieces of a reply, in order: any number of `Text` and `Reasoning`, then exactly one `Finished`, or an error.
pub type ModelStream = Pin<Box<dyn Stream<Item = Result<Delta, ModelError>> + Send>>;

/// One piece of a reply.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    Text(String),
    Reasoning(String),
    Finished(ModelReply),
}

/// Where models come from: the engine asks here for the model that a session names.
#[async_trait]
pub trait ModelSource: Send + Sync {
    /// The model of that id (`provider/name`, or a provider alone), or the default one.
    async fn resolve(&self, id: Option<&str>) -> Result<Arc<dyn Model>, ResolveError>;

    /// The context of a model, in tokens, where it is known without asking anybody.
    fn context_tokens(&self, _id: &str) -> Option<u64> {
        None
    }

    /// The same, where the model's own server may be asked for it.
    async fn window(&self, id: &str) -> Option<u64> {
        self.context_tokens(id)
    }

    /// Every provider that was considered, and why it can or cannot be used. What does not say within `wait` which models it has is shown
    /// without them.
    async fn list(&self, wait: Duration) -> ModelList;
}
