//! What is taken of a prompt's images, and what is refused.

use super::*;

/// The head of a PNG of that size.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

fn sent(data: &str) -> ContentBlock {
    ContentBlock::Image { data: data.to_owned(), mime_type: "image/gif".to_owned(), uri: None }
}

fn file(blob: &str, mime_type: &str) -> ContentBlock {
    let (uri, mime_type) = ("file:///a".to_owned(), Some(mime_type.to_owned()));
    ContentBlock::Resource { resource: EmbeddedResource { uri, mime_type, text: None, blob: Some(blob.to_owned()) } }
}

async fn taken(blocks: &[ContentBlock]) -> Result<PromptContent, EngineError> {
    checked(PromptContent::Blocks(blocks.to_vec())).await
}

#[tokio::test]
async fn images_are_what_their_bytes_are() {
    let data = image::encode(&png(8, 8));
    let broken = format!("{}\r\n{}", &data[..8], data[8..].trim_end_matches('='));
    let svg = file(&image::encode(b"<svg/>"), "image/svg+xml");
    let blocks = [ContentBlock::text("See"), sent(&broken), file(&data, "image/webp"), svg.clone()];
    let image = |uri: Option<&str>| ContentBlock::Image {
        data: data.clone(),
        mime_type: "image/png".to_owned(),
        uri: uri.map(str::to_owned),
    };
    let is = taken(&blocks).await.unwrap();
    assert_eq!(is, PromptContent::Blocks(vec![ContentBlock::text("See"), image(None), image(Some("file:///a")), svg]));
    assert_eq!(checked(is.clone()).await.unwrap(), is, "asked again it means the same");
    assert_eq!(checked("See".into()).await.unwrap(), PromptContent::from("See"));
}

#[tokio::test]
async fn what_no_model_could_see_is_refused() {
    let said = |result: Result<PromptContent, EngineError>| match result.unwrap_err() {
        EngineError::Invalid { field, reason } => format!("invalid {field}: {reason}"),
        EngineError::TooLarge { field, reason } => format!("too large {field}: {reason}"),
        other => format!("{other:?}"),
    };
    let mut told = Vec::new();
    let long = image::encode(&[png(8, 8), vec![0; image::MAX_BYTES]].concat());
    let bad = [
        sent("<script>"),
        sent(&image::encode(b"BM some bitmap")),
        sent(&image::encode(&png(8, 0))),
        sent(&image::encode(&png(10_000, 5_001))),
        sent(&long),
        file(&image::encode(&png(10_000, 5_001)), "image/png"),
    ];
    for block in bad {
        told.push(said(taken(&[ContentBlock::text("See"), block]).await));
    }
    let good = sent(&image::encode(&png(8, 8)));
    told.push(said(taken(&vec![good; 101]).await));
    assert_eq!(
        told,
        [
            "invalid content: block 1: this image cannot be shown to a model: its data is no base64",
            "invalid content: block 1: this image cannot be shown to a model: it is neither PNG, JPEG, GIF nor WebP",
            "invalid content: block 1: this image cannot be shown to a model: a PNG without its size: it is damaged",
            "too large content: block 1: this image cannot be shown to a model: 10000x5001 pixels; an image may have 50000000",
            "too large content: block 1: this image cannot be shown to a model: 10485793 bytes; an image may have 10485760",
            "too large content: block 1: this image cannot be shown to a model: 10000x5001 pixels; an image may have 50000000",
            "too large content: 101 images; a prompt may have 100",
        ]
    );
}
