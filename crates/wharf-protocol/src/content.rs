//! What a message is made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One block of a message. The shapes are those of ACP and MCP, so that an editor's blocks pass through unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ContentBlock {
    Text {
        text: String,
    },
    /// Base64 data of the given media type.
    Image {
        data: String,
        #[serde(alias = "mimeType")]
        mime_type: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uri: Option<String>,
    },
    /// Base64 data of the given media type.
    Audio {
        data: String,
        #[serde(alias = "mimeType")]
        mime_type: String,
    },
    /// A file or page that the agent may read itself.
    ResourceLink {
        uri: String,
        name: String,
        #[serde(default, alias = "mimeType", skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
    /// A file or page whose content the client sends along.
    Resource {
        resource: EmbeddedResource,
    },
}

/// The content of a resource: text, or base64 in `blob`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmbeddedResource {
    pub uri: String,
    #[serde(default, alias = "mimeType", skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
}

impl ContentBlock {
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            _ => None,
        }
    }
}

/// The text blocks of `blocks`, put together.
#[must_use]
pub fn text_of(blocks: &[ContentBlock]) -> String {
    blocks.iter().filter_map(ContentBlock::as_text).collect()
}
