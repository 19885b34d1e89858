//! The clients of one session: they submit, watch, answer, cancel, go away and come back, through a proxy that breaks their
//! connections, and write down what they are told.

mod rest;
mod sdk;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::history::{History, Seen};
use crate::plan::{PromptPlan, SessionPlan, Via};
use crate::rng::Rng;
pub use rest::Rest;

/// Between two attempts at the same thing.
const PAUSE: Duration = Duration::from_millis(25);

/// Who talks to the server about one session.
#[derive(Clone)]
pub struct Clients {
    pub rest: Rest,
    pub plan: Arc<SessionPlan>,
    pub history: Arc<History>,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

impl Clients {
    pub fn start(rest: Rest, plan: SessionPlan, tasks: TaskTracker, stop: CancellationToken) -> Self {
        let clients = Self { rest, plan: Arc::new(plan), history: Arc::default(), tasks, stop };
        let first = clients.clone();
        clients.spawn(async move {
            first.create().await;
            for (stream, client) in ["sse", "socket", "sdk"].into_iter().enumerate() {
                let own = first.clone();
                let rng = Rng::new(first.plan.seed, stream as u64);
                first.spawn(async move {
                    match client {
                        "sse" => rest::watch(&own, rng).await,
                        "socket" => socket::watch(&own, rng).await,
                        _ => sdk::watch(&own, rng).await,
                    }
                });
            }
            for prompt in first.plan.prompts.clone() {
                tokio::time::sleep(prompt.pause).await;
                first.submit(&prompt).await;
            }
        });
        clients
    }

    /// Every prompt was acknowledged, and somebody saw the end of each.
    pub fn are_done(&self) -> bool {
        self.plan.prompts.iter().all(|prompt| self.history.has_ack(&prompt.id))
            && self.history.open() == 0
            && !self.history.is_compacting()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
    }

    async fn create(&self) {
        let body = json!({ "session_id": self.plan.id, "mode": self.plan.mode });
        loop {
            match self.rest.send("POST", "/api/v1/sessions", &[], Some(&body)).await {
                // An earlier attempt made it; its answer was lost.
                Ok((200..300 | 409, _)) => return,
                Ok((status @ (400..=428 | 430..=499), body)) => {
                    return self.history.refused(format!("the session: {status} {body}"));
                }
                Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Sends a prompt until it is acknowledged; now and then once more, which must change nothing.
    async fn submit(&self, prompt: &PromptPlan) {
        let mut rng = Rng::new(self.plan.seed, prompt.text.len() as u64);
        loop {
            let acknowledged = match prompt.via {
                Via::Rest => rest::submit(self, prompt).await,
                Via::Socket => socket::submit(self, prompt).await,
                Via::Sdk => sdk::submit(self, prompt).await,
            };
            match acknowledged {
                Submitted::Acknowledged(turn) => {
                    self.history.acknowledged(&prompt.id, &turn);
                    if rng.chance(75) {
                        return;
                    }
                }
                Submitted::Refused(why) => return self.history.refused(format!("prompt {}: {why}", prompt.id)),
                Submitted::Unknown => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What a client does about an event. `client` is who saw it.
    fn react(&self, client: &'static str, seen: &Seen) {
        match seen.kind.as_str() {
            // Two clients answer every question, each in its own way: the first one counts.
            "permission.requested" if client != "sdk" => {
                let permission = seen.text("permission_id").to_owned();
                let mut rng = Rng::new(self.plan.seed, seen.seq ^ client.len() as u64);
                let option = rng.pick(&["allow_once", "allow_once", "reject_once"]);
                let pause = Duration::from_millis(rng.range(0, 40));
                let own = self.clone();
                self.spawn(async move {
                    tokio::time::sleep(pause).await;
                    own.answer(client, &permission, option).await;
                });
            }
            "turn.started" if client == "sse" => {
                let prompt = self.plan.prompts.iter().find(|prompt| prompt.id == seen.text("message_id"));
                let Some(pause) = prompt.and_then(|prompt| prompt.cancel) else { return };
                let turn = seen.text("turn_id").to_owned();
                let own = self.clone();
                self.spawn(async move {
                    tokio::time::sleep(pause).await;
                    own.cancel(&turn).await;
                });
            }
            // Most sessions are summed up whenever they come to rest.
            "agent.idle" if client == "sse" && Rng::new(self.plan.seed, seen.seq).chance(70) => {
                if let Some(asking) = self.history.asks() {
                    let own = self.clone();
                    self.spawn(async move {
                        own.compact().await;
                        drop(asking);
                    });
                }
            }
            _ => {}
        }
    }

    /// Once: whether it was taken is on the log.
    async fn compact(&self) {
        let path = format!("/api/v1/sessions/{}/compact", self.plan.id);
        match self.rest.send("POST", &path, &[], Some(&json!({}))).await {
            // Busy again, or nothing to sum up.
            Ok((202 | 409 | 429 | 500.., _)) | Err(_) => {}
            Ok((status, body)) => self.history.refused(format!("compact: {status} {body}")),
        }
    }

    async fn answer(&self, client: &'static str, permission: &str, option: &str) {
        let path = format!("/api/v1/sessions/{}/permissions/{permission}", self.plan.id);
        let body = json!({ "option": option });
        loop {
            match self.rest.send("POST", &path, &[], Some(&body)).await {
                Ok((status @ (200 | 404 | 409), _)) => return self.history.answered(permission, client, status),
                Ok((status @ (400..=428 | 430..=499), body)) => {
                    return self.history.refused(format!("answer to {permission}: {status} {body}"));
                }
                Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn cancel(&self, turn: &str) {
        let path = format!("/api/v1/sessions/{}/cancel", self.plan.id);
        let body = json!({ "turn_id": turn });
        loop {
            match self.rest.send("POST", &path, &[], Some(&body)).await {
                // It may have ended meanwhile.
                Ok((200 | 404 | 409, _)) => return,
                Ok((status @ (400..=428 | 430..=499), body)) => {
                    return self.history.refused(format!("cancel of {turn}: {status} {body}"));
                }
                Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// What became of one attempt to submit a prompt.
enum Submitted {
    /// The turn that it will be.
    Acknowledged(String),
    Refused(String),
    /// The answer did not arrive, or says to come back.
    Unknown,
}
