//! The request's JSON, made from our messages.
//!
//! The same messages give the same bytes but for the marks of the cache, which the provider does not count: its cache holds from
//! request to request.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use wharf_protocol::{ContentBlock, Message, Role, ToolRequest, ToolSpec};

use super::blocks::{self, Part};
use super::family::{Depth, Family, Kind};
use crate::ModelRequest;
use crate::origin::Origin;
use crate::words::{Flat, function_name, is_image};

/// Where the provider may begin to read its cache: behind the tools, the instructions, the newest user's message and the one before it,
/// where the last request put its own.
const USER_MARKS: usize = 2;

/// Most characters of a call's id.
const MAX_ID_CHARS: usize = 64;

/// What a request is made of besides the messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect<'a> {
    /// What a model thought goes back to that model only.
    pub(super) origin: &'a Origin,
    /// As the provider knows it.
    pub(super) model: &'a str,
    pub(super) family: Family,
    pub(super) max_tokens: u64,
    /// Off where it was refused before.
    pub(super) images: bool,
    pub(super) cache_marks: bool,
    pub(super) thinking: bool,
    pub(super) effort: bool,
    /// Off for one request whose own thinking was refused.
    pub(super) own_thinking: bool,
}

/// The body.
pub(super) fn body<'a>(request: &'a ModelRequest, dialect: Dialect<'a>) -> Body<'a> {
    let mut turns = Turns { dialect, list: Vec::new(), images: Vec::new() };
    for message in &request.messages {
        turns.add(message);
    }
    let mut messages = turns.finish();
    if dialect.cache_marks {
        mark(&mut messages);
    }
    let depth = dialect.family.depth(request.thinking, dialect.max_tokens, is_unfinished(&messages));
    Body {
        model: dialect.model,
        max_tokens: dialect.max_tokens,
        system: System { text: &request.system, is_marked: dialect.cache_marks },
        tools: tools(request, dialect.cache_marks),
        tool_choice: (request.tools.is_empty() && has_calls(request)).then(|| json!({ "type": "none" })),
        messages,
        thinking: thinking(depth).filter(|_| dialect.thinking),
        output_config: depth.effort.filter(|_| dialect.effort).map(|effort| json!({ "effort": effort })),
        stream: true,
    }
}

#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "System::is_empty")]
    system: System<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Value>,
    stream: bool,
}

struct System<'a> {
    text: &'a str,
    is_marked: bool,
}

impl System<'_> {
    fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }
}

impl Serialize for System<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let block = Block::Text { text: Cow::Borrowed(self.text) };
        serializer.collect_seq([Marked { block, cache_control: self.is_marked.then_some(Mark::EPHEMERAL) }])
    }
}

/// Everything of one role up to the next.
#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: Vec<Marked<'a>>,
}

#[derive(Serialize)]
struct Marked<'a> {
    #[serde(flatten)]
    block: Block<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Mark>,
}

#[derive(Clone, Copy, Serialize)]
struct Mark {
    r#type: &'static str,
}

impl Mark {
    const EPHEMERAL: Self = Self { r#type: "ephemeral" };
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: Cow<'a, str>,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
    },
    Thinking {
        thinking: &'a str,
        signature: String,
    },
    RedactedThinking {
        data: String,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Cow<'a, Value>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Serialize)]
struct Source<'a> {
    r#type: &'static str,
    media_type: &'a str,
    data: &'a str,
}

impl<'a> Source<'a> {
    fn base64(media_type: &'a str, data: &'a str) -> Self {
        Self { r#type: "base64", media_type, data }
    }
}

/// The turns so far. Roles take turns; results stand first in the user's.
struct Turns<'a> {
    dialect: Dialect<'a>,
    list: Vec<Turn<'a>>,
    /// Of failed calls: they follow when the run of results has ended.
    images: Vec<&'a ContentBlock>,
}

impl<'a> Turns<'a> {
    fn add(&mut self, message: &'a Message) {
        if message.role != Role::Tool {
            self.show_images();
        }
        match message.role {
            Role::User => {
                let blocks = content(&message.content, self.dialect.images, true);
                self.push("user", blocks);
            }
            Role::Assistant => {
                let blocks = self.reply(message);
                self.push("assistant", blocks);
            }
            Role::Tool => {
                let result = self.result(message);
                self.push("user", vec![result]);
            }
        }
    }

    fn push(&mut self, role: &'static str, blocks: Vec<Block<'a>>) {
        if blocks.is_empty() {
            return;
        }
        let blocks = blocks.into_iter().map(|block| Marked { block, cache_control: None });
        match self.list.last_mut() {
            Some(turn) if turn.role == role => turn.content.extend(blocks),
            _ => self.list.push(Turn { role, content: blocks.collect() }),
        }
    }

    fn reply(&self, message: &'a Message) -> Vec<Block<'a>> {
        let Dialect { origin, family, own_thinking, .. } = self.dialect;
        let own = origin.own(message.provider_data.as_ref());
        if let Some(parts) = own.and_then(|data| blocks::of(message, data)) {
            let block = |part| match part {
                Part::Thinking { .. } | Part::Redacted { .. } if !own_thinking => None,
                Part::Thinking { signature, .. } if signature.is_empty() && family.signs() => None,
                Part::Thinking { thinking, signature } => Some(Block::Thinking { thinking, signature }),
                Part::Redacted { data } => Some(Block::RedactedThinking { data }),
                Part::Text(text) => words(text),
                Part::Call(at) => Some(call(&message.tool_calls[at])),
            };
            return parts.into_iter().filter_map(block).collect();
        }
        let reasoning = origin.foreign_reasoning(message).and_then(words);
        let said = content(&message.content, false, false);
        reasoning.into_iter().chain(said).chain(message.tool_calls.iter().map(call)).collect()
    }

    fn result(&mut self, message: &'a Message) -> Block<'a> {
        let id = message.call_id.as_ref().map_or("", |id| id.as_str());
        // A failed call's result takes no image: it is shown behind the results.
        let is_shown_below = message.is_error && self.dialect.images;
        let content = if is_shown_below && message.content.iter().any(is_image) {
            self.images.extend(message.content.iter().filter(|block| is_image(block)));
            vec![Block::Text { text: Flat { blocks: &message.content, images_follow: true }.to_string().into() }]
        } else {
            content(&message.content, self.dialect.images, false)
        };
        Block::ToolResult { tool_use_id: call_id(id), content, is_error: message.is_error }
    }

    fn show_images(&mut self) {
        if self.images.is_empty() {
            return;
        }
        let intro = Block::Text { text: Cow::Borrowed("Images from the tool results above:") };
        let images = std::mem::take(&mut self.images);
        let blocks = std::iter::once(intro).chain(images.into_iter().filter_map(image)).collect();
        self.push("user", blocks);
    }

    /// The user has the first word and the last one: else the provider refuses the request.
    fn finish(mut self) -> Vec<Turn<'a>> {
        self.show_images();
        let word = |text| Turn {
            role: "user",
            content: vec![Marked { block: Block::Text { text: Cow::Borrowed(text) }, cache_control: None }],
        };
        if self.list.first().is_none_or(|turn| turn.role != "user") {
            self.list.insert(0, word("[The session goes on here.]"));
        }
        if self.list.last().is_some_and(|turn| turn.role != "user") {
            self.list.push(word("[Go on.]"));
        }
        self.list
    }
}

/// Blocks of a message; what cannot be shown is said in words. Text of white space alone is refused.
fn content(blocks: &[ContentBlock], images: bool, documents: bool) -> Vec<Block<'_>> {
    let mut out = Vec::new();
    let mut run = 0;
    let flat = |blocks| words(&Flat { blocks, images_follow: false }.to_string()).map(owned);
    for (at, block) in blocks.iter().enumerate() {
        let shown = if images { image(block) } else { None };
        if let Some(shown) = shown.or_else(|| document(block).filter(|_| documents)) {
            out.extend(flat(&blocks[run..at]));
            out.push(shown);
            run = at + 1;
        }
    }
    out.extend(flat(&blocks[run..]));
    out
}

fn words(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then_some(Block::Text { text: Cow::Borrowed(text) })
}

fn owned<'b>(block: Block<'_>) -> Block<'b> {
    match block {
        Block::Text { text } => Block::Text { text: Cow::Owned(text.into_owned()) },
        _ => Block::Text { text: Cow::Borrowed("") },
    }
}

fn image(block: &ContentBlock) -> Option<Block<'_>> {
    match block {
        ContentBlock::Image { data, mime_type, .. } => {
            let is_taken = matches!(mime_type.as_str(), "image/jpeg" | "image/png" | "image/gif" | "image/webp");
            is_taken.then(|| Block::Image { source: Source::base64(mime_type, data) })
        }
        _ => None,
    }
}

fn document(block: &ContentBlock) -> Option<Block<'_>> {
    let ContentBlock::Resource { resource } = block else { return None };
    let (data, media_type) = (resource.blob.as_deref()?, resource.mime_type.as_deref()?);
    (media_type == "application/pdf").then(|| Block::Document { source: Source::base64(media_type, data) })
}

fn call(call: &ToolRequest) -> Block<'_> {
    let input = match &call.arguments {
        Value::Object(_) => Cow::Borrowed(&call.arguments),
        Value::Null => Cow::Owned(json!({})),
        other => Cow::Owned(json!({ "malformed": other })),
    };
    Block::ToolUse { id: call_id(call.call_id.as_str()), name: function_name(&call.tool_name), input }
}

/// Ids of imported sessions may hold more than is taken.
fn call_id(id: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !id.is_empty() && id.len() <= MAX_ID_CHARS && id.chars().all(fits) {
        return Cow::Borrowed(id);
    }
    // Two ids that differ stay two: the sum of all their letters stands behind the beginning.
    let sum = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let start: String = id.chars().map(|c| if fits(c) { c } else { '_' }).take(MAX_ID_CHARS - 17).collect();
    Cow::Owned(format!("{start}-{sum:016x}"))
}

/// Whether the calls that the request answers were made without thinking before them: by another model, or before it was switched on.
fn is_unfinished(turns: &[Turn<'_>]) -> bool {
    let is_result = |marked: &Marked<'_>| matches!(marked.block, Block::ToolResult { .. });
    let is_thinking =
        |marked: &Marked<'_>| matches!(marked.block, Block::Thinking { .. } | Block::RedactedThinking { .. });
    let is_call = |marked: &Marked<'_>| matches!(marked.block, Block::ToolUse { .. });
    // The newest turn that is more than results begins the work that is going on.
    let from = turns.iter().rposition(|turn| turn.role == "user" && !turn.content.iter().all(is_result)).unwrap_or(0);
    let mut replies = turns[from..].iter().filter(|turn| turn.role == "assistant" && turn.content.iter().any(is_call));
    replies.any(|turn| !turn.content.first().is_some_and(is_thinking))
}

fn mark(turns: &mut [Turn<'_>]) {
    let users = turns.iter_mut().rev().filter(|turn| turn.role == "user");
    for turn in users.take(USER_MARKS) {
        if let Some(last) = turn.content.last_mut() {
            last.cache_control = Some(Mark::EPHEMERAL);
        }
    }
}

fn thinking(depth: Depth) -> Option<Value> {
    Some(match depth.kind? {
        Kind::Enabled { budget } => json!({ "type": "enabled", "budget_tokens": budget }),
        Kind::Adaptive => json!({ "type": "adaptive", "display": "summarized" }),
        Kind::BetweenTools => json!({ "type": "between_tools" }),
        Kind::Disabled => json!({ "type": "disabled" }),
    })
}

#[derive(Serialize)]
struct Tool<'a> {
    name: Cow<'a, str>,
    description: &'a str,
    input_schema: Cow<'a, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Mark>,
}

fn has_calls(request: &ModelRequest) -> bool {
    request.messages.iter().any(|message| !message.tool_calls.is_empty())
}

fn tools(request: &ModelRequest, is_marked: bool) -> Vec<Tool<'_>> {
    let mut tools: Vec<Tool<'_>> = request.tools.iter().map(|tool| offered(tool)).collect();
    if tools.is_empty() {
        // A history with calls is refused without tools: those that it names are there, and none may be called.
        let calls = request.messages.iter().flat_map(|message| &message.tool_calls);
        let names: BTreeSet<Cow<'_, str>> = calls.map(|call| function_name(&call.tool_name)).collect();
        tools.extend(names.into_iter().map(|name| Tool {
            name,
            description: "Cannot be called any more.",
            input_schema: Cow::Owned(json!({ "type": "object" })),
            cache_control: None,
        }));
    }
    if let Some(last) = tools.last_mut().filter(|_| is_marked) {
        last.cache_control = Some(Mark::EPHEMERAL);
    }
    tools
}

fn offered(tool: &ToolSpec) -> Tool<'_> {
    Tool {
        name: function_name(&tool.name),
        description: &tool.description,
        input_schema: schema(&tool.parameters),
        cache_control: None,
    }
}

/// The root is an object of named fields, and no choice between such.
fn schema(parameters: &Value) -> Cow<'_, Value> {
    const CHOICES: [&str; 3] = ["anyOf", "oneOf", "allOf"];
    let Value::Object(fields) = parameters else { return Cow::Owned(json!({ "type": "object" })) };
    let is_plain = fields.get("type").and_then(Value::as_str) == Some("object");
    if is_plain && !CHOICES.iter().any(|choice| fields.contains_key(*choice)) {
        return Cow::Borrowed(parameters);
    }
    let kept = fields.iter().filter(|(name, _)| !CHOICES.contains(&name.as_str()));
    let mut fields: Map<String, Value> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    fields.insert("type".to_owned(), json!("object"));
    Cow::Owned(Value::Object(fields))
}
