//! What clients saw of a session, written down as it came.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

/// One client's view of an event, in the same form whatever it came over.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub seq: u64,
    pub kind: String,
    /// The event's fields and its payload's, side by side.
    pub fields: Map<String, Value>,
}

impl Seen {
    /// From an event as REST, SSE and the SDK have it.
    pub fn from_event(event: &Value) -> Option<Self> {
        let mut fields = event.as_object()?.clone();
        let kind = fields.remove("type")?.as_str()?.to_owned();
        let Some(Value::Object(mut all)) = fields.remove("payload") else { return None };
        if let Some(tool_kind) = all.remove("kind") {
            all.insert("tool_kind".to_owned(), tool_kind);
        }
        all.extend(fields);
        Self::new(kind, all)
    }

    /// From a frame of `/ws`; `None` for what is no event of a log.
    pub fn from_frame(frame: &Value) -> Option<Self> {
        if frame["type"] != "event" {
            return None;
        }
        let mut fields = frame["payload"].as_object()?.clone();
        let kind = fields.remove("event_type")?.as_str()?.to_owned();
        fields.remove("kind");
        fields.insert("timestamp".to_owned(), frame["timestamp"].clone());
        Self::new(kind, fields)
    }

    fn new(kind: String, mut fields: Map<String, Value>) -> Option<Self> {
        let seq = fields.remove("seq")?.as_u64()?;
        Some(Self { seq, kind, fields })
    }

    pub fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn number(&self, field: &str) -> Option<u64> {
        self.fields.get(field).and_then(Value::as_u64)
    }

    pub fn ends_turn(&self) -> bool {
        matches!(self.kind.as_str(), "turn.completed" | "turn.cancelled" | "turn.failed")
    }
}

/// What came over one connection.
#[derive(Debug, Clone)]
pub struct Stream {
    pub client: &'static str,
    /// The cursor that the client came with.
    pub after: u64,
    pub events: Vec<Seen>,
}

/// A prompt that the server said it has.
#[derive(Debug, Clone)]
pub struct Ack {
    pub prompt: String,
    pub turn: String,
}

/// An answer to a permission, and what the server said to it.
#[derive(Debug, Clone)]
pub struct Answer {
    pub permission: String,
    pub client: &'static str,
    pub status: u16,
}

#[derive(Debug, Clone, Default)]
pub struct Recorded {
    pub acks: Vec<Ack>,
    pub answers: Vec<Answer>,
    pub streams: Vec<Stream>,
    /// Requests that were refused for a reason that no retry helps against.
    pub refusals: Vec<String>,
}

/// The records of one session, of all its clients.
#[derive(Debug)]
pub struct History {
    recorded: Mutex<Recorded>,
    /// Held by everybody who asks for something that is not a prompt. None: nobody may any more.
    asking: Mutex<Option<Arc<()>>>,
}

impl Default for History {
    fn default() -> Self {
        Self { recorded: Mutex::default(), asking: Mutex::new(Some(Arc::default())) }
    }
}

impl History {
    pub fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn acknowledged(&self, prompt: &str, turn: &str) {
        self.lock().acks.push(Ack { prompt: prompt.to_owned(), turn: turn.to_owned() });
    }

    /// A new connection; the number names it.
    pub fn connected(&self, client: &'static str, after: u64) -> usize {
        let mut recorded = self.lock();
        recorded.streams.push(Stream { client, after, events: Vec::new() });
        recorded.streams.len() - 1
    }

    pub fn saw(&self, connection: usize, seen: Seen) {
        self.lock().streams[connection].events.push(seen);
    }

    pub fn answered(&self, permission: &str, client: &'static str, status: u16) {
        self.lock().answers.push(Answer { permission: permission.to_owned(), client, status });
    }

    pub fn refused(&self, what: String) {
        self.lock().refusals.push(what);
    }

    /// Somebody asks for something, as long as this is held. Not once the log is about to be read for the last time.
    pub fn asks(&self) -> Option<Arc<()>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on nobody asks. Says whether what was asked for has been answered.
    pub fn stop_asking(&self) -> bool {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.take_if(|asking| Arc::strong_count(asking) == 1);
        asking.is_none()
    }

    /// A summary is being written, as far as a client has seen.
    pub fn is_compacting(&self) -> bool {
        let recorded = self.lock();
        let last = recorded
            .streams
            .iter()
            .flat_map(|stream| &stream.events)
            .filter(|event| event.kind.starts_with("context."))
            .max_by_key(|event| event.seq);
        last.is_some_and(|event| event.kind == "context.compacting")
    }

    /// The prompts that were acknowledged and whose end no client has seen yet.
    pub fn open(&self) -> usize {
        let recorded = self.lock();
        let ended =
            |turn: &str| {
                recorded.streams.iter().flat_map(|stream| &stream.events).any(|event| {
                    (event.ends_turn() || event.kind == "prompt.withdrawn") && event.text("turn_id") == turn
                })
            };
        recorded.acks.iter().filter(|ack| !ended(&ack.turn)).count()
    }

    pub fn has_ack(&self, prompt: &str) -> bool {
        self.lock().acks.iter().any(|ack| ack.prompt == prompt)
    }

    /// How far each client has come.
    pub fn positions(&self) -> Vec<(&'static str, u64)> {
        let recorded = self.lock();
        let mut positions: Vec<(&'static str, u64)> = Vec::new();
        for stream in &recorded.streams {
            let last = stream.events.last().map_or(stream.after, |event| event.seq);
            match positions.iter_mut().find(|(client, _)| *client == stream.client) {
                Some((_, position)) => *position = last.max(*position),
                None => positions.push((stream.client, last)),
            }
        }
        positions
    }
}
