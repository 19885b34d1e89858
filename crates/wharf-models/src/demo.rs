//! The built-in offline model: no language model, and it says so. It follows a few fixed intents with real tools.
//!
//! It keeps nothing between requests: what it does next follows from the messages alone.

mod answer;
mod intent;
mod plan;

use async_trait::async_trait;
use futures_util::stream;
use wharf_protocol::context::is_note;
use wharf_protocol::cost::PriceSource;
use wharf_protocol::model::{ModelError, ModelReply, ProposedCall};
use wharf_protocol::{CallCost, Message, Role, StopReason, UnseenImages};

use crate::{Delta, Model, ModelRequest, ModelStream, image};
use plan::{Outcome, Step};

/// A model without a network, so that the product can be tried where there is no key.
#[derive(Debug, Default)]
pub struct DemoModel;

impl DemoModel {
    pub(crate) const NAME: &'static str = "demo";
    pub(crate) const PROVIDER: &'static str = "demo";

    /// Whether a configured model means this one.
    pub(crate) fn is_called(model: &str) -> bool {
        matches!(model, "demo" | "demo/demo")
    }
    const ID: &'static str = "demo/demo";
}

#[async_trait]
impl Model for DemoModel {
    fn id(&self) -> &str {
        Self::ID
    }

    fn context_tokens(&self) -> Option<u64> {
        None
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let (text, calls) = match next_step(&request) {
            Step::Call { say, tool_name, arguments } => {
                (say, vec![ProposedCall { tool_name, arguments: Ok(arguments), provider_data: None }])
            }
            Step::Answer(text) => (text, Vec::new()),
        };
        let words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
        let reply = ModelReply {
            stop_reason: StopReason::EndTurn,
            announces_call: false,
            tool_calls: calls,
            // It has no tokens to count.
            usage: None,
            // It is no provider's.
            cost: Some(CallCost { nano_usd: 0, source: PriceSource::Provider }),
            provider_data: None,
            unseen: UnseenImages { unsupported: image::count(&request.messages), ..UnseenImages::default() },
        };
        let deltas = words.into_iter().map(Delta::Text).chain([Delta::Finished(reply)]);
        Ok(Box::pin(stream::iter(deltas.map(Ok))))
    }
}

/// What a message says, without what it tells of the workspace.
fn said(message: &Message) -> String {
    message.content.iter().filter(|block| !is_note(block)).filter_map(|block| block.as_text()).collect()
}

fn next_step(request: &ModelRequest) -> Step {
    let asked = request.messages.iter().rposition(|message| message.role == Role::User);
    let Some(asked) = asked else {
        return Step::Answer(answer::help());
    };
    let prompt = said(&request.messages[asked]);
    if request.tools.is_empty() && prompt.to_lowercase().contains("summar") {
        return Step::Answer(answer::conversation(&request.messages[..asked]));
    }
    let outcomes = outcomes(&request.messages[asked + 1..]);
    plan::next_step(&intent::parse(&prompt), &outcomes, &request.tools)
}

/// What became of the calls since the prompt, in order.
fn outcomes(messages: &[std::sync::Arc<Message>]) -> Vec<Outcome> {
    let results = messages.iter().filter(|message| message.role == Role::Tool);
    results.map(|message| Outcome { text: said(message), failed: message.is_error }).collect()
}

#[cfg(test)]
mod tests;
