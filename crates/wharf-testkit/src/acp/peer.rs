//! A client that a test drives.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::http::HeaderMap;

use super::schema::Schema;
use super::wire::{Wire, WireEnd};
use crate::wait::within;

/// One connection, all of whose lines are checked.
pub struct Peer {
    wire: Wire,
    schema: Schema,
    last_id: i64,
    /// Of the answer to a WebSocket's request.
    pub headers: HeaderMap,
}

impl Peer {
    /// A WebSocket, with these headers of the request.
    ///
    /// # Panics
    /// When there is no way in.
    pub async fn socket(address: &str, headers: &[(&'static str, &str)]) -> Self {
        match Wire::socket(address, headers).await {
            Ok((wire, headers)) => Self { wire, schema: Schema::default(), last_id: 0, headers },
            Err(error) => panic!("connect to {address}: {error}"),
        }
    }

    /// A process that speaks on standard input and output.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn process(command: std::process::Command) -> Self {
        match Wire::pipe(command) {
            Ok(wire) => Self { wire, schema: Schema::default(), last_id: 0, headers: HeaderMap::new() },
            Err(error) => panic!("start the agent: {error}"),
        }
    }

    /// The agent's process, if it is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.wire.pid()
    }

    /// Closes the client's side; how the agent's came to its end.
    pub async fn close(self) -> WireEnd {
        within("the agent's end", self.wire.close()).await
    }

    /// Sends what need not be a message.
    pub async fn send_text(&mut self, text: &str) {
        if let Ok(message) = serde_json::from_str(text) {
            self.schema.sent(&message);
        }
        self.wire.send(text).await;
    }

    /// Sends a line and takes the next one as it is: for measurements, which pay for no checks.
    ///
    /// # Panics
    /// When there is none.
    pub async fn exchange(&mut self, line: &str) -> String {
        self.wire.send(line).await;
        let Some(line) = within("a message", self.wire.receive()).await else { panic!("the agent has ended") };
        line
    }

    pub async fn send(&mut self, message: Value) {
        self.schema.sent(&message);
        self.wire.send(&message.to_string()).await;
    }

    pub async fn notify(&mut self, method: &str, params: Value) {
        self.send(json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// Sends a request without waiting for its answer.
    pub async fn request(&mut self, method: &str, params: Value) -> i64 {
        self.last_id += 1;
        self.send(json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params })).await;
        self.last_id
    }

    /// A request's result; what comes before it is passed over.
    ///
    /// # Panics
    /// When the answer is an error.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params).await;
        let answer = self.answer_to(id).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// A request's error.
    ///
    /// # Panics
    /// When the answer is none.
    pub async fn fail(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params).await;
        let answer = self.answer_to(id).await;
        assert!(answer.get("result").is_none(), "{method}: {answer}");
        answer["error"].clone()
    }

    /// The next message of the agent.
    ///
    /// # Panics
    /// When there is none, or one that an agent may not send.
    pub async fn next(&mut self) -> Value {
        let Some(line) = within("a message", self.wire.receive()).await else { panic!("the agent has ended") };
        self.schema.received(&line)
    }

    /// Messages up to and including the first that `is_last` picks.
    pub async fn until(&mut self, mut is_last: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await;
            let last = is_last(&message);
            messages.push(message);
            if last {
                return messages;
            }
        }
    }

    pub async fn until_answer(&mut self, id: i64) -> Vec<Value> {
        self.until(|message| message["id"] == id && message.get("method").is_none()).await
    }

    /// The answer alone.
    pub async fn answer_to(&mut self, id: i64) -> Value {
        self.until_answer(id).await.pop().unwrap_or_default()
    }

    /// Up to the next update of this kind, which is returned.
    pub async fn update(&mut self, kind: &str) -> Value {
        let mut messages = self.until(|message| message["params"]["update"]["sessionUpdate"] == kind).await;
        messages.pop().unwrap_or_default()["params"]["update"].clone()
    }

    /// The next permission that is asked for.
    pub async fn question(&mut self) -> Value {
        let mut messages = self.until(|message| message["method"] == "session/request_permission").await;
        messages.pop().unwrap_or_default()
    }

    /// Answers a permission.
    pub async fn answer(&mut self, question: &Value, option: &str) {
        let outcome = json!({ "outcome": { "outcome": "selected", "optionId": option } });
        self.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": outcome })).await;
    }

    /// Everything that is under way is here once this returns.
    pub async fn settle(&mut self) -> Vec<Value> {
        let id = self.request("_settle", json!({})).await;
        let mut messages = self.until_answer(id).await;
        messages.pop();
        messages
    }

    /// Sends a prompt without waiting for its end.
    pub async fn prompt(&mut self, session: &str, text: &str) -> i64 {
        self.request("session/prompt", prompt(session, text)).await
    }

    /// A whole turn: what came, and why it ended.
    pub async fn turn(&mut self, session: &str, text: &str) -> (Vec<Value>, Value) {
        let id = self.prompt(session, text).await;
        let mut messages = self.until_answer(id).await;
        let answer = messages.pop().unwrap_or_default();
        (messages, answer["result"]["stopReason"].clone())
    }
}

/// The parameters of a prompt.
#[must_use]
pub fn prompt(session: &str, text: &str) -> Value {
    json!({ "sessionId": session, "prompt": [{ "type": "text", "text": text }] })
}

/// The texts of the chunks of a kind, put together.
#[must_use]
pub fn text(messages: &[Value], kind: &str) -> String {
    let updates = messages.iter().map(|message| &message["params"]["update"]);
    updates
        .filter(|update| update["sessionUpdate"] == kind)
        .filter_map(|update| update["content"]["text"].as_str())
        .collect()
}

/// The kinds of the updates.
#[must_use]
pub fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().filter_map(|message| message["params"]["update"]["sessionUpdate"].as_str()).collect()
}
