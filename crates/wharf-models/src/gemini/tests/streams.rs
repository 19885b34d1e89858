//! Chunks to deltas.

use serde_json::{Value, json};
use wharf_protocol::StopReason;
use wharf_protocol::model::ModelErrorKind;

use super::super::decoder::Chunks;
use crate::tests::{Heard, assert_as_expected, hear, recorded, stream};

fn heard(chunks: &[Value]) -> Heard {
    hear::<Chunks>(&["read_file", "list"], [stream(chunks).as_slice()])
}

fn parts(parts: Value) -> Value {
    json!({ "candidates": [{ "index": 0, "content": { "role": "model", "parts": parts } }] })
}

fn end(reason: &str) -> Value {
    json!({ "candidates": [{ "content": {}, "finishReason": reason, "finishMessage": "so it is" }],
        "usageMetadata": { "promptTokenCount": 9, "cachedContentTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "totalTokenCount": 14 } })
}

#[test]
fn recorded_streams_come_to_what_the_providers_library_makes_of_them() {
    let mut streams = recorded("gemini", &[""]);
    streams.extend(recorded("live", &["gemini"]));
    assert_as_expected::<Chunks>("gemini", &streams);
}

#[test]
fn parts_keep_their_places_and_signatures() {
    let heard = heard(&[
        parts(json!([{ "text": "Let me think.", "thought": true }])),
        parts(json!([{ "text": "I lo" }])),
        parts(
            json!([{ "text": "ok." }, { "functionCall": { "id": "f1", "name": "read_file", "args": { "path": "a" } }, "thoughtSignature": "S1" }]),
        ),
        parts(json!([{ "functionCall": { "id": "f2", "name": "list" } }])),
        parts(json!([{ "text": "", "thoughtSignature": "S2" }])),
        end("STOP"),
    ]);
    assert_eq!((heard.text.as_str(), heard.reasoning.as_str()), ("I look.", "Let me think."));
    let reply = heard.end.unwrap();
    let calls: Vec<_> = reply
        .tool_calls
        .iter()
        .map(|call| (call.tool_name.as_str(), call.arguments.clone().unwrap(), call.provider_data.clone().unwrap()))
        .collect();
    assert_eq!(
        calls,
        [
            ("read_file", json!({"path": "a"}), json!({"id": "f1", "thoughtSignature": "S1"})),
            ("list", json!({}), json!({"id": "f2"})),
        ]
    );
    let kept = json!([{ "text": [0, 7] }, { "call": 0 }, { "call": 1 }, { "text": [7, 7], "thoughtSignature": "S2" }]);
    assert_eq!(reply.provider_data, Some(json!({ "parts": kept })));
    let usage = reply.usage.unwrap();
    assert_eq!(
        (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens),
        (9, 5, 5, 3)
    );
}

#[test]
fn arguments_may_come_in_pieces() {
    let piece = |call: Value| parts(json!([{ "functionCall": call }]));
    let heard = heard(&[
        piece(json!({ "name": "read_file", "willContinue": true })),
        piece(
            json!({ "partialArgs": [{ "jsonPath": "$.path", "stringValue": "a/", "willContinue": true }], "willContinue": true }),
        ),
        piece(
            json!({ "partialArgs": [{ "jsonPath": "$.path", "stringValue": "b" }, { "jsonPath": "$.lines[0]", "numberValue": 3 }], "willContinue": true }),
        ),
        piece(json!({})),
        piece(json!({ "name": "list", "willContinue": true })),
        end("MAX_TOKENS"),
    ]);
    let calls = heard.end.unwrap().tool_calls;
    assert_eq!(calls[0].arguments, Ok(json!({ "path": "a/b", "lines": [3] })));
    assert_eq!(calls[1].arguments, Err("{}".to_owned()), "it was cut off");
}

#[test]
fn ends_have_their_reasons() {
    let text = parts(json!([{ "text": "Hi" }]));
    let stop = |chunks: &[Value]| heard(chunks).end.map(|reply| reply.stop_reason).map_err(|error| error.kind);
    assert_eq!(stop(&[text.clone(), end("STOP")]), Ok(StopReason::EndTurn));
    assert_eq!(stop(&[text.clone(), end("MAX_TOKENS")]), Ok(StopReason::MaxTokens));
    assert_eq!(stop(&[text.clone(), end("A_NEWER_REASON")]), Ok(StopReason::EndTurn));
    for reason in ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "IMAGE_SAFETY"] {
        assert_eq!(stop(&[text.clone(), end(reason)]), Ok(StopReason::Refusal), "{reason}");
        let nothing = heard(&[end(reason)]).end.unwrap_err();
        assert_eq!(nothing.message, format!("the model's server held the reply back ({reason}: so it is)"));
    }
    assert_eq!(stop(std::slice::from_ref(&text)), Err(ModelErrorKind::Connection), "no reason at all");
    assert_eq!(stop(&[text.clone(), end("MALFORMED_RESPONSE")]), Err(ModelErrorKind::BadReply));
    assert_eq!(stop(&[text, end("MISSING_THOUGHT_SIGNATURE")]), Err(ModelErrorKind::Refused));
}

#[test]
fn a_call_that_its_server_could_not_read_never_runs() {
    let call = parts(json!([{ "functionCall": { "name": "list", "args": {} } }]));
    let reply = heard(&[call, end("MALFORMED_FUNCTION_CALL")]).end.unwrap();
    assert_eq!((reply.tool_calls.len(), reply.announces_call, reply.provider_data), (0, true, None));
}

#[test]
fn a_blocked_prompt_says_why() {
    let blocked = json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" }, "usageMetadata": { "promptTokenCount": 4 } });
    let error = heard(&[blocked]).end.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ModelErrorKind::Refused, "the model's server blocked the prompt (PROHIBITED_CONTENT)")
    );
}

#[test]
fn errors_in_the_stream_and_answers_without_one() {
    let error = json!({ "error": { "code": 503, "message": "Busy.", "status": "UNAVAILABLE" } });
    assert_eq!(heard(&[error]).end.map_err(|error| error.kind), Err(ModelErrorKind::Overloaded));
    let answer = json!({ "candidates": [{ "content": { "parts": [{ "text": "Hi" }] }, "finishReason": "STOP" }] });
    let heard = hear::<Chunks>(&[], [answer.to_string().as_bytes()]);
    assert_eq!((heard.text.as_str(), heard.end.unwrap().stop_reason), ("Hi", StopReason::EndTurn));
}
