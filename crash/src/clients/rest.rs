//! Plain HTTP: requests, and events over SSE.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use wharf_testkit::Client;

use super::{Clients, PAUSE, Submitted};
use crate::history::Seen;
use crate::plan::PromptPlan;
use crate::rng::Rng;

/// How long a request may take: no answer within it counts as lost.
const REQUEST_LIMIT: Duration = Duration::from_secs(3);

/// A way to the server for requests.
#[derive(Debug, Clone)]
pub struct Rest {
    pub address: SocketAddr,
    pub key: String,
}

impl Rest {
    fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address)).with_key(&self.key)
    }

    /// The status and the body, which is null where it is no JSON.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> io::Result<(u16, Value)> {
        let body = body.map(ToString::to_string);
        let request = async {
            let incoming = self.client().send(method, path, headers, body.as_deref().map(str::as_bytes)).await?;
            let status = incoming.status;
            Ok((status, serde_json::from_slice(&incoming.bytes().await?).unwrap_or(Value::Null)))
        };
        timeout(REQUEST_LIMIT, request).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

pub(super) async fn submit(clients: &Clients, prompt: &PromptPlan) -> Submitted {
    let path = format!("/api/v1/sessions/{}/prompt", clients.plan.id);
    let body = json!({ "content": prompt.text, "id": prompt.id, "conflict_strategy": prompt.conflict_strategy });
    match clients.rest.send("POST", &path, &[("prefer", "respond-async")], Some(&body)).await {
        Ok((200..300, answer)) => match answer["turn_id"].as_str() {
            Some(turn) => Submitted::Acknowledged(turn.to_owned()),
            None => Submitted::Refused(format!("an answer without a turn: {answer}")),
        },
        Ok((status @ (400..=428 | 430..=499), answer)) => Submitted::Refused(format!("{status} {answer}")),
        Ok(_) | Err(_) => Submitted::Unknown,
    }
}

/// Watches over SSE from the start; goes away now and then and comes back at its cursor.
pub(super) async fn watch(clients: &Clients, mut rng: Rng) {
    let mut last = 0;
    loop {
        let patience = rng.range(1, 80);
        // Whatever ended the connection: the cursor says where to go on.
        let _ = one_connection(clients, &mut last, patience).await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn one_connection(clients: &Clients, last: &mut u64, patience: u64) -> io::Result<()> {
    let path = format!("/api/v1/sessions/{}/events", clients.plan.id);
    let opened = timeout(REQUEST_LIMIT, clients.rest.client().events(&path, Some(*last))).await;
    let mut events = opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let connection = clients.history.connected("sse", *last);
    for _ in 0..patience {
        let Some(frame) = events.next().await? else { return Ok(()) };
        let Ok(event) = serde_json::from_str::<Value>(&frame.data) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if let Some(seen) = Seen::from_event(&event) {
            *last = seen.seq;
            clients.react("sse", &seen);
            clients.history.saw(connection, seen);
        }
    }
    Ok(())
}
