//! What the model is shown: the messages of the session, paired and trimmed.

use std::sync::Arc;

use serde_json::Value;
use wharf_protocol::{CallId, ContentBlock, Message, MessageId, Role, Seq, ToolSpec};

/// Results up to this size stay as they are: leaving them out would save next to nothing.
const SMALL_RESULT_BYTES: u64 = 256;

/// So many of the newest results are never left out.
const KEPT_RESULTS: usize = 2;

/// What an image or a sound is taken to cost, in tokens: providers count them by area, not by bytes.
const MEDIA_TOKENS: u64 = 1_600;

/// The roles and separators around each message, in tokens.
const MESSAGE_TOKENS: u64 = 4;

/// The model's instructions, which the core does not see, are taken to fit into so many tokens.
const INSTRUCTIONS_TOKENS: u64 = 1_000;

/// The messages that the model is shown, each with the estimate of its tokens.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    messages: Vec<Arc<Message>>,
    tokens: Vec<u64>,
    total: u64,
}

impl Conversation {
    pub(crate) fn messages(&self) -> &[Arc<Message>] {
        &self.messages
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn extend(&mut self, message: Option<Message>) {
        if let Some(message) = message {
            self.push(message);
        }
    }

    /// Adds what user or agent says. A message that says nothing is left out: providers refuse it.
    pub(crate) fn push(&mut self, message: Message) {
        let is_empty = message.content.is_empty() && message.tool_calls.is_empty();
        if !is_empty {
            self.insert(self.messages.len(), message);
        }
    }

    /// Adds a call's result: after the message that asked for it, in the order of that message's calls.
    pub(crate) fn push_result(&mut self, mut message: Message) {
        let Some(call_id) = message.call_id.clone() else { return };
        let Some((asked_at, place)) = self.request(&call_id) else { return };
        if message.content.is_empty() {
            message.content.push(ContentBlock::text("(no output)"));
        }
        let request = Arc::clone(&self.messages[asked_at]);
        let is_before = |result: &Message| {
            let id = result.call_id.as_ref();
            request.tool_calls[..place].iter().any(|call| Some(&call.call_id) == id)
        };
        let results = self.messages[asked_at + 1..].iter().take_while(|m| m.role == Role::Tool);
        let before = results.take_while(|result| is_before(result)).count();
        self.insert(asked_at + 1 + before, message);
    }

    /// Where a call was asked for: which message, and which of its calls.
    fn request(&self, call_id: &CallId) -> Option<(usize, usize)> {
        self.messages.iter().enumerate().rev().find_map(|(at, message)| {
            let place = message.tool_calls.iter().position(|call| call.call_id == *call_id)?;
            Some((at, place))
        })
    }

    fn insert(&mut self, at: usize, message: Message) {
        let tokens = tokens_of(&message);
        self.total += tokens;
        self.tokens.insert(at, tokens);
        self.messages.insert(at, Arc::new(message));
    }

    /// An estimate of the next request, without the tools.
    pub(crate) fn estimate(&self) -> u64 {
        self.total + INSTRUCTIONS_TOKENS
    }

    /// How far results have to be left out to save `tokens`, and what that saves; `None` when nothing can be left out.
    pub(crate) fn trim_plan(&self, tokens: u64) -> Option<(Seq, u64)> {
        let mut results: Vec<(Seq, u64)> = self.messages.iter().filter_map(|m| trimmable(m)).collect();
        let newest = self.messages.iter().filter(|m| m.role == Role::Tool).map(|m| m.seq);
        let mut newest: Vec<Seq> = newest.collect();
        newest.sort_unstable();
        let kept_from = newest.len().saturating_sub(KEPT_RESULTS);
        let last = kept_from.checked_sub(1).map(|at| newest[at])?;
        results.retain(|(seq, _)| *seq <= last);
        results.sort_unstable();
        let mut plan = None;
        let mut saved = 0;
        for (seq, bytes) in results {
            saved += bytes / 4;
            plan = Some((seq, saved));
            if saved >= tokens {
                break;
            }
        }
        plan
    }

    /// Leaves the output of calls out that ended by `through`.
    pub(crate) fn trim(&mut self, through: Seq) {
        for (message, tokens) in self.messages.iter_mut().zip(&mut self.tokens) {
            let Some((seq, bytes)) = trimmable(message) else { continue };
            if seq > through {
                continue;
            }
            let note = format!("[output of {bytes} bytes left out to save space]");
            let trimmed = Message { content: vec![ContentBlock::text(note)], ..Message::clone(message) };
            self.total -= *tokens;
            *tokens = tokens_of(&trimmed);
            self.total += *tokens;
            *message = Arc::new(trimmed);
        }
    }

    /// What a request carries. Providers refuse a call without its result, a result without its call, and some of them a
    /// reply that follows a reply; the log of a session that was cut off or damaged may hold all three.
    pub(crate) fn for_model(&self) -> Vec<Arc<Message>> {
        let mut out: Vec<Arc<Message>> = Vec::with_capacity(self.messages.len() + 1);
        let mut at = 0;
        while let Some(message) = self.messages.get(at) {
            at += 1;
            if message.role == Role::Tool {
                continue;
            }
            out.push(Arc::clone(message));
            if !message.tool_calls.is_empty() {
                let results = self.messages[at..].iter().take_while(|m| m.role == Role::Tool).count();
                push_results(&mut out, message, &self.messages[at..at + results]);
                at += results;
            }
            let next_is_user = self.messages.get(at).is_some_and(|next| next.role == Role::User);
            if message.role == Role::Assistant && message.is_error && !next_is_user {
                out.push(Arc::new(go_on(message)));
            }
        }
        out
    }
}

/// One result for each call of `request`, in order.
fn push_results(out: &mut Vec<Arc<Message>>, request: &Message, results: &[Arc<Message>]) {
    for call in &request.tool_calls {
        let result = results.iter().find(|result| result.call_id.as_ref() == Some(&call.call_id));
        out.push(match result {
            Some(result) => Arc::clone(result),
            None => Arc::new(Message {
                role: Role::Tool,
                content: vec![ContentBlock::text("(the outcome of this call was lost)")],
                reasoning: String::new(),
                tool_calls: Vec::new(),
                call_id: Some(call.call_id.clone()),
                tool_name: Some(call.tool_name.clone()),
                is_error: true,
                provider_data: None,
                ..request.clone()
            }),
        });
    }
}

/// Stands between a reply that was cut off and the next one.
fn go_on(cut_off: &Message) -> Message {
    let message_id: MessageId =
        format!("{}-go-on", cut_off.message_id).parse().unwrap_or_else(|_| cut_off.message_id.clone());
    Message {
        message_id,
        role: Role::User,
        content: vec![ContentBlock::text("[Your message was cut off there. Go on.]")],
        reasoning: String::new(),
        tool_calls: Vec::new(),
        is_error: false,
        provider_data: None,
        ..cut_off.clone()
    }
}

/// The seq and size of a result that can be left out.
fn trimmable(message: &Message) -> Option<(Seq, u64)> {
    if message.role != Role::Tool {
        return None;
    }
    let bytes = message.content.iter().map(block_bytes).sum();
    (bytes > SMALL_RESULT_BYTES).then_some((message.seq, bytes))
}

fn tokens_of(message: &Message) -> u64 {
    let calls = message.tool_calls.iter().map(|call| value_bytes(&call.arguments) + call.tool_name.len() as u64);
    let content: u64 = message.content.iter().map(block_bytes).sum();
    let provider_data = message.provider_data.as_ref().map_or(0, value_bytes);
    (content + calls.sum::<u64>() + message.reasoning.len() as u64 + provider_data) / 4 + MESSAGE_TOKENS
}

fn block_bytes(block: &ContentBlock) -> u64 {
    match block {
        ContentBlock::Text { text } => text.len() as u64,
        ContentBlock::Image { .. } | ContentBlock::Audio { .. } => MEDIA_TOKENS * 4,
        ContentBlock::ResourceLink { uri, name, .. } => (uri.len() + name.len()) as u64,
        ContentBlock::Resource { resource } => {
            let blob = resource.blob.as_ref().map_or(0, |_| MEDIA_TOKENS * 4);
            resource.text.as_ref().map_or(0, String::len) as u64 + blob
        }
    }
}

/// The length of a value's JSON, nearly.
fn value_bytes(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 6,
        Value::String(text) => text.len() as u64 + 2,
        Value::Array(items) => items.iter().map(|item| value_bytes(item) + 1).sum::<u64>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(name, item)| name.len() as u64 + value_bytes(item) + 4).sum::<u64>() + 2
        }
    }
}

/// What the tools' descriptions take of each request, in tokens.
pub(crate) fn schema_tokens(tools: &[Arc<ToolSpec>]) -> u64 {
    let bytes =
        |tool: &ToolSpec| tool.name.len() as u64 + tool.description.len() as u64 + value_bytes(&tool.parameters);
    tools.iter().map(|tool| bytes(tool) / 4 + MESSAGE_TOKENS).sum()
}
