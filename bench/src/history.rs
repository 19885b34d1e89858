//! A store that is full: memory, a list page, and attaching in the middle of a long session.
//!
//! The store is filled from what a real turn left on its log, through the store's own port: with other ids, and with its
//! chunks repeated for the long session.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::task::JoinSet;
use wharf_protocol::{Event, EventBody, Seq, Session, SessionId};
use wharf_store::sqlite::{SqliteConfig, SqliteStore};
use wharf_store::{Append, Entry, NewLog, Store};
use wharf_testkit::process::WharfHome;

use crate::lab::{Lab, Server, percentile};
use crate::memory::resident;
use crate::table::{Figure, Table};

/// Sessions that are written at the same time, so that they share a sync.
const AT_ONCE: usize = 512;
/// One stored session in so many has a turn; the others were only begun.
const TURN_EVERY: usize = 10;
/// Events of one append to the long session.
const BATCH: usize = 1_000;
const REQUESTS: usize = 200;
const LONG_SESSION: &str = "session-long";

pub async fn measure(lab: &Lab, stored: usize, table: &mut Table) -> Result<()> {
    let Server { mut process, home } = lab.server().await;
    let pid = process.pid();
    let before = resident(pid).await?;
    let template = template(&process, &home).await?;
    process.stop().await;

    let began = Instant::now();
    fill(&database(home.state.path())?, &template, stored).await?;
    println!("stored {stored} sessions and {stored} events of one in {:.1} s", began.elapsed().as_secs_f64());
    let server = Server { process: process.restart().await, home };
    let idle = resident(server.pid()).await?;
    let what = format!("resident memory, idle, {stored} stored sessions");
    table.compare(&what, Figure::kib(idle), ("empty store", Figure::kib(before)), "1x");

    let mut health = time_requests(&server, "/health").await?;
    let mut list = time_requests(&server, "/api/v1/sessions?limit=50").await?;
    let base = ("/health", Figure::seconds(percentile(&mut health, 0.5)));
    let what = format!("a list page of {stored} sessions");
    table.compare(&format!("{what}, p50"), Figure::seconds(percentile(&mut list, 0.5)), base, "5 ms");
    table.add(&format!("{what}, p99"), Figure::seconds(percentile(&mut list, 0.99)), "-");
    let mut attach = time_attaching(&server, stored as u64 / 2).await?;
    let what = format!("attach in the middle of {stored} events");
    table.compare(&format!("{what}, p50"), Figure::seconds(percentile(&mut attach, 0.5)), base, "5 ms");
    table.add(&format!("{what}, p99"), Figure::seconds(percentile(&mut attach, 0.99)), "-");
    Ok(())
}

/// The events of one real turn.
pub async fn template(process: &wharf_testkit::WharfProcess, home: &WharfHome) -> Result<Vec<Event>> {
    let client = process.client();
    let body = serde_json::json!({ "cwd": home.work.path() });
    let session: Value = client.post_json("/api/v1/sessions", &body).await?;
    let id = session["id"].as_str().context("an id")?;
    let asked = serde_json::json!({ "content": "[[say a few words of an answer]]" });
    client.post_json::<Value>(&format!("/api/v1/sessions/{id}/prompt"), &asked).await?;
    let page: Value = client.get_json(&format!("/api/v1/sessions/{id}/events?after=0&limit=1000")).await?;
    let events: Vec<Event> = serde_json::from_value(page["events"].clone())?;
    ensure!(events.iter().any(|event| matches!(event.body, EventBody::MessageChunk(_))), "a turn without a chunk");
    Ok(events)
}

/// The database in a state directory, whatever its name.
pub fn database(state: &Path) -> Result<PathBuf> {
    for entry in std::fs::read_dir(state)? {
        let path = entry?.path();
        let mut magic = [0; 15];
        if path.is_file() && std::fs::File::open(&path)?.read_exact(&mut magic).is_ok() && &magic == b"SQLite format 3"
        {
            return Ok(path);
        }
    }
    anyhow::bail!("no database in {}", state.display())
}

async fn fill(path: &Path, template: &[Event], stored: usize) -> Result<()> {
    let store: Arc<dyn Store> = SqliteStore::open(SqliteConfig::new(path))?;
    let mut writing = JoinSet::new();
    for number in 0..stored {
        let id: SessionId = format!("session-stored-{number:06}").parse()?;
        let events = if number % TURN_EVERY == 0 { template } else { &template[..1] };
        let log = log_of(&id, events)?;
        let store = store.clone();
        if writing.len() == AT_ONCE {
            writing.join_next().await.context("a write")???;
        }
        writing.spawn(async move { write(&*store, &id, log).await });
    }
    while let Some(written) = writing.join_next().await {
        written??;
    }
    write_long(&*store, &LONG_SESSION.parse()?, template, stored).await?;
    store.close().await;
    Ok(())
}

async fn write(store: &dyn Store, id: &SessionId, log: NewLog) -> Result<()> {
    let lease = store.create(log).await?;
    store.release(id, lease.fence).await?;
    Ok(())
}

/// The template under another id.
pub fn log_of(id: &SessionId, events: &[Event]) -> Result<NewLog> {
    let events: Vec<Event> = events.iter().map(|event| Event { session_id: id.clone(), ..event.clone() }).collect();
    let session = view(&events)?;
    Ok(NewLog { entries: events.into_iter().map(Entry::new).collect(), session })
}

fn view(events: &[Event]) -> Result<Session> {
    let mut session = events.first().and_then(Session::from_created).context("a log begins with session.created")?;
    events[1..].iter().for_each(|event| session.apply(event));
    Ok(session)
}

/// The template with its first chunk repeated, in one session.
pub async fn write_long(store: &dyn Store, id: &SessionId, template: &[Event], chunks: usize) -> Result<()> {
    let first =
        template.iter().position(|event| matches!(event.body, EventBody::MessageChunk(_))).context("a chunk")?;
    let (head, tail) = template.split_at(first);
    let mut events: Vec<Event> = head.to_vec();
    let EventBody::MessageChunk(chunk) = &template[first].body else { anyhow::bail!("a chunk") };
    for _ in 0..chunks {
        let mut chunk = chunk.clone();
        chunk.offset = (chunk.content.len() * (events.len() - head.len())) as u64;
        events.push(Event { body: chunk.into(), ..template[first].clone() });
    }
    events.extend(tail.iter().filter(|event| !matches!(event.body, EventBody::MessageChunk(_))).cloned());
    for (at, event) in events.iter_mut().enumerate() {
        event.seq = Seq(at as u64 + 1);
        event.session_id = id.clone();
    }
    let mut session = view(&events[..1])?;
    let begin = NewLog { entries: [Entry::new(events[0].clone())].into(), session: session.clone() };
    let fence = store.create(begin).await?.fence;
    for batch in events[1..].chunks(BATCH) {
        let expected = session.last_seq;
        batch.iter().for_each(|event| session.apply(event));
        let entries = batch.iter().cloned().map(Entry::new).collect();
        store.append(Append { fence, expected, entries, session: session.clone() }).await?;
    }
    store.release(id, fence).await?;
    Ok(())
}

/// Seconds of each of some GETs on one connection.
async fn time_requests(server: &Server, path: &str) -> Result<Vec<f64>> {
    let mut connection = server.process.client().connect().await?;
    let mut times = Vec::new();
    for _ in 0..REQUESTS {
        let asked = Instant::now();
        let answer = connection.send("GET", path, &[], None).await?.ok().await?;
        let (_, again) = answer.finish().await?;
        times.push(asked.elapsed().as_secs_f64());
        connection = again;
    }
    Ok(times)
}

/// Seconds from the request to the first stored event, on a fresh connection each.
async fn time_attaching(server: &Server, after: u64) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..REQUESTS {
        let asked = Instant::now();
        let mut watch = server.watch(LONG_SESSION, after).await?;
        let frames = watch.until(|frame| frame.event != "connected").await?;
        times.push(asked.elapsed().as_secs_f64());
        let seq = frames.last().and_then(|frame| frame.seq());
        ensure!(seq == Some(after + 1), "attached after {after}, got {seq:?}");
    }
    Ok(times)
}
