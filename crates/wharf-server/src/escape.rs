//! Line ends that JSON allows inside strings but readers of lines do not: U+0085, U+2028 and U+2029 become escapes.

/// Appends JSON to a line-oriented stream.
pub(crate) fn push_json(out: &mut Vec<u8>, json: &[u8]) {
    let mut rest = json;
    while let Some(at) = memchr::memchr2(0xC2, 0xE2, rest) {
        let (escape, len): (&[u8], usize) = match rest[at..] {
            [0xC2, 0x85, ..] => (b"\\u0085", 2),
            [0xE2, 0x80, 0xA8, ..] => (b"\\u2028", 3),
            [0xE2, 0x80, 0xA9, ..] => (b"\\u2029", 3),
            _ => {
                out.extend_from_slice(&rest[..=at]);
                rest = &rest[at + 1..];
                continue;
            }
        };
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(escape);
        rest = &rest[at + len..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests;
