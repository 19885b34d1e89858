//! Any bytes, and streams of odd chunks, cut anywhere.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::hear;
use crate::reply::lines::{LineReader, LineTooLong};
use crate::tests::fuzz::{cut, stream};

/// Lines of streams, right ones and odd ones.
const LINES: &[&str] = &[
    r#"data: {"choices":[{"index":0,"delta":{"content":"a"}}]}"#,
    r#"data: {"choices":[{"index":0,"delta":{"content":"\ud83d"},"finish_reason":null}]}"#,
    r#"data: {"choices":[{"index":0,"delta":{"content":"\ude00","reasoning":"\ud83d"}}]}"#,
    r#"data: {"choices":[{"message":{"content":"all"}}]}"#,
    r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"read_","arguments":"{}"}}]}}]}"#,
    r#"data: {"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"name":"file","arguments":"{\"a\":"}}]}}]}"#,
    r#"data: {"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"arguments":"\"\ud83d\"}"}}]}}]}"#,
    r#"data: {"choices":[{"delta":{"tool_calls":[{"index":"0","function":{"arguments":{"b":1}}}]}}]}"#,
    r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":"?"}"#,
    r#"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
    r#"data: {"choices":[{"delta":{"reasoning_details":[{"type":"t","text":"\ud83d"}]}}]}"#,
    r#"data: {"choices":"#,
    r#"data: [{"delta":{"content":"b"}}]}"#,
    "data: \"ping\"",
    "data: [DONE]",
    "data: nonsense",
    "data:",
    ": comment",
    "event: error",
    r#"error: {"error":{"message":"no"}}"#,
    r#"{"error":{"message":"no"}}"#,
    "rest of a line\"}]}",
    "",
    "",
];

proptest! {
    #[test]
    fn a_stream_says_the_same_wherever_it_is_cut(stream in stream(LINES), cuts in vec(any::<Index>(), 0..6)) {
        let whole = hear([stream.as_slice()]);
        let pieces = cut(&stream, &cuts);
        prop_assert_eq!(hear(pieces.iter().map(Vec::as_slice)), whole);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..400), cuts in vec(any::<Index>(), 0..6)) {
        let whole = hear([bytes.as_slice()]);
        let pieces = cut(&bytes, &cuts);
        prop_assert_eq!(hear(pieces.iter().map(Vec::as_slice)), whole);
    }

    #[test]
    fn lines_are_the_same_wherever_they_are_cut(text in "[ab\r\n]{0,60}", cuts in vec(any::<Index>(), 0..8)) {
        let lines = |pieces: &[Vec<u8>]| {
            let mut reader = LineReader::default();
            let mut lines = Vec::new();
            for piece in pieces {
                let read = reader.feed(piece, |line| {
                    lines.push(line.to_vec());
                    Ok::<(), LineTooLong>(())
                });
                assert_eq!(read, Ok(()));
            }
            lines.push(reader.finish());
            lines
        };
        let whole = lines(&[text.clone().into_bytes()]);
        prop_assert_eq!(&lines(&cut(text.as_bytes(), &cuts)), &whole);
        let wanted = text.replace("\r\n", "\n").replace('\r', "\n");
        let wanted: Vec<Vec<u8>> = wanted.split('\n').map(|line| line.as_bytes().to_vec()).collect();
        prop_assert_eq!(whole, wanted);
    }
}
