//! Anthropic's Messages: what the API refuses, and its events.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Encoder, Issued, encode, is_name, list, text, unknown_field};
use crate::http::Request;

const FIELDS: [&str; 16] = [
    "model",
    "max_tokens",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "service_tier",
    "cache_control",
];

/// Most places of one request where the cache may end.
const MARKS: usize = 4;

/// Refuses what the API refuses, in its words: the status and why.
pub(super) fn check(request: &Request, body: &Value, issued: &Issued) -> Result<(), (u16, String)> {
    let header = |name: &str| request.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    if header("x-api-key") == header("authorization") {
        return Err((401, "invalid x-api-key".to_owned()));
    }
    if !header("anthropic-version") {
        return Err((400, "anthropic-version: header is required".to_owned()));
    }
    check_body(body, issued).map_err(|why| (400, why))
}

fn check_body(body: &Value, issued: &Issued) -> Result<(), String> {
    if let Some(field) = unknown_field(body, &FIELDS) {
        return Err(format!("{field}: Extra inputs are not permitted"));
    }
    if body["max_tokens"].as_u64().unwrap_or_default() == 0 {
        return Err("max_tokens: Field required".to_owned());
    }
    for (at, block) in list(&body["system"]).iter().enumerate() {
        check_text(&format!("system.{at}"), block)?;
    }
    let mut names = BTreeSet::new();
    for (at, tool) in list(&body["tools"]).iter().enumerate() {
        check_tool(at, tool)?;
        if !names.insert(text(&tool["name"])) {
            return Err("tools: Tool names must be unique.".to_owned());
        }
    }
    if body.to_string().matches("\"cache_control\"").count() > MARKS {
        return Err(format!("A maximum of {MARKS} blocks with cache_control may be provided."));
    }
    check_messages(list(&body["messages"]), names.is_empty(), issued)
}

fn check_tool(at: usize, tool: &Value) -> Result<(), String> {
    if let Some(field) = unknown_field(tool, &["name", "description", "input_schema", "cache_control", "strict"]) {
        return Err(format!("tools.{at}.custom.{field}: Extra inputs are not permitted"));
    }
    if !is_name(text(&tool["name"]), 128) {
        return Err(format!("tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"));
    }
    let schema = &tool["input_schema"];
    if schema["type"] != "object" {
        return Err(format!("tools.{at}.custom.input_schema.type: Input should be 'object'"));
    }
    if ["anyOf", "oneOf", "allOf"].iter().any(|choice| schema.get(choice).is_some()) {
        return Err(format!(
            "tools.{at}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
        ));
    }
    Ok(())
}

fn check_messages(messages: &[Value], has_no_tools: bool, issued: &Issued) -> Result<(), String> {
    if messages.first().is_none_or(|message| message["role"] != "user") {
        return Err("messages: first message must use the \"user\" role".to_owned());
    }
    if messages.last().is_some_and(|message| message["role"] != "user") {
        return Err("This model does not support assistant message prefill.".to_owned());
    }
    let mut seen = BTreeSet::new();
    for (at, message) in messages.iter().enumerate() {
        if at > 0 && messages[at - 1]["role"] == message["role"] {
            return Err("messages: roles must alternate between \"user\" and \"assistant\"".to_owned());
        }
        if let Some(field) = unknown_field(message, &["role", "content"]) {
            return Err(format!("messages.{at}.{field}: Extra inputs are not permitted"));
        }
        let blocks = list(&message["content"]);
        if blocks.is_empty() {
            return Err(format!("messages.{at}: all messages must have non-empty content"));
        }
        match text(&message["role"]) {
            "user" => check_user(at, blocks)?,
            "assistant" => {
                check_reply(at, blocks, &mut seen, issued)?;
                check_results(at, blocks, messages.get(at + 1))?;
            }
            role => return Err(format!("messages.{at}.role: unexpected role {role:?}")),
        }
    }
    if has_no_tools && !seen.is_empty() {
        return Err("Requests which include `tool_use` or `tool_result` blocks must define tools".to_owned());
    }
    let is_result = |block: &Value| block["type"] == "tool_result";
    let is_asked = |message: &Value| message["role"] == "user" && !list(&message["content"]).iter().all(is_result);
    let from = messages.iter().rposition(is_asked).unwrap_or(0);
    messages[from..].iter().filter(|message| message["role"] == "assistant").try_for_each(|message| {
        let blocks = list(&message["content"]);
        let thought = blocks.iter().filter(|block| block["type"] == "tool_use").find_map(|call| issued.of(&key(call)));
        let has = |signature: &Value| blocks.iter().any(|block| block["signature"] == *signature);
        match thought {
            Some(signature) if !signature.is_null() && !has(&signature) => {
                Err("Expected `thinking` or `redacted_thinking`, but found `tool_use`.".to_owned())
            }
            _ => Ok(()),
        }
    })
}

fn check_user(at: usize, blocks: &[Value]) -> Result<(), String> {
    let mut is_begun = false;
    for (number, block) in blocks.iter().enumerate() {
        let place = format!("messages.{at}.content.{number}");
        match text(&block["type"]) {
            "tool_result" if is_begun => return Err(format!("{place}: `tool_result` blocks must come first")),
            "tool_result" => {
                known(&place, block, &["type", "tool_use_id", "content", "is_error", "cache_control"])?;
                for inner in list(&block["content"]) {
                    if inner["type"] == "image" && block["is_error"] == true {
                        return Err(format!("{place}: all content must be type \"text\" if `is_error` is true"));
                    }
                    check_shown(&place, inner)?;
                }
                continue;
            }
            _ => check_shown(&place, block)?,
        }
        is_begun = true;
    }
    Ok(())
}

fn check_shown(place: &str, block: &Value) -> Result<(), String> {
    match text(&block["type"]) {
        "text" => check_text(place, block),
        "image" | "document" => {
            known(place, block, &["type", "source", "cache_control"])?;
            let source = &block["source"];
            let is_whole = source["type"] == "base64" && source["media_type"].is_string() && source["data"].is_string();
            if is_whole { Ok(()) } else { Err(format!("{place}.source: Field required")) }
        }
        kind => Err(format!("{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags")),
    }
}

fn check_text(place: &str, block: &Value) -> Result<(), String> {
    known(place, block, &["type", "text", "cache_control"])?;
    if block["type"] != "text" || text(&block["text"]).trim().is_empty() {
        return Err(format!("{place}: text content blocks must contain non-whitespace text"));
    }
    Ok(())
}

fn check_reply<'a>(
    at: usize,
    blocks: &'a [Value],
    seen: &mut BTreeSet<&'a str>,
    issued: &Issued,
) -> Result<(), String> {
    for (number, block) in blocks.iter().enumerate() {
        let place = format!("messages.{at}.content.{number}");
        match text(&block["type"]) {
            "text" => check_text(&place, block)?,
            "thinking" => {
                known(&place, block, &["type", "thinking", "signature"])?;
                if issued.of(text(&block["signature"])) != Some(block["thinking"].clone()) {
                    return Err(format!("{place}: Invalid `signature` in `thinking` block"));
                }
            }
            "redacted_thinking" => {
                known(&place, block, &["type", "data"])?;
                if issued.of(text(&block["data"])).is_none() {
                    return Err(format!("{place}: Invalid `data` in `redacted_thinking` block"));
                }
            }
            "tool_use" => {
                known(&place, block, &["type", "id", "name", "input", "cache_control"])?;
                if !is_name(text(&block["id"]), 64)
                    || !is_name(text(&block["name"]), 128)
                    || !block["input"].is_object()
                {
                    return Err(format!("{place}.id: String should match pattern '^[a-zA-Z0-9_-]+$'"));
                }
                if !seen.insert(text(&block["id"])) {
                    return Err(format!("{place}: `tool_use` ids must be unique"));
                }
            }
            kind => return Err(format!("{place}: Input tag '{kind}' does not match any of the expected tags")),
        }
    }
    Ok(())
}

/// Every call has its result in the next message, and no result is without its call.
fn check_results(at: usize, blocks: &[Value], next: Option<&Value>) -> Result<(), String> {
    let ids = |blocks: &[Value], kind: &str, field: &str| -> BTreeSet<String> {
        let of_kind = blocks.iter().filter(|block| block["type"] == kind);
        of_kind.map(|block| text(&block[field]).to_owned()).collect()
    };
    let calls = ids(blocks, "tool_use", "id");
    let results = next.map(|next| ids(list(&next["content"]), "tool_result", "tool_use_id")).unwrap_or_default();
    if let Some(id) = calls.difference(&results).next() {
        return Err(format!(
            "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}"
        ));
    }
    match results.difference(&calls).next() {
        Some(id) => Err(format!("messages.{}: unexpected `tool_use_id` found in `tool_result` blocks: {id}", at + 1)),
        None => Ok(()),
    }
}

fn known(place: &str, block: &Value, fields: &[&str]) -> Result<(), String> {
    unknown_field(block, fields).map_or(Ok(()), |field| Err(format!("{place}.{field}: Extra inputs are not permitted")))
}

/// A call as the thinking before it is kept by: ids are the client's own.
fn key(call: &Value) -> String {
    format!("call {} {}", text(&call["name"]), call["input"])
}

/// The conversation as chat completions have it.
pub(super) fn messages(body: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    for message in list(&body["messages"]) {
        let blocks = list(&message["content"]);
        let of_kind = |kind: &'static str| blocks.iter().filter(move |block| block["type"] == kind);
        if message["role"] == "assistant" {
            let said: String = of_kind("text").map(|block| text(&block["text"])).collect();
            let calls: Vec<Value> = of_kind("tool_use")
                .map(|call| json!({ "id": call["id"], "function": { "name": call["name"], "arguments": call["input"].to_string() } }))
                .collect();
            let mut reply = json!({ "role": "assistant", "content": said });
            if !calls.is_empty() {
                reply["tool_calls"] = json!(calls);
            }
            out.push(reply);
            continue;
        }
        for result in of_kind("tool_result") {
            out.push(json!({ "role": "tool", "tool_call_id": result["tool_use_id"], "content": result["content"] }));
        }
        let asked: Vec<&Value> = blocks.iter().filter(|block| block["type"] != "tool_result").collect();
        if !asked.is_empty() {
            out.push(json!({ "role": "user", "content": asked }));
        }
    }
    out
}

/// The events of one reply.
pub(super) struct Events {
    issued: Arc<Issued>,
    next: usize,
    open: Option<Value>,
    /// The newest signature, until a call follows it.
    signature: Option<String>,
}

impl Events {
    pub(super) fn new(issued: Arc<Issued>) -> Self {
        Self { issued, next: 0, open: None, signature: None }
    }

    /// Goes on with the block that is open, or opens one.
    fn block(&mut self, kind: &str, new: Value, out: &mut Vec<Bytes>) {
        if self.open.as_ref().is_some_and(|open| open["type"] == kind) && kind != "tool_use" {
            return;
        }
        self.close(out);
        let mut shown = new.clone();
        if kind == "tool_use" {
            shown["input"] = json!({});
        }
        out.push(event(
            "content_block_start",
            &json!({ "type": "content_block_start", "index": self.next, "content_block": shown }),
        ));
        self.open = Some(new);
    }

    fn close(&mut self, out: &mut Vec<Bytes>) {
        let Some(open) = self.open.take() else { return };
        if open["type"] == "thinking" {
            let signature = self.issued.give(open["thinking"].clone());
            out.push(self.delta_of(&json!({ "type": "signature_delta", "signature": signature })));
            self.signature = Some(signature);
        }
        if open["type"] == "tool_use" {
            let input = serde_json::from_str(text(&open["input"])).unwrap_or_else(|_| json!({}));
            let call = json!({ "name": open["name"], "input": input });
            // A call that is made again without thinking needs none.
            self.issued.bind(&key(&call), self.signature.clone().map_or(Value::Null, Value::from));
        }
        out.push(event("content_block_stop", &json!({ "type": "content_block_stop", "index": self.next })));
        self.next += 1;
    }

    fn delta_of(&self, delta: &Value) -> Bytes {
        event("content_block_delta", &json!({ "type": "content_block_delta", "index": self.next, "delta": delta }))
    }

    fn grow(&mut self, field: &str, piece: &str) {
        if let Some(open) = &mut self.open {
            open[field] = json!(format!("{}{piece}", text(&open[field])));
        }
    }
}

impl Encoder for Events {
    fn start(&mut self) -> Bytes {
        let usage = json!({ "input_tokens": 1, "output_tokens": 1 });
        let message = json!({ "type": "message", "role": "assistant", "content": [], "model": "scripted", "stop_reason": null, "usage": usage });
        let ping = event("ping", &json!({ "type": "ping" }));
        [event("message_start", &json!({ "type": "message_start", "message": message })), ping].concat().into()
    }

    fn delta(&mut self, delta: &Value) -> Bytes {
        let mut out = Vec::new();
        if let Some(thought) = delta["reasoning_content"].as_str() {
            self.block("thinking", json!({ "type": "thinking", "thinking": "", "signature": "" }), &mut out);
            self.grow("thinking", thought);
            out.push(self.delta_of(&json!({ "type": "thinking_delta", "thinking": thought })));
        }
        if let Some(said) = delta["content"].as_str() {
            self.block("text", json!({ "type": "text", "text": "" }), &mut out);
            out.push(self.delta_of(&json!({ "type": "text_delta", "text": said })));
        }
        for piece in list(&delta["tool_calls"]) {
            if piece["id"].is_string() {
                let new =
                    json!({ "type": "tool_use", "id": piece["id"], "name": piece["function"]["name"], "input": "" });
                self.block("tool_use", new, &mut out);
            }
            let arguments = text(&piece["function"]["arguments"]);
            self.grow("input", arguments);
            out.push(self.delta_of(&json!({ "type": "input_json_delta", "partial_json": arguments })));
        }
        out.concat().into()
    }

    fn finish(&mut self, reason: &str, (input, output): (u64, u64)) -> Bytes {
        let mut out = Vec::new();
        self.close(&mut out);
        let reason = match reason {
            "stop" => "end_turn",
            "tool_calls" => "tool_use",
            "length" => "max_tokens",
            "content_filter" => "refusal",
            other => other,
        };
        let usage = json!({ "input_tokens": input, "output_tokens": output });
        let delta = json!({ "stop_reason": reason, "stop_sequence": null });
        out.push(event("message_delta", &json!({ "type": "message_delta", "delta": delta, "usage": usage })));
        out.push(event("message_stop", &json!({ "type": "message_stop" })));
        out.concat().into()
    }
}

fn event(kind: &str, fields: &Value) -> Bytes {
    encode::chunk(format!("event: {kind}\ndata: {fields}\n\n").as_bytes())
}
