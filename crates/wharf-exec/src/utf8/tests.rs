//! A stream cut anywhere gives the text of the whole.

use super::*;

#[test]
fn a_text_cut_anywhere_is_the_same_text() {
    let text = "aé€😀\u{fffd}z";
    for cut in 0..=text.len() {
        let (first, second) = text.as_bytes().split_at(cut);
        let mut stream = Utf8Stream::default();
        let whole = stream.push(first) + &stream.push(second) + &stream.finish();
        assert_eq!(whole, text, "cut at {cut}");
    }
}

#[test]
fn a_piece_of_a_text_has_whole_characters() {
    let text = "aé€😀z";
    for from in 0..=text.len() {
        for to in from..=text.len() {
            let bytes = &text.as_bytes()[from..to];
            let (start, end) = utf8_boundaries(bytes, true, true);
            // A piece that lies within one character has none.
            let wanted = (from + start <= to && start <= end).then(|| &bytes[start..end]);
            let wanted = wanted.map(|bytes| std::str::from_utf8(bytes).unwrap_or_else(|_| panic!("{from}..{to}")));
            assert!(wanted.is_some_and(|piece| text.contains(piece)), "{from}..{to}");
        }
    }
    assert_eq!(utf8_boundaries(&[0xff, 0xff], true, true), (0, 2), "what is no text is not held back");
}

proptest::proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_the_lossy_text(bytes: Vec<u8>, size in 1usize..7) {
        let mut stream = Utf8Stream::default();
        let mut text: String = bytes.chunks(size).map(|chunk| stream.push(chunk)).collect();
        text += &stream.finish();
        proptest::prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
    }
}
