//! Streams, whole and odd.

use std::collections::VecDeque;

use serde_json::{Value, json};
use wharf_protocol::StopReason;
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply};

use super::super::decoder::Events;
use crate::Delta;
use crate::reply::decoder::Decoder;
use crate::tests::{assert_as_expected, recorded};

/// Text, reasoning and end.
#[derive(Debug, PartialEq)]
struct Heard(String, String, Result<ModelReply, ModelError>);

fn hear(body: &[u8], cut: usize) -> Heard {
    let mut decoder = Decoder::new(Events::default(), Vec::new().into());
    let mut out = VecDeque::new();
    let fed = body.chunks(cut).try_for_each(|piece| decoder.feed(piece, &mut out));
    let end = fed.and_then(|()| decoder.end(&mut out));
    let (mut text, mut reasoning) = (String::new(), String::new());
    for delta in out {
        match delta {
            Delta::Text(piece) => text.push_str(&piece),
            Delta::Reasoning(piece) => reasoning.push_str(&piece),
            Delta::Finished(_) => unreachable!("a decoder returns it"),
        }
    }
    Heard(text, reasoning, end)
}

fn body(events: &[Value]) -> Vec<u8> {
    let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    events.iter().map(event).collect::<String>().into_bytes()
}

/// Hears events, and the same in single bytes.
fn heard(events: &[Value]) -> Heard {
    let body = body(events);
    let whole = hear(&body, body.len());
    assert_eq!(hear(&body, 1), whole, "in single bytes");
    whole
}

fn start(index: u64, block: Value) -> Value {
    json!({ "type": "content_block_start", "index": index, "content_block": block })
}

fn more(index: u64, kind: &str, field: &str, piece: &str) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": { "type": kind, field: piece } })
}

fn stop(index: u64) -> Value {
    json!({ "type": "content_block_stop", "index": index })
}

fn ends(reason: &str) -> [Value; 2] {
    [
        json!({ "type": "message_delta", "delta": { "stop_reason": reason }, "usage": { "output_tokens": 7 } }),
        json!({ "type": "message_stop" }),
    ]
}

#[test]
fn recorded_streams_come_to_what_the_providers_library_makes_of_them() {
    let mut streams = recorded("anthropic", &[""]);
    streams.extend(recorded("live", &["messages"]));
    assert_as_expected::<Events>("anthropic", &streams);
}

#[test]
fn blocks_go_into_the_log_in_their_order() {
    let mut events = vec![
        json!({ "type": "message_start", "message": { "usage": {
            "input_tokens": 3, "cache_read_input_tokens": 40, "cache_creation": { "ephemeral_1h_input_tokens": 5 }, "output_tokens": 1
        } } }),
        start(0, json!({ "type": "thinking", "thinking": "Fir", "signature": "" })),
        json!({ "type": "ping" }),
        more(0, "thinking_delta", "thinking", "st."),
        more(0, "signature_delta", "signature", "sig"),
        more(0, "signature_delta", "signature", "ned"),
        stop(0),
        start(1, json!({ "type": "redacted_thinking", "data": "AAA=" })),
        stop(1),
        start(2, json!({ "type": "text", "text": "" })),
        more(2, "text_delta", "text", "I look."),
        more(2, "citations_delta", "citation", "of no use"),
        stop(2),
        start(3, json!({ "type": "a_kind_of_tomorrow", "id": "x" })),
        more(3, "input_json_delta", "partial_json", "{\"not\": \"ours\"}"),
        stop(3),
        start(4, json!({ "type": "tool_use", "id": "toolu_1", "name": "read_file", "input": {} })),
        more(4, "input_json_delta", "partial_json", ""),
        more(4, "input_json_delta", "partial_json", "{\"path\": \"a"),
        more(4, "input_json_delta", "partial_json", ".rs\"}  "),
        stop(4),
        json!({ "type": "an_event_of_tomorrow", "index": "?" }),
        start(5, json!({ "type": "thinking", "thinking": "", "signature": "hidden" })),
        stop(5),
        start(6, json!({ "type": "thinking", "thinking": "Second.", "signature": "b" })),
        stop(6),
        start(7, json!({ "type": "tool_use", "id": "toolu_2", "name": "list", "input": { "path": "." } })),
        stop(7),
        start(8, json!({ "type": "tool_use", "id": "toolu_3", "name": "ping" })),
        stop(8),
    ];
    events.extend(ends("tool_use"));
    let Heard(text, reasoning, end) = heard(&events);
    let reply = end.unwrap();
    assert_eq!((text.as_str(), reasoning.as_str()), ("I look.", "First.\n\n\n\nSecond."));
    let calls: Vec<(String, Value)> =
        reply.tool_calls.iter().map(|call| (call.tool_name.clone(), call.arguments.clone().unwrap())).collect();
    let wanted = [("read_file", json!({ "path": "a.rs" })), ("list", json!({ "path": "." })), ("ping", json!({}))];
    assert_eq!(calls, wanted.map(|(name, arguments)| (name.to_owned(), arguments)));
    let usage = reply.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (48, 7, 55));
    assert_eq!((usage.cached_tokens, usage.cache_write_tokens), (40, 5));
    assert_eq!((reply.stop_reason, reply.announces_call), (StopReason::EndTurn, true));
    let blocks = json!({ "blocks": [
        { "thinking": { "from": 0, "to": 6, "signature": "signed" } },
        { "redacted": { "data": "AAA=" } },
        { "text": { "from": 0, "to": 7 } },
        { "call": { "at": 0 } },
        { "thinking": { "from": 8, "to": 8, "signature": "hidden" } },
        { "thinking": { "from": 10, "to": 17, "signature": "b" } },
        { "call": { "at": 1 } },
        { "call": { "at": 2 } },
    ] });
    assert_eq!(reply.provider_data, Some(blocks));
}

#[test]
fn blocks_that_are_open_at_once_are_told_apart() {
    let mut events = vec![
        start(0, json!({ "type": "thinking", "thinking": "" })),
        more(0, "thinking_delta", "thinking", "Hm."),
        start(1, json!({ "type": "text", "text": "" })),
        more(1, "text_delta", "text", "Yes."),
        more(0, "signature_delta", "signature", ""),
        stop(0),
        stop(1),
    ];
    events.extend(ends("end_turn"));
    let Heard(text, reasoning, end) = heard(&events);
    assert_eq!((text.as_str(), reasoning.as_str()), ("Yes.", "Hm."));
    let blocks = json!({ "blocks": [{ "thinking": { "from": 0, "to": 3 } }, { "text": { "from": 0, "to": 4 } }] });
    assert_eq!(end.unwrap().provider_data, Some(blocks));
}

#[test]
fn plain_text_needs_no_data() {
    let mut events = vec![
        json!({ "type": "message_start", "message": {} }),
        json!({ "type": "message_start", "message": {} }),
        start(0, json!({ "type": "text", "text": "He" })),
        start(0, json!({ "type": "text", "text": "He" })),
        more(0, "text_delta", "text", "llo"),
    ];
    events.extend(ends("end_turn"));
    let Heard(text, _, end) = heard(&events);
    assert_eq!(text, "Hello");
    assert_eq!(end.unwrap().provider_data, None);
}

#[test]
fn each_stop_reason_has_its_course() {
    let said = [start(0, json!({ "type": "text", "text": "So far" }))];
    let call = [start(0, json!({ "type": "tool_use", "id": "a", "name": "list", "input": {} }))];
    let after = |first: &[Value], reason: &str| {
        let mut events = first.to_vec();
        events.extend(ends(reason));
        heard(&events).2
    };
    let reason = |first: &[Value], reason: &str| after(first, reason).unwrap().stop_reason;
    assert_eq!(reason(&said, "end_turn"), StopReason::EndTurn);
    assert_eq!(reason(&said, "stop_sequence"), StopReason::EndTurn);
    assert_eq!(reason(&said, "a_reason_of_tomorrow"), StopReason::EndTurn);
    assert_eq!(reason(&said, "max_tokens"), StopReason::MaxTokens);
    assert_eq!(reason(&said, "model_context_window_exceeded"), StopReason::MaxTokens);
    let overflow = after(&[], "model_context_window_exceeded").unwrap_err().kind;
    assert_eq!(overflow, ModelErrorKind::ContextOverflow { limit: None, asked: None });
    assert!(after(&said, "pause_turn").unwrap().announces_call, "the model is asked again");
    let refused = after(&call, "refusal").unwrap();
    assert_eq!((refused.stop_reason, refused.tool_calls.len()), (StopReason::Refusal, 0));
    // Cut at the limit: the arguments may lack their end.
    let cut = after(&call, "max_tokens").unwrap();
    assert_eq!(cut.tool_calls[0].arguments, Err(String::new()));
    assert_eq!(after(&call, "tool_use").unwrap().tool_calls[0].arguments, Ok(json!({})));
}

#[test]
fn a_refusal_says_why() {
    let details =
        json!({ "stop_reason": "refusal", "stop_details": { "category": "cyber", "explanation": "Not this." } });
    let events = [json!({ "type": "message_delta", "delta": details }), json!({ "type": "message_stop" })];
    assert_eq!(heard(&events).0, "Not this.");
    assert_eq!(heard(&ends("refusal")).0, "The provider refused to answer.");
}

#[test]
fn errors_in_a_stream_are_told_apart() {
    let kind = |error: Value| {
        let begun = start(0, json!({ "type": "text", "text": "So far" }));
        heard(&[begun, json!({ "type": "error", "error": error })]).2.unwrap_err().kind
    };
    let error = |kind: &str| json!({ "type": kind, "message": "Overloaded" });
    assert_eq!(kind(error("overloaded_error")), ModelErrorKind::Overloaded);
    assert_eq!(kind(error("rate_limit_error")), ModelErrorKind::RateLimited);
    assert_eq!(kind(error("api_error")), ModelErrorKind::BadReply);
    assert_eq!(kind(error("authentication_error")), ModelErrorKind::Unauthorized);
    let unframed = b"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n";
    assert_eq!(hear(unframed, 7).2.unwrap_err().kind, ModelErrorKind::Overloaded);
}

#[test]
fn an_end_without_a_reason_is_a_break() {
    let events = [
        start(0, json!({ "type": "tool_use", "id": "a", "name": "list", "input": {} })),
        more(0, "input_json_delta", "partial_json", "{}"),
        stop(0),
    ];
    assert_eq!(heard(&events).2.unwrap_err().kind, ModelErrorKind::Connection);
    let mut whole = events.to_vec();
    whole.push(ends("tool_use")[0].clone());
    assert_eq!(heard(&whole).2.unwrap().tool_calls.len(), 1, "all of it has come but the last line");
}

#[test]
fn an_answer_without_a_stream_is_a_reply() {
    let message = json!({
        "type": "message",
        "content": [
            { "type": "thinking", "thinking": "Hm.", "signature": "s" },
            { "type": "text", "text": "Yes." },
            { "type": "tool_use", "id": "a", "name": "list", "input": { "path": "." } }
        ],
        "stop_reason": "tool_use",
        "usage": { "input_tokens": 3, "output_tokens": 4 },
    });
    let Heard(text, reasoning, end) = hear(message.to_string().as_bytes(), 9);
    let reply = end.unwrap();
    assert_eq!((text.as_str(), reasoning.as_str(), reply.usage.unwrap().total_tokens), ("Yes.", "Hm.", 7));
    assert_eq!(reply.tool_calls[0].arguments, Ok(json!({ "path": "." })));
    assert_eq!(reply.provider_data.unwrap()["blocks"].as_array().unwrap().len(), 3);
    assert_eq!(hear(b"<html>busy</html>", 4).2.unwrap_err().kind, ModelErrorKind::BadReply);
}
