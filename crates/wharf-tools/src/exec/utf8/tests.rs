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

proptest::proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_the_lossy_text(bytes: Vec<u8>, size in 1usize..7) {
        let mut stream = Utf8Stream::default();
        let mut text: String = bytes.chunks(size).map(|chunk| stream.push(chunk)).collect();
        text += &stream.finish();
        proptest::prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
    }
}
