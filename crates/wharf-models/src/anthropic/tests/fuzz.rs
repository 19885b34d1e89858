//! Any bytes, and streams of odd events, cut anywhere.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::super::decoder::Events;
use crate::tests::fuzz::{says_the_same_cut, stream};

/// Lines of streams, right ones and odd ones.
const LINES: &[&str] = &[
    r#"data: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":3}}}"#,
    r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    r#"data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"list","input":{}}}"#,
    r#"data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"list","input":DEEP}}"#,
    r#"data: {"type":"content_block_start","index":"0","content_block":{"type":"thinking","thinking":"h"}}"#,
    r#"data: {"type":"content_block_start","index":99999999999,"content_block":{"type":"redacted_thinking","data":"x"}}"#,
    r#"data: {"type":"content_block_start","index":2,"content_block":{"type":"?"}}"#,
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\ud83d"}}"#,
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ude00"}}"#,
    r#"data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
    r#"data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"t"}}"#,
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
    r#"data: {"type":"content_block_delta","index":7,"delta":null}"#,
    r#"data: {"type":"content_block_stop","index":0}"#,
    r#"data: {"type":"content_block_stop","index":1}"#,
    r#"data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":-4}}"#,
    r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}"#,
    r#"data: {"type":"message_stop"}"#,
    r#"data: {"type":"ping"}"#,
    r#"data: {"type":"error","error":{"type":"overloaded_error","message":"no"}}"#,
    ": comment",
    "event: error",
    "data: [DONE]",
    "data: nonsense",
    "data:",
    "data: [1,2]",
    r#"data: {"type":DEEP"#,
    r#"{"error":{"message":"no","type":"overloaded_error","code":529}}"#,
    "",
    "",
];

proptest! {
    #[test]
    fn a_stream_says_the_same_wherever_it_is_cut(stream in stream(LINES), cuts in vec(any::<Index>(), 0..6)) {
        says_the_same_cut::<Events>(&stream, &cuts)?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..400), cuts in vec(any::<Index>(), 0..6)) {
        says_the_same_cut::<Events>(&bytes, &cuts)?;
    }
}
