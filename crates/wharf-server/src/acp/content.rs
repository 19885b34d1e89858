//! Content blocks, between the editor's shapes and ours.

use agent_client_protocol_schema::v1 as acp;
use wharf_protocol::ContentBlock;
use wharf_protocol::content::EmbeddedResource;

use super::rpc::RpcError;

/// A block of a prompt. Audio is refused: it is not advertised, and no model here hears it.
pub(super) fn from_acp(block: acp::ContentBlock) -> Result<ContentBlock, RpcError> {
    match block {
        acp::ContentBlock::Text(text) => Ok(ContentBlock::Text { text: text.text }),
        acp::ContentBlock::Image(image) => {
            Ok(ContentBlock::Image { data: image.data, mime_type: image.mime_type, uri: image.uri })
        }
        acp::ContentBlock::ResourceLink(link) => Ok(ContentBlock::ResourceLink {
            uri: link.uri,
            name: link.name,
            mime_type: link.mime_type,
            description: link.description,
        }),
        acp::ContentBlock::Resource(embedded) => resource_from_acp(embedded.resource),
        acp::ContentBlock::Audio(_) => Err(RpcError::invalid_params("audio is not supported")),
        _ => Err(RpcError::invalid_params("a block of a type that is not known")),
    }
}

fn resource_from_acp(resource: acp::EmbeddedResourceResource) -> Result<ContentBlock, RpcError> {
    let resource = match resource {
        acp::EmbeddedResourceResource::TextResourceContents(text) => {
            EmbeddedResource { uri: text.uri, mime_type: text.mime_type, text: Some(text.text), blob: None }
        }
        acp::EmbeddedResourceResource::BlobResourceContents(blob) => {
            EmbeddedResource { uri: blob.uri, mime_type: blob.mime_type, text: None, blob: Some(blob.blob) }
        }
        _ => return Err(RpcError::invalid_params("a resource of a type that is not known")),
    };
    Ok(ContentBlock::Resource { resource })
}

/// A block for an editor.
pub(super) fn to_acp(block: &ContentBlock) -> acp::ContentBlock {
    match block {
        ContentBlock::Text { text } => text_block(text.as_str()),
        ContentBlock::Image { data, mime_type, uri } => {
            acp::ContentBlock::Image(acp::ImageContent::new(data.as_str(), mime_type.as_str()).uri(uri.clone()))
        }
        ContentBlock::Audio { data, mime_type } => {
            acp::ContentBlock::Audio(acp::AudioContent::new(data.as_str(), mime_type.as_str()))
        }
        ContentBlock::ResourceLink { uri, name, mime_type, description } => acp::ContentBlock::ResourceLink(
            acp::ResourceLink::new(name.as_str(), uri.as_str())
                .mime_type(mime_type.clone())
                .description(description.clone()),
        ),
        ContentBlock::Resource { resource } => {
            let EmbeddedResource { uri, mime_type, text, blob } = resource;
            let contents = match (text, blob) {
                (None, Some(blob)) => acp::EmbeddedResourceResource::BlobResourceContents(
                    acp::BlobResourceContents::new(blob.as_str(), uri.as_str()).mime_type(mime_type.clone()),
                ),
                (text, _) => acp::EmbeddedResourceResource::TextResourceContents(
                    acp::TextResourceContents::new(text.clone().unwrap_or_default(), uri.as_str())
                        .mime_type(mime_type.clone()),
                ),
            };
            acp::ContentBlock::Resource(acp::EmbeddedResource::new(contents))
        }
    }
}

pub(super) fn text_block(text: impl Into<String>) -> acp::ContentBlock {
    acp::ContentBlock::Text(acp::TextContent::new(text))
}
