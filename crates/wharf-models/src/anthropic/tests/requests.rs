//! Requests as they go out.

use std::sync::Arc;

use serde_json::{Value, json};
use wharf_protocol::model::{ModelError, ModelErrorKind, Protocol};
use wharf_protocol::tool::ToolSource;
use wharf_protocol::{
    CallId, ContentBlock, Message, MessageId, Role, Seq, Thinking, Timestamp, ToolKind, ToolRequest, ToolSpec,
};

use super::super::family::Family;
use super::super::request::{Dialect, body};
use super::super::{Anthropic, Given, headers};
use crate::ModelRequest;
use crate::http::Transport;
use crate::key::ApiKey;
use crate::origin::Origin;
use crate::remote::Settings;

fn message(role: Role, content: Vec<ContentBlock>) -> Message {
    Message {
        message_id: MessageId::from_bits(1),
        role,
        content,
        reasoning: String::new(),
        tool_calls: Vec::new(),
        call_id: None,
        tool_name: None,
        is_error: false,
        provider_data: None,
        turn_id: None,
        seq: Seq(1),
        created_at: Timestamp::default(),
    }
}

fn user(text: &str) -> Message {
    message(Role::User, vec![ContentBlock::text(text)])
}

fn call(id: &str, arguments: Value) -> ToolRequest {
    ToolRequest { call_id: id.parse().unwrap(), tool_name: "read_file".to_owned(), arguments, provider_data: None }
}

fn result(id: &str, content: Vec<ContentBlock>) -> Message {
    let call_id: CallId = id.parse().unwrap();
    Message { call_id: Some(call_id), ..message(Role::Tool, content) }
}

fn image() -> ContentBlock {
    ContentBlock::Image { data: "QUJD".to_owned(), mime_type: "image/png".to_owned(), uri: None }
}

fn origin(name: &str) -> Origin {
    Origin { id: format!("test/{name}"), protocol: Protocol::Anthropic, endpoint: "models.test".to_owned() }
}

/// A reply of `claude-haiku-4-5` with all that its own wire gives.
fn thought() -> Message {
    let mut reply = message(Role::Assistant, vec![ContentBlock::text("I look.")]);
    reply.reasoning = "First.\n\nSecond.".to_owned();
    reply.tool_calls = vec![call("a1", json!({ "path": "a" })), call("a2", json!("{\"path\":"))];
    reply.provider_data = Some(json!({
        "blocks": [
            { "thinking": { "from": 0, "to": 6, "signature": "signed" } },
            { "redacted": { "data": "AAA=" } },
            { "text": { "from": 0, "to": 7 } },
            { "call": { "at": 0 } },
            { "thinking": { "from": 8, "to": 15 } },
            { "call": { "at": 1 } },
        ],
        "model": "test/claude-haiku-4-5", "protocol": "anthropic", "endpoint": "models.test",
    }));
    reply
}

fn request(messages: Vec<Message>) -> ModelRequest {
    ModelRequest {
        system: "Be brief.".into(),
        messages: messages.into_iter().map(Arc::new).collect(),
        tools: Arc::new([]),
        max_tokens: None,
        thinking: Thinking::Default,
    }
}

fn written_for(name: &str, request: &ModelRequest, cache_marks: bool) -> Value {
    let dialect = Dialect {
        origin: &origin(name),
        model: name,
        family: Family::of(name),
        max_tokens: 32_000,
        images: true,
        cache_marks,
        thinking: true,
        effort: true,
        own_thinking: true,
    };
    serde_json::to_value(body(request, dialect)).unwrap()
}

fn written(request: &ModelRequest) -> Value {
    written_for("claude-haiku-4-5", request, true)
}

fn plain(name: &str, messages: Vec<Message>) -> Value {
    written_for(name, &request(messages), false)["messages"].take()
}

#[test]
fn a_reply_goes_back_to_its_own_model_as_it_came() {
    let mut failed = result("a2", vec![ContentBlock::text("no"), image()]);
    failed.is_error = true;
    let messages = vec![user("Look."), thought(), result("a1", vec![ContentBlock::text("x"), image()]), failed];
    let png = json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "QUJD" } });
    assert_eq!(
        plain("claude-haiku-4-5", messages),
        json!([
            { "role": "user", "content": [{ "type": "text", "text": "Look." }] },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "First.", "signature": "signed" },
                { "type": "redacted_thinking", "data": "AAA=" },
                { "type": "text", "text": "I look." },
                { "type": "tool_use", "id": "a1", "name": "read_file", "input": { "path": "a" } },
                // The second one is unsigned, which this model does not take.
                { "type": "tool_use", "id": "a2", "name": "read_file", "input": { "malformed": "{\"path\":" } },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "a1", "content": [{ "type": "text", "text": "x" }, png] },
                { "type": "tool_result", "tool_use_id": "a2", "is_error": true,
                  "content": [{ "type": "text", "text": "no\n[image, shown below]" }] },
                { "type": "text", "text": "Images from the tool results above:" },
                png,
            ] },
        ])
    );
}

#[test]
fn what_another_model_thought_is_told_in_words() {
    let messages = plain("claude-opus-4-6", vec![user("Look."), thought(), result("a1", vec![]), result("a2", vec![])]);
    assert_eq!(messages[1]["content"][0], json!({ "type": "text", "text": "First.\n\nSecond." }));
    assert_eq!(messages[1]["content"][1], json!({ "type": "text", "text": "I look." }));
    assert!(!messages.to_string().contains("signed") && !messages.to_string().contains("AAA="), "{messages}");
    // Another protocol, or another place, is another model.
    for (key, value) in [("protocol", "openai"), ("endpoint", "elsewhere")] {
        let mut other = thought();
        other.provider_data.as_mut().unwrap()[key] = json!(value);
        let messages = plain("claude-haiku-4-5", vec![user("Look."), other]);
        assert_eq!(messages[1]["content"][0]["type"], "text", "{key}");
    }
    // What was changed since does not fit its blocks any more.
    let mut changed = thought();
    changed.content = vec![ContentBlock::text("I look")];
    let messages = plain("claude-haiku-4-5", vec![user("Look."), changed]);
    assert_eq!(messages[1]["content"][0], json!({ "type": "text", "text": "I look" }));
}

#[test]
fn unsigned_thinking_goes_back_where_nobody_signs() {
    let mut reply = thought();
    reply.provider_data.as_mut().unwrap()["model"] = json!("test/kimi-k3");
    let messages = plain("kimi-k3", vec![user("Look."), reply, result("a1", vec![]), result("a2", vec![])]);
    assert_eq!(messages[1]["content"][4], json!({ "type": "thinking", "thinking": "Second.", "signature": "" }));
}

#[test]
fn roles_take_turns_and_white_space_is_no_text() {
    let silent = message(Role::Assistant, vec![ContentBlock::text(" \n")]);
    let document = ContentBlock::Resource {
        resource: wharf_protocol::content::EmbeddedResource {
            uri: "file:///a.pdf".to_owned(),
            mime_type: Some("application/pdf".to_owned()),
            text: None,
            blob: Some("UERG".to_owned()),
        },
    };
    let asks = message(Role::User, vec![ContentBlock::text("And "), ContentBlock::text("this?"), document, image()]);
    let said = message(Role::Assistant, vec![ContentBlock::text("Well")]);
    assert_eq!(
        plain("claude-haiku-4-5", vec![said.clone(), user("Hm."), silent, asks, said]),
        json!([
            { "role": "user", "content": [{ "type": "text", "text": "[The session goes on here.]" }] },
            { "role": "assistant", "content": [{ "type": "text", "text": "Well" }] },
            { "role": "user", "content": [
                { "type": "text", "text": "Hm." },
                { "type": "text", "text": "And this?" },
                { "type": "document", "source": { "type": "base64", "media_type": "application/pdf", "data": "UERG" } },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "QUJD" } },
            ] },
            { "role": "assistant", "content": [{ "type": "text", "text": "Well" }] },
            { "role": "user", "content": [{ "type": "text", "text": "[Go on.]" }] },
        ])
    );
}

#[test]
fn ids_and_images_that_are_not_taken() {
    let mut reply = message(Role::Assistant, vec![]);
    reply.tool_calls = vec![call("functions.read.0", json!({})), call("functions_read.0", json!(null))];
    let odd = ContentBlock::Image { data: "QUJD".to_owned(), mime_type: "image/tiff".to_owned(), uri: None };
    let [first, second] = ["functions.read.0", "functions_read.0"].map(|id| result(id, vec![odd.clone()]));
    let messages = plain("claude-haiku-4-5", vec![user("Go"), reply, first, second]);
    let ids = [0, 1].map(|at| messages[1]["content"][at]["id"].as_str().unwrap().to_owned());
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.len() <= 64 && !id.contains(['.', ':'])), "{ids:?}");
    assert_eq!([0, 1].map(|at| messages[2]["content"][at]["tool_use_id"].as_str().unwrap().to_owned()), ids);
    let note = messages[2]["content"][0]["content"][0]["text"].as_str().unwrap();
    assert_eq!(note, "[image (image/tiff), not shown to this model]");
}

fn tool(name: &str, parameters: Value) -> Arc<ToolSpec> {
    Arc::new(ToolSpec {
        name: name.to_owned(),
        description: "Does it.".to_owned(),
        category: "files".to_owned(),
        kind: ToolKind::Read,
        source: ToolSource::Mcp,
        read_only: true,
        subject: None,
        parameters,
        timeout_ms: 1,
    })
}

#[test]
fn the_cache_may_end_where_the_next_request_begins_anew() {
    let mut request = request(vec![user("One"), message(Role::Assistant, vec![ContentBlock::text("1")]), user("Two")]);
    request.tools = Arc::new([
        tool("read_file", json!({ "type": "object", "properties": {} })),
        tool("pick", json!({ "oneOf": [{ "type": "object" }], "properties": { "a": {} } })),
    ]);
    let body = written(&request);
    let mark = json!({ "type": "ephemeral" });
    assert_eq!(body["system"], json!([{ "type": "text", "text": "Be brief.", "cache_control": mark }]));
    assert_eq!(body["tools"][0].get("cache_control"), None);
    assert_eq!(body["tools"][1]["cache_control"], mark);
    assert_eq!(body["tools"][1]["input_schema"], json!({ "type": "object", "properties": { "a": {} } }));
    let marked = |body: &Value| -> Vec<bool> {
        let turns = body["messages"].as_array().unwrap();
        turns.iter().map(|turn| turn.to_string().contains("cache_control")).collect()
    };
    assert_eq!(marked(&body), [true, false, true]);
    // What was sent before stays byte by byte, but for the marks.
    request.messages.push(Arc::new(message(Role::Assistant, vec![ContentBlock::text("2")])));
    request.messages.push(Arc::new(user("Three")));
    let later = written(&request);
    assert_eq!(marked(&later), [false, false, true, false, true]);
    let bare = |body: &Value| {
        let mut messages = body["messages"].clone();
        for turn in messages.as_array_mut().unwrap() {
            for block in turn["content"].as_array_mut().unwrap() {
                block.as_object_mut().unwrap().remove("cache_control");
            }
        }
        messages.to_string()
    };
    let (before, after) = (bare(&body), bare(&later));
    assert!(after.starts_with(before.trim_end_matches(']')), "{before}\n{after}");
}

#[test]
fn a_history_with_calls_has_its_tools() {
    let messages = vec![user("Go"), thought(), result("a1", vec![]), result("a2", vec![]), user("Sum it up.")];
    let body = written(&request(messages));
    assert_eq!(body["tools"][0]["name"], "read_file");
    assert_eq!(body["tool_choice"], json!({ "type": "none" }));
    assert_eq!(written(&request(vec![user("Go")])).get("tools"), None);
}

#[test]
fn each_generation_thinks_as_it_can_be_told() {
    let told = |name: &str, thinking| {
        let body = written_for(name, &ModelRequest { thinking, ..request(vec![user("Go")]) }, true);
        json!([body.get("thinking"), body.get("output_config").map(|config| &config["effort"])])
    };
    let adaptive = json!({ "type": "adaptive", "display": "summarized" });
    let budget = json!({ "type": "enabled", "budget_tokens": 24_000 });
    let nothing = json!([null, null]);
    for (name, by_itself, off, high) in [
        ("claude-3-5-haiku-latest", nothing.clone(), nothing.clone(), nothing.clone()),
        ("claude-sonnet-4-5-20250929", nothing.clone(), nothing.clone(), json!([budget, null])),
        ("anthropic/claude-opus-4.6", nothing.clone(), nothing.clone(), json!([adaptive, "high"])),
        ("claude-opus-5", json!([adaptive, null]), json!([{ "type": "disabled" }, null]), json!([adaptive, "high"])),
        (
            "claude-sonnet-5-5",
            json!([adaptive, null]),
            json!([{ "type": "between_tools" }, null]),
            json!([adaptive, "high"]),
        ),
        ("claude-fable-5-2", json!([adaptive, null]), json!([adaptive, "low"]), json!([adaptive, "high"])),
        ("deepseek-v4-pro", nothing, json!([{ "type": "disabled" }, null]), json!([budget, null])),
    ] {
        assert_eq!(told(name, Thinking::Default), by_itself, "{name}");
        assert_eq!(told(name, Thinking::Off), off, "{name}");
        assert_eq!(told(name, Thinking::High), high, "{name}");
    }
}

#[test]
fn a_call_without_its_thinking_is_answered_without() {
    let mut other = thought();
    other.provider_data.as_mut().unwrap()["model"] = json!("test/another");
    let unfinished = vec![user("Go"), other, result("a1", vec![]), result("a2", vec![])];
    let asked = |name: &str, messages: Vec<Message>| {
        let request = ModelRequest { thinking: Thinking::Low, ..request(messages) };
        written_for(name, &request, true).get("thinking").cloned()
    };
    assert_eq!(asked("claude-haiku-4-5", unfinished.clone()), None);
    assert!(asked("claude-opus-4-8", unfinished.clone()).is_some(), "it decides by itself");
    let own = vec![user("Go"), thought(), result("a1", vec![]), result("a2", vec![])];
    assert!(asked("claude-haiku-4-5", own).is_some());
    let mut over = unfinished;
    over.push(message(Role::Assistant, vec![ContentBlock::text("Done.")]));
    over.push(user("More"));
    assert!(asked("claude-haiku-4-5", over).is_some(), "a new prompt begins anew");
}

fn model(name: &str) -> Anthropic {
    let settings = Settings {
        provider: "test".to_owned(),
        name: name.to_owned(),
        base_url: "http://models.test/v1".parse().unwrap(),
        key: None,
        key_header: None,
        headers: reqwest::header::HeaderMap::new(),
        context_tokens: None,
        output_tokens: None,
        images: true,
        fitting: Arc::default(),
        idle: std::time::Duration::from_secs(1),
    };
    Anthropic::new(settings, Arc::new(Transport::default())).unwrap()
}

#[test]
fn what_is_refused_is_left_out_and_remembered() {
    let model = model("claude-sonnet-4-5");
    let mut own = thought();
    own.provider_data.as_mut().unwrap()["model"] = json!("test/claude-sonnet-4-5");
    let messages = vec![message(Role::User, vec![image()]), own, result("a1", vec![]), result("a2", vec![])];
    let request = ModelRequest { thinking: Thinking::High, ..request(messages) };
    let mut given = Given::default();
    let mut refuse = |kind, message: &str| {
        let error = ModelError { kind, message: message.to_owned(), retry_after_ms: None };
        let sent = model.dialect(&request, given);
        let again = model.concessions.widen(&error, &request, sent, &mut given);
        again.then(|| serde_json::from_slice::<Value>(&model.body(&request, given).unwrap()).unwrap())
    };
    let refused = ModelErrorKind::Refused;
    let overflow = ModelErrorKind::ContextOverflow { limit: Some(200_000), asked: None };
    assert_eq!(refuse(refused, "model: no such model"), None);
    assert_eq!(refuse(ModelErrorKind::Overloaded, "thinking"), None);
    let body = refuse(refused, "max_tokens: 64000 > 32000, which is the maximum allowed number").unwrap();
    assert_eq!(body["max_tokens"], 32_000);
    let room = "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease them";
    let body = refuse(overflow, room).unwrap();
    assert_eq!(body["max_tokens"], 10_000);
    assert!(body.to_string().contains("signed"));
    assert_eq!(refuse(overflow, "input length and `max_tokens` exceed context limit: 199990 + 10000 > 200000"), None);
    assert_eq!(refuse(overflow, "prompt is too long: 210000 tokens > 200000 maximum"), None);
    let blocks = "messages.1.content.0: Invalid `signature` in `thinking` block";
    assert!(!refuse(refused, blocks).unwrap().to_string().contains("signed"));
    assert_eq!(refuse(refused, blocks), None, "once");
    let body = refuse(refused, "cache_control: Extra inputs are not permitted").unwrap();
    assert!(!body.to_string().contains("cache_control"));
    let body = refuse(refused, "this model does not support thinking").unwrap();
    assert_eq!(body.get("thinking"), None);
    let body = refuse(refused, "image input is not supported").unwrap();
    assert!(body["messages"][0].to_string().contains("not shown to this model"), "{body}");
}

#[test]
fn a_key_goes_in_one_header() {
    let sent = |url: &str, key: &str| {
        let headers = headers(&url.parse().unwrap(), Some(&ApiKey::new(key))).unwrap();
        let mut names: Vec<String> = headers.keys().map(ToString::to_string).collect();
        names.sort();
        let is_version = |name: &str| name == "anthropic-version";
        assert!(headers.iter().all(|(name, value)| is_version(name.as_str()) || value.is_sensitive()));
        names.join(" ")
    };
    assert_eq!(sent("https://api.anthropic.com/v1", "sk-ant-api03-x"), "anthropic-version x-api-key");
    assert_eq!(sent("https://api.anthropic.com/v1", "sk-ant-oat01-x"), "anthropic-version authorization");
    assert_eq!(sent("https://openrouter.ai/api/v1", "sk-or-x"), "anthropic-version authorization");
}
