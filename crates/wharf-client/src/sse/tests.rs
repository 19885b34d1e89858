//! Streams that are cut anywhere, with every line end, and streams that are refused.

use super::*;

type Parsed = (String, Option<String>, String);

fn parse(pieces: &[&[u8]]) -> Result<Vec<Parsed>, SseError> {
    let mut parser = SseParser::with_limit(64);
    let mut messages = Vec::new();
    for piece in pieces {
        parser.push(piece)?;
        while let Some(message) = parser.next() {
            messages.push((message.event, message.id, message.data));
        }
    }
    Ok(messages)
}

fn message(event: &str, id: Option<&str>, data: &str) -> Parsed {
    (event.to_owned(), id.map(str::to_owned), data.to_owned())
}

#[test]
fn streams_read_the_same_wherever_they_are_cut() {
    let table: [(&str, Vec<Parsed>); 12] = [
        ("data: a\n\n", vec![message("", None, "a")]),
        ("data:a\r\n\r\n", vec![message("", None, "a")]),
        ("data:a\r\rdata:b\r\r", vec![message("", None, "a"), message("", None, "b")]),
        ("event: x\nid: 4\ndata: {}\n\n", vec![message("x", Some("4"), "{}")]),
        ("data: one\ndata: two\n\n", vec![message("", None, "one\ntwo")]),
        (": heartbeat\n\ndata: a\n\n", vec![message("", None, "a")]),
        ("event: lonely\n\ndata: a\n\n", vec![message("", None, "a")]),
        ("\u{feff}data: a\n\n", vec![message("", None, "a")]),
        ("data:  two spaces\n\n", vec![message("", None, " two spaces")]),
        ("data\n\n", vec![message("", None, "")]),
        ("retry: 10\nunknown: x\ndata: ö€😀\n\n", vec![message("", None, "ö€😀")]),
        ("id: 1\ndata: a\n\ndata: b\n\nid: 3\ndata: cut", vec![message("", Some("1"), "a"), message("", None, "b")]),
    ];
    for (stream, expected) in table {
        let bytes = stream.as_bytes();
        assert_eq!(parse(&[bytes]).as_ref(), Ok(&expected), "whole: {stream:?}");
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(parse(&[head, tail]).as_ref(), Ok(&expected), "cut at {cut}: {stream:?}");
            assert_eq!(parse(&[head, b"", tail]).as_ref(), Ok(&expected), "cut at {cut} with nothing: {stream:?}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(parse(&single).as_ref(), Ok(&expected), "byte by byte: {stream:?}");
    }
}

#[test]
fn lines_have_a_limit() {
    let line = format!("data: {}\n\n", "x".repeat(80));
    assert_eq!(parse(&[line.as_bytes()]), Err(SseError::TooLong(64)));
    let lines = "data: 1234567890\n".repeat(10);
    assert_eq!(parse(&[lines.as_bytes()]), Err(SseError::TooLong(64)));
    let endless: Vec<&[u8]> = std::iter::repeat_n(b"xxxxxxxxxx".as_slice(), 10).collect();
    assert_eq!(parse(&endless), Err(SseError::TooLong(64)));
}

#[test]
fn other_encodings_are_refused() {
    assert_eq!(parse(&[b"data: \xff\n\n"]), Err(SseError::NotUtf8));
}
