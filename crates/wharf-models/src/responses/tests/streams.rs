//! Events to deltas.

use serde_json::{Value, json};
use wharf_protocol::StopReason;
use wharf_protocol::model::ModelErrorKind;

use super::super::decoder::Events;
use crate::tests::{Heard, assert_as_expected, hear, recorded, stream};

fn heard(events: &[Value]) -> Heard {
    hear::<Events>(&["read_file", "list"], [stream(events).as_slice()])
}

fn added(index: u64, item: Value) -> Value {
    json!({ "type": "response.output_item.added", "output_index": index, "item": item })
}

fn done(index: u64, item: Value) -> Value {
    json!({ "type": "response.output_item.done", "output_index": index, "item": item })
}

fn completed(output: Value) -> Value {
    let usage = json!({ "input_tokens": 9, "output_tokens": 4, "total_tokens": 13,
        "input_tokens_details": { "cached_tokens": 8, "cache_write_tokens": 1 }, "output_tokens_details": { "reasoning_tokens": 3 } });
    json!({ "type": "response.completed", "response": { "status": "completed", "output": output, "usage": usage } })
}

#[test]
fn recorded_streams_come_to_what_the_providers_library_makes_of_them() {
    let mut streams = recorded("responses", &[""]);
    streams.extend(recorded("live", &["responses"]));
    assert_as_expected::<Events>("responses", &streams);
}

#[test]
fn calls_are_told_apart_by_their_number_alone() {
    // One provider gives every event a new item id.
    let call = |id: &str, name: &str| json!({ "type": "function_call", "id": id, "call_id": format!("call_{name}"), "name": name, "arguments": "" });
    let piece = |index: u64, id: &str, text: &str| json!({ "type": "response.function_call_arguments.delta", "output_index": index, "item_id": id, "delta": text });
    let heard = heard(&[
        added(0, call("x1", "read_file")),
        added(1, call("x2", "list")),
        piece(0, "x3", "{\"path\":"),
        piece(1, "x4", "{\"a\":1}"),
        piece(0, "x5", "\"f\"}"),
        json!({ "type": "response.something_new", "output_index": 0, "delta": "?" }),
        completed(json!([])),
    ]);
    let reply = heard.end.unwrap();
    let calls: Vec<_> = reply
        .tool_calls
        .iter()
        .map(|call| (call.tool_name.as_str(), call.arguments.clone().unwrap(), call.provider_data.clone().unwrap()))
        .collect();
    assert_eq!(
        calls,
        [
            ("read_file", json!({"path": "f"}), json!({"call_id": "call_read_file"})),
            ("list", json!({"a": 1}), json!({"call_id": "call_list"})),
        ]
    );
    let usage = reply.usage.unwrap();
    assert_eq!((usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens), (8, 1, 3));
    assert_eq!(reply.provider_data, None, "text and calls alone say as much");
}

#[test]
fn summaries_and_messages_are_kept_apart() {
    let summary = |part: u64, text: &str| json!({ "type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": part, "delta": text });
    let text =
        |index: u64, text: &str| json!({ "type": "response.output_text.delta", "output_index": index, "delta": text });
    let reasoning = json!({ "type": "reasoning", "id": "rs_1", "encrypted_content": "secret",
        "summary": [{ "type": "summary_text", "text": "First." }, { "type": "summary_text", "text": "Then." }] });
    let message = |phase: &str, text: &str| json!({ "type": "message", "id": "msg", "role": "assistant", "phase": phase, "content": [{ "type": "output_text", "text": text }] });
    let heard = heard(&[
        added(0, json!({ "type": "reasoning", "id": "rs_1", "summary": [] })),
        summary(0, "Fir"),
        summary(0, "st."),
        summary(1, "Then."),
        // The same once more in full: it is a summary of this.
        json!({ "type": "response.reasoning_text.delta", "output_index": 0, "delta": "First I..." }),
        done(0, reasoning.clone()),
        added(1, json!({ "type": "message", "id": "m1" })),
        text(1, "I lo"),
        text(1, "ok."),
        done(1, message("commentary", "I look.")),
        added(2, json!({ "type": "message", "id": "m2" })),
        // Its deltas were lost, or never sent.
        done(2, message("final_answer", "It is \u{e9}.")),
        completed(json!([])),
    ]);
    assert_eq!((heard.text.as_str(), heard.reasoning.as_str()), ("I look.\n\nIt is \u{e9}.", "First.\n\nThen."));
    let items = json!([
        reasoning,
        { "type": "message", "text": [0, 7], "phase": "commentary" },
        { "type": "message", "text": [9, 18], "phase": "final_answer" },
    ]);
    assert_eq!(heard.end.unwrap().provider_data, Some(json!({ "items": items })));
}

#[test]
fn encrypted_reasoning_may_come_with_the_last_event_only() {
    let item = |secret: &str| json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": secret });
    let message = json!({ "type": "message", "id": "m", "content": [{ "type": "output_text", "text": "Hi" }] });
    let heard = heard(&[
        done(0, json!({ "type": "reasoning", "id": "rs_1", "summary": [] })),
        done(1, message.clone()),
        completed(json!([item("late"), message])),
    ]);
    assert_eq!(heard.text, "Hi");
    assert_eq!(heard.end.unwrap().provider_data.unwrap()["items"][0], item("late"));
}

#[test]
fn the_last_list_says_nothing_twice() {
    let text = json!({ "type": "response.output_text.delta", "output_index": 1, "item_id": "m1", "delta": "Hi" });
    let thought = json!({ "type": "response.reasoning_text.delta", "output_index": 0, "item_id": "r1", "delta": "Hm" });
    // Other ids, and the reasoning left out.
    let last = json!([{ "type": "message", "id": "m9", "content": [{ "type": "output_text", "text": "Hi there" }] }]);
    let heard = heard(&[thought, text, completed(last)]);
    assert_eq!((heard.text.as_str(), heard.reasoning.as_str()), ("Hi there", "Hm"));
}

#[test]
fn a_wrapper_of_several_calls_is_several_calls() {
    let uses = json!({ "tool_uses": [
        { "recipient_name": "functions.read_file", "parameters": { "path": "a" } },
        { "recipient_name": "functions.list" },
    ] });
    let call = json!({ "type": "function_call", "call_id": "c", "name": "multi_tool_use.parallel", "arguments": uses.to_string() });
    let reply = heard(&[done(0, call), completed(json!([]))]).end.unwrap();
    let calls: Vec<_> =
        reply.tool_calls.into_iter().map(|call| (call.tool_name, call.arguments, call.provider_data)).collect();
    assert_eq!(
        calls,
        [("read_file".to_owned(), Ok(json!({"path": "a"})), None), ("list".to_owned(), Ok(json!({})), None)]
    );
}

#[test]
fn ends_have_their_reasons() {
    let incomplete = |reason: &str| json!({ "type": "response.incomplete", "response": { "status": "incomplete", "incomplete_details": { "reason": reason } } });
    let text = json!({ "type": "response.output_text.delta", "output_index": 0, "delta": "Hi" });
    let stop = |events: &[Value]| heard(events).end.map(|reply| reply.stop_reason);
    assert_eq!(stop(&[text.clone(), incomplete("max_output_tokens")]), Ok(StopReason::MaxTokens));
    assert_eq!(stop(&[text.clone(), incomplete("content_filter")]), Ok(StopReason::Refusal));
    assert_eq!(stop(&[text.clone(), incomplete("steered")]), Ok(StopReason::EndTurn));
    let refusal = json!({ "type": "response.refusal.delta", "output_index": 0, "delta": "No." });
    assert_eq!(stop(&[refusal, completed(json!([]))]), Ok(StopReason::Refusal));
    let open = json!({ "type": "function_call", "name": "read_file", "call_id": "c", "arguments": "{\"path\":" });
    let cut = heard(&[added(0, open), incomplete("max_output_tokens")]).end.unwrap();
    assert_eq!(cut.tool_calls[0].arguments, Err("{\"path\":".to_owned()));
    assert_eq!(stop(&[text]).map_err(|error| error.kind), Err(ModelErrorKind::Connection), "no last event");
}

#[test]
fn errors_in_the_stream_say_what_they_are() {
    let kind = |event: Value| heard(&[event]).end.map_err(|error| (error.kind, error.message));
    let nested = json!({ "type": "error", "error": { "type": "insufficient_quota", "code": "insufficient_quota", "message": "No money." } });
    assert_eq!(kind(nested), Err((ModelErrorKind::Refused, "No money.".to_owned())));
    let flat = json!({ "type": "error", "code": "rate_limit_exceeded", "message": "Slow down.", "param": null });
    assert_eq!(kind(flat), Err((ModelErrorKind::RateLimited, "Slow down.".to_owned())));
    let failed = |code: &str| json!({ "type": "response.failed", "response": { "status": "failed", "error": { "code": code, "message": "Failed." } } });
    assert_eq!(kind(failed("server_error")), Err((ModelErrorKind::BadReply, "Failed.".to_owned())));
    assert_eq!(kind(failed("invalid_prompt")), Err((ModelErrorKind::Refused, "Failed.".to_owned())));
    let overflow = kind(failed("context_length_exceeded")).unwrap_err().0;
    assert!(matches!(overflow, ModelErrorKind::ContextOverflow { .. }));
}

#[test]
fn an_answer_without_a_stream_is_a_reply() {
    let answer = json!({ "object": "response", "status": "completed", "usage": { "input_tokens": 1, "output_tokens": 2 }, "output": [
        { "type": "message", "content": [{ "type": "output_text", "text": "Hi" }] },
        { "type": "function_call", "call_id": "c", "name": "list", "arguments": "{}" },
    ] });
    let heard = hear::<Events>(&["list"], [answer.to_string().as_bytes()]);
    let reply = heard.end.unwrap();
    assert_eq!((heard.text.as_str(), reply.tool_calls.len(), reply.usage.unwrap().total_tokens), ("Hi", 1, 3));
}

#[test]
fn too_many_calls_are_refused() {
    let calls: Vec<Value> = (0..300)
        .map(|at| {
            done(at, json!({ "type": "function_call", "name": "list", "call_id": at.to_string(), "arguments": "{}" }))
        })
        .collect();
    assert_eq!(heard(&calls).end.unwrap_err().kind, ModelErrorKind::BadReply);
}
