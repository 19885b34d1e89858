//! Texts as editors show them, and back.

use super::*;

#[test]
fn a_text_goes_to_the_editor_in_its_own_way() {
    let stored = "\u{feff}a\r\nb\r\n";
    for (read, sent) in [
        (stored, "\u{feff}a\r\nc\r\n"),
        ("a\nb\n", "a\nc\n"),
        ("a\nb", "a\nc"),
        ("\u{feff}a\nb\n", "\u{feff}a\nc\n"),
        ("a\r\nb", "a\r\nc"),
    ] {
        assert!(is_alike(stored, read));
        assert_eq!(Style::of(stored, read).sent("\u{feff}a\r\nc\r\n"), sent, "{read:?}");
    }
    assert_eq!(Style::of("a\nb", "a\nb\n").sent("a\nc"), "a\nc\n");
    assert_eq!(Style::of("a\r\nb\n", "a\r\nb\n").sent("a\r\nc\n"), "a\r\nc\n", "mixed, and shown as it is");
}

#[test]
fn what_the_user_has_typed_is_stored_like_the_file() {
    let disk = Text::decode(b"\xef\xbb\xbfa\r\nb\r\n").unwrap();
    let stored = "\u{feff}a\r\nb\r\n";
    for read in ["a\ntyped\nb\n", "a\ntyped\nb", "\u{feff}a\r\ntyped\r\nb\r\n"] {
        assert!(!is_alike(stored, read));
        let bytes = Style::of(stored, read).stored(&disk, read);
        assert_eq!(String::from_utf8(bytes).unwrap(), "\u{feff}a\r\ntyped\r\nb\r\n", "{read:?}");
    }
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// An editor that takes a text and shows it as it showed the file: nothing but its own way comes between.
        #[test]
        fn only_the_editors_way_comes_between(
            stored in "\u{feff}?([ab]{0,2}(\r\n|\n)){0,6}[ab]{0,2}",
            meant in "\u{feff}?([abc]{0,2}(\r\n|\n)){0,6}[abc]{0,2}",
            way in 0..4,
        ) {
            let show = |text: &str| match way {
                0 => text.to_owned(),
                1 => text.replace("\r\n", "\n").trim_start_matches('\u{feff}').to_owned(),
                2 => text.replace("\r\n", "\n").replace('\n', "\r\n"),
                _ => text.replace("\r\n", "\n").trim_end_matches('\n').to_owned(),
            };
            let read = show(&stored);
            let sent = Style::of(&stored, &read).sent(&meant);
            let lines = |text: &str| folded(text).trim_end_matches('\n').to_owned();
            prop_assert_eq!(lines(&sent), lines(&meant));
        }
    }
}
