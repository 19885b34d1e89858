//! What the bridge has to know to go on after a lost connection: what the editor asked and has no answer to, what it has seen
//! of each session, and which questions it was asked. No IO.

mod lent;

use std::collections::{HashMap, VecDeque};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use self::lent::Lent;

/// The key of our `_meta`.
const META: &str = "_wharf";
/// Ids of the bridge's own requests begin with it.
const OWN_ID: &str = "_wharf-bridge-";
/// A question whose id holds for every server, until it has its answer.
const PERMISSION: &str = "session/request_permission";
/// Answers to questions that are kept, in case the server did not get them.
const ANSWERS_KEPT: usize = 64;

/// A message, read no deeper than needed.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: Option<String>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
}

/// A request of the editor without its answer.
struct InFlight {
    /// As JSON.
    id: String,
    method: String,
    session: Option<String>,
    /// Of a prompt: the id that makes it safe to send again.
    prompt_id: Option<String>,
    line: String,
}

/// The last update that the editor has got of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
struct Seen {
    seq: u64,
    #[serde(default)]
    part: u64,
    #[serde(default)]
    parts: u64,
}

impl Seen {
    /// The last event that was seen whole.
    fn whole(self) -> u64 {
        if self.part + 1 < self.parts { self.seq.saturating_sub(1) } else { self.seq }
    }
}

/// What to do with a message of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    ToEditor(String),
    ToServer(String),
    /// It was for the bridge, or the editor has it already.
    Drop,
}

#[derive(Default)]
pub struct Memory {
    /// The editor's `initialize`, with our capability in it.
    initialize: Option<Value>,
    in_flight: Vec<InFlight>,
    sessions: HashMap<String, Seen>,
    /// Permissions that the editor was asked for, by id as JSON. They outlive servers.
    asked: Vec<String>,
    lent: Lent,
    answers: VecDeque<(String, String)>,
    own_requests: u64,
    /// The server does not hear that the editor reads and writes files.
    hides_files: bool,
}

impl Memory {
    /// `lends_files`: the server may read and write files through the editor, where that offers it.
    pub fn of(lends_files: bool) -> Self {
        Self { hides_files: !lends_files, ..Self::default() }
    }

    /// Nothing waits for an answer.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// The ids, as JSON, of what waits for an answer.
    pub fn waiting(&self) -> impl Iterator<Item = &str> {
        self.in_flight.iter().map(|request| request.id.as_str())
    }

    /// A line of the editor: as it goes to the server, if it does, and what the editor is told at once. `fresh` makes ids.
    pub fn editor_said(&mut self, line: String, fresh: impl Fn() -> String) -> (Option<String>, Vec<String>) {
        // What cannot be read, the server answers.
        let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(&line) else { return (Some(line), Vec::new()) };
        let Some(id) = envelope.id.map(|id| id.get().to_owned()) else { return (Some(line), Vec::new()) };
        let Some(method) = envelope.method else {
            if !is_answer(&line) {
                return (Some(line), Vec::new());
            }
            let result = envelope.result.map(ToOwned::to_owned);
            return self.editor_answered(line, id, result.as_deref());
        };
        let session = envelope.params.and_then(session_of);
        let mut prompt_id = None;
        let line = match method.as_str() {
            "initialize" => {
                let mut request = with(&line, &["params", "clientCapabilities", "_meta"], META, json!({}));
                if self.hides_files
                    && let Some(Value::Object(offers)) =
                        request.as_mut().and_then(|request| request.pointer_mut("/params/clientCapabilities"))
                {
                    offers.remove("fs");
                }
                self.initialize.clone_from(&request);
                request.map_or(line, |request| request.to_string())
            }
            "session/new" | "session/prompt" => {
                let prefix = if method == "session/new" { "session" } else { "msg" };
                let own = format!("{prefix}-{}", fresh());
                let request = with(&line, &["params", "_meta"], META, json!({ "id": own }));
                prompt_id = (method == "session/prompt").then_some(own);
                request.map_or(line, |request| request.to_string())
            }
            "session/load" | "session/resume" => {
                // Its conversation is shown from the beginning, or from the present.
                if let Some(session) = &session {
                    self.sessions.remove(session);
                }
                line
            }
            _ => line,
        };
        self.in_flight.push(InFlight { id, method, session, prompt_id, line: line.clone() });
        (Some(line), Vec::new())
    }

    fn editor_answered(
        &mut self,
        line: String,
        id: String,
        result: Option<&RawValue>,
    ) -> (Option<String>, Vec<String>) {
        if let Some(at) = self.asked.iter().position(|asked| *asked == id) {
            self.asked.remove(at);
            self.answers.push_back((id, line.clone()));
            if self.answers.len() > ANSWERS_KEPT {
                self.answers.pop_front();
            }
            return (Some(line), Vec::new());
        }
        let own = &mut self.own_requests;
        let (is_awaited, told) = self.lent.answered(&id, result, || own_id(own));
        (is_awaited.then_some(line), told)
    }

    /// The connection to the server is gone: what the editor is to hear of it.
    pub fn lost(&mut self) -> Vec<String> {
        let own = &mut self.own_requests;
        self.lent.lost(|| own_id(own))
    }

    /// A message of the server.
    pub fn server_said(&mut self, text: String) -> Verdict {
        let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(&text) else { return Verdict::ToEditor(text) };
        let id = envelope.id.map(|id| id.get().to_owned());
        match (envelope.method.as_deref(), id) {
            (Some("session/update"), _) => self.update(envelope.params, &text),
            (Some("$/cancel_request"), _) => {
                let settled = envelope.params.and_then(|params| field(params, "requestId"));
                self.asked.retain(|asked| Some(asked) != settled.as_ref());
                Verdict::ToEditor(text)
            }
            (Some(method), Some(id)) if method != PERMISSION => {
                self.lent.asked(id, method, envelope.params);
                Verdict::ToEditor(text)
            }
            (Some(_), Some(id)) => {
                if self.asked.contains(&id) {
                    return Verdict::Drop;
                }
                if let Some((_, answer)) = self.answers.iter().find(|(answered, _)| *answered == id) {
                    return Verdict::ToServer(answer.clone());
                }
                self.asked.push(id);
                Verdict::ToEditor(text)
            }
            (Some(_), None) => Verdict::ToEditor(text),
            (None, Some(id)) => {
                if id.starts_with(&format!("\"{OWN_ID}")) {
                    return Verdict::Drop;
                }
                let Some(at) = self.in_flight.iter().position(|request| request.id == id) else {
                    // It was sent twice, and answered twice.
                    return Verdict::Drop;
                };
                let request = self.in_flight.remove(at);
                self.learn(&request, envelope.result);
                Verdict::ToEditor(text)
            }
            (None, None) => Verdict::ToEditor(text),
        }
    }

    fn update(&mut self, params: Option<&RawValue>, text: &str) -> Verdict {
        #[derive(Deserialize)]
        struct Update<'a> {
            #[serde(rename = "sessionId")]
            session: String,
            #[serde(borrow)]
            update: &'a RawValue,
            #[serde(rename = "_meta", default)]
            meta: Map<String, Value>,
        }
        let Some(Ok(update)) = params.map(|params| serde_json::from_str::<Update<'_>>(params.get())) else {
            return Verdict::ToEditor(text.to_owned());
        };
        let body = update.update.get();
        let seen = update.meta.get(META).and_then(|meta| Seen::deserialize(meta).ok());
        if let Some(seen) = seen {
            let last = self.sessions.entry(update.session.clone()).or_default();
            if (seen.seq, seen.part) <= (last.seq, last.part) && last.parts > 0 {
                return Verdict::Drop;
            }
            *last = seen;
            let is_own = |request: &InFlight| request.prompt_id.as_ref().is_some_and(|id| body.contains(id.as_str()));
            if body.contains(r#""sessionUpdate":"user_message_chunk""#) && self.in_flight.iter().any(is_own) {
                // The editor shows what it sends itself.
                return Verdict::Drop;
            }
        }
        // Without our own field: the editor did not ask for it.
        let session = Value::from(update.session);
        let method = r#""jsonrpc":"2.0","method":"session/update""#;
        Verdict::ToEditor(format!(r#"{{{method},"params":{{"sessionId":{session},"update":{body}}}}}"#))
    }

    /// What an answer says about sessions.
    fn learn(&mut self, request: &InFlight, result: Option<&RawValue>) {
        let Some(result) = result else { return };
        match request.method.as_str() {
            "session/new" | "session/load" | "session/resume" => {
                let session =
                    if request.method == "session/new" { session_of(result) } else { request.session.clone() };
                let at = serde_json::from_str::<Value>(result.get())
                    .ok()
                    .and_then(|result| Seen::deserialize(result.get("_meta")?.get(META)?).ok());
                if let (Some(session), Some(mut at)) = (session, at) {
                    at.parts = 1;
                    let last = self.sessions.entry(session).or_default();
                    if at.seq > last.seq {
                        *last = at;
                    }
                }
            }
            "session/close" | "session/delete" => {
                if let Some(session) = &request.session {
                    self.sessions.remove(session);
                }
            }
            _ => {}
        }
    }

    /// What a new connection begins with, before anything waits for an answer on it: the editor's `initialize` again, if it
    /// had its answer.
    pub fn greeting(&mut self) -> Option<String> {
        if self.in_flight.iter().any(|request| request.method == "initialize") {
            return None;
        }
        let mut request = self.initialize.clone()?;
        request["id"] = self.own_id().into();
        Some(request.to_string())
    }

    /// What follows the greeting: sessions from where the editor stands, then what it has no answer to.
    pub fn again(&mut self) -> Vec<String> {
        let reopened = |session: &String| {
            let opens =
                |request: &InFlight| request.session.as_ref() == Some(session) && request.method == "session/load";
            self.in_flight.iter().any(opens)
        };
        let mut attached: Vec<(String, u64)> = self
            .sessions
            .iter()
            .filter(|(session, _)| !reopened(session))
            .map(|(session, seen)| (session.clone(), seen.whole()))
            .collect();
        attached.sort();
        let mut lines = Vec::new();
        for (session, after) in attached {
            let id = self.own_id();
            let params = json!({ "sessionId": session, "after": after });
            let method = "_wharf/session/attach";
            lines.push(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        }
        lines.extend(self.in_flight.iter().map(|request| request.line.clone()));
        lines
    }

    fn own_id(&mut self) -> String {
        own_id(&mut self.own_requests)
    }
}

fn own_id(last: &mut u64) -> String {
    *last += 1;
    format!("{OWN_ID}{last}")
}

/// An error as the answer to the request that `line` is, if it is one that can be read.
pub fn refusal(line: &str, reason: &str, details: &str) -> Option<String> {
    let envelope: Envelope<'_> = serde_json::from_str(line).ok()?;
    envelope.method.as_ref()?;
    Some(refusal_of(envelope.id?.get(), reason, details))
}

/// An error as the answer to the request with this id, which is JSON.
pub fn refusal_of(id: &str, reason: &str, details: &str) -> String {
    let error = json!({ "code": -32603, "message": details, "data": { "reason": reason, "details": details } });
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
}

/// Whether a message without a method answers something. An answer may be `null`.
fn is_answer(line: &str) -> bool {
    let fields = serde_json::from_str::<HashMap<String, &RawValue>>(line).unwrap_or_default();
    fields.contains_key("result") || fields.contains_key("error")
}

fn field(json: &RawValue, name: &str) -> Option<String> {
    let fields: HashMap<String, &RawValue> = serde_json::from_str(json.get()).ok()?;
    fields.get(name).map(|value| value.get().to_owned())
}

fn session_of(json: &RawValue) -> Option<String> {
    serde_json::from_str(&field(json, "sessionId")?).ok()
}

/// The message with a field more, in objects that are made where they are missing. `None`: it is not of that shape.
fn with(line: &str, path: &[&str], name: &str, value: Value) -> Option<Value> {
    let mut message: Value = serde_json::from_str(line).ok()?;
    let mut place = &mut message;
    for step in path {
        place = place.as_object_mut()?.entry((*step).to_owned()).or_insert_with(|| json!({}));
        if place.is_null() {
            *place = json!({});
        }
    }
    place.as_object_mut()?.insert(name.to_owned(), value);
    Some(message)
}

#[cfg(test)]
mod tests;
