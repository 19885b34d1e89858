//! Google's Gemini: what the API refuses, and its chunks.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Encoder, Issued, encode, is_name, list, text, unknown_field};
use crate::http::Request;

/// Taken for every call in place of a signature.
const SKIP: &str = "skip_thought_signature_validator";

/// Before images of results, where they stand behind them: no words of the user.
const IMAGES: &str = "Images from the tool results above:";

/// Refuses what the API refuses, in its words.
pub(super) fn check(request: &Request, body: &Value, issued: &Issued) -> Result<(), String> {
    if !request.path.contains("alt=sse") || request.path.contains("key=") {
        return Err("scripted: the answer is wanted as events, and the key belongs into a header".to_owned());
    }
    let fields =
        ["contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "cachedContent"];
    known("request", body, &fields)?;
    known(
        "generation_config",
        &body["generationConfig"],
        &["maxOutputTokens", "temperature", "topP", "topK", "stopSequences", "thinkingConfig"],
    )?;
    known(
        "thinking_config",
        &body["generationConfig"]["thinkingConfig"],
        &["includeThoughts", "thinkingBudget", "thinkingLevel"],
    )?;
    for tool in list(&body["tools"]) {
        known("tools", tool, &["functionDeclarations"])?;
        list(&tool["functionDeclarations"]).iter().try_for_each(check_declaration)?;
    }
    check_contents(list(&body["contents"]), is_signed(&request.path), issued)
}

fn known(place: &str, object: &Value, fields: &[&str]) -> Result<(), String> {
    unknown_field(object, fields).map_or(Ok(()), |field| {
        Err(format!("Invalid JSON payload received. Unknown name \"{field}\" at '{place}': Cannot find field."))
    })
}

/// From the third generation on calls have ids and signatures.
fn is_signed(path: &str) -> bool {
    ["gemini-3", "gemini-4"].iter().any(|model| path.contains(model))
}

fn check_declaration(declaration: &Value) -> Result<(), String> {
    known("function_declarations", declaration, &["name", "description", "parameters", "parametersJsonSchema"])?;
    let name = text(&declaration["name"]);
    if !is_name(name, 128) || name.starts_with(|first: char| !first.is_ascii_alphabetic() && first != '_') {
        return Err(format!("Invalid function name {name:?}. Must start with a letter or an underscore."));
    }
    match &declaration["parameters"] {
        Value::Null => Ok(()),
        schema => check_schema("parameters", schema),
    }
}

fn check_schema(place: &str, schema: &Value) -> Result<(), String> {
    let keywords = [
        "type",
        "format",
        "description",
        "nullable",
        "enum",
        "items",
        "properties",
        "required",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "pattern",
        "anyOf",
    ];
    known(place, schema, &keywords)?;
    if !schema["type"].is_string() && schema["anyOf"].is_null() {
        return Err(format!("{place}: schema didn't specify the schema type field"));
    }
    if list(&schema["enum"]).iter().any(|value| !value.is_string()) {
        return Err(format!("{place}.enum: only allowed for STRING type"));
    }
    let properties = schema["properties"].as_object();
    for name in list(&schema["required"]) {
        if !properties.is_some_and(|properties| properties.contains_key(text(name))) {
            return Err(format!("{place}.required: property is not defined: {name}"));
        }
    }
    for (name, property) in properties.into_iter().flatten() {
        check_schema(&format!("{place}.{name}"), property)?;
    }
    if schema["type"] == "array" {
        if schema["items"].is_null() {
            return Err(format!("{place}.items: missing field."));
        }
        check_schema(&format!("{place}.items"), &schema["items"])?;
    }
    list(&schema["anyOf"]).iter().try_for_each(|choice| check_schema(place, choice))
}

fn check_contents(contents: &[Value], signed: bool, issued: &Issued) -> Result<(), String> {
    if contents.is_empty() {
        return Err("contents is not specified".to_owned());
    }
    let last_words =
        contents.iter().rposition(|content| content["role"] == "user" && !has(content, "functionResponse"));
    for (at, content) in contents.iter().enumerate() {
        known("contents", content, &["role", "parts"])?;
        let wanted = if at % 2 == 0 { "user" } else { "model" };
        if content["role"] != wanted {
            return Err("Please ensure that multiturn requests alternate between user and model.".to_owned());
        }
        if list(&content["parts"]).is_empty() {
            return Err(format!("contents[{at}].parts must not be empty."));
        }
        for part in list(&content["parts"]) {
            check_part(at, part, issued)?;
        }
        check_pairs(content, at.checked_sub(1).map(|before| &contents[before]))?;
        let first_call = list(&content["parts"]).iter().find(|part| part.get("functionCall").is_some());
        let in_turn = last_words.is_none_or(|last| at > last);
        if let Some(part) = first_call
            && signed
            && in_turn
            && part["thoughtSignature"].is_null()
        {
            let name = text(&part["functionCall"]["name"]);
            return Err(format!("function call `{name}` in the {at}. content block is missing a `thought_signature`."));
        }
    }
    match contents.last() {
        Some(last) if has(last, "functionCall") || last["role"] == "model" => {
            Err("Please ensure that the conversation ends with a user turn or a function response.".to_owned())
        }
        _ => Ok(()),
    }
}

fn has(content: &Value, kind: &str) -> bool {
    list(&content["parts"]).iter().any(|part| part.get(kind).is_some())
}

fn check_part(at: usize, part: &Value, issued: &Issued) -> Result<(), String> {
    let data = ["text", "inlineData", "functionCall", "functionResponse"];
    known("contents.parts", part, &[&data[..], &["thought", "thoughtSignature"]].concat())?;
    if data.iter().filter(|kind| part.get(**kind).is_some()).count() != 1 {
        return Err(format!("contents[{at}].parts: exactly one of the data fields must be set."));
    }
    if let Some(call) = part.get("functionCall") {
        known("function_call", call, &["id", "name", "args"])?;
        if !call["args"].is_object() {
            return Err(format!("contents[{at}].parts.function_call.args: must be an object"));
        }
    }
    if let Some(response) = part.get("functionResponse") {
        known("function_response", response, &["id", "name", "response", "parts"])?;
        if !response["response"].is_object() {
            return Err(format!("contents[{at}].parts.function_response.response: must be an object"));
        }
    }
    if let Some(blob) = part.get("inlineData") {
        known("inline_data", blob, &["mimeType", "data"])?;
    }
    match part["thoughtSignature"].as_str() {
        None => Ok(()),
        Some(SKIP) if part.get("functionCall").is_some() => Ok(()),
        Some(signature) => match issued.of(signature) {
            Some(belongs_to) if belongs_to == identity(part) => Ok(()),
            Some(_) => Err("Corrupted thought signature: it stands on another part.".to_owned()),
            None => Err("Thought signature is not valid.".to_owned()),
        },
    }
}

fn check_pairs(content: &Value, before: Option<&Value>) -> Result<(), String> {
    let of = |content: &Value, kind: &str| -> Vec<Value> {
        list(&content["parts"]).iter().filter_map(|part| part.get(kind).cloned()).collect()
    };
    let calls = before.map(|before| of(before, "functionCall")).unwrap_or_default();
    let responses = of(content, "functionResponse");
    if calls.len() != responses.len() {
        return Err("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.".to_owned());
    }
    let first = list(&content["parts"]).iter().take(responses.len());
    if first.filter(|part| part.get("functionResponse").is_some()).count() != responses.len() {
        return Err("Function responses must stand before everything else of their turn.".to_owned());
    }
    let is_pair = |(call, response): (&Value, &Value)| call["name"] == response["name"] && call["id"] == response["id"];
    match calls.iter().zip(&responses).all(is_pair) {
        true => Ok(()),
        false => Err("Function response does not match its function call.".to_owned()),
    }
}

/// What a part says, whatever its signature.
fn identity(part: &Value) -> Value {
    let mut part = part.clone();
    if let Value::Object(fields) = &mut part {
        fields.remove("thoughtSignature");
    }
    part
}

/// The conversation as chat completions have it.
pub(super) fn messages(body: &Value) -> Vec<Value> {
    let mut messages = Vec::new();
    for content in list(&body["contents"]) {
        let parts = list(&content["parts"]);
        // Images of results stand behind them, in the same turn.
        let words = parts.iter().filter_map(|part| part["text"].as_str()).filter(|text| *text != IMAGES);
        let said: String = words.collect();
        if content["role"] == "model" {
            let calls = parts.iter().filter_map(|part| part.get("functionCall")).enumerate().map(|(at, call)| {
                let id = format!("{}_{at}", messages.len());
                json!({ "id": id, "function": { "name": call["name"], "arguments": call["args"].to_string() } })
            });
            let calls: Vec<Value> = calls.collect();
            messages.push(json!({ "role": "assistant", "content": said, "tool_calls": calls }));
            continue;
        }
        let asked = messages.len().checked_sub(1);
        for (at, response) in parts.iter().filter_map(|part| part.get("functionResponse")).enumerate() {
            let outcome = ["output", "error"].iter().find_map(|key| response["response"][*key].as_str());
            let id = format!("{}_{at}", asked.unwrap_or_default());
            messages.push(json!({ "role": "tool", "tool_call_id": id, "content": outcome.unwrap_or_default() }));
        }
        if !said.is_empty() {
            messages.push(json!({ "role": "user", "content": said }));
        }
    }
    messages
}

/// The chunks of one reply.
pub(super) struct Chunks {
    signed: bool,
    issued: Arc<Issued>,
    /// Calls come whole.
    calls: Vec<(String, String)>,
    has_thought: bool,
    has_signed: bool,
}

impl Chunks {
    pub(super) fn new(path: &str, issued: Arc<Issued>) -> Self {
        Self { signed: is_signed(path), issued, calls: Vec::new(), has_thought: false, has_signed: false }
    }

    fn chunk(candidate: &Value) -> Bytes {
        encode::chunk(
            format!("data: {}\r\n\r\n", json!({ "candidates": [candidate], "modelVersion": "scripted" })).as_bytes(),
        )
    }

    fn parts(parts: &Value) -> Bytes {
        Self::chunk(&json!({ "index": 0, "content": { "role": "model", "parts": parts } }))
    }

    fn flush(&mut self) -> Bytes {
        let mut parts = Vec::new();
        for (at, (id, arguments)) in std::mem::take(&mut self.calls).into_iter().enumerate() {
            let (id, name) = id.split_once(' ').unwrap_or_default();
            let mut call = json!({ "name": name, "args": serde_json::from_str::<Value>(&arguments).unwrap_or_else(|_| json!({})) });
            if self.signed {
                call["id"] = json!(id);
            }
            let mut part = json!({ "functionCall": call });
            if at == 0 && (self.signed || self.has_thought) {
                part["thoughtSignature"] = json!(self.issued.give(identity(&part)));
                self.has_signed = true;
            }
            parts.push(part);
        }
        if parts.is_empty() { Bytes::new() } else { Self::parts(&Value::Array(parts)) }
    }
}

impl Encoder for Chunks {
    fn start(&mut self) -> Bytes {
        // It says nothing before the first word. A comment is a sign of life.
        encode::chunk(b": scripted\r\n\r\n")
    }

    fn delta(&mut self, delta: &Value) -> Bytes {
        let mut out = Vec::new();
        if let Some(thought) = delta["reasoning_content"].as_str() {
            self.has_thought = true;
            out.push(Self::parts(&json!([{ "text": thought, "thought": true }])));
        }
        if let Some(said) = delta["content"].as_str() {
            out.push(self.flush());
            out.push(Self::parts(&json!([{ "text": said }])));
        }
        for piece in list(&delta["tool_calls"]) {
            let more = text(&piece["function"]["arguments"]);
            match (piece["id"].as_str(), self.calls.last_mut()) {
                (None, Some((_, arguments))) => arguments.push_str(more),
                (id, _) => {
                    let named = format!("{} {}", id.unwrap_or_default(), text(&piece["function"]["name"]));
                    self.calls.push((named, more.to_owned()));
                }
            }
        }
        out.concat().into()
    }

    fn finish(&mut self, reason: &str, (input, output): (u64, u64)) -> Bytes {
        let calls = self.flush();
        let mut last = json!({ "text": "" });
        if self.has_thought && !self.has_signed {
            last["thoughtSignature"] = json!(self.issued.give(last.clone()));
        }
        let reason = match reason {
            "length" => "MAX_TOKENS",
            "content_filter" => "SAFETY",
            "stop" | "tool_calls" => "STOP",
            other => other,
        };
        let whole = json!({
            "candidates": [{ "index": 0, "content": { "role": "model", "parts": [last] }, "finishReason": reason }],
            "usageMetadata": { "promptTokenCount": input, "candidatesTokenCount": output, "totalTokenCount": input + output },
        });
        [calls, encode::chunk(format!("data: {whole}\r\n\r\n").as_bytes())].concat().into()
    }
}
