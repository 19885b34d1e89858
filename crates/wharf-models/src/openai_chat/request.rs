//! The request's JSON, written straight from our messages.
//!
//! The same messages give the same bytes, so that a provider's prompt cache holds from request to request.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};
use serde_json::Value;
use wharf_protocol::{ContentBlock, Message, Role, ToolRequest, ToolSpec};

use super::Dialect;
use crate::ModelRequest;
use crate::origin::Origin;
use crate::words::{Arguments, Displayed, Flat, function_name, is_image, note};

/// A request's body.
pub(super) struct Body<'a> {
    /// What a model said for itself goes back to that model only: others refuse such fields.
    pub origin: &'a Origin,
    /// As the provider knows it.
    pub model: &'a str,
    pub request: &'a ModelRequest,
    pub dialect: Dialect,
    /// Off where the model has refused images before.
    pub images: bool,
    /// `reasoning_effort`, where one is asked for.
    pub effort: Option<&'static str>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { origin, model, request, dialect, images, effort } = *self;
        let mut body = serializer.serialize_struct("Body", 7)?;
        body.serialize_field("model", model)?;
        body.serialize_field("messages", &Messages { origin, request, images, reasoning: dialect.reasoning })?;
        if !request.tools.is_empty() {
            body.serialize_field("tools", &Tools(&request.tools))?;
        }
        if let Some(max_tokens) = request.max_tokens {
            let field = if dialect.max_completion_tokens { "max_completion_tokens" } else { "max_tokens" };
            body.serialize_field(field, &max_tokens)?;
        }
        if let Some(effort) = effort {
            body.serialize_field("reasoning_effort", effort)?;
        }
        body.serialize_field("stream", &true)?;
        if dialect.stream_options {
            body.serialize_field("stream_options", &StreamOptions { include_usage: true })?;
        }
        body.end()
    }
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

struct Messages<'a> {
    origin: &'a Origin,
    request: &'a ModelRequest,
    images: bool,
    /// With each of the model's messages, also where it is empty.
    reasoning: bool,
}

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        if !self.request.system.is_empty() {
            let content = Content::Text(&self.request.system);
            list.serialize_element(&WireMessage { content: Some(content), ..WireMessage::of("system") })?;
        }
        // A tool's result is text. Its images follow as the user's once the run of results has ended, because
        // nothing may stand between a call and its results.
        let mut tool_images: Vec<&ContentBlock> = Vec::new();
        for message in &self.request.messages {
            if message.role != Role::Tool && !tool_images.is_empty() {
                list.serialize_element(&from_tools(&std::mem::take(&mut tool_images)))?;
            }
            match message.role {
                Role::User => {
                    let content = Content::Blocks { blocks: &message.content, images: self.images };
                    list.serialize_element(&WireMessage { content: Some(content), ..WireMessage::of("user") })?;
                }
                Role::Assistant => {
                    if let Some(message) = assistant(message, self.origin, self.reasoning) {
                        list.serialize_element(&message)?;
                    }
                }
                Role::Tool => {
                    if self.images {
                        tool_images.extend(message.content.iter().filter(|block| is_image(block)));
                    }
                    list.serialize_element(&WireMessage {
                        content: Some(Content::Result { blocks: &message.content, images: self.images }),
                        tool_call_id: message.call_id.as_ref().map(|id| id.as_str()),
                        ..WireMessage::of("tool")
                    })?;
                }
            }
        }
        if !tool_images.is_empty() {
            list.serialize_element(&from_tools(&tool_images))?;
        }
        list.end()
    }
}

fn from_tools<'a>(images: &'a [&'a ContentBlock]) -> WireMessage<'a> {
    WireMessage { content: Some(Content::ToolImages(images)), ..WireMessage::of("user") }
}

/// `None` for a message that says nothing: some providers refuse it.
fn assistant<'a>(message: &'a Message, origin: &Origin, reasoning: bool) -> Option<WireMessage<'a>> {
    let says_something = message.content.iter().any(|block| block.as_text().is_none_or(|text| !text.is_empty()));
    if !says_something && message.tool_calls.is_empty() {
        return None;
    }
    let ours = origin.own(message.provider_data.as_ref());
    let content = match origin.foreign_reasoning(message) {
        Some(reasoning) => Some(Content::Told { reasoning, blocks: &message.content }),
        None => says_something.then_some(Content::Flat(&message.content)),
    };
    let wants_reasoning = ours.and_then(|data| data.get("reasoning_content")).is_some();
    Some(WireMessage {
        content,
        reasoning_content: wants_reasoning.then_some(message.reasoning.as_str()).or(reasoning.then_some("")),
        reasoning_details: ours.and_then(|data| data.get("reasoning_details")),
        tool_calls: message.tool_calls.iter().map(|call| WireCall::of(call, origin)).collect(),
        ..WireMessage::of("assistant")
    })
}

#[derive(Serialize)]
struct WireMessage<'a> {
    role: &'static str,
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<&'a Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

impl WireMessage<'_> {
    fn of(role: &'static str) -> Self {
        Self {
            role,
            content: None,
            reasoning_content: None,
            reasoning_details: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }
}

#[derive(Serialize)]
struct WireCall<'a> {
    id: &'a str,
    r#type: &'static str,
    function: WireFunction<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<&'a Value>,
}

#[derive(Serialize)]
struct WireFunction<'a> {
    name: Cow<'a, str>,
    arguments: Arguments<'a>,
}

impl<'a> WireCall<'a> {
    fn of(call: &'a ToolRequest, origin: &Origin) -> Self {
        Self {
            id: call.call_id.as_str(),
            r#type: "function",
            function: WireFunction { name: function_name(&call.tool_name), arguments: Arguments(&call.arguments) },
            extra_content: origin.own(call.provider_data.as_ref()).and_then(|data| data.get("extra_content")),
        }
    }
}

enum Content<'a> {
    Text(&'a str),
    /// What another model thought, before what it said.
    Told {
        reasoning: &'a str,
        blocks: &'a [ContentBlock],
    },
    /// A string, or parts where there are images.
    Blocks {
        blocks: &'a [ContentBlock],
        images: bool,
    },
    /// Always a string.
    Flat(&'a [ContentBlock]),
    /// Always a string; its images, where there are any, follow in a message of their own.
    Result {
        blocks: &'a [ContentBlock],
        images: bool,
    },
    ToolImages(&'a [&'a ContentBlock]),
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Told { reasoning, blocks } => {
                let said = Flat { blocks, images_follow: false };
                serializer.collect_str(&format_args!("{}\n\n{said}", reasoning.trim_end()))
            }
            Self::Blocks { blocks, images: true } if blocks.iter().any(is_image) => {
                let mut parts = serializer.serialize_seq(Some(blocks.len()))?;
                for block in *blocks {
                    parts.serialize_element(&Part::of(block))?;
                }
                parts.end()
            }
            Self::Blocks { blocks, .. } | Self::Flat(blocks) => {
                serializer.collect_str(&Flat { blocks, images_follow: false })
            }
            Self::Result { blocks, images } => serializer.collect_str(&Flat { blocks, images_follow: *images }),
            Self::ToolImages(images) => {
                let mut parts = serializer.serialize_seq(Some(images.len() + 1))?;
                parts.serialize_element(&Part::Text {
                    text: Displayed(BlockText::Words("Images from the tool results above:")),
                })?;
                for image in *images {
                    parts.serialize_element(&Part::of(image))?;
                }
                parts.end()
            }
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: Displayed<BlockText<'a>> },
    ImageUrl { image_url: ImageUrl<'a> },
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: Displayed<BlockText<'a>>,
}

impl<'a> Part<'a> {
    fn of(block: &'a ContentBlock) -> Self {
        match block {
            ContentBlock::Image { .. } => {
                Self::ImageUrl { image_url: ImageUrl { url: Displayed(BlockText::Url(block)) } }
            }
            _ => Self::Text { text: Displayed(BlockText::Note(block)) },
        }
    }
}

enum BlockText<'a> {
    Words(&'static str),
    Note(&'a ContentBlock),
    Url(&'a ContentBlock),
}

impl Display for BlockText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => f.write_str(words),
            Self::Url(ContentBlock::Image { data, mime_type, .. }) => write!(f, "data:{mime_type};base64,{data}"),
            Self::Url(block) | Self::Note(block) => note(block, f),
        }
    }
}

struct Tools<'a>(&'a [std::sync::Arc<ToolSpec>]);

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|tool| WireTool {
            r#type: "function",
            function: WireToolFunction {
                name: function_name(&tool.name),
                description: &tool.description,
                parameters: &tool.parameters,
            },
        }))
    }
}

#[derive(Serialize)]
struct WireTool<'a> {
    r#type: &'static str,
    function: WireToolFunction<'a>,
}

#[derive(Serialize)]
struct WireToolFunction<'a> {
    name: Cow<'a, str>,
    description: &'a str,
    parameters: &'a Value,
}
