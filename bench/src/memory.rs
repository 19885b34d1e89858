//! Resident memory: idle, with loaded sessions, and beside a reader that stalls.

use std::time::Duration;

use anyhow::{Context, Result};
use wharf_testkit::process::memory_kib;

use crate::lab::{Lab, Server, percentile};
use crate::latency::timed_first_token;
use crate::reader::read_turn;
use crate::table::{Figure, Table};

const SESSIONS: usize = 100;
/// What is freed lazily is freed by then.
const SETTLE: Duration = Duration::from_millis(500);
/// Servers that are left alone, each after some turns.
const QUIET_SERVERS: usize = 5;
const QUIET_TURNS: usize = 10;
/// A server that was left alone for so long has given back what it does not need to wait: it looks each 5 s.
const QUIET: Duration = Duration::from_secs(17);
const STALL_TURNS: usize = 3;
const STALL_DELTAS: usize = 20_000;

pub async fn measure(lab: &Lab, table: &mut Table) -> Result<()> {
    let server = lab.server().await;
    let idle = resident(server.pid()).await?;
    let proxy = resident(lab.proxy.pid()).await?;
    table.compare("resident memory, idle", Figure::kib(idle), ("proxy", Figure::kib(proxy)), "12 MiB");

    quiet(lab, table).await?;

    // The first turn loads what every later one shares.
    let first = server.create_session().await?;
    server.turn(&first, "[[say hello]]").await?;
    let before = resident(server.pid()).await?;
    let sessions = server.create_sessions(SESSIONS).await?;
    for session in &sessions {
        server.turn(session, "[[say hello there]]").await?;
    }
    let after = resident(server.pid()).await?;
    table.add("resident memory after 100 sessions with a prompt each", Figure::kib(after), "25 MB");
    table.add("a loaded idle session", Figure::kib((after - before) / SESSIONS as f64), "64 KiB");
    drop(server);

    let with = growth(&lab.server().await, true).await?;
    let without = growth(&lab.server().await, false).await?;
    let what = "growth in three 20,000-delta turns beside a reader that stalls";
    table.compare(what, Figure::kib(with), ("without one", Figure::kib(without)), "no more than without");
    Ok(())
}

/// What a server holds that was used and then left alone, and how much later its next first token comes.
async fn quiet(lab: &Lab, table: &mut Table) -> Result<()> {
    let (mut after, mut held) = (Vec::new(), Vec::new());
    let mut usual = Vec::new();
    let mut servers = Vec::new();
    for _ in 0..QUIET_SERVERS {
        let server = lab.server().await;
        let session = server.create_session().await?;
        server.turn(&session, "[[stream 1]]").await?;
        let mut last_seq = server.last_seq(&session).await?;
        for _ in 0..QUIET_TURNS {
            let (took, seq) = timed_first_token(&server, &session, last_seq).await?;
            usual.push(took);
            last_seq = seq;
        }
        servers.push((server, session, last_seq));
    }
    tokio::time::sleep(QUIET).await;
    for (server, session, last_seq) in &servers {
        held.push(resident(server.pid()).await?);
        after.push(timed_first_token(server, session, *last_seq).await?.0);
    }
    table.add("resident memory, 10 s after the last request", Figure::kib(percentile(&mut held, 0.5)), "12 MiB");
    let other = ("without the pause", Figure::seconds(percentile(&mut usual, 0.5)));
    table.compare("the first token after that", Figure::seconds(percentile(&mut after, 0.5)), other, "5 ms more");
    Ok(())
}

/// How much the server grows over long turns, watched by one who reads and, if wanted, one who does not.
async fn growth(server: &Server, stalled: bool) -> Result<f64> {
    let session = server.create_session().await?;
    let _stalled = match stalled {
        true => Some(server.watch(&session, 0).await?),
        false => None,
    };
    let before = resident(server.pid()).await?;
    let mut last_seq = 0;
    for _ in 0..STALL_TURNS {
        let mut watch = server.watch(&session, last_seq).await?;
        server.prompt(&session, &format!("[[stream {STALL_DELTAS}]]")).await?;
        last_seq = read_turn(&mut watch).await?.last_seq;
    }
    Ok(resident(server.pid()).await? - before)
}

pub async fn resident(pid: u32) -> Result<f64> {
    tokio::time::sleep(SETTLE).await;
    memory_kib(pid, "VmRSS").map(|kib| kib as f64).with_context(|| format!("process {pid} is gone"))
}
