//! The images of a prompt, looked at before it is taken: what no model could be shown is refused, so that its client can say it at once.
//! They go onto the log as they came; only their label becomes what their bytes are.

use wharf_foreign::image::{self, BadImage, Header};
use wharf_protocol::ContentBlock;
use wharf_protocol::content::EmbeddedResource;
use wharf_protocol::prompt::PromptContent;

use crate::EngineError;

/// Images of one prompt. The body of a request bounds their bytes.
const MAX_IMAGES: usize = 100;

/// The content with its images looked at, off the async threads where there are any: their bytes are as many as a body may have.
pub(super) async fn checked(content: PromptContent) -> Result<PromptContent, EngineError> {
    let PromptContent::Blocks(blocks) = content else { return Ok(content) };
    let images = blocks.iter().filter(|block| data(block).is_some()).count();
    if images == 0 {
        return Ok(PromptContent::Blocks(blocks));
    }
    if images > MAX_IMAGES {
        let reason = format!("{images} images; a prompt may have {MAX_IMAGES}");
        return Err(EngineError::TooLarge { field: "content", reason });
    }
    let look = move || blocks.into_iter().enumerate().map(|(at, block)| of(at, block)).collect::<Result<_, _>>();
    let looked = tokio::task::spawn_blocking(look).await;
    let blocks = looked.map_err(|error| EngineError::Internal(format!("a prompt's images: {error}")))??;
    Ok(PromptContent::Blocks(blocks))
}

/// The base64 of an image, also of one that a client sends as a file's content.
fn data(block: &ContentBlock) -> Option<&str> {
    match block {
        ContentBlock::Image { data, .. } => Some(data),
        ContentBlock::Resource { resource } => {
            let is_image = resource.mime_type.as_deref().is_some_and(|media_type| media_type.starts_with("image/"));
            resource.blob.as_deref().filter(|_| is_image)
        }
        _ => None,
    }
}

fn of(at: usize, block: ContentBlock) -> Result<ContentBlock, EngineError> {
    let Some(data) = data(&block) else { return Ok(block) };
    let looked = image::read(data);
    let is_plain = !data.bytes().any(|byte| byte.is_ascii_whitespace()) && data.len().is_multiple_of(4);
    let (Header { format, .. }, bytes) = match (looked, &block) {
        (Ok(looked), _) => looked,
        // A drawing (SVG) or a raw photo: the model is told of it, as of every other file.
        (Err(BadImage::UnknownFormat), ContentBlock::Resource { .. }) => return Ok(block),
        (Err(error), _) => {
            let reason = format!("block {at}: this image cannot be shown to a model: {error}");
            return Err(match error {
                BadImage::TooLarge { .. } | BadImage::TooManyPixels { .. } => {
                    EngineError::TooLarge { field: "content", reason }
                }
                BadImage::NotBase64 | BadImage::UnknownFormat | BadImage::Damaged(_) => {
                    EngineError::Invalid { field: "content", reason }
                }
            });
        }
    };
    let (data, uri) = match block {
        ContentBlock::Image { data, uri, .. } => (data, uri),
        ContentBlock::Resource { resource: EmbeddedResource { blob, uri, .. } } => {
            (blob.unwrap_or_default(), Some(uri))
        }
        other => return Ok(other),
    };
    let data = if is_plain { data } else { image::encode(&bytes) };
    Ok(ContentBlock::Image { data, mime_type: format.media_type().to_owned(), uri })
}

#[cfg(test)]
mod tests;
