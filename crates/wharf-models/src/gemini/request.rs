//! The request's JSON.
//!
//! The same messages give the same bytes, so that a provider's prompt cache holds from request to request.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use wharf_protocol::{CallId, ContentBlock, Message, Role, ToolRequest, ToolSpec};

use super::schema;
use crate::ModelRequest;
use crate::origin::Origin;
use crate::words::{Displayed, Flat, function_name, is_image};

/// What a signed model takes in place of a signature for a call that it did not make itself.
const NOT_SIGNED: &str = "skip_thought_signature_validator";

/// Stands first where a model's words would: a conversation begins with the user.
const BEGINNING: &str = "[The beginning of the conversation was left out.]";

/// What is sent besides the conversation, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    /// Off where the model has refused images before.
    pub images: bool,
    /// Images of results stand in them, not behind them.
    pub images_in_results: bool,
    /// Each step of calls needs a signature.
    pub signed: bool,
    /// Tools are described by JSON Schema, not by the subset of OpenAPI.
    pub json_schema: bool,
    pub thinking: Option<Effort>,
}

/// How much the model is to think, in its own terms; and that it tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// As it does by itself.
    Default,
    Budget(i64),
    Level(&'static str),
}

/// A request's body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tools<'a>>,
    #[serde(skip_serializing_if = "Config::is_empty")]
    generation_config: Config,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

impl Config {
    fn is_empty(&self) -> bool {
        self.max_output_tokens.is_none() && self.thinking_config.is_none()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    include_thoughts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
}

impl ThinkingConfig {
    fn of(effort: Effort) -> Self {
        let (thinking_budget, thinking_level) = match effort {
            Effort::Default => (None, None),
            Effort::Budget(tokens) => (Some(tokens), None),
            Effort::Level(level) => (None, Some(level)),
        };
        Self { include_thoughts: true, thinking_budget, thinking_level }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: Cow<'a, str>,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<Value>,
}

impl<'a> Body<'a> {
    /// What a model said for itself goes back to its `origin` only.
    pub(super) fn new(origin: &Origin, request: &'a ModelRequest, options: Options) -> Self {
        let system = (!request.system.is_empty()).then(|| Part::text(Cow::Borrowed(&*request.system)));
        let declarations: Vec<Declaration<'a>> =
            request.tools.iter().map(|tool| Declaration::of(tool, options.json_schema)).collect();
        let tools =
            if declarations.is_empty() { Vec::new() } else { vec![Tools { function_declarations: declarations }] };
        Self {
            system_instruction: system.map(|part| Content { role: None, parts: vec![part] }),
            contents: Contents::of(origin, request, options),
            tools,
            generation_config: Config {
                max_output_tokens: request.max_tokens,
                thinking_config: options.thinking.map(ThinkingConfig::of),
            },
        }
    }
}

impl<'a> Declaration<'a> {
    fn of(tool: &'a ToolSpec, json_schema: bool) -> Self {
        let (parameters, parameters_json_schema) = match json_schema {
            true => (None, Some(schema::json_schema(&tool.parameters))),
            false => (schema::open_api(&tool.parameters), None),
        };
        Self { name: name(&tool.name), description: &tool.description, parameters, parameters_json_schema }
    }
}

/// A name begins with a letter here.
fn name(name: &str) -> Cow<'_, str> {
    let name = function_name(name);
    match name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        true => name,
        false => Cow::Owned(format!("_{name}")),
    }
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Speaker>,
    parts: Vec<Part<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Speaker {
    User,
    Model,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Serialize)]
struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: Cow<'a, str>,
    args: Arguments<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Arguments<'a> {
    Object(&'a Value),
    /// The text of a malformed call.
    Malformed {
        malformed: &'a Value,
    },
    None {},
}

#[derive(Serialize)]
struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: Cow<'a, str>,
    response: Outcome<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome<'a> {
    Output(Displayed<Flat<'a>>),
    Error(Displayed<Flat<'a>>),
}

impl<'a> Part<'a> {
    fn text(text: Cow<'a, str>) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    fn data(mime_type: &'a str, data: &'a str) -> Self {
        Self { inline_data: Some(Blob { mime_type, data }), ..Self::default() }
    }

    /// `None` for a block that says nothing.
    fn of(block: &'a ContentBlock, images: bool) -> Option<Self> {
        Some(match block {
            ContentBlock::Text { text } if text.is_empty() => return None,
            ContentBlock::Text { text } => Self::text(Cow::Borrowed(text)),
            ContentBlock::Image { data, mime_type, .. } if images => Self::data(mime_type, data),
            ContentBlock::Audio { data, mime_type } => Self::data(mime_type, data),
            ContentBlock::Resource { resource } if resource.mime_type.as_deref() == Some("application/pdf") => {
                match &resource.blob {
                    Some(data) => Self::data("application/pdf", data),
                    None => Self::in_words(block),
                }
            }
            _ => Self::in_words(block),
        })
    }

    fn in_words(block: &'a ContentBlock) -> Self {
        let blocks = std::slice::from_ref(block);
        Self::text(Cow::Owned(Flat { blocks, images_follow: false }.to_string()))
    }
}

/// The conversation, user and model in turn.
struct Contents<'a> {
    list: Vec<Content<'a>>,
    options: Options,
}

impl<'a> Contents<'a> {
    fn of(origin: &Origin, request: &'a ModelRequest, options: Options) -> Vec<Content<'a>> {
        let mut contents = Self { list: Vec::new(), options };
        let mut rest = request.messages.as_slice();
        while let Some((message, behind)) = rest.split_first() {
            rest = behind;
            match message.role {
                Role::User => {
                    let parts = message.content.iter().filter_map(|block| Part::of(block, options.images));
                    contents.add(Speaker::User, parts.collect());
                }
                Role::Assistant => {
                    contents.add(Speaker::Model, model(origin, message, options));
                    let results = rest.iter().take_while(|message| message.role == Role::Tool).count();
                    let (results, behind) = rest.split_at(results);
                    rest = behind;
                    contents.results(origin, &message.tool_calls, results);
                }
                // Its call is not there: it is told in words.
                Role::Tool => {
                    let flat = Flat { blocks: &message.content, images_follow: false };
                    contents.add(Speaker::User, vec![Part::text(Cow::Owned(flat.to_string()))]);
                }
            }
        }
        contents.list
    }

    /// Turns alternate: what follows of the same speaker belongs to the same one.
    fn add(&mut self, role: Speaker, mut parts: Vec<Part<'a>>) {
        if parts.is_empty() {
            return;
        }
        if self.list.is_empty() && role == Speaker::Model {
            let parts = vec![Part::text(Cow::Borrowed(BEGINNING))];
            self.list.push(Content { role: Some(Speaker::User), parts });
        }
        match self.list.last_mut() {
            Some(last) if last.role == Some(role) => last.parts.append(&mut parts),
            _ => self.list.push(Content { role: Some(role), parts }),
        }
    }

    /// The results of a step, in the order of its calls: without ids nothing else tells which is whose.
    fn results(&mut self, origin: &Origin, calls: &'a [ToolRequest], results: &'a [std::sync::Arc<Message>]) {
        let results = results.iter().filter_map(|result| Some((result.call_id.as_ref()?, &**result)));
        let results: HashMap<&CallId, &'a Message> = results.collect();
        let mut parts = Vec::new();
        let mut images = Vec::new();
        for call in calls {
            let Some(result) = results.get(&call.call_id) else { continue };
            let shown: Vec<&'a ContentBlock> =
                result.content.iter().filter(|block| self.options.images && is_image(block)).collect();
            let flat = Displayed(Flat { blocks: &result.content, images_follow: !shown.is_empty() });
            let shown: Vec<Part<'a>> = shown.into_iter().filter_map(|block| Part::of(block, true)).collect();
            let (inside, mut behind) =
                if self.options.images_in_results { (shown, Vec::new()) } else { (Vec::new(), shown) };
            images.append(&mut behind);
            parts.push(Part {
                function_response: Some(FunctionResponse {
                    id: id(origin, call),
                    name: name(&call.tool_name),
                    response: if result.is_error { Outcome::Error(flat) } else { Outcome::Output(flat) },
                    parts: inside,
                }),
                ..Part::default()
            });
        }
        if !images.is_empty() {
            parts.push(Part::text(Cow::Borrowed("Images from the tool results above:")));
            parts.append(&mut images);
        }
        self.add(Speaker::User, parts);
    }
}

fn own<'a>(origin: &Origin, data: Option<&'a Value>, key: &str) -> Option<&'a Value> {
    origin.own(data)?.get(key)
}

/// A call's id, the same on the call and on its result: as its model gave it, if it gave any, or ours for a call of another one.
fn id<'a>(origin: &Origin, call: &'a ToolRequest) -> Option<&'a str> {
    match origin.own(call.provider_data.as_ref()) {
        Some(own) => own.get("id").and_then(Value::as_str),
        None => Some(call.call_id.as_str()),
    }
}

fn model<'a>(origin: &Origin, message: &'a Message, options: Options) -> Vec<Part<'a>> {
    let parts = own(origin, message.provider_data.as_ref(), "parts").and_then(Value::as_array);
    let mut parts = parts.and_then(|parts| as_it_was(origin, message, parts)).unwrap_or_else(|| {
        let thought = origin.foreign_reasoning(message).map(|reasoning| Part::text(Cow::Borrowed(reasoning)));
        let said = message.content.iter().filter_map(|block| Part::of(block, false));
        thought.into_iter().chain(said).chain(message.tool_calls.iter().map(|call| call_part(origin, call))).collect()
    });
    // The first call of a step carries the signature, whoever made it.
    if options.signed
        && let Some(first) = parts.iter_mut().find(|part| part.function_call.is_some())
    {
        first.thought_signature = first.thought_signature.or(Some(NOT_SIGNED));
    }
    parts
}

fn call_part<'a>(origin: &Origin, call: &'a ToolRequest) -> Part<'a> {
    let args = match &call.arguments {
        object @ Value::Object(_) => Arguments::Object(object),
        Value::Null => Arguments::None {},
        malformed => Arguments::Malformed { malformed },
    };
    Part {
        function_call: Some(FunctionCall { id: id(origin, call), name: name(&call.tool_name), args }),
        thought_signature: own(origin, call.provider_data.as_ref(), "thoughtSignature").and_then(Value::as_str),
        ..Part::default()
    }
}

/// The parts of a reply as its model sent them, where the message is still what they say.
fn as_it_was<'a>(origin: &Origin, message: &'a Message, parts: &'a [Value]) -> Option<Vec<Part<'a>>> {
    let text = match message.content.as_slice() {
        [] => "",
        [block] => block.as_text()?,
        _ => return None,
    };
    let place = |span: &Value, at: usize| usize::try_from(span.get(at)?.as_u64()?).ok();
    let mut calls = 0;
    let mut out = Vec::new();
    for part in parts {
        let thought_signature = part.get("thoughtSignature").and_then(Value::as_str);
        let cut = |span: &Value, whole: &'a str| whole.get(place(span, 0)?..place(span, 1)?);
        if let Some(span) = part.get("text") {
            out.push(Part { thought_signature, ..Part::text(Cow::Borrowed(cut(span, text)?)) });
        } else if let Some(span) = part.get("thought") {
            let thought = Part::text(Cow::Borrowed(cut(span, &message.reasoning)?));
            out.push(Part { thought: Some(true), thought_signature, ..thought });
        } else if let Some(number) = part.get("call").and_then(Value::as_u64) {
            calls += 1;
            out.push(call_part(origin, message.tool_calls.get(usize::try_from(number).ok()?)?));
        }
    }
    (calls == message.tool_calls.len()).then_some(out)
}
