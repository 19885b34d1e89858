//! What stands around foreign text without belonging to it.

/// U+FEFF as UTF-8. Editors and programs of other systems write it before a text; for JSON and TOML it would be a mistake.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The text without the byte-order mark before it. One is skipped: a second one is a character like any other.
#[must_use]
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mark_is_skipped_at_the_beginning_only() {
        for (text, rest) in [
            ("\u{feff}{}", "{}"),
            ("{}", "{}"),
            ("\u{feff}", ""),
            ("", ""),
            ("\u{feff}\u{feff}{}", "\u{feff}{}"),
            ("{}\u{feff}", "{}\u{feff}"),
        ] {
            assert_eq!(without_mark(text.as_bytes()), rest.as_bytes(), "{text:?}");
        }
        assert_eq!(without_mark(b"\xEF\xBB"), b"\xEF\xBB", "half a mark is none");
    }
}
