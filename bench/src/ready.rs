//! Readiness at size: a server that starts on a store with many sessions, much text and much that was left unfinished.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::task::JoinSet;
use wharf_protocol::{Event, EventKind, SessionId};
use wharf_store::Store;
use wharf_store::sqlite::{SqliteConfig, SqliteStore};

use crate::history::{database, log_of, template, write_long};
use crate::lab::{Lab, Server, percentile};
use crate::table::{Figure, Table};

/// Sessions whose turn a dead server left open.
const UNFINISHED: usize = 200;
/// Prompts that are asked while those are taken up.
const PROMPTS: usize = 20;
/// Sessions that are written at the same time, so that they share a sync.
const AT_ONCE: usize = 256;
/// All of them have to be taken up by then.
const LIMIT: Duration = Duration::from_secs(120);
const POLL_EVERY: Duration = Duration::from_millis(5);

pub async fn measure(lab: &Lab, sessions: usize, events: usize, table: &mut Table) -> Result<()> {
    let Server { mut process, home } = lab.server().await;
    let template = template(&process, &home).await?;
    let mut usual = ask(&Server { process, home }, PROMPTS).await?;
    let Server { process: other, home: fresh } = lab.server().await;
    process = other;
    process.stop().await;
    let began = Instant::now();
    fill(&database(fresh.state.path())?, &template, sessions, events).await?;
    println!("stored {sessions} sessions and {events} events in {:.1} s", began.elapsed().as_secs_f64());

    let began = Instant::now();
    let server = Server { process: process.restart().await, home: fresh };
    let healthy = began.elapsed();
    while server.process.client().get("/health?ready=1").await?.status != 200 {
        ensure!(began.elapsed() < LIMIT, "not ready after {LIMIT:?}");
        tokio::time::sleep(POLL_EVERY).await;
    }
    let ready = began.elapsed();
    let mut busy = ask(&server, PROMPTS).await?;
    while left(&server).await? > 0 {
        ensure!(began.elapsed() < LIMIT, "unfinished turns after {LIMIT:?}");
        tokio::time::sleep(POLL_EVERY).await;
    }
    let all = began.elapsed();
    let size = format!("{sessions} sessions, {events} events, {UNFINISHED} unfinished turns");
    table.add(&format!("start to first healthy answer: {size}"), Figure::time(healthy), "-");
    table.add("start to ready, the same", Figure::time(ready), "2 s");
    let usual = ("idle server", Figure::seconds(percentile(&mut usual, 0.5)));
    table.compare("a short turn meanwhile, p50", Figure::seconds(percentile(&mut busy, 0.5)), usual, "-");
    table.add("the same, slowest", Figure::seconds(percentile(&mut busy, 1.0)), "-");
    table.add("start to the end of every unfinished turn", Figure::time(all), "-");
    Ok(())
}

/// Seconds of some short turns, one after the other, each in a session of its own.
async fn ask(server: &Server, count: usize) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..count {
        let asked = Instant::now();
        let session = server.create_session().await?;
        server.turn(&session, "[[say a few words of an answer]]").await?;
        times.push(asked.elapsed().as_secs_f64());
    }
    Ok(times)
}

/// Sessions with a turn that runs or waits.
async fn left(server: &Server) -> Result<u64> {
    let mut left = 0;
    for status in ["busy", "waiting"] {
        let page: Value =
            server.process.client().get_json(&format!("/api/v1/sessions?limit=1&status={status}")).await?;
        left += page["total"].as_u64().context("a total")?;
    }
    Ok(left)
}

async fn fill(path: &Path, template: &[Event], sessions: usize, events: usize) -> Result<()> {
    let store: Arc<dyn Store> = SqliteStore::open(SqliteConfig::new(path))?;
    // Up to where the reply was under way.
    let is_end = |event: &Event| event.kind() == EventKind::MessageComplete;
    let end = template.iter().position(is_end).context("a turn that ends")?;
    let (open, whole): (Arc<[Event]>, Arc<[Event]>) = (template[..end].into(), template.into());
    let chunks = (events / sessions.max(1)).saturating_sub(template.len()).max(1);
    let mut writing = JoinSet::new();
    for number in 0..sessions {
        let id: SessionId = format!("session-ready-{number:06}").parse()?;
        let (store, open, whole) = (Arc::clone(&store), Arc::clone(&open), Arc::clone(&whole));
        if writing.len() == AT_ONCE {
            writing.join_next().await.context("a write")???;
        }
        writing.spawn(async move {
            if number >= UNFINISHED {
                return write_long(&*store, &id, &whole, chunks).await;
            }
            let lease = store.create(log_of(&id, &open)?).await?;
            store.release(&id, lease.fence).await?;
            Ok(())
        });
    }
    while let Some(written) = writing.join_next().await {
        written??;
    }
    store.close().await;
    Ok(())
}
