//! What a call came to: foreign content blocks, in the shape of MCP's results, as ours.

use serde_json::Value;
use wharf_protocol::ContentBlock;
use wharf_protocol::content::EmbeddedResource;

use wharf_foreign::image::{self, Header};
use wharf_foreign::visible;

/// Blocks of one result that are taken over.
const BLOCKS_MAX: usize = 256;
/// Base64 of one picture or sound.
const MEDIA_MAX_BYTES: usize = 4 << 20;
/// The same of all of a result.
const ALL_MEDIA_MAX_BYTES: usize = 8 << 20;
const NAME_MAX_BYTES: usize = 256;
const URI_MAX_BYTES: usize = 2 << 10;

/// A result, before its text is cut to what a call may have.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    pub text: String,
    /// Pictures, sounds and links. Text is in `text` alone.
    pub content: Vec<ContentBlock>,
    pub is_error: bool,
}

/// Takes over what a call was answered with.
pub fn told(result: &Value) -> Told {
    let is_error = match result.get("isError") {
        Some(Value::String(text)) => text.trim().eq_ignore_ascii_case("true"),
        Some(flag) => flag.as_bool() == Some(true) || flag.as_u64() == Some(1),
        None => false,
    };
    let mut told = Told { is_error, ..Told::default() };
    let mut media = 0;
    // A list by the protocol; some servers send its one block, or its text alone.
    let content = result.get("content").filter(|content| !content.is_null());
    let blocks = match content {
        Some(Value::Array(blocks)) => blocks.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    for block in blocks.iter().take(BLOCKS_MAX) {
        told.add(block, &mut media);
    }
    if blocks.len() > BLOCKS_MAX {
        told.line(&format!("[{} more blocks left out]", blocks.len() - BLOCKS_MAX));
    }
    // The text is to say the same, where there is one.
    if let Some(structured) = result.get("structuredContent").filter(|value| !value.is_null())
        && told.text.is_empty()
    {
        told.line(&visible::text(&structured.to_string()));
    }
    if content.is_none() && told.text.is_empty() {
        told.bare(result);
    }
    if told.text.is_empty() {
        told.text = if told.is_error { "the tool failed, and did not say why" } else { "(no output)" }.to_owned();
    }
    told
}

impl Told {
    fn line(&mut self, text: &str) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }

    /// A result without content: what else it says, as the first servers sent it (`toolResult`) or as the tool gave it.
    fn bare(&mut self, result: &Value) {
        let known = ["content", "isError", "_meta", "structuredContent"];
        let text = match result {
            Value::Null => return,
            Value::Object(fields) => {
                let mut said =
                    fields.iter().filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
                match (said.next(), said.next()) {
                    (None, _) => return,
                    (Some((_, only)), None) => plain(only),
                    _ => plain(result),
                }
            }
            other => plain(other),
        };
        self.line(&visible::text(&text));
    }

    fn add(&mut self, block: &Value, media: &mut usize) {
        // A text in place of a block; or a block that does not say that it is one.
        let bare = block.as_str().or_else(|| block.get("text").filter(|_| block.get("type").is_none())?.as_str());
        if let Some(text) = bare {
            return self.line(&visible::text(text));
        }
        if !block.is_object() {
            return self.line(&visible::text(&plain(block)));
        }
        let text = |name: &str| block.get(name).and_then(Value::as_str);
        match text("type").unwrap_or_default() {
            "text" => self.line(&visible::text(&block.get("text").map(plain).unwrap_or_default())),
            // No kind of block at all: it is what the tool gave.
            "" if block.get("type").is_none() => self.line(&visible::text(&block.to_string())),
            kind @ ("image" | "audio") => {
                let mime_type = visible::line(text("mimeType").unwrap_or("application/octet-stream"), NAME_MAX_BYTES);
                self.media(kind, text("data").unwrap_or_default(), mime_type, media);
            }
            "resource_link" => {
                let uri = visible::line(text("uri").unwrap_or_default(), URI_MAX_BYTES);
                let name = visible::line(text("name").unwrap_or(&uri), NAME_MAX_BYTES);
                self.line(&format!("[link: {name} {uri}]"));
                self.content.push(ContentBlock::ResourceLink {
                    uri,
                    name,
                    mime_type: text("mimeType").map(|it| visible::line(it, NAME_MAX_BYTES)),
                    description: text("description").map(|it| visible::line(it, URI_MAX_BYTES)),
                });
            }
            "resource" => {
                if let Some(resource) = block.get("resource") {
                    self.resource(resource, media);
                }
            }
            other => self.line(&format!("[a block of type {}, which is not known here]", visible::line(other, 40))),
        }
    }

    fn media(&mut self, kind: &str, data: &str, mime_type: String, media: &mut usize) {
        let fits = data.len() <= MEDIA_MAX_BYTES && *media + data.len() <= ALL_MEDIA_MAX_BYTES;
        let is_base64 = data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(&byte));
        if !fits || !is_base64 {
            let why = if fits { "it is no base64" } else { "too large" };
            return self.line(&format!("[{kind} {mime_type} left out: {why}, {} bytes]", data.len()));
        }
        if kind == "image" {
            return self.image(data, &mime_type, media);
        }
        *media += data.len();
        self.line(&format!("[{kind} {mime_type}, {} bytes]", data.len() / 4 * 3));
        self.content.push(ContentBlock::Audio { data: data.to_owned(), mime_type });
    }

    /// What its bytes are counts, not its label; what no model could be shown is said in words.
    fn image(&mut self, data: &str, mime_type: &str, media: &mut usize) {
        let (Header { format, width, height }, bytes) = match image::read(data) {
            Ok(looked) => looked,
            Err(error) => {
                return self.line(&format!("[image {mime_type} left out: {error}, {} bytes]", data.len() / 4 * 3));
            }
        };
        *media += data.len();
        let mime_type = format.media_type().to_owned();
        self.line(&format!("[image {mime_type}, {width}x{height} pixels, {} bytes]", bytes.len()));
        self.content.push(ContentBlock::Image { data: image::encode(&bytes), mime_type, uri: None });
    }

    fn resource(&mut self, resource: &Value, media: &mut usize) {
        let text = |name: &str| resource.get(name).and_then(Value::as_str);
        let uri = visible::line(text("uri").unwrap_or_default(), URI_MAX_BYTES);
        let mime_type = text("mimeType").map(|it| visible::line(it, NAME_MAX_BYTES));
        if let Some(content) = text("text") {
            return self.line(&format!("[resource {uri}]\n{}", visible::text(content)));
        }
        let blob = text("blob").unwrap_or_default();
        if mime_type.as_deref().is_some_and(|it| it.starts_with("image/")) {
            return self.media("image", blob, mime_type.unwrap_or_default(), media);
        }
        self.line(&format!("[resource {uri}, {} bytes of data]", blob.len() / 4 * 3));
        if blob.len() <= MEDIA_MAX_BYTES && *media + blob.len() <= ALL_MEDIA_MAX_BYTES {
            *media += blob.len();
            let resource = EmbeddedResource { uri, mime_type, text: None, blob: Some(blob.to_owned()) };
            self.content.push(ContentBlock::Resource { resource });
        }
    }
}

/// A text as it is, nothing as nothing, other values as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
