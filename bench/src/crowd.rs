//! A thousand sessions that stream at once, each watched; some watchers stop reading for a while and catch up exactly.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use wharf_testkit::process::memory_kib;

use crate::lab::{Lab, Meter, Server, percentile};
use crate::reader::{Tokens, read_on, read_reply};
use crate::table::{Figure, Table};

const PER_SECOND: usize = 20;
/// One watcher in so many stalls.
const STALLED_EVERY: usize = 50;

pub async fn measure(lab: &Lab, sessions: usize, seconds: usize, table: &mut Table) -> Result<()> {
    let deltas = PER_SECOND * seconds;
    let asked = format!("[[stamps {deltas} rate {PER_SECOND}]]");
    let server = Arc::new(lab.server().await);
    let ids = server.create_sessions(sessions).await?;
    let mut reading = JoinSet::new();
    for (at, id) in ids.iter().enumerate() {
        let stall = (at % STALLED_EVERY == 0).then(|| Duration::from_secs_f64(seconds as f64 / 2.0));
        // Open before the prompt, so that the whole turn is measured.
        let watch = server.watch(id, 0).await?;
        reading.spawn(follow(server.clone(), id.clone(), watch, stall));
    }
    let meter = Meter::start(server.pid())?;
    let mut asking = JoinSet::new();
    for id in ids {
        let (server, asked) = (server.clone(), asked.clone());
        asking.spawn(async move { server.prompt(&id, &asked).await });
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    let mut delays = Vec::with_capacity(sessions * deltas);
    let mut faults = 0;
    while let Some(read) = reading.join_next().await {
        match read? {
            Ok((tokens, stalled)) if tokens.count == deltas => {
                // One who stalls is late by his own doing.
                if !stalled {
                    delays.extend(tokens.delays);
                }
            }
            Ok((tokens, _)) => {
                faults += 1;
                table.fault(format!("a reader of the crowd got {} tokens of {deltas}", tokens.count));
            }
            Err(error) => {
                faults += 1;
                table.fault(format!("a reader of the crowd: {error:#}"));
            }
        }
    }
    let (cpu, wall) = meter.read()?;
    let peak = memory_kib(server.pid(), "VmHWM").context("the server is gone")?;

    let bare = proxied(lab, sessions, &asked).await?;
    let what = format!("{sessions} sessions x {PER_SECOND} tokens a second");
    let tokens = (sessions * deltas) as f64;
    let (ours_cpu, bare_cpu) = (cpu.as_secs_f64(), bare.0.as_secs_f64());
    let cores = Figure::cores(ours_cpu / wall.as_secs_f64());
    table.compare(&format!("{what}: CPU"), cores, ("proxy", Figure::cores(bare_cpu / bare.1.as_secs_f64())), "1 core");
    let per_token = ("proxy", Figure::seconds(bare_cpu / tokens));
    table.compare(&format!("{what}: CPU per token"), Figure::seconds(ours_cpu / tokens), per_token, "-");
    table.add(&format!("{what}: peak resident memory"), Figure::kib(peak as f64), "250 MB");
    let mut bare_delays = bare.2;
    for (name, part, target) in [("p50", 0.5, "-"), ("p99", 0.99, "100 ms")] {
        let other = ("proxy", Figure::seconds(percentile(&mut bare_delays, part)));
        table.compare(&format!("{what}: delay {name}"), Figure::seconds(percentile(&mut delays, part)), other, target);
    }
    println!("{what}: {faults} readers of {sessions} lost or repeated something");
    Ok(())
}

/// Reads one session's turn; one who stalls stops in the middle, and comes back with his cursor if he was sent away.
async fn follow(
    server: Arc<Server>,
    id: String,
    mut watch: wharf_testkit::sse::Stream,
    stall: Option<Duration>,
) -> Result<(Tokens, bool)> {
    let mut tokens = Tokens::default();
    let Some(pause) = stall else {
        read_on(&mut watch, &mut tokens).await?;
        return Ok((tokens, false));
    };
    while tokens.count == 0 {
        let frame = watch.next().await?.context("the stream ended before the first token")?;
        tokens.take_event(&frame)?;
    }
    tokio::time::sleep(pause).await;
    loop {
        let Err(error) = read_on(&mut watch, &mut tokens).await else { return Ok((tokens, true)) };
        // Sent away: what matters is that nothing is lost.
        error.downcast_ref::<std::io::Error>().with_context(|| format!("{error:#}"))?;
        watch = server.watch(&id, tokens.last_seq).await?;
    }
}

/// Processor time, wall time and delays of the same streams through the proxy.
async fn proxied(lab: &Lab, sessions: usize, asked: &str) -> Result<(Duration, Duration, Vec<f64>)> {
    let meter = Meter::start(lab.proxy.pid())?;
    let mut reading = JoinSet::new();
    for _ in 0..sessions {
        let mut stream = lab.proxy.ask(asked).await?;
        reading.spawn(async move { read_reply(&mut stream).await });
    }
    let mut delays = Vec::new();
    while let Some(read) = reading.join_next().await {
        delays.extend(read??.delays);
    }
    let (cpu, wall) = meter.read()?;
    Ok((cpu, wall, delays))
}
