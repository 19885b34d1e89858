//! Models: one port, a private module per provider protocol, discovery, and the offline demo model.
//!
//! The only crate that talks to model providers.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::Stream;
use wharf_protocol::model::{ModelError, ModelReply};
use wharf_protocol::{Message, ToolSpec};

/// A model behind a provider's API.
#[async_trait]
pub trait Model: Send + Sync + 'static {
    /// `provider/name`
    fn id(&self) -> &str;

    /// What a request may fill, in tokens, where it is known.
    fn context_tokens(&self) -> Option<u64>;

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
