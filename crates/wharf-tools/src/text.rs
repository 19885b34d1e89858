//! Text files: their encoding and line ends, which a change has to keep.

mod ends;

use wharf_foreign::image::Format;

pub(crate) use ends::Ends;

/// How a file's text is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf8Bom,
    Utf16Le,
    Utf16Be,
}

/// A file's text with `\n` alone as line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) encoding: Encoding,
    /// What the line ends were.
    pub(crate) ends: Ends,
}

/// Why bytes are not a text that can be changed and written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotText {
    Binary(&'static str),
    InvalidUtf8 { at: usize },
}

impl Encoding {
    /// By the byte order mark; UTF-8 where there is none.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0xef, 0xbb, 0xbf, ..] => Self::Utf8Bom,
            [0xff, 0xfe, ..] => Self::Utf16Le,
            [0xfe, 0xff, ..] => Self::Utf16Be,
            _ => Self::Utf8,
        }
    }

    pub(crate) fn mark_len(self) -> usize {
        match self {
            Self::Utf8 => 0,
            Self::Utf8Bom => 3,
            Self::Utf16Le | Self::Utf16Be => 2,
        }
    }

    /// For a note to the model; plain UTF-8 needs none.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Utf8 => None,
            Self::Utf8Bom => Some("UTF-8 with a byte order mark"),
            Self::Utf16Le => Some("UTF-16 (little endian)"),
            Self::Utf16Be => Some("UTF-16 (big endian)"),
        }
    }
}

impl Text {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, NotText> {
        let encoding = Encoding::of(bytes);
        let body = &bytes[encoding.mark_len()..];
        let text = match encoding {
            Encoding::Utf16Le | Encoding::Utf16Be => utf16(body, encoding).ok_or(NotText::Binary("data"))?,
            Encoding::Utf8 | Encoding::Utf8Bom => {
                if let Some(kind) = binary_kind(bytes) {
                    return Err(NotText::Binary(kind));
                }
                let text = std::str::from_utf8(body)
                    .map_err(|error| NotText::InvalidUtf8 { at: error.valid_up_to() + encoding.mark_len() })?;
                text.to_owned()
            }
        };
        let (text, ends) = Ends::fold(text);
        Ok(Self { text, encoding, ends })
    }

    /// The changed text `text` stored the way this file is.
    pub(crate) fn encode(&self, text: &str) -> Vec<u8> {
        self.encoded(self.ends.unfold(text))
    }

    /// A whole new text stored the way this file is.
    pub(crate) fn encode_whole(&self, text: &str) -> Vec<u8> {
        self.encoded(self.ends.unfold_whole(text))
    }

    fn encoded(&self, text: String) -> Vec<u8> {
        match self.encoding {
            Encoding::Utf8 => text.into_bytes(),
            Encoding::Utf8Bom => [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat(),
            Encoding::Utf16Le => {
                [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
            }
            Encoding::Utf16Be => {
                [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect()
            }
        }
    }

    /// What a new file is.
    pub(crate) fn plain(text: String) -> Self {
        Self { text, encoding: Encoding::Utf8, ends: Ends::Lf }
    }
}

/// UTF-16 after its byte order mark, or nothing where the bytes are none.
pub(crate) fn utf16(body: &[u8], encoding: Encoding) -> Option<String> {
    if !body.len().is_multiple_of(2) {
        return None;
    }
    let unit = |pair: &[u8]| match encoding {
        Encoding::Utf16Be => u16::from_be_bytes([pair[0], pair[1]]),
        _ => u16::from_le_bytes([pair[0], pair[1]]),
    };
    char::decode_utf16(body.chunks_exact(2).map(unit)).collect::<Result<_, _>>().ok()
}

/// What the start of a file says that it is, where that is no text.
pub(crate) fn binary_kind(start: &[u8]) -> Option<&'static str> {
    const MAGIC: &[(&[u8], &str)] = &[
        (b"\x7fELF", "an ELF executable or library"),
        (b"%PDF-", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive (or a document made of one)"),
        (b"\x1f\x8b", "gzip data"),
        (b"BZh", "bzip2 data"),
        (b"\xfd7zXZ\0", "xz data"),
        (b"\x28\xb5\x2f\xfd", "zstd data"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\0asm", "a WebAssembly module"),
        (b"\xca\xfe\xba\xbe", "a Java class or a universal binary"),
        (b"\xcf\xfa\xed\xfe", "a Mach-O binary"),
        (b"OggS", "Ogg media"),
        (b"ID3", "MP3 audio"),
        (b"fLaC", "FLAC audio"),
    ];
    match Format::of(start) {
        Some(Format::Png) => return Some("a PNG image"),
        Some(Format::Jpeg) => return Some("a JPEG image"),
        Some(Format::Gif) => return Some("a GIF image"),
        Some(Format::WebP) => return Some("a WebP image"),
        None => {}
    }
    let start = &start[..start.len().min(8 * 1024)];
    // `BZh` and `ID3` could begin a text; the others could not.
    let known = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, kind)| *kind);
    match known {
        Some(kind) if !matches!(start.get(..3), Some(b"BZh" | b"ID3")) || start.contains(&0) => Some(kind),
        _ => start.contains(&0).then_some("binary data"),
    }
}

#[cfg(test)]
mod tests;
