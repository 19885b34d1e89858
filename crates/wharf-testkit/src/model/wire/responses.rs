//! OpenAI's Responses: what the API refuses, and its events.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Encoder, Issued, encode, is_name, list, text, unknown_field};

const FIELDS: [&str; 20] = [
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "include",
    "reasoning",
    "max_output_tokens",
    "store",
    "stream",
    "text",
    "metadata",
    "temperature",
    "top_p",
    "truncation",
    "prompt_cache_key",
    "service_tier",
    "user",
    "safety_identifier",
];

/// Refuses what the API refuses, in its words.
pub(super) fn check(body: &Value, issued: &Issued) -> Result<(), String> {
    if let Some(field) = unknown_field(body, &FIELDS) {
        return Err(format!("Unknown parameter: '{field}'."));
    }
    if body["max_output_tokens"].as_u64().is_some_and(|tokens| tokens < 16) {
        return Err("Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16.".to_owned());
    }
    for (at, tool) in list(&body["tools"]).iter().enumerate() {
        check_tool(at, tool)?;
    }
    let includes = list(&body["include"]).contains(&json!("reasoning.encrypted_content"));
    if body["store"] == false && !includes {
        return Err("scripted: without storage the reasoning has to be asked for".to_owned());
    }
    check_input(list(&body["input"]), issued)
}

fn check_tool(at: usize, tool: &Value) -> Result<(), String> {
    if let Some(field) = unknown_field(tool, &["type", "name", "description", "parameters", "strict"]) {
        return Err(format!("Unknown parameter: 'tools[{at}].{field}'."));
    }
    if tool["type"] != "function" || !is_name(text(&tool["name"]), 64) {
        return Err(format!("Invalid 'tools[{at}].name': string does not match pattern."));
    }
    if tool["parameters"]["type"] != "object" {
        return Err(format!(
            "Invalid schema for function '{}': schema must be a JSON Schema of 'type: \"object\"'",
            text(&tool["name"])
        ));
    }
    if tool["strict"] != false {
        return Err(format!(
            "Invalid schema for function '{}': 'additionalProperties' is required to be supplied and to be false.",
            text(&tool["name"])
        ));
    }
    Ok(())
}

fn check_input(input: &[Value], issued: &Issued) -> Result<(), String> {
    let (mut open, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for (at, item) in input.iter().enumerate() {
        let place = format!("input[{at}]");
        match text(&item["type"]) {
            "message" => check_message(&place, item)?,
            "function_call" => {
                known(&place, item, &["type", "id", "call_id", "name", "arguments", "status"])?;
                let id = text(&item["call_id"]);
                if id.is_empty() || id.len() > 64 || !seen.insert(id) {
                    return Err(format!("Invalid '{place}.call_id': {id:?}"));
                }
                if !is_name(text(&item["name"]), 64) || !item["arguments"].is_string() {
                    return Err(format!("Invalid '{place}.name' or arguments."));
                }
                open.insert(id);
            }
            "function_call_output" => {
                known(&place, item, &["type", "id", "call_id", "output", "status"])?;
                let id = text(&item["call_id"]);
                if !open.remove(id) {
                    return Err(format!("No tool call found for function call output with call_id {id}."));
                }
                match &item["output"] {
                    Value::String(output) if output.trim().is_empty() => {
                        return Err(format!("Invalid '{place}.output': empty string."));
                    }
                    Value::String(_) => {}
                    output => check_parts(&place, output, &["input_text", "input_image", "input_file"])?,
                }
            }
            "reasoning" => check_reasoning(&place, item, input.get(at + 1), issued)?,
            other => return Err(format!("Invalid value: '{other}' for '{place}.type'.")),
        }
        // Calls of one reply stand together, and so do their results.
        let answers = matches!(text(&item["type"]), "function_call" | "function_call_output" | "reasoning");
        if let (Some(id), false) = (open.first(), answers || item["role"] == "assistant") {
            return Err(format!("No tool output found for function call {id}."));
        }
    }
    open.first().map_or(Ok(()), |id| Err(format!("No tool output found for function call {id}.")))
}

fn known(place: &str, item: &Value, fields: &[&str]) -> Result<(), String> {
    unknown_field(item, fields).map_or(Ok(()), |field| Err(format!("Unknown parameter: '{place}.{field}'.")))
}

fn check_message(place: &str, item: &Value) -> Result<(), String> {
    known(place, item, &["type", "id", "role", "content", "status", "phase"])?;
    let is_model = item["role"] == "assistant";
    if !matches!(text(&item["role"]), "user" | "assistant" | "system" | "developer") {
        return Err(format!("Invalid value for '{place}.role'."));
    }
    let is_phase = is_model && matches!(text(&item["phase"]), "commentary" | "final_answer");
    if !item["phase"].is_null() && !is_phase {
        return Err(format!("Invalid value for '{place}.phase'."));
    }
    match &item["content"] {
        Value::String(_) => Ok(()),
        content if is_model => check_parts(place, content, &["output_text", "refusal"]),
        content => check_parts(place, content, &["input_text", "input_image", "input_file"]),
    }
}

fn check_parts(place: &str, parts: &Value, kinds: &[&str]) -> Result<(), String> {
    if list(parts).is_empty() {
        return Err(format!("Invalid '{place}': expected a list with at least one part."));
    }
    for part in list(parts) {
        let kind = text(&part["type"]);
        if !kinds.contains(&kind) {
            return Err(format!("Invalid value: '{kind}'. Supported values are: {kinds:?}."));
        }
        known(
            place,
            part,
            &["type", "text", "refusal", "image_url", "detail", "filename", "file_data", "annotations"],
        )?;
        if kind == "input_image" && !text(&part["image_url"]).starts_with("data:image/") {
            return Err(format!("Invalid '{place}.image_url'. Expected a base64-encoded data URL."));
        }
    }
    Ok(())
}

fn check_reasoning(place: &str, item: &Value, next: Option<&Value>, issued: &Issued) -> Result<(), String> {
    known(place, item, &["type", "id", "summary", "content", "encrypted_content", "status"])?;
    let id = text(&item["id"]);
    let Some(encrypted) = item["encrypted_content"].as_str() else {
        return Err(format!("Item with id '{id}' not found. Items are not persisted when `store` is set to false."));
    };
    let Some(follower) = issued.of(encrypted) else {
        return Err(format!("The encrypted content for item {id} could not be verified."));
    };
    let has_follower = next.is_some_and(|next| identity(next) == follower);
    if !has_follower {
        return Err(format!("Item '{id}' of type 'reasoning' was provided without its required following item."));
    }
    Ok(())
}

/// What an item says, whatever it is called.
fn identity(item: &Value) -> Value {
    match text(&item["type"]) {
        "function_call" => {
            let arguments: Value = serde_json::from_str(text(&item["arguments"])).unwrap_or_default();
            json!({ "call": item["name"], "arguments": arguments, "call_id": item["call_id"] })
        }
        "reasoning" => json!({ "reasoning": item["encrypted_content"] }),
        _ => json!({ "text": said(item) }),
    }
}

fn said(item: &Value) -> String {
    match &item["content"] {
        Value::String(text) => text.clone(),
        parts => list(parts).iter().map(|part| text(&part["text"])).collect(),
    }
}

/// The conversation as chat completions have it.
pub(super) fn messages(body: &Value) -> Vec<Value> {
    let mut messages: Vec<Value> = Vec::new();
    for item in list(&body["input"]) {
        match text(&item["type"]) {
            "function_call" => {
                let call = json!({ "id": item["call_id"], "function": { "name": item["name"], "arguments": item["arguments"] } });
                match messages.last_mut().filter(|last| last["role"] == "assistant") {
                    Some(last) => match last["tool_calls"].as_array_mut() {
                        Some(calls) => calls.push(call),
                        None => last["tool_calls"] = json!([call]),
                    },
                    None => messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] })),
                }
            }
            "function_call_output" => {
                messages.push(json!({ "role": "tool", "tool_call_id": item["call_id"], "content": item["output"] }));
            }
            "message" => messages.push(json!({ "role": item["role"], "content": item["content"] })),
            _ => {}
        }
    }
    messages
}

/// The events of one reply.
pub(super) struct Events {
    encrypts: bool,
    issued: Arc<Issued>,
    output: Vec<Value>,
    open: Option<Value>,
    /// Reasoning that nothing has followed yet.
    waiting: Option<String>,
    sequence: u64,
}

impl Events {
    pub(super) fn new(body: &Value, issued: Arc<Issued>) -> Self {
        let encrypts = list(&body["include"]).contains(&json!("reasoning.encrypted_content"));
        Self { encrypts, issued, output: Vec::new(), open: None, waiting: None, sequence: 0 }
    }

    fn event(&mut self, kind: &str, mut fields: Value) -> Bytes {
        fields["type"] = json!(kind);
        fields["sequence_number"] = json!(self.sequence);
        self.sequence += 1;
        encode::chunk(format!("event: {kind}\ndata: {fields}\n\n").as_bytes())
    }

    /// Goes on with the item that is open, or opens one.
    fn item(&mut self, kind: &str, new: Value, out: &mut Vec<Bytes>) {
        if self.open.as_ref().is_some_and(|open| open["type"] == kind) && kind != "function_call" {
            return;
        }
        self.close(out);
        let added = json!({ "output_index": self.output.len(), "item": new });
        self.open = Some(new);
        out.push(self.event("response.output_item.added", added));
    }

    fn close(&mut self, out: &mut Vec<Bytes>) {
        let Some(mut item) = self.open.take() else { return };
        if item["type"] == "reasoning" && self.encrypts {
            let encrypted = self.issued.give(Value::Null);
            item["encrypted_content"] = json!(encrypted);
        }
        if let Some(before) = self.waiting.take() {
            self.issued.bind(&before, identity(&item));
        }
        self.waiting = item["encrypted_content"].as_str().map(str::to_owned);
        item["status"] = json!("completed");
        let done = json!({ "output_index": self.output.len(), "item": item });
        self.output.push(item);
        out.push(self.event("response.output_item.done", done));
    }

    /// More of the open item: `place` leads to the text that grows.
    fn grow(&mut self, kind: &str, place: &str, piece: &str, out: &mut Vec<Bytes>) {
        let index = self.output.len();
        let Some(open) = &mut self.open else { return };
        if let Some(grown) = open.pointer_mut(place) {
            *grown = json!(format!("{}{piece}", text(grown)));
        }
        let delta = json!({ "output_index": index, "item_id": open["id"], "content_index": 0, "summary_index": 0, "delta": piece });
        out.push(self.event(kind, delta));
    }
}

impl Encoder for Events {
    fn start(&mut self) -> Bytes {
        self.event(
            "response.created",
            json!({ "response": { "object": "response", "status": "in_progress", "output": [] } }),
        )
    }

    fn delta(&mut self, delta: &Value) -> Bytes {
        let mut out = Vec::new();
        let id = self.output.len();
        if let Some(thought) = delta["reasoning_content"].as_str() {
            let new = json!({ "type": "reasoning", "id": format!("rs_{id}"), "summary": [{ "type": "summary_text", "text": "" }] });
            self.item("reasoning", new, &mut out);
            self.grow("response.reasoning_summary_text.delta", "/summary/0/text", thought, &mut out);
        }
        if let Some(said) = delta["content"].as_str() {
            let new = json!({ "type": "message", "id": format!("msg_{id}"), "role": "assistant", "content": [{ "type": "output_text", "text": "" }] });
            self.item("message", new, &mut out);
            self.grow("response.output_text.delta", "/content/0/text", said, &mut out);
        }
        for piece in list(&delta["tool_calls"]) {
            if piece["id"].is_string() {
                let id = self.output.len() + usize::from(self.open.is_some());
                let new = json!({ "type": "function_call", "id": format!("fc_{id}"), "call_id": piece["id"], "name": piece["function"]["name"], "arguments": "" });
                self.item("function_call", new, &mut out);
            }
            self.grow(
                "response.function_call_arguments.delta",
                "/arguments",
                text(&piece["function"]["arguments"]),
                &mut out,
            );
        }
        out.concat().into()
    }

    fn finish(&mut self, reason: &str, (input, output): (u64, u64)) -> Bytes {
        let mut out = Vec::new();
        self.close(&mut out);
        let (kind, status, why) = match reason {
            "length" => ("response.incomplete", "incomplete", Some("max_output_tokens")),
            "content_filter" => ("response.incomplete", "incomplete", Some("content_filter")),
            _ => ("response.completed", "completed", None),
        };
        let usage = json!({
            "input_tokens": input, "output_tokens": output, "total_tokens": input + output,
            "input_tokens_details": { "cached_tokens": 0 }, "output_tokens_details": { "reasoning_tokens": 0 },
        });
        let details = why.map(|reason| json!({ "reason": reason }));
        let response = json!({ "object": "response", "status": status, "output": self.output, "usage": usage, "incomplete_details": details });
        out.push(self.event(kind, json!({ "response": response })));
        out.concat().into()
    }
}
