//! Measures the store through its port: appends of chunks by many sessions, an attach to a long session, a list of many.
//!
//! `cargo run --profile dist -p wharf-store --example append_bench`

#![allow(clippy::disallowed_methods, reason = "it is a program")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use wharf_protocol::event::{MessageChunk, SessionCreated};
use wharf_protocol::rest::SessionQuery;
use wharf_protocol::{Event, EventBody, Mode, Role, Seq, Session, Timestamp, TurnId};
use wharf_store::{Append, Entry, Logs, NewLog, SqliteConfig, SqliteStore, Store};

const SESSIONS: usize = 1_000;
const APPENDS: usize = 200;
const LONG: u64 = 100_000;
const LISTED: usize = 100_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let directory = std::env::temp_dir().join(format!("wharf-append-bench-{}", std::process::id()));
    let result = measure(&directory.join("wharf.db")).await;
    std::fs::remove_dir_all(&directory)?;
    result
}

async fn measure(path: &Path) -> Result<(), Failure> {
    let begun = Instant::now();
    let store = SqliteStore::open(SqliteConfig::new(path))?;
    println!("open, new file: {:?}", begun.elapsed());
    println!("resident after opening: {} KiB", resident_kib());

    many_sessions(&store).await?;
    one_session(&store).await?;
    long_session(&store).await?;
    list(&store).await?;
    println!("resident at the end: {} KiB; log {} KiB", resident_kib(), wal_kib(path));
    store.close().await;
    drop(store);

    let begun = Instant::now();
    let store = SqliteStore::open(SqliteConfig::new(path))?;
    println!("open, {} MiB: {:?}", std::fs::metadata(path)?.len() >> 20, begun.elapsed());
    let begun = Instant::now();
    store.unfinished().await?;
    println!("unfinished sessions of all: {:?}", begun.elapsed());
    store.close().await;
    Ok(())
}

async fn many_sessions(store: &Arc<SqliteStore>) -> Result<(), Failure> {
    let mut sessions = Vec::new();
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for n in 0..SESSIONS {
        let store = Arc::clone(store);
        tasks.spawn(async move { Writer::create(&store, &format!("many-{n}")).await });
    }
    while let Some(session) = tasks.join_next().await {
        sessions.push(session??);
    }
    println!("{SESSIONS} sessions created at once: {:?}", begun.elapsed());

    let (begun, cpu) = (Instant::now(), cpu_time());
    let mut tasks = JoinSet::new();
    for mut session in sessions {
        tasks.spawn(async move {
            for _ in 0..APPENDS {
                session.chunks(1).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let (wall, cpu) = (begun.elapsed(), cpu_time() - cpu);
    let rows = SESSIONS * APPENDS;
    let a_second = rows as f64 / wall.as_secs_f64();
    println!("{rows} chunks by {SESSIONS} sessions: {wall:?} wall, {cpu:?} CPU, {a_second:.0} a second");
    Ok(())
}

async fn one_session(store: &Arc<SqliteStore>) -> Result<(), Failure> {
    let mut session = Writer::create(store, "one").await?;
    let mut times = Vec::new();
    for _ in 0..5_000 {
        let begun = Instant::now();
        session.chunks(1).await?;
        times.push(begun.elapsed());
    }
    println!("one chunk at a time: {}", percentiles(&mut times));
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        session.event(EventBody::SessionUpdated(wharf_protocol::event::SessionUpdated::default())).await?;
        times.push(begun.elapsed());
    }
    println!("one synced event at a time: {}", percentiles(&mut times));
    Ok(())
}

async fn long_session(store: &Arc<SqliteStore>) -> Result<(), Failure> {
    let mut session = Writer::create(store, "long").await?;
    while session.session.last_seq.0 < LONG {
        session.chunks(500).await?;
        session.event(EventBody::SessionUpdated(wharf_protocol::event::SessionUpdated::default())).await?;
    }
    let mut times = Vec::new();
    for n in 0..500 {
        let begun = Instant::now();
        store.read(&session.session.id, Seq(n * 150), 1_000, 1 << 20).await?;
        times.push(begun.elapsed());
    }
    println!("1,000 events at a seq of {LONG}: {}", percentiles(&mut times));
    let mut times = Vec::new();
    for n in 0..500 {
        let begun = Instant::now();
        store.read(&session.session.id, Seq(LONG - n % 20), 100, 1 << 20).await?;
        times.push(begun.elapsed());
    }
    println!("the last few events of {LONG}: {}", percentiles(&mut times));
    let begun = Instant::now();
    let saved = store.read_state(&session.session.id).await?;
    println!("state of {LONG} events: {} read in {:?}", saved.events.len(), begun.elapsed());
    Ok(())
}

async fn list(store: &Arc<SqliteStore>) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for n in 0..LISTED {
        let store = Arc::clone(store);
        tasks.spawn(async move { Writer::create(&store, &format!("listed-{n}")).await.map(drop) });
        while tasks.len() > 1_000 {
            tasks.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    println!("{LISTED} sessions created: {:?}", begun.elapsed());
    let mut query = SessionQuery::default();
    let mut times = Vec::new();
    for _ in 0..500 {
        let begun = Instant::now();
        let page = store.sessions(&query).await?;
        times.push(begun.elapsed());
        query.cursor = page.next_cursor;
    }
    println!("pages of 50 of {LISTED} sessions: {}", percentiles(&mut times));
    for (name, query) in [
        ("by directory", SessionQuery { cwd: Some("/work/7".into()), ..SessionQuery::default() }),
        ("by status", SessionQuery { status: Some(wharf_protocol::SessionStatus::Idle), ..SessionQuery::default() }),
        ("by a rare word", SessionQuery { q: Some("listed 4711".to_owned()), ..SessionQuery::default() }),
        ("by a word of all", SessionQuery { q: Some("listed".to_owned()), ..SessionQuery::default() }),
    ] {
        let begun = Instant::now();
        let total = store.sessions(&query).await?.total;
        println!("a page {name}, of {total}: {:?}", begun.elapsed());
    }
    Ok(())
}

struct Writer {
    store: Arc<SqliteStore>,
    session: Session,
    fence: u64,
    turn: TurnId,
}

impl Writer {
    async fn create(store: &Arc<SqliteStore>, id: &str) -> Result<Self, Failure> {
        let digit = id.chars().last().unwrap_or('0');
        let event = Event {
            seq: Seq(1),
            session_id: id.parse()?,
            turn_id: None,
            timestamp: Timestamp::now(),
            body: EventBody::SessionCreated(SessionCreated {
                cwd: format!("/work/{digit}").into(),
                additional_directories: Vec::new(),
                agent_name: "coder".to_owned(),
                model: "demo/demo".to_owned(),
                mode: Mode::Ask,
                thinking: None,
                tool_location: None,
                title: Some(id.replace('-', " ")),
                recovery: wharf_protocol::RecoveryPolicy::Server,
                forked_from: None,
            }),
        };
        let session = Session::from_created(&event).ok_or("not the first event")?;
        let new = NewLog { entries: vec![Entry::new(event)].into(), session: session.clone() };
        let lease = store.create(new).await?;
        Ok(Self { store: Arc::clone(store), session, fence: lease.fence, turn: "turn-1".parse()? })
    }

    async fn chunks(&mut self, count: usize) -> Result<(), Failure> {
        let body = EventBody::MessageChunk(MessageChunk {
            message_id: "msg-1".parse()?,
            role: Role::Assistant,
            offset: 12_345,
            content: "a piece of text ".to_owned(),
            done: false,
        });
        self.append(vec![body; count]).await
    }

    async fn event(&mut self, body: EventBody) -> Result<(), Failure> {
        self.append(vec![body]).await
    }

    async fn append(&mut self, bodies: Vec<EventBody>) -> Result<(), Failure> {
        let expected = self.session.last_seq;
        let mut entries = Vec::with_capacity(bodies.len());
        for body in bodies {
            let event = Event {
                seq: self.session.last_seq.next(),
                session_id: self.session.id.clone(),
                turn_id: Some(self.turn.clone()),
                timestamp: Timestamp::now(),
                body,
            };
            self.session.apply(&event);
            entries.push(Entry::new(event));
        }
        let session = self.session.clone();
        self.store.append(Append { fence: self.fence, expected, entries: entries.into(), session }).await?;
        Ok(())
    }
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    format!("p50 {:?}, p99 {:?}", at(50), at(99))
}

/// User and system time of this process, from its own accounts.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn wal_kib(path: &Path) -> u64 {
    std::fs::metadata(path.with_extension("db-wal")).map_or(0, |metadata| metadata.len() >> 10)
}
