//! Text as fast as it comes: one session with one and with ten readers, and many sessions at once.

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use crate::lab::{Lab, Meter, Server};
use crate::reader::{read_reply, read_turn};
use crate::table::{Figure, Table};

const DELTAS: usize = 5_000;
const MANY: usize = 20;
const MANY_DELTAS: usize = 500;
/// Each figure is the best of so many: what disturbs only adds.
const RUNS: usize = 3;

pub async fn measure(lab: &Lab, table: &mut Table) -> Result<()> {
    let server = lab.server().await;
    let warm = server.create_session().await?;
    server.turn(&warm, "[[stream 2000]]").await?;
    for (readers, target) in [(1, "0.05 s CPU, 3x"), (10, "0.10 s CPU, 3x")] {
        let ours = best(async || fan_out(&server, readers).await).await?;
        let bare = best(async || proxied(lab, readers, DELTAS).await).await?;
        let what = format!("{DELTAS} deltas at full speed, {readers} readers");
        table.compare(&format!("{what}: CPU"), Figure::seconds(ours.0), ("proxy", Figure::seconds(bare.0)), target);
        table.compare(&format!("{what}: wall"), Figure::seconds(ours.1), ("proxy", Figure::seconds(bare.1)), "-");
    }
    let ours = best(async || many(&server).await).await?;
    let bare = best(async || proxied(lab, MANY, MANY_DELTAS).await).await?;
    let what = format!("{MANY} sessions x {MANY_DELTAS} deltas");
    table.compare(&format!("{what}: CPU"), Figure::seconds(ours.0), ("proxy", Figure::seconds(bare.0)), "0.2 s");
    table.compare(&format!("{what}: wall"), Figure::seconds(ours.1), ("proxy", Figure::seconds(bare.1)), "0.2 s");
    Ok(())
}

/// The least processor time of some runs, and the least wall time.
async fn best(run: impl AsyncFn() -> Result<(f64, f64)>) -> Result<(f64, f64)> {
    let mut least = (f64::MAX, f64::MAX);
    for _ in 0..RUNS {
        let (cpu, wall) = run().await?;
        least = (least.0.min(cpu), least.1.min(wall));
    }
    Ok(least)
}

/// One turn, read by several.
async fn fan_out(server: &Server, readers: usize) -> Result<(f64, f64)> {
    let session = server.create_session().await?;
    let mut reading = JoinSet::new();
    for _ in 0..readers {
        let mut watch = server.watch(&session, 0).await?;
        reading.spawn(async move { read_turn(&mut watch).await });
    }
    let meter = Meter::start(server.pid())?;
    server.prompt(&session, &format!("[[stream {DELTAS}]]")).await?;
    while let Some(read) = reading.join_next().await {
        let tokens = read??;
        ensure!(tokens.count == DELTAS, "{} tokens of {DELTAS}", tokens.count);
    }
    let (cpu, wall) = meter.read()?;
    Ok((cpu.as_secs_f64(), wall.as_secs_f64()))
}

/// Many turns at once, each read by one.
async fn many(server: &Server) -> Result<(f64, f64)> {
    let sessions = server.create_sessions(MANY).await?;
    let mut reading = JoinSet::new();
    for session in &sessions {
        let mut watch = server.watch(session, 0).await?;
        reading.spawn(async move { read_turn(&mut watch).await });
    }
    let meter = Meter::start(server.pid())?;
    for session in &sessions {
        server.prompt(session, &format!("[[stream {MANY_DELTAS}]]")).await?;
    }
    while let Some(read) = reading.join_next().await {
        let tokens = read??;
        ensure!(tokens.count == MANY_DELTAS, "{} tokens of {MANY_DELTAS}", tokens.count);
    }
    let (cpu, wall) = meter.read()?;
    Ok((cpu.as_secs_f64(), wall.as_secs_f64()))
}

/// The same text through the proxy, as often as it is read.
async fn proxied(lab: &Lab, readers: usize, deltas: usize) -> Result<(f64, f64)> {
    let meter = Meter::start(lab.proxy.pid())?;
    let mut reading = JoinSet::new();
    for _ in 0..readers {
        let mut stream = lab.proxy.ask(&format!("[[stream {deltas}]]")).await?;
        reading.spawn(async move { read_reply(&mut stream).await });
    }
    while let Some(read) = reading.join_next().await {
        let tokens = read??;
        ensure!(tokens.count == deltas, "{} tokens of {deltas}", tokens.count);
    }
    let (cpu, wall) = meter.read()?;
    Ok((cpu.as_secs_f64(), wall.as_secs_f64()))
}
