//! One image, made fit.

use std::sync::Arc;

use wharf_foreign::image::{self, Format, Header};
use wharf_protocol::ContentBlock;

use super::limits::Limits;
use super::pixels::{Pixels, decode};
use super::{jpeg, scale};

/// Screenshots and drawings stay sharp up to this size, in bytes; larger ones become JPEG.
const PNG_MAX_BYTES: usize = 3 << 19;

/// How often an image that is still too large is made half as large.
const HALVINGS: usize = 5;

/// What an image became.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fitted {
    /// It fits as it came; this is what it is.
    AsItIs(Format),
    Made {
        data: String,
        format: Format,
    },
    /// Why no model could see it.
    Unreadable(String),
}

impl Fitted {
    pub(super) fn unreadable(why: &str) -> Arc<Self> {
        Arc::new(Self::Unreadable(why.to_owned()))
    }

    /// What the request holds of it.
    pub(super) fn letters(&self, old: &ContentBlock) -> usize {
        match (self, old) {
            (Self::AsItIs(_), ContentBlock::Image { data, .. }) => data.len(),
            _ => self.kept_letters(),
        }
    }

    pub(super) fn kept_letters(&self) -> usize {
        match self {
            Self::Made { data, .. } => data.len(),
            Self::AsItIs(_) | Self::Unreadable(_) => 0,
        }
    }

    /// What stands in an image's place; nothing where it stays.
    pub(super) fn replaces(&self, old: &ContentBlock, is_left_out: bool) -> Option<ContentBlock> {
        let ContentBlock::Image { mime_type, uri, .. } = old else { return None };
        let name = uri.as_deref().map(|uri| format!("{uri} ")).unwrap_or_default();
        match self {
            Self::Unreadable(why) => Some(ContentBlock::text(format!("[image {name}({mime_type}), not shown: {why}]"))),
            _ if is_left_out => Some(ContentBlock::text(format!(
                "[image {name}({mime_type}), not shown any more: only the newest images are]"
            ))),
            Self::Made { data, format } => Some(ContentBlock::Image {
                data: data.clone(),
                mime_type: format.media_type().to_owned(),
                uri: uri.clone(),
            }),
            Self::AsItIs(format) if mime_type != format.media_type() => {
                let mut new = old.clone();
                if let ContentBlock::Image { mime_type, .. } = &mut new {
                    *mime_type = format.media_type().to_owned();
                }
                Some(new)
            }
            Self::AsItIs(_) => None,
        }
    }
}

/// Reads an image whole, so that none that a provider would refuse goes out, and makes it fit. A decoder that its bytes make panic is no
/// more than an image that cannot be read.
pub(super) fn fit(block: &ContentBlock, limits: Limits) -> Arc<Fitted> {
    let ContentBlock::Image { data, .. } = block else { return Fitted::unreadable("it is no image") };
    let made = std::panic::catch_unwind(|| made(data, limits)).unwrap_or_else(|_| Err("it is damaged".to_owned()));
    Arc::new(made.unwrap_or_else(Fitted::Unreadable))
}

fn made(data: &str, limits: Limits) -> Result<Fitted, String> {
    let (header, bytes) = image::read(data).map_err(|error| error.to_string())?;
    let pixels = decode(&bytes, header)?;
    let is_plain = !data.bytes().any(|byte| byte.is_ascii_whitespace()) && data.len().is_multiple_of(4);
    if is_plain && limits.take(header, data.len()) {
        return Ok(Fitted::AsItIs(header.format));
    }
    let mut side = limits.side;
    for _ in 0..HALVINGS {
        let scaled = scale::down_to(&pixels, side).turned(pixels.turn);
        if let Some(made) = written(&scaled, header.format, limits) {
            return Ok(made);
        }
        side = (side.min(header.width.max(header.height)) / 2).max(1);
    }
    Err("it cannot be made small enough".to_owned())
}

fn written(pixels: &Pixels, from: Format, limits: Limits) -> Option<Fitted> {
    let fits = |bytes: &[u8]| bytes.len().div_ceil(3) * 4 <= limits.letters;
    if from != Format::Jpeg
        && let Some(png) = pixels.to_png().filter(|png| png.len() <= PNG_MAX_BYTES && fits(png))
    {
        return Some(Fitted::Made { data: image::encode(&png), format: Format::Png });
    }
    let bytes = jpeg::encode(pixels);
    fits(&bytes).then(|| Fitted::Made { data: image::encode(&bytes), format: Format::Jpeg })
}

impl Limits {
    fn take(self, header: Header, letters: usize) -> bool {
        self.formats.contains(&header.format) && header.width.max(header.height) <= self.side && letters <= self.letters
    }
}
