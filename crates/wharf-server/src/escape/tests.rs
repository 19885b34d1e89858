//! Characters that split lines, and sequences that are cut.

use super::*;

#[test]
fn what_splits_lines_is_escaped_and_nothing_else() {
    let text = "a\u{85}b\u{2028}\u{2029}c «é…»\u{2027}\u{202a}\u{84}\u{e2} ✓";
    let json = serde_json::to_vec(text).unwrap();
    let mut out = b"data: ".to_vec();
    push_json(&mut out, &json);
    let line = String::from_utf8(out).unwrap();
    assert_eq!(line, "data: \"a\\u0085b\\u2028\\u2029c «é…»\u{2027}\u{202a}\u{84}\u{e2} ✓\"");
    assert_eq!(serde_json::from_str::<String>(&line[6..]).unwrap(), text);
}

#[test]
fn a_cut_sequence_at_the_end_is_copied() {
    for tail in [&[0xC2_u8][..], &[0xE2], &[0xE2, 0x80]] {
        let mut out = Vec::new();
        push_json(&mut out, tail);
        assert_eq!(out, tail);
    }
}
