//! `wharf sessions compact`: has the model sum up what was said, and waits for what comes of it.

use wharf_client::{Client, Follow};
use wharf_protocol::rest::CompactSession;
use wharf_protocol::{EventBody, EventKind, SessionId};

use crate::connect::Context;
use crate::failure::{Exit, Failure};
use crate::output::note;
use crate::terminal::clean;

pub(super) async fn run(context: &Context, id: &SessionId, focus: Option<String>) -> anyhow::Result<Exit> {
    let client = context.client(false).await?;
    let said = compact(&client, id, focus).await;
    client.shutdown().await;
    note(&clean(&said?));
    Ok(Exit::Completed)
}

/// What came of it, in words.
async fn compact(client: &Client, id: &SessionId, focus: Option<String>) -> anyhow::Result<String> {
    let begun = client.compact(id, CompactSession { focus }).await?;
    let ends = [EventKind::ContextCompacted, EventKind::ContextCompactionFailed];
    let mut events = client.events(id, Follow::after(begun.seq).only(ends).observing()).await?;
    while let Some(event) = events.next().await {
        match event?.body {
            EventBody::ContextCompacted(compacted) => return Ok(compacted.in_words()),
            EventBody::ContextCompactionFailed(failed) => {
                return Err(Failure::new(Exit::Failed, format!("nothing was summed up: {}", failed.error)).into());
            }
            _ => {}
        }
    }
    Err(Failure::new(Exit::Failed, "the session ended before its summary was written").into())
}
