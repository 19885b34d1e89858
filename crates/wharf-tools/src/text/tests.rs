//! Every text comes back as it was stored.

use super::*;

#[test]
fn encodings_and_line_ends_come_back() {
    let stored: Vec<Vec<u8>> = vec![
        b"plain\n".to_vec(),
        b"crlf\r\nall\r\n".to_vec(),
        b"mixed\r\nends\n".to_vec(),
        b"odd\r\r\n".to_vec(),
        b"\xef\xbb\xbfmark\r\n".to_vec(),
        [&[0xff, 0xfe][..], &"z\u{1f600}\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat(),
        [&[0xfe, 0xff][..], &"z\n".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>()].concat(),
        Vec::new(),
    ];
    for bytes in stored {
        let text = Text::decode(&bytes).unwrap();
        assert_eq!(text.encode(&text.text), bytes);
    }
    let text = Text::decode(b"a\r\nb\r\n").unwrap();
    assert_eq!((text.text.as_str(), text.encode("x\ny\r\n")), ("a\nb\n", b"x\r\ny\r\n".to_vec()));
}

#[test]
fn what_is_no_text_is_named() {
    assert_eq!(Text::decode(b"\x7fELF\x02\0"), Err(NotText::Binary("an ELF executable or library")));
    assert_eq!(Text::decode(b"a\0b"), Err(NotText::Binary("binary data")));
    assert_eq!(Text::decode(b"ab\xffc"), Err(NotText::InvalidUtf8 { at: 2 }));
    assert_eq!(Text::decode(b"\xff\xfea"), Err(NotText::Binary("data")));
    assert_eq!(binary_kind(b"ID3 is a decision tree algorithm"), None);
}
