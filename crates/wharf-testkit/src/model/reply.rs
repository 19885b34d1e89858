//! A reply as a list of steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Ids of calls are unique in a process, as providers make them.
static NEXT_CALL: AtomicU64 = AtomicU64::new(1);

/// What the model answers to one request. Built from the left: what is said first is sent first.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// The body of an answer that is no stream.
    pub(super) body: Option<Value>,
    pub(super) steps: Vec<Step>,
    pub(super) usage: (u64, u64),
    pub(super) finish: Finish,
    pace: Duration,
    calls: usize,
}

/// How the stream ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finish {
    /// With `tool_calls` or `stop`, as the steps say, the usage, and `[DONE]`.
    Fitting,
    /// With this finish reason, the usage, and `[DONE]`.
    Reason(String),
    /// The body ends without any of it.
    Missing,
    /// The connection breaks.
    Cut,
    /// Nothing more comes, until the client leaves.
    Hang,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A `delta` object.
    Delta(Value),
    /// Bytes of the body as they are.
    Raw(Bytes),
    Wait(Duration),
    Gate(Gate),
    Load(Load),
}

/// Many small deltas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) deltas: usize,
    /// 0: as fast as the socket takes them.
    pub(super) per_second: u32,
    /// Each delta says when it was sent.
    pub(super) stamped: bool,
}

impl Reply {
    /// An empty reply, to be filled.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "an empty reply is a beginning, not a default")]
    pub fn new() -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: None,
            steps: Vec::new(),
            usage: (10, 5),
            finish: Finish::Fitting,
            pace: Duration::ZERO,
            calls: 0,
        }
    }

    /// A text, word by word.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new().say(text)
    }

    /// One tool call and nothing else.
    #[must_use]
    pub fn tool(name: &str, arguments: Value) -> Self {
        Self::new().call(name, arguments)
    }

    /// An answer with an HTTP status and an error body.
    #[must_use]
    pub fn http_error(status: u16, message: &str) -> Self {
        let body = json!({ "error": { "message": message, "type": "scripted_error", "code": status } });
        Self { status, body: Some(body), ..Self::new() }
    }

    /// The same with a body of its own.
    #[must_use]
    pub fn with_body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// A header of the answer, for example `retry-after`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A pause before each delta that follows.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        self.pace = pause;
        self
    }

    /// Text, one delta a word.
    #[must_use]
    pub fn say(mut self, text: &str) -> Self {
        for word in text.split_inclusive(' ') {
            self = self.delta(word);
        }
        self
    }

    /// Text in exactly one delta.
    #[must_use]
    pub fn delta(self, text: &str) -> Self {
        self.push(json!({ "content": text }))
    }

    /// Reasoning, one delta a word.
    #[must_use]
    pub fn think(mut self, text: &str) -> Self {
        for word in text.split_inclusive(' ') {
            self = self.push(json!({ "reasoning_content": word }));
        }
        self
    }

    /// A tool call, its arguments in two pieces.
    #[must_use]
    pub fn call(self, name: &str, arguments: Value) -> Self {
        self.call_with(&format!("call_{}", NEXT_CALL.fetch_add(1, Ordering::Relaxed)), name, &arguments.to_string())
    }

    /// A tool call with an id and arguments as they are, valid or not.
    #[must_use]
    pub fn call_with(mut self, id: &str, name: &str, arguments: &str) -> Self {
        let index = self.calls;
        self.calls += 1;
        let half = (0..=arguments.len() / 2).rev().find(|&at| arguments.is_char_boundary(at)).unwrap_or(0);
        let (first, second) = arguments.split_at(half);
        let start =
            json!({ "index": index, "id": id, "type": "function", "function": { "name": name, "arguments": first } });
        self.push(json!({ "tool_calls": [start] }))
            .push(json!({ "tool_calls": [{ "index": index, "function": { "arguments": second } }] }))
    }

    /// `deltas` small pieces of text, `"0 " "1 " "2 "`..., at a rate; 0 is as fast as the socket takes them.
    #[must_use]
    pub fn stream(mut self, deltas: usize, per_second: u32) -> Self {
        self.steps.push(Step::Load(Load { deltas, per_second, stamped: false }));
        self
    }

    /// `stream` whose pieces say when they were sent: `"INDEX:MICROSECONDS_SINCE_1970 "`.
    #[must_use]
    pub fn stamped_stream(mut self, deltas: usize, per_second: u32) -> Self {
        self.steps.push(Step::Load(Load { deltas, per_second, stamped: true }));
        self
    }

    #[must_use]
    pub fn wait(mut self, pause: Duration) -> Self {
        self.steps.push(Step::Wait(pause));
        self
    }

    /// Goes on when the gate is open.
    #[must_use]
    pub fn gate(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Gate(gate.clone()));
        self
    }

    /// Bytes of the body as they are.
    #[must_use]
    pub fn raw(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push(Step::Raw(bytes.into()));
        self
    }

    /// An error inside the stream, which ends after it.
    #[must_use]
    pub fn error(self, message: &str) -> Self {
        let error = json!({ "error": { "message": message, "type": "server_error", "code": 500 } });
        self.raw(format!("data: {error}\n\n")).end_early()
    }

    #[must_use]
    pub fn usage(mut self, prompt_tokens: u64, completion_tokens: u64) -> Self {
        self.usage = (prompt_tokens, completion_tokens);
        self
    }

    /// The finish reason, for example `length`.
    #[must_use]
    pub fn finish(mut self, reason: &str) -> Self {
        self.finish = Finish::Reason(reason.to_owned());
        self
    }

    /// The body ends properly, but without a finish reason and `[DONE]`.
    #[must_use]
    pub fn end_early(mut self) -> Self {
        self.finish = Finish::Missing;
        self
    }

    /// The connection breaks instead of ending.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.finish = Finish::Cut;
        self
    }

    /// Nothing more comes until the client leaves.
    #[must_use]
    pub fn hang(mut self) -> Self {
        self.finish = Finish::Hang;
        self
    }

    fn push(mut self, delta: Value) -> Self {
        if !self.pace.is_zero() {
            self.steps.push(Step::Wait(self.pace));
        }
        self.steps.push(Step::Delta(delta));
        self
    }

    pub(super) fn finish_reason(&self) -> Option<&str> {
        match &self.finish {
            Finish::Reason(reason) => Some(reason),
            Finish::Fitting if self.calls > 0 => Some("tool_calls"),
            Finish::Fitting => Some("stop"),
            Finish::Missing | Finish::Cut | Finish::Hang => None,
        }
    }
}

/// Holds replies back until a test lets them go on: order without sleeping.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    #[must_use]
    #[expect(clippy::new_without_default, reason = "closed is a choice")]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets every reply pass, also later ones.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        // The sender lives in `self`: waiting can end only with the condition.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}
