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

/// Images of a request that the model was not shown; it was told of each in words. The log keeps them, and another model is shown them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnseenImages {
    /// The model sees no images, or its server refused them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsupported: u64,
    /// They are damaged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// The oldest of more than a request may hold.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub too_many: u64,
}

impl UnseenImages {
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// One line for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { unsupported, unreadable, too_many } = *self;
        let parts = [
            (unsupported, "the model takes none"),
            (unreadable, "cannot be read"),
            (too_many, "the request would hold too many"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, why)| match count {
            1 => format!("1 image ({why})"),
            count => format!("{count} images ({why})"),
        });
        format!("not shown to the model: {}", parts.collect::<Vec<_>>().join(", "))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
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
