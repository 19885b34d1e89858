//! Disks in trouble, from outside: the real program on small file systems of its own, whose files are filled, deleted and changed.

#![allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs")]
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod damage;
mod doctor;
mod files;
mod full;
mod place;
mod read_only;

use std::time::Duration;

use serde_json::{Value, json};
use wharf_testkit::http::Incoming;
use wharf_testkit::{Client, Reply, ScriptedModel, WharfProcess, wait_until};

use crate::place::Place;

/// For a server to do what it must; nothing waits so long in good order.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A server in a place of its own, with the scripted model.
pub struct Lab {
    pub model: ScriptedModel,
    pub server: WharfProcess,
}

/// What a request came to.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub retry_after: Option<String>,
    pub body: Value,
}

impl Told {
    async fn of(incoming: Incoming) -> Self {
        let (status, retry_after) = (incoming.status, incoming.header("retry-after").map(str::to_owned));
        let body = serde_json::from_slice(&incoming.bytes().await.unwrap()).unwrap_or(Value::Null);
        Self { status, retry_after, body }
    }

    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The one answer to whatever would have to be stored.
    pub fn assert_unavailable(&self) {
        assert_eq!((self.status, self.code()), (503, "STORAGE_UNAVAILABLE"), "{self:?}");
        assert!(self.retry_after.is_some() && self.body["retryable"] == true, "{self:?}");
    }
}

impl Lab {
    pub async fn open(place: &Place) -> Self {
        let model = ScriptedModel::start().await;
        model.default_reply(Reply::text("a few words"));
        let server = place.server().model_url(model.url()).start().await;
        Self { model, server }
    }

    /// The same server once more, after its death.
    pub async fn restart(self) -> Self {
        Self { server: self.server.restart().await, model: self.model }
    }

    pub fn client(&self) -> Client {
        self.server.client()
    }

    pub async fn get(&self, path: &str) -> Told {
        Told::of(self.client().get(path).await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Told {
        post(&self.client(), path, body).await
    }

    pub async fn session(&self) -> String {
        let told = self.post("/api/v1/sessions", &json!({})).await;
        assert!(told.is_ok(), "{told:?}");
        told.body["id"].as_str().unwrap().to_owned()
    }

    pub async fn prompt(&self, session: &str, id: &str) -> Told {
        prompt(&self.client(), session, id).await
    }

    /// A prompt, up to the end of its turn.
    pub async fn turn(&self, session: &str, id: &str) {
        let told = self.prompt(session, id).await;
        assert!(told.is_ok(), "{told:?}");
        self.ended(session, id).await;
    }

    /// The same where it may be refused at first.
    pub async fn turn_in_the_end(&self, session: &str, id: &str) {
        let start = std::time::Instant::now();
        loop {
            let told = self.prompt(session, id).await;
            if told.is_ok() {
                return self.ended(session, id).await;
            }
            told.assert_unavailable();
            assert!(start.elapsed() < PATIENCE, "still refused: {told:?}\n{}", self.server.output());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Why no work is taken; `None`: it is.
    pub async fn unready(&self) -> Option<String> {
        let told = self.get("/health?ready=1").await;
        (told.status == 503).then(|| told.body["reason"].as_str().unwrap().to_owned())
    }

    pub async fn until_ready(&self) {
        let start = std::time::Instant::now();
        while let Some(reason) = self.unready().await {
            assert!(start.elapsed() < PATIENCE, "still not ready: {reason}\n{}", self.server.output());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The turns of a session.
    pub async fn turns(&self, session: &str) -> Vec<Value> {
        let told = self.get(&format!("/api/v1/sessions/{session}/turns?limit=1000")).await;
        assert!(told.is_ok(), "{told:?}");
        told.body["turns"].as_array().unwrap().clone()
    }

    /// Waits until the prompt's one turn is completed.
    pub async fn ended(&self, session: &str, id: &str) {
        let start = std::time::Instant::now();
        loop {
            let turns = self.turns(session).await;
            let of_prompt: Vec<&Value> = turns.iter().filter(|turn| turn["message_id"] == id).collect();
            assert_eq!(of_prompt.len(), 1, "prompt {id} has one turn: {turns:?}");
            if of_prompt[0]["status"] == "completed" {
                return;
            }
            let is_over = ["failed", "cancelled", "withdrawn"].iter().any(|status| of_prompt[0]["status"] == *status);
            assert!(!is_over, "{:?}\n{}", of_prompt[0], self.server.output());
            assert!(start.elapsed() < PATIENCE, "prompt {id} has no end: {:?}\n{}", of_prompt[0], self.server.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub async fn post(client: &Client, path: &str, body: &Value) -> Told {
    let headers = [("prefer", "respond-async")];
    let sent = client.send("POST", path, &headers, Some(body.to_string().as_bytes())).await;
    Told::of(sent.unwrap()).await
}

pub async fn prompt(client: &Client, session: &str, id: &str) -> Told {
    let body = json!({ "content": format!("prompt {id}"), "id": id });
    post(client, &format!("/api/v1/sessions/{session}/prompt"), &body).await
}

/// Waits until a file's condition holds.
pub async fn until(what: &str, condition: impl FnMut() -> bool) {
    wait_until(what, PATIENCE, condition).await;
}
