//! Pixels out of hostile bytes. No decoder is given more than the header promised, which is within the limits.

use std::io::Cursor;

use wharf_foreign::image::{Format, Header, MAX_PIXELS};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

/// What a decoder may take beside the pixels themselves, in bytes; then the image is not shown.
const DECODER_BYTES: usize = 256 << 20;

/// Passes over a progressive JPEG; real ones have about ten.
const MAX_SCANS: usize = 40;

/// Rows from the top, red, green, blue, and alpha where there are four channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pixels {
    pub(super) width: usize,
    pub(super) height: usize,
    /// 3 or 4.
    pub(super) channels: usize,
    pub(super) data: Vec<u8>,
    pub(super) turn: Turn,
}

/// How a photo is to be held: EXIF's orientation, 1 to 8. Whoever writes it anew turns it, because the mark is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(u8);

impl Turn {
    pub(super) const NONE: Self = Self(1);
}

pub(super) fn decode(bytes: &[u8], header: Header) -> Result<Pixels, String> {
    let pixels = match header.format {
        Format::Png => png(bytes),
        Format::Jpeg => jpeg(bytes),
        Format::Gif => gif(bytes),
        Format::WebP => webp(bytes),
    }
    .map_err(|error| format!("it is damaged ({error})"))?;
    let is_whole = pixels.data.len() == pixels.width * pixels.height * pixels.channels && !pixels.data.is_empty();
    if is_whole { Ok(pixels) } else { Err("it is damaged".to_owned()) }
}

/// Room for what the decoder says it will write, which is what counts, where header and content differ.
fn room(width: usize, height: usize, bytes: Option<usize>) -> Result<Vec<u8>, String> {
    let is_taken = (width as u64).saturating_mul(height as u64) <= MAX_PIXELS;
    let bytes = bytes.filter(|bytes| is_taken && *bytes as u64 <= 4 * MAX_PIXELS);
    bytes.map(|bytes| vec![0; bytes]).ok_or_else(|| format!("{width}x{height} pixels"))
}

fn png(bytes: &[u8]) -> Result<Pixels, String> {
    let said = |error: png::DecodingError| error.to_string();
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: DECODER_BYTES });
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(said)?;
    let (width, height) = reader.info().size();
    let mut data = room(width as usize, height as usize, reader.output_buffer_size())?;
    let frame = reader.next_frame(&mut data).map_err(said)?;
    data.truncate(frame.buffer_size());
    let (channels, data) = match frame.color_type {
        png::ColorType::Grayscale => (3, data.into_iter().flat_map(|gray| [gray; 3]).collect()),
        png::ColorType::GrayscaleAlpha => {
            let pairs = data.chunks_exact(2);
            (4, pairs.flat_map(|pair| [pair[0], pair[0], pair[0], pair[1]]).collect())
        }
        png::ColorType::Rgb => (3, data),
        png::ColorType::Rgba => (4, data),
        png::ColorType::Indexed => return Err("an unknown kind of colours".to_owned()),
    };
    Ok(Pixels { width: frame.width as usize, height: frame.height as usize, channels, data, turn: Turn::NONE })
}

fn jpeg(bytes: &[u8]) -> Result<Pixels, String> {
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    let mut data = room(width, height, decoder.output_buffer_size())?;
    let turn = decoder.exif().and_then(|exif| orientation(exif)).unwrap_or(Turn::NONE);
    decoder.decode_into(&mut data).map_err(|error| error.to_string())?;
    Ok(Pixels { width, height, channels: 3, data, turn })
}

/// The first picture, on the canvas.
fn gif(bytes: &[u8]) -> Result<Pixels, String> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let limit = std::num::NonZeroU64::new(4 * MAX_PIXELS).ok_or("no room")?;
    options.set_memory_limit(gif::MemoryLimit::Bytes(limit));
    options.check_frame_consistency(true);
    let mut decoder = options.read_info(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    let mut data = room(width, height, Some(width * height * 4))?;
    let frame = decoder.read_next_frame().map_err(|error| error.to_string())?.ok_or("there is no picture in it")?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let row = usize::from(frame.width) * 4;
    for (at, pixels) in frame.buffer.chunks_exact(row.max(4)).enumerate() {
        let from = ((top + at) * width + left) * 4;
        data.get_mut(from..from + row).ok_or("it is larger than its canvas")?.copy_from_slice(pixels);
    }
    Ok(Pixels { width, height, channels: 4, data, turn: Turn::NONE })
}

fn webp(bytes: &[u8]) -> Result<Pixels, String> {
    let said = |error: image_webp::DecodingError| error.to_string();
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(bytes)).map_err(said)?;
    decoder.set_memory_limit(DECODER_BYTES);
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let mut data = room(width, height, decoder.output_buffer_size())?;
    decoder.read_image(&mut data).map_err(said)?;
    Ok(Pixels { width, height, channels, data, turn: Turn::NONE })
}

/// The tag 0x0112 of the first directory of an EXIF block.
fn orientation(exif: &[u8]) -> Option<Turn> {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let is_little = tiff.starts_with(b"II");
    let short = |at: usize| {
        let pair = [*tiff.get(at)?, *tiff.get(at.checked_add(1)?)?];
        Some(if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let (high, low) = if is_little { (short(6)?, short(4)?) } else { (short(4)?, short(6)?) };
    let first = usize::from(high) << 16 | usize::from(low);
    let entries = (0..usize::from(short(first)?)).map_while(|entry| first.checked_add(2 + entry * 12));
    let tag = entries.take_while(|at| *at < tiff.len()).find(|at| short(*at) == Some(0x0112))?;
    let value = short(tag.checked_add(8)?)?;
    (1..=8).contains(&value).then(|| Turn(u8::try_from(value).unwrap_or(1)))
}

impl Pixels {
    /// As it is to be held.
    pub(super) fn turned(self, turn: Turn) -> Self {
        if turn == Turn::NONE {
            return self;
        }
        let (w, h, channels) = (self.width, self.height, self.channels);
        let (width, height) = if turn.0 >= 5 { (h, w) } else { (w, h) };
        let mut data = Vec::with_capacity(self.data.len());
        for y in 0..height {
            for x in 0..width {
                let (from_x, from_y) = match turn.0 {
                    2 => (w - 1 - x, y),
                    3 => (w - 1 - x, h - 1 - y),
                    4 => (x, h - 1 - y),
                    5 => (y, x),
                    6 => (y, h - 1 - x),
                    7 => (w - 1 - y, h - 1 - x),
                    _ => (w - 1 - y, x),
                };
                let at = (from_y * w + from_x) * channels;
                data.extend_from_slice(&self.data[at..at + channels]);
            }
        }
        Self { width, height, channels, data, turn: Turn::NONE }
    }

    pub(super) fn to_png(&self) -> Option<Vec<u8>> {
        let (width, height) = (u32::try_from(self.width).ok()?, u32::try_from(self.height).ok()?);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(if self.channels == 4 { png::ColorType::Rgba } else { png::ColorType::Rgb });
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        encoder.write_header().ok()?.write_image_data(&self.data).ok()?;
        Some(bytes)
    }
}
