//! Any bytes, and streams of odd events, cut anywhere.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::super::decoder::Chunks;
use crate::tests::fuzz::{says_the_same_cut, stream};

/// Lines of streams, right ones and odd ones.
const LINES: &[&str] = &[
    r#"data: {"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"a\ud83d"}]}}]}"#,
    r#"data: {"candidates":[{"content":{"parts":[{"text":"\ude00","thought":true}]}}]}"#,
    r#"data: {"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"s"}]}}]}"#,
    r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"list","args":{"a":1}},"thoughtSignature":"s"}]}}]}"#,
    r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"list","args":DEEP}}]}}]}"#,
    r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"list","willContinue":true}}]}}]}"#,
    r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a.b[9999999]","stringValue":"x","willContinue":true}],"willContinue":true}}]}}]}"#,
    r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a","numberValue":1}]}}]}}]}"#,
    r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$[[[","boolValue":true}]}}]}}]}"#,
    r#"data: {"candidates":[{"content":{"parts":null},"finishReason":"STOP"}]}"#,
    r#"data: {"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#,
    r#"data: {"candidates":[{"finishReason":"SAFETY","finishMessage":"no"}]}"#,
    r#"data: {"promptFeedback":{"blockReason":"OTHER"}}"#,
    r#"data: {"usageMetadata":{"promptTokenCount":-9,"thoughtsTokenCount":3}}"#,
    r#"data: {"error":{"code":503,"message":"no","status":"UNAVAILABLE"}}"#,
    r#"data: [{"candidates":[]}]"#,
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
        says_the_same_cut::<Chunks>(&stream, &cuts)?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..400), cuts in vec(any::<Index>(), 0..6)) {
        says_the_same_cut::<Chunks>(&bytes, &cuts)?;
    }
}
