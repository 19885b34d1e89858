//! The request's JSON.
//!
//! The same messages give the same bytes, so that a provider's prompt cache holds from request to request.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display, Formatter};

use serde::Serialize;
use serde_json::Value;
use wharf_protocol::{CallId, ContentBlock, Message, Role, ToolSpec};

use crate::ModelRequest;
use crate::origin::Origin;
use crate::words::{Arguments, Displayed, Flat, function_name, is_image, note};

/// The API takes no smaller limit.
const MIN_OUTPUT_TOKENS: u64 = 16;

/// In place of a result that is blank, which the API refuses.
const NO_OUTPUT: &str = "(no output)";

/// What is sent besides the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    /// Off where the model has refused images before.
    pub images: bool,
    /// Asks for the encrypted reasoning, which the server does not keep.
    pub include: bool,
    /// Asks for a summary of the reasoning.
    pub summary: bool,
    pub effort: Option<&'static str>,
    /// Sends the model's own items back as they came. Off where the server could not read them.
    pub own_items: bool,
}

/// A request's body.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    instructions: &'a str,
    input: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    include: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    store: bool,
    stream: bool,
}

#[derive(Serialize)]
struct Reasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'static str>,
}

impl<'a> Body<'a> {
    /// `model`: as the provider knows it. What a model said for itself goes back to its `origin` only.
    pub(super) fn new(origin: &Origin, model: &'a str, request: &'a ModelRequest, options: Options) -> Self {
        let summary = options.summary.then_some("auto");
        let reasoning =
            (options.effort.is_some() || summary.is_some()).then_some(Reasoning { effort: options.effort, summary });
        Self {
            model,
            instructions: &request.system,
            input: Input::of(origin, &request.messages, options),
            tools: request.tools.iter().map(|tool| Tool::of(tool)).collect(),
            include: if options.include { &["reasoning.encrypted_content"] } else { &[] },
            reasoning,
            max_output_tokens: request.max_tokens.map(|tokens| tokens.max(MIN_OUTPUT_TOKENS)),
            store: false,
            stream: true,
        }
    }
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    name: Cow<'a, str>,
    description: &'a str,
    parameters: &'a Value,
    /// On by default, and then most schemas are refused.
    strict: bool,
}

impl<'a> Tool<'a> {
    fn of(tool: &'a ToolSpec) -> Self {
        let name = function_name(&tool.name);
        let (description, parameters) = (tool.description.as_str(), &tool.parameters);
        Self { r#type: "function", name, description, parameters, strict: false }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item<'a> {
    Message {
        role: &'static str,
        content: Content<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        phase: Option<&'a Value>,
    },
    FunctionCall {
        call_id: &'a str,
        name: Cow<'a, str>,
        arguments: Arguments<'a>,
    },
    FunctionCallOutput {
        call_id: &'a str,
        output: Content<'a>,
    },
    /// As the model's own provider sent it.
    #[serde(untagged)]
    Own(&'a Value),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(Displayed<Flat<'a>>),
    Words(&'static str),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    InputText { text: Displayed<Block<'a>> },
    OutputText { text: &'a str },
    InputImage { image_url: Displayed<Block<'a>>, detail: &'static str },
    InputFile { filename: &'a str, file_data: Displayed<Block<'a>> },
}

/// A block in words, or its data as a URL.
enum Block<'a> {
    Note(&'a ContentBlock),
    Data(&'a str, &'a str),
}

impl Display for Block<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(block) => note(block, f),
            Self::Data(mime_type, data) => write!(f, "data:{mime_type};base64,{data}"),
        }
    }
}

impl<'a> Part<'a> {
    fn of(block: &'a ContentBlock) -> Self {
        match block {
            ContentBlock::Image { data, mime_type, .. } => {
                Self::InputImage { image_url: Displayed(Block::Data(mime_type, data)), detail: "auto" }
            }
            ContentBlock::Resource { resource } => match (&resource.blob, resource.mime_type.as_deref()) {
                (Some(data), Some(mime_type @ "application/pdf")) => Self::InputFile {
                    filename: resource.uri.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("file.pdf"),
                    file_data: Displayed(Block::Data(mime_type, data)),
                },
                _ => Self::InputText { text: Displayed(Block::Note(block)) },
            },
            _ => Self::InputText { text: Displayed(Block::Note(block)) },
        }
    }

    /// Whether a block is more than text here.
    fn carries(block: &'a ContentBlock, images: bool) -> bool {
        match block {
            ContentBlock::Resource { .. } => matches!(Self::of(block), Part::InputFile { .. }),
            block => images && is_image(block),
        }
    }
}

impl<'a> Content<'a> {
    /// A string, or parts where there is more than text.
    fn of(blocks: &'a [ContentBlock], images: bool) -> Self {
        if !blocks.iter().any(|block| Part::carries(block, images)) {
            return Self::Text(Displayed(Flat { blocks, images_follow: false }));
        }
        let part = |block: &'a ContentBlock| match block {
            ContentBlock::Image { .. } if !images => Part::InputText { text: Displayed(Block::Note(block)) },
            block => Part::of(block),
        };
        let blocks = blocks.iter().filter(|block| block.as_text().is_none_or(|text| !text.is_empty()));
        Self::Parts(blocks.map(part).collect())
    }

    fn of_result(blocks: &'a [ContentBlock], images: bool) -> Self {
        match blocks.iter().all(|block| block.as_text().is_some_and(|text| text.trim().is_empty())) {
            true => Self::Words(NO_OUTPUT),
            false => Self::of(blocks, images),
        }
    }
}

/// The conversation as items.
struct Input<'a> {
    items: Vec<Item<'a>>,
    /// What each call is called on this wire: as its model called it, where that was this one.
    ids: HashMap<&'a CallId, &'a str>,
    taken: HashSet<&'a str>,
}

impl<'a> Input<'a> {
    fn of(origin: &Origin, messages: &'a [std::sync::Arc<Message>], options: Options) -> Vec<Item<'a>> {
        let mut input = Self { items: Vec::new(), ids: HashMap::new(), taken: HashSet::new() };
        for message in messages {
            match message.role {
                Role::User => {
                    let content = Content::of(&message.content, options.images);
                    input.items.push(Item::Message { role: "user", content, phase: None });
                }
                Role::Assistant => input.assistant(origin, message, options.own_items),
                Role::Tool => input.result(message, options.images),
            }
        }
        input.items
    }

    fn assistant(&mut self, origin: &Origin, message: &'a Message, own_items: bool) {
        for call in &message.tool_calls {
            let own =
                origin.own(call.provider_data.as_ref()).and_then(|data| data.get("call_id")).and_then(Value::as_str);
            // Two calls of one id could not be told apart.
            let id = own.filter(|id| !self.taken.contains(id)).unwrap_or(call.call_id.as_str());
            self.taken.insert(id);
            self.ids.insert(&call.call_id, id);
        }
        let own = origin.own(message.provider_data.as_ref()).filter(|_| own_items);
        let own = own.and_then(|data| data.get("items")).and_then(Value::as_array);
        match own.and_then(|items| self.as_it_was(message, items)) {
            Some(items) => self.items.extend(items),
            None => {
                if let Some(text) = origin.foreign_reasoning(message) {
                    self.items.push(said(Content::Parts(vec![Part::OutputText { text }]), None));
                }
                let text =
                    message.content.iter().any(|block| block.as_text().is_none_or(|text| !text.trim().is_empty()));
                if text {
                    self.items.push(said(Content::of(&message.content, false), None));
                }
                let calls = message.tool_calls.iter().enumerate().filter_map(|(at, _)| self.call(message, at));
                let calls: Vec<Item<'a>> = calls.collect();
                self.items.extend(calls);
            }
        }
    }

    /// The items of a reply as its model sent them, where the message is still what they say.
    fn as_it_was(&self, message: &'a Message, items: &'a [Value]) -> Option<Vec<Item<'a>>> {
        let text = match message.content.as_slice() {
            [] => "",
            [block] => block.as_text()?,
            _ => return None,
        };
        let (mut out, mut calls) = (Vec::new(), 0);
        // Reasoning stands before what it led to, or is refused.
        let mut waiting = Vec::new();
        for item in items {
            let next = match item.get("type").and_then(Value::as_str)? {
                "message" => {
                    let place = |at: usize| usize::try_from(item.get("text")?.get(at)?.as_u64()?).ok();
                    let text = text.get(place(0)?..place(1)?)?;
                    (!text.trim().is_empty())
                        .then(|| said(Content::Parts(vec![Part::OutputText { text }]), item.get("phase")))
                }
                "function_call" => {
                    calls += 1;
                    Some(self.call(message, usize::try_from(item.get("call")?.as_u64()?).ok()?)?)
                }
                "reasoning" => {
                    waiting.push(Item::Own(item));
                    None
                }
                _ => Some(Item::Own(item)),
            };
            if let Some(next) = next {
                out.append(&mut waiting);
                out.push(next);
            }
        }
        (calls == message.tool_calls.len()).then_some(out)
    }

    fn call(&self, message: &'a Message, at: usize) -> Option<Item<'a>> {
        let call = message.tool_calls.get(at)?;
        Some(Item::FunctionCall {
            call_id: self.ids.get(&call.call_id)?,
            name: function_name(&call.tool_name),
            arguments: Arguments(&call.arguments),
        })
    }

    fn result(&mut self, message: &'a Message, images: bool) {
        let Some(call_id) = &message.call_id else { return };
        let call_id = self.ids.get(call_id).copied().unwrap_or(call_id.as_str());
        self.items.push(Item::FunctionCallOutput { call_id, output: Content::of_result(&message.content, images) });
    }
}

fn said<'a>(content: Content<'a>, phase: Option<&'a Value>) -> Item<'a> {
    let content = match content {
        Content::Text(Displayed(Flat { blocks: [ContentBlock::Text { text }], .. })) => {
            Content::Parts(vec![Part::OutputText { text }])
        }
        content => content,
    };
    Item::Message { role: "assistant", content, phase }
}
