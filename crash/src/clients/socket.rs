//! The WebSocket's envelope, spoken by hand.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{Clients, PAUSE, Submitted};
use crate::history::Seen;
use crate::plan::PromptPlan;
use crate::rng::Rng;

/// How long a handshake or an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// Silence after which a connection is taken for dead.
const SILENCE_LIMIT: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<TcpStream>;

async fn open(clients: &Clients, query: &str) -> Result<Socket> {
    let address = clients.rest.address;
    let mut request = format!("ws://{address}/ws{query}").into_client_request()?;
    let key = format!("Bearer {}", clients.rest.key).parse::<http::HeaderValue>()?;
    request.headers_mut().insert(http::header::AUTHORIZATION, key);
    let handshake = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok::<_, anyhow::Error>(tokio_tungstenite::client_async(request, stream).await?.0)
    };
    timeout(ANSWER_LIMIT, handshake).await?
}

/// The next frame; `None` when the connection is over.
async fn next(socket: &mut Socket, limit: Duration) -> Result<Option<Value>> {
    loop {
        let Some(message) = timeout(limit, socket.next()).await? else { return Ok(None) };
        match message? {
            Message::Text(text) => return Ok(Some(serde_json::from_str(&text).context("a frame that is no JSON")?)),
            Message::Close(_) => return Ok(None),
            _ => {}
        }
    }
}

pub(super) async fn submit(clients: &Clients, prompt: &PromptPlan) -> Submitted {
    try_submit(clients, prompt).await.unwrap_or(Submitted::Unknown)
}

async fn try_submit(clients: &Clients, prompt: &PromptPlan) -> Result<Submitted> {
    let mut socket = open(clients, &format!("?session_id={}&answers=false", clients.plan.id)).await?;
    let payload = json!({
        "action": "prompt", "session_id": clients.plan.id, "content": prompt.text, "id": prompt.id,
        "conflict_strategy": prompt.conflict_strategy,
    });
    let request = json!({ "type": "request", "id": prompt.id, "payload": payload });
    socket.send(Message::text(request.to_string())).await?;
    while let Some(frame) = next(&mut socket, ANSWER_LIMIT).await? {
        if frame["id"] != prompt.id.as_str() {
            continue;
        }
        let payload = &frame["payload"];
        if let Some(turn) = payload["turn_id"].as_str() {
            return Ok(Submitted::Acknowledged(turn.to_owned()));
        }
        if frame["type"] == "error" {
            let again = payload["retryable"] == true;
            return Ok(if again { Submitted::Unknown } else { Submitted::Refused(payload.to_string()) });
        }
    }
    Ok(Submitted::Unknown)
}

/// Watches from the start; goes away now and then and comes back at its cursor.
pub(super) async fn watch(clients: &Clients, mut rng: Rng) {
    let mut last = 0;
    loop {
        let patience = rng.range(1, 80);
        // Whatever ended the connection: the cursor says where to go on.
        let _ = one_connection(clients, &mut last, patience).await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn one_connection(clients: &Clients, last: &mut u64, patience: u64) -> Result<()> {
    let mut socket = open(clients, &format!("?session_id={}&after={last}", clients.plan.id)).await?;
    let connection = clients.history.connected("socket", *last);
    for _ in 0..patience {
        let Some(frame) = next(&mut socket, SILENCE_LIMIT).await? else { return Ok(()) };
        if let Some(seen) = Seen::from_frame(&frame) {
            *last = seen.seq;
            clients.react("socket", &seen);
            clients.history.saw(connection, seen);
        }
    }
    Ok(())
}
