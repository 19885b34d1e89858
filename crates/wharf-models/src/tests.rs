//! What the tests of several wires need: messages, requests, streams that are heard, and recorded ones.

pub(crate) mod fuzz;
mod strict;
mod table;

use std::collections::VecDeque;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use wharf_protocol::model::{ModelError, ModelReply, Protocol};
use wharf_protocol::tool::ToolSource;
use wharf_protocol::{
    CallId, ContentBlock, Message, MessageId, Role, Seq, StopReason, Thinking, Timestamp, ToolKind, ToolRequest,
    ToolSpec,
};

use crate::origin::Origin;
use crate::reply::decoder::{Decoder, Wire};
use crate::reply::said::Progress;
use crate::{Delta, ModelRequest};

/// What a stream came to: its text, its reasoning, and its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) end: Result<ModelReply, ModelError>,
}

/// Reads `pieces` as a body that ends as HTTP ends one.
pub(crate) fn hear<'a, W: Wire>(tools: &[&str], pieces: impl IntoIterator<Item = &'a [u8]>) -> Heard {
    let mut decoder = Decoder::new(W::default(), tools.iter().map(|name| Arc::new(tool(name))).collect());
    let mut out = VecDeque::new();
    let mut failed = None;
    for piece in pieces {
        failed = decoder.feed(piece, &mut out).err();
        if failed.is_some() || decoder.progress() == Progress::Done {
            break;
        }
    }
    let end = failed.map_or_else(|| decoder.end(&mut out), Err);
    let (mut text, mut reasoning) = (String::new(), String::new());
    for delta in out {
        match delta {
            Delta::Text(piece) => text.push_str(&piece),
            Delta::Reasoning(piece) => reasoning.push_str(&piece),
            Delta::Finished(_) => unreachable!("a decoder returns it"),
        }
    }
    Heard { text, reasoning, end }
}

/// Events as a stream has them.
pub(crate) fn stream(events: &[Value]) -> Vec<u8> {
    events.iter().fold(String::new(), |body, event| body + &format!("data: {event}\n\n")).into_bytes()
}

/// What is compared with the provider's own library: a text that both make in the same way.
pub(crate) fn outcome(heard: &Heard) -> Value {
    let reply = match &heard.end {
        Ok(reply) => reply,
        Err(_) => return json!({ "error": true }),
    };
    let calls = reply.tool_calls.iter().map(|call| {
        let arguments = call.arguments.as_ref().map_or_else(|text| json!(text), Value::clone);
        json!({ "name": call.tool_name, "arguments": arguments })
    });
    let usage = reply.usage.map(|usage| {
        json!({
            "input": usage.prompt_tokens,
            "output": usage.completion_tokens,
            "total": usage.total_tokens,
            "cached": usage.cached_tokens,
            "reasoning": usage.reasoning_tokens,
        })
    });
    let end = match reply.stop_reason {
        StopReason::EndTurn => "whole",
        StopReason::MaxTokens => "cut",
        StopReason::Refusal => "refused",
        _ => "?",
    };
    json!({
        "text": heard.text,
        "reasoning": heard.reasoning,
        "calls": calls.collect::<Vec<_>>(),
        "usage": usage,
        "end": end,
    })
}

/// Name and body of the recorded streams in `folder` whose names hold one of `words`.
pub(crate) fn recorded(folder: &str, words: &[&str]) -> Vec<(String, Vec<u8>)> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let beside = ["../shared/fixtures", "../../shared/fixtures"].map(|place| checkout.join(place).join(folder));
    let Some(files) = beside.iter().find_map(|place| std::fs::read_dir(place).ok()) else {
        eprintln!("passed over: no recorded streams in {}", beside[0].display());
        return Vec::new();
    };
    let files = files.map(|file| file.unwrap().path());
    let named = files.map(|file: PathBuf| (file.file_name().unwrap().to_string_lossy().into_owned(), file));
    let wanted = named.filter(|(name, _)| words.iter().any(|word| name.contains(word)));
    let mut streams: Vec<(String, Vec<u8>)> = wanted
        .map(|(name, file)| {
            let body = std::fs::read(file).unwrap();
            let body = if name.ends_with(".jsonl") { framed(&body) } else { body };
            (name, body)
        })
        .collect();
    streams.sort();
    streams
}

/// Puts back the framing that a list of chunks was stripped of.
fn framed(chunks: &[u8]) -> Vec<u8> {
    let lines = std::str::from_utf8(chunks).unwrap().lines().filter(|line| !line.trim().is_empty());
    lines
        .fold(String::new(), |mut body, line| {
            let _ = write!(body, "data: {line}\n\n");
            body
        })
        .into_bytes()
}

/// What the provider's own library made of the recorded streams: `tests/peers/sdk` writes it.
pub(crate) fn expected(wire: &str) -> Map<String, Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/peers/sdk/{wire}.json"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// A recorded stream has to come to what the provider's own library made of it, wherever its bytes are cut.
pub(crate) fn assert_as_expected<W: Wire>(wire: &str, streams: &[(String, Vec<u8>)]) {
    let expected = expected(wire);
    for (name, body) in streams {
        let whole = hear::<W>(&[], [body.as_slice()]);
        let made = outcome(&whole);
        assert_eq!(Some(&made), expected.get(name.as_str()), "{name}");
        // At places all over it: every byte would take minutes on a busy machine.
        for cut in (1..body.len()).step_by(body.len() / 64 + 1) {
            let (first, second) = body.split_at(cut);
            assert_eq!(hear::<W>(&[], [first, second]), whole, "{name} cut at {cut}");
        }
    }
}

/// The model `test/NAME` at an endpoint of its own.
pub(crate) fn origin(name: &str, protocol: Protocol) -> Origin {
    Origin { id: format!("test/{name}"), protocol, endpoint: "example.org".to_owned() }
}

pub(crate) fn tool(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: "Does it.".to_owned(),
        category: "files".to_owned(),
        kind: ToolKind::Read,
        source: ToolSource::Mcp,
        read_only: true,
        subject: None,
        parameters: json!({ "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"] }),
        timeout_ms: 1,
    }
}

pub(crate) fn request(messages: Vec<Message>) -> ModelRequest {
    ModelRequest {
        system: "Be brief.".into(),
        messages: messages.into_iter().map(Arc::new).collect(),
        tools: Arc::new([]),
        max_tokens: None,
        thinking: Thinking::Default,
    }
}

pub(crate) fn message(role: Role, content: Vec<ContentBlock>) -> Message {
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

pub(crate) fn user(text: &str) -> Message {
    message(Role::User, vec![ContentBlock::text(text)])
}

pub(crate) fn assistant(text: &str, tool_calls: Vec<ToolRequest>) -> Message {
    let content = if text.is_empty() { Vec::new() } else { vec![ContentBlock::text(text)] };
    Message { tool_calls, ..message(Role::Assistant, content) }
}

pub(crate) fn call(id: &str, arguments: Value) -> ToolRequest {
    ToolRequest { call_id: id.parse().unwrap(), tool_name: "read_file".to_owned(), arguments, provider_data: None }
}

pub(crate) fn result(id: &str, content: Vec<ContentBlock>) -> Message {
    let call_id: CallId = id.parse().unwrap();
    Message { call_id: Some(call_id), ..message(Role::Tool, content) }
}

/// A PNG of one grey pixel.
pub(crate) const DOT: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAAAABJRU5ErkJggg==";

pub(crate) fn image() -> ContentBlock {
    ContentBlock::Image { data: DOT.to_owned(), mime_type: "image/png".to_owned(), uri: None }
}

/// The reply as the log keeps it, and its next request shows it: signed by its origin, each call with an id of ours.
pub(crate) fn logged(heard: &Heard, origin: &Origin) -> Message {
    let mut reply = heard.end.clone().unwrap();
    origin.sign(&mut reply);
    let calls = reply.tool_calls.into_iter().enumerate().map(|(at, call)| ToolRequest {
        call_id: format!("ours-{at}").parse().unwrap(),
        tool_name: call.tool_name,
        arguments: call.arguments.unwrap_or_else(Value::String),
        provider_data: call.provider_data,
    });
    let message = assistant(&heard.text, calls.collect());
    Message { reasoning: heard.reasoning.clone(), provider_data: reply.provider_data, ..message }
}
