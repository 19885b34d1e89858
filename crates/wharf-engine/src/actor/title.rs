//! A title from a small model, asked for beside everything else: nothing waits for it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;
use wharf_core::Input;
use wharf_models::{Delta, ModelRequest, ModelSource};
use wharf_protocol::model::ModelReply;
use wharf_protocol::{Message, Thinking};

use super::Actor;

/// So long the small model may take; then the first words stay.
const TITLE_LIMIT: Duration = Duration::from_secs(30);

/// Longest text that is read, in bytes; a model that goes on writing is not listened to.
const TITLE_BYTES: usize = 4 << 10;

/// A title that is being written.
pub(super) type TitleCall = BoxFuture<'static, Input>;

impl Actor {
    pub(super) fn ask_title(&mut self, ask: u64, message: Arc<Message>) {
        let Some(model) = self.shared.config().small_model.clone() else { return };
        let models = Arc::clone(&self.shared.models);
        let writing = async move {
            let written = timeout(TITLE_LIMIT, write(models, &model, message)).await.ok().flatten();
            let (text, reply) = written.unwrap_or_default();
            Input::TitleWritten { ask, text, reply: reply.map(|reply| (model, reply)) }
        };
        self.title = Some(writing.boxed());
    }
}

/// The text, and what its provider counted.
async fn write(
    models: Arc<dyn ModelSource>,
    model: &str,
    message: Arc<Message>,
) -> Option<(String, Option<ModelReply>)> {
    let model = models.resolve(Some(model)).await.ok()?;
    let request = ModelRequest {
        system: Arc::from(""),
        messages: vec![message],
        tools: Arc::new([]),
        max_tokens: None,
        thinking: Thinking::Off,
    };
    let mut stream = model.stream(request).await.ok()?;
    let mut text = String::new();
    while let Some(delta) = stream.next().await {
        match delta.ok()? {
            Delta::Text(more) => text.push_str(&more),
            Delta::Reasoning(_) => {}
            Delta::Finished(reply) => return Some((text, Some(reply))),
        }
        if text.len() > TITLE_BYTES {
            return None;
        }
    }
    Some((text, None))
}

/// The title, once it is written; then there is none to wait for.
pub(super) async fn written(title: &mut Option<TitleCall>) -> Input {
    match title {
        Some(writing) => {
            let input = writing.await;
            *title = None;
            input
        }
        None => std::future::pending().await,
    }
}
