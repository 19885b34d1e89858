//! Names there and back.

use super::*;

#[test]
fn names_are_one_plain_line() {
    assert_eq!(shown(b"a\nb\x1b[31m\xff\xe2\x80\xaec"), "a\\nb\\u{1b}[31m\\xff\\u{202e}c");
    assert_eq!(shown("grün 😀".as_bytes()), "grün 😀");
    assert_eq!(shown(br"a\nb"), r"a\\nb");
    assert_eq!(quoted("a\\b\n"), r"a\b\n");
}

#[test]
fn only_what_is_printed_is_read() {
    assert_eq!(read(r"bad\xff.txt").as_deref(), Some(&b"bad\xff.txt"[..]));
    assert_eq!(read(r"a\\nb").as_deref(), Some(&br"a\nb"[..]));
    assert_eq!(read(r"a\n\u{202e}").as_deref(), Some("a\n\u{202e}".as_bytes()));
    // Other words for a name, for a way up and for a separator.
    for no in [
        "plain",
        r"\x2e\x2e",
        r"a\x2fb",
        r"\u{2f}",
        r"\d+",
        r"a\",
        r"\x",
        r"\xf",
        r"\xé",
        r"\u{}",
        r"\u{d800}",
        r"\x0a",
    ] {
        assert_eq!(read(no), None, "{no}");
    }
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_comes_back(name in prop::collection::vec(any::<u8>(), 0..40)) {
            let text = shown(&name);
            prop_assert!(!text.chars().any(is_hidden));
            let back = read(&text).unwrap_or_else(|| text.clone().into_bytes());
            prop_assert_eq!(back, name);
        }

        #[test]
        fn names_with_escapes_in_them_come_back(name in r"(\\|x|u|n|\{|\}|f|0|\n|\t|é|a){0,12}") {
            let text = shown(name.as_bytes());
            prop_assert_eq!(read(&text).unwrap_or_else(|| text.clone().into_bytes()), name.into_bytes());
        }

        #[test]
        fn what_is_read_is_printed_like_that(text in r"(\\|x|u|n|\{|\}|f|0|é|a){0,12}") {
            if let Some(name) = read(&text) {
                prop_assert_eq!(shown(&name), text);
            }
        }
    }
}
