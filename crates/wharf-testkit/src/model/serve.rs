//! One connection of the scripted model: requests in, steps carried out.

use std::future::Future;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::reply::{Finish, Load, Step};
use super::wire::{Encoder, Wire};
use super::{Recorded, Reply, Shared, encode};
use crate::http::Request;

/// Deltas that go to the socket in one write at full speed.
const LOAD_BATCH: usize = 64;

/// Why a reply stopped before its end.
enum Stopped {
    /// The client closed the connection, or it broke.
    ClientLeft,
    /// The script wanted the connection to break.
    Cut,
}

impl From<io::Error> for Stopped {
    fn from(_: io::Error) -> Self {
        Self::ClientLeft
    }
}

pub(super) async fn connection(mut stream: TcpStream, shared: Arc<Shared>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut buffer = BytesMut::with_capacity(4 << 10);
    // A malformed request ends its connection, as it would at a provider.
    while let Ok(Some(request)) = Request::read(&mut stream, &mut buffer).await {
        match answer(&mut stream, request, &shared).await {
            Ok(()) => {}
            Err(Stopped::ClientLeft) => {
                shared.abandoned.fetch_add(1, Ordering::SeqCst);
                return;
            }
            Err(Stopped::Cut) => return,
        }
    }
}

async fn answer(stream: &mut TcpStream, request: Request, shared: &Shared) -> Result<(), Stopped> {
    if request.method == "GET" && request.path.ends_with("/models") {
        let models =
            json!({ "object": "list", "data": [{ "id": "scripted", "object": "model", "owned_by": "tests" }] });
        return whole(stream, 200, &[], &models).await;
    }
    if request.method == "GET" && request.path.ends_with("/histories") {
        let invalid: Vec<String> =
            shared.invalid.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let histories = json!({ "requests": *shared.count.borrow(), "invalid": invalid });
        return whole(stream, 200, &[], &histories).await;
    }
    let Some(wire) = Wire::of(&request.path).filter(|_| request.method == "POST") else {
        let missing = json!({ "error": { "message": format!("no such path: {}", request.path) } });
        return whole(stream, 404, &[], &missing).await;
    };
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return whole(stream, 400, &[], &json!({ "error": { "message": "the body is not JSON" } })).await;
    };
    if let Some((status, error)) = wire.refusal(&request, &body, &shared.issued) {
        shared.refused(&error);
        return whole(stream, status, &[], &error).await;
    }
    let chat = wire.as_chat(&body);
    let reply = shared.choose(&chat);
    let streamed = wire == Wire::Gemini || body["stream"] == true;
    let encoder = wire.encoder(&request.path, &body, Arc::clone(&shared.issued));
    shared.replying.send_modify(|count| *count += 1);
    let _replying = Replying(shared);
    let raw = String::from_utf8_lossy(&request.body).into_owned();
    shared.record(Recorded { path: request.path, headers: request.headers, body, raw }, &chat);
    match &reply.body {
        Some(error) => whole(stream, reply.status, &reply.headers, error).await,
        None if streamed => stream_reply(stream, &reply, wire, encoder).await,
        None => whole(stream, 200, &reply.headers, &completion(&reply)).await,
    }
}

/// Counts a reply as long as it is being written.
struct Replying<'a>(&'a Shared);

impl Drop for Replying<'_> {
    fn drop(&mut self) {
        self.0.replying.send_modify(|count| *count -= 1);
    }
}

async fn whole(stream: &mut TcpStream, status: u16, headers: &[(String, String)], body: &Value) -> Result<(), Stopped> {
    let body = body.to_string();
    let mut out = format!("HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\n");
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    Ok(stream.write_all(out.as_bytes()).await?)
}

async fn stream_reply(
    stream: &mut TcpStream,
    reply: &Reply,
    wire: Wire,
    mut encoder: Box<dyn Encoder>,
) -> Result<(), Stopped> {
    let mut head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n".to_owned();
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut out = BytesMut::from(head.as_bytes());
    out.extend_from_slice(&encoder.start());
    stream.write_all(&out).await?;
    for step in &reply.steps {
        match step {
            Step::Delta(delta) => stream.write_all(&encoder.delta(delta)).await?,
            Step::Raw(bytes) => stream.write_all(&encode::chunk(bytes)).await?,
            Step::Wait(pause) => while_connected(stream, sleep(*pause)).await?,
            Step::Gate(gate) => while_connected(stream, gate.passed()).await?,
            Step::Load(load) if wire == Wire::Chat => send_load(stream, *load).await?,
            Step::Load(load) => send_words(stream, *load, encoder.as_mut()).await?,
        }
    }
    match reply.finish {
        Finish::Cut => return Err(Stopped::Cut),
        Finish::Hang => return while_connected(stream, std::future::pending()).await,
        Finish::Missing => stream.write_all(encode::LAST_CHUNK).await?,
        Finish::Fitting | Finish::Reason(_) => {
            let mut out = BytesMut::new();
            out.extend_from_slice(&encoder.finish(reply.finish_reason().unwrap_or("stop"), reply.usage));
            out.extend_from_slice(encode::LAST_CHUNK);
            stream.write_all(&out).await?;
        }
    }
    Ok(())
}

/// Awaits `future` unless the client leaves first.
async fn while_connected<T>(stream: &TcpStream, future: impl Future<Output = T>) -> Result<T, Stopped> {
    tokio::pin!(future);
    let mut byte = [0];
    tokio::select! {
        value = &mut future => Ok(value),
        seen = stream.peek(&mut byte) => match seen {
            // An early next request: the client is there.
            Ok(1..) => Ok(future.await),
            Ok(0) | Err(_) => Err(Stopped::ClientLeft),
        },
    }
}

async fn send_load(stream: &mut TcpStream, load: Load) -> Result<(), Stopped> {
    if load.per_second == 0 {
        return send_at_full_speed(stream, load).await;
    }
    let made = if load.stamped { Vec::new() } else { encode::load(0, load.deltas) };
    let mut ticks = interval(Duration::from_secs(1) / load.per_second);
    // A late tick is made up for: the rate holds over the whole reply.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut out = BytesMut::new();
    for index in 0..load.deltas {
        ticks.tick().await;
        match made.get(index) {
            Some(bytes) => stream.write_all(bytes).await?,
            None => {
                out.clear();
                encode::stamped(index, &mut out);
                stream.write_all(&out).await?;
            }
        }
    }
    Ok(())
}

/// A load on another wire than chat completions, whose speed nobody measures.
async fn send_words(stream: &mut TcpStream, load: Load, encoder: &mut dyn Encoder) -> Result<(), Stopped> {
    let mut ticks = (load.per_second > 0).then(|| interval(Duration::from_secs(1) / load.per_second));
    for index in 0..load.deltas {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        stream.write_all(&encoder.delta(&json!({ "content": format!("{index} ") }))).await?;
    }
    Ok(())
}

async fn send_at_full_speed(stream: &mut TcpStream, load: Load) -> Result<(), Stopped> {
    for from in (0..load.deltas).step_by(LOAD_BATCH) {
        let to = (from + LOAD_BATCH).min(load.deltas);
        let mut out = BytesMut::with_capacity(LOAD_BATCH * 220);
        if load.stamped {
            for index in from..to {
                encode::stamped(index, &mut out);
            }
        } else {
            encode::load(from, to).iter().for_each(|bytes: &Bytes| out.extend_from_slice(bytes));
        }
        stream.write_all(&out).await?;
    }
    Ok(())
}

/// The reply as one object, for requests that want no stream.
fn completion(reply: &Reply) -> Value {
    let (mut text, mut calls) = (String::new(), Vec::<Value>::new());
    for step in &reply.steps {
        match step {
            Step::Delta(delta) => {
                text.push_str(delta["content"].as_str().unwrap_or_default());
                for piece in delta["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default() {
                    merge_call(&mut calls, piece);
                }
            }
            Step::Load(load) => text.extend((0..load.deltas).map(|index| format!("{index} "))),
            Step::Raw(_) | Step::Wait(_) | Step::Gate(_) => {}
        }
    }
    let mut message = json!({ "role": "assistant", "content": text });
    if !calls.is_empty() {
        message["tool_calls"] = Value::Array(calls);
    }
    json!({
        "id": "chatcmpl-scripted", "object": "chat.completion", "created": 0, "model": "scripted",
        "choices": [{ "index": 0, "message": message, "finish_reason": reply.finish_reason().unwrap_or("stop") }],
        "usage": encode::usage_value(reply.usage),
    })
}

fn merge_call(calls: &mut Vec<Value>, piece: &Value) {
    if piece["id"].is_string() {
        let mut call = piece.clone();
        if let Value::Object(fields) = &mut call {
            fields.remove("index");
        }
        calls.push(call);
    } else if let Some(last) = calls.last_mut() {
        let more = piece["function"]["arguments"].as_str().unwrap_or_default();
        let whole = format!("{}{more}", last["function"]["arguments"].as_str().unwrap_or_default());
        last["function"]["arguments"] = whole.into();
    }
}
