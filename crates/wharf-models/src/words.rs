//! Content as every wire writes it in words, and names that every provider takes.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};
use serde_json::Value;
use wharf_foreign::image::{self, Header};
use wharf_protocol::ContentBlock;

/// Blocks as one text.
pub(crate) struct Flat<'a> {
    pub(crate) blocks: &'a [ContentBlock],
    /// The images are shown elsewhere in the request.
    pub(crate) images_follow: bool,
}

impl Display for Flat<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, block) in self.blocks.iter().enumerate() {
            // Text blocks that follow each other are one text; everything else stands on its own line.
            if at > 0 && !(block.as_text().is_some() && self.blocks[at - 1].as_text().is_some()) {
                f.write_str("\n")?;
            }
            match block {
                ContentBlock::Image { .. } if self.images_follow => f.write_str("[image, shown below]")?,
                block => note(block, f)?,
            }
        }
        Ok(())
    }
}

/// A block in words.
pub(crate) fn note(block: &ContentBlock, f: &mut Formatter<'_>) -> fmt::Result {
    match block {
        ContentBlock::Text { text } => f.write_str(text),
        ContentBlock::Image { data, mime_type, uri } => {
            f.write_str("[image ")?;
            uri.iter().try_for_each(|uri| write!(f, "{uri} "))?;
            write!(f, "({mime_type}")?;
            if let Some(Header { width, height, .. }) = image::peek(data) {
                write!(f, ", {width}x{height} pixels")?;
            }
            f.write_str("), not shown to this model]")
        }
        ContentBlock::Audio { mime_type, .. } => write!(f, "[audio ({mime_type}), not played to this model]"),
        ContentBlock::ResourceLink { uri, name, description, .. } => match description {
            Some(description) => write!(f, "[{name}]({uri}): {description}"),
            None => write!(f, "[{name}]({uri})"),
        },
        ContentBlock::Resource { resource } => match &resource.text {
            Some(text) => write!(f, "<resource uri=\"{}\">\n{text}\n</resource>", resource.uri),
            None => write!(f, "[resource {}: binary, not shown to this model]", resource.uri),
        },
    }
}

pub(crate) fn is_image(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::Image { .. })
}

/// Written as a string without one being built first.
pub(crate) struct Displayed<T>(pub(crate) T);

impl<T: Display> Serialize for Displayed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Providers refuse a whole history over one name that a model made up.
pub(crate) fn function_name(name: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() {
        Cow::Borrowed("unnamed")
    } else if name.len() <= 64 && name.chars().all(fits) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.chars().map(|c| if fits(c) { c } else { '_' }).take(64).collect())
    }
}

/// JSON in a string. What is not an object (the text of a malformed call) is wrapped into one: servers parse it again.
pub(crate) struct Arguments<'a>(pub(crate) &'a Value);

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(_) => serializer.collect_str(self.0),
            Value::Null => serializer.serialize_str("{}"),
            other => serializer.collect_str(&format_args!("{{\"malformed\":{other}}}")),
        }
    }
}
