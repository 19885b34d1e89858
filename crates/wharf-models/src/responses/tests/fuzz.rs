//! Any bytes, and streams of odd events, cut anywhere.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::super::decoder::Events;
use crate::tests::fuzz::{says_the_same_cut, stream};

/// Lines of streams, right ones and odd ones.
const LINES: &[&str] = &[
    r#"data: {"type":"response.created","response":{"id":"r"}}"#,
    r#"data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"a"}}"#,
    r#"data: {"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","call_id":"c","name":"list","arguments":""}}"#,
    r#"data: {"type":"response.output_item.added","output_index":99999999999,"item":{"type":"reasoning","encrypted_content":"e"}}"#,
    r#"data: {"type":"response.output_item.added","output_index":"0","item":DEEP}}"#,
    r#"data: {"type":"response.output_text.delta","output_index":0,"delta":"a\ud83d"}"#,
    r#"data: {"type":"response.output_text.delta","output_index":0,"delta":"\ude00"}"#,
    r#"data: {"type":"response.refusal.delta","output_index":0,"delta":"no"}"#,
    r#"data: {"type":"response.function_call_arguments.delta","output_index":1,"delta":"{\"a\":"}"#,
    r#"data: {"type":"response.function_call_arguments.delta","output_index":1,"delta":"1}"}"#,
    r#"data: {"type":"response.function_call_arguments.done","output_index":1,"arguments":"{}"}"#,
    r#"data: {"type":"response.reasoning_summary_text.delta","output_index":2,"delta":"t"}"#,
    r#"data: {"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"c","name":"list","arguments":"DEEP"}}"#,
    r#"data: {"type":"response.output_item.done","output_index":2,"item":{"type":"reasoning","id":"r","summary":[],"encrypted_content":"e"}}"#,
    r#"data: {"type":"response.completed","response":{"status":"completed","output":[],"usage":{"input_tokens":-1}}}"#,
    r#"data: {"type":"response.completed","response":{"output":[{"type":"function_call","name":"list","arguments":"{}"}]}}"#,
    r#"data: {"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}"#,
    r#"data: {"type":"response.failed","response":{"error":{"code":"server_error","message":"no"}}}"#,
    r#"data: {"type":"error","message":"no"}"#,
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
