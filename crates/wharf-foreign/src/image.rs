//! Images before anybody decodes them: which format their bytes are (the label that came with them says nothing), how many pixels
//! they have, and whether that is more than is taken.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Bytes of one image's file. A larger one is refused where it enters.
pub const MAX_BYTES: usize = 10 << 20;

/// Pixels of one image: decoded they take four bytes each. An image with more is refused where it enters, before it is decoded.
pub const MAX_PIXELS: u64 = 50_000_000;

/// So much of an image is looked at for its size, where the rest is not needed, in letters of base64.
const PEEK_LETTERS: usize = 64 << 10;
const FIRST_LETTERS: usize = 256;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What models are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Png,
    Jpeg,
    Gif,
    WebP,
}

impl Format {
    /// By the first bytes.
    #[must_use]
    pub fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            _ => None,
        }
    }

    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Gif => "GIF",
            Self::WebP => "WebP",
        })
    }
}

/// What an image says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub format: Format,
    pub width: u32,
    pub height: u32,
}

impl Header {
    #[must_use]
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// Why an image is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadImage {
    #[error("its data is no base64")]
    NotBase64,
    #[error("{bytes} bytes; an image may have {MAX_BYTES}")]
    TooLarge { bytes: usize },
    #[error("it is neither PNG, JPEG, GIF nor WebP")]
    UnknownFormat,
    #[error("a {0} without its size: it is damaged")]
    Damaged(Format),
    #[error("{width}x{height} pixels; an image may have {MAX_PIXELS}")]
    TooManyPixels { width: u32, height: u32 },
}

/// Looks at an image's bytes, of which nothing is decoded.
pub fn look(bytes: &[u8]) -> Result<Header, BadImage> {
    if bytes.len() > MAX_BYTES {
        return Err(BadImage::TooLarge { bytes: bytes.len() });
    }
    let header = header(bytes)?;
    if header.pixels() > MAX_PIXELS {
        return Err(BadImage::TooManyPixels { width: header.width, height: header.height });
    }
    Ok(header)
}

/// The same for an image in base64, whose lines may be broken; with its bytes.
pub fn read(data: &str) -> Result<(Header, Vec<u8>), BadImage> {
    // With room for line ends. What is longer is not copied.
    if data.len() / 3 > MAX_BYTES / 2 {
        return Err(BadImage::TooLarge { bytes: data.len() / 4 * 3 });
    }
    let bytes = match data.bytes().any(|byte| byte.is_ascii_whitespace()) {
        true => BASE64.decode(data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>()),
        false => BASE64.decode(data),
    };
    let bytes = bytes.map_err(|_| BadImage::NotBase64)?;
    Ok((look(&bytes)?, bytes))
}

/// What the beginning of an image in base64 says of it, whatever that is.
#[must_use]
pub fn peek(data: &str) -> Option<Header> {
    // Only a JPEG may say it late, behind what a camera has to tell.
    let first = |letters: usize| {
        let start = data.get(..data.len().min(letters) & !3)?;
        header(&BASE64.decode(start).ok()?).ok()
    };
    first(FIRST_LETTERS).or_else(|| if data.starts_with("/9j/") { first(PEEK_LETTERS) } else { None })
}

/// Bytes as base64, as every provider reads it.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

fn header(bytes: &[u8]) -> Result<Header, BadImage> {
    let format = Format::of(bytes).ok_or(BadImage::UnknownFormat)?;
    let size = imagesize::blob_size(bytes).map_err(|_| BadImage::Damaged(format))?;
    let side = |side: usize| u32::try_from(side).ok().filter(|side| *side > 0);
    match (side(size.width), side(size.height)) {
        (Some(width), Some(height)) => Ok(Header { format, width, height }),
        _ => Err(BadImage::Damaged(format)),
    }
}

#[cfg(test)]
mod tests;
