//! The Rust SDK, which comes back by itself.

use std::time::Duration;

use wharf_client::{ApiKey, Auth, Client, ClientError, Follow, RemoteOptions, Retry, Timeouts};
use wharf_protocol::{ConflictStrategy, MessageId, Prompt, Seq, SessionId};

use super::{Clients, PAUSE, Submitted};
use crate::history::Seen;
use crate::plan::PromptPlan;
use crate::rng::Rng;

fn client(clients: &Clients) -> Result<(Client, SessionId), String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let key = ApiKey::new(&clients.rest.key).map_err(|error| words(&error))?;
    let timeouts = Timeouts { connect: Duration::from_secs(1), request: Duration::from_secs(3), ..Timeouts::default() };
    let max = Duration::from_millis(100);
    let retry = Retry { attempts: 3, reconnects: 10_000, base: Duration::from_millis(20), max };
    let url = format!("http://{}", clients.rest.address);
    let client =
        Client::remote_with(&url, Auth::Key(key), RemoteOptions { timeouts, retry, ..RemoteOptions::default() });
    let session = clients.plan.id.parse().map_err(|error| words(&error))?;
    Ok((client.map_err(|error| words(&error))?, session))
}

pub(super) async fn submit(clients: &Clients, prompt: &PromptPlan) -> Submitted {
    let (client, session) = match client(clients) {
        Ok(client) => client,
        Err(why) => return Submitted::Refused(why),
    };
    let id: Result<MessageId, _> = prompt.id.parse();
    let conflict_strategy = match prompt.conflict_strategy {
        "steer" => ConflictStrategy::Steer,
        "interrupt" => ConflictStrategy::Interrupt,
        _ => ConflictStrategy::Queue,
    };
    let prompt = Prompt { id: id.ok(), conflict_strategy, ..Prompt::new(prompt.text.as_str()) };
    match client.prompt(&session, prompt).await {
        Ok(answer) => Submitted::Acknowledged(answer.turn_id.to_string()),
        Err(
            ClientError::Connection { .. }
            | ClientError::Timeout { .. }
            | ClientError::Unavailable { .. }
            | ClientError::RateLimited { .. },
        ) => Submitted::Unknown,
        Err(error) => Submitted::Refused(error.to_string()),
    }
}

/// Follows from the start; is dropped now and then and made anew at its cursor.
pub(super) async fn watch(clients: &Clients, mut rng: Rng) {
    let Ok((client, session)) = client(clients) else { return };
    let mut last = 0;
    loop {
        let patience = rng.range(20, 200);
        if let Ok(mut events) = client.events(&session, Follow::after(Seq(last))).await {
            let connection = clients.history.connected("sdk", last);
            for _ in 0..patience {
                let Some(Ok(event)) = events.next().await else { break };
                let Some(seen) = serde_json::to_value(&event).ok().as_ref().and_then(Seen::from_event) else { break };
                last = seen.seq;
                clients.react("sdk", &seen);
                clients.history.saw(connection, seen);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
