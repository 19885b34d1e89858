//! Chunks of OpenAI's stream as bytes, the framing of HTTP's chunked coding included.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};

const START: &str = r#"data: {"id":"chatcmpl-scripted","object":"chat.completion.chunk","created":0,"model":"scripted","choices":[{"index":0,"delta":{"content":""#;
const END: &str = "\"},\"finish_reason\":null}]}\n\n";

/// Deltas of `[[stream]]` made so far, each with its chunked framing. They are the same for every reply.
static LOAD: Mutex<Vec<Bytes>> = Mutex::new(Vec::new());

/// One HTTP chunk.
pub(super) fn chunk(body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(body.len() + 12);
    put_chunk(&mut out, &[body]);
    out.freeze()
}

fn put_chunk(out: &mut BytesMut, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let _ = write!(out, "{length:x}\r\n");
    for part in parts {
        out.put_slice(part);
    }
    out.put_slice(b"\r\n");
}

/// The end of a chunked body.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

pub(super) fn delta(delta: &Value) -> Bytes {
    event(&json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] }))
}

pub(super) fn finish(reason: &str) -> Bytes {
    event(&json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }))
}

pub(super) fn usage(usage: (u64, u64)) -> Bytes {
    event(&json!({ "choices": [], "usage": usage_value(usage) }))
}

pub(super) fn usage_value((prompt, completion): (u64, u64)) -> Value {
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion })
}

pub(super) const DONE: &[u8] = b"data: [DONE]\n\n";

fn event(fields: &Value) -> Bytes {
    let mut whole =
        json!({ "id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 0, "model": "scripted" });
    if let (Value::Object(whole), Value::Object(fields)) = (&mut whole, fields) {
        whole.extend(fields.clone());
    }
    chunk(format!("data: {whole}\n\n").as_bytes())
}

/// Deltas `from..to` of `[[stream]]`.
pub(super) fn load(from: usize, to: usize) -> Vec<Bytes> {
    let mut made = LOAD.lock().unwrap_or_else(PoisonError::into_inner);
    for index in made.len()..to {
        let mut out = BytesMut::with_capacity(START.len() + END.len() + 20);
        put_chunk(&mut out, &[START.as_bytes(), format!("{index} ").as_bytes(), END.as_bytes()]);
        made.push(out.freeze());
    }
    made[from..to].to_vec()
}

/// A delta of `[[stamps]]`, sent at this moment.
pub(super) fn stamped(index: usize, out: &mut BytesMut) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    put_chunk(out, &[START.as_bytes(), format!("{index}:{now} ").as_bytes(), END.as_bytes()]);
}
