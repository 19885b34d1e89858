//! How late text arrives: the first token of a turn, and each token of a steady stream.

use std::time::Instant;

use anyhow::{Context, Result};
use wharf_testkit::sse;

use crate::lab::{Lab, Meter, Server, percentile};
use crate::reader::{Tokens, read_on, read_reply, read_turn};
use crate::table::{Figure, Table};

const TURNS: usize = 200;
const STEADY_DELTAS: usize = 1_000;
const STEADY_PER_SECOND: usize = 200;

pub async fn measure(lab: &Lab, table: &mut Table) -> Result<()> {
    first_tokens(lab, table).await?;
    steady(lab, table).await
}

async fn first_tokens(lab: &Lab, table: &mut Table) -> Result<()> {
    let server = lab.server().await;
    let session = server.create_session().await?;
    server.turn(&session, "[[stream 1]]").await?;
    let mut last_seq = read_turn(&mut server.watch(&session, 0).await?).await?.last_seq;
    let (mut added, mut whole) = (Vec::new(), Vec::new());
    let meter = Meter::start(server.pid())?;
    for _ in 0..TURNS {
        let mut watch = server.watch(&session, last_seq).await?;
        watch.next().await?;
        let asked = Instant::now();
        // Read meanwhile: the token may come before the answer that accepts the prompt.
        let (accepted, tokens) = tokio::join!(server.prompt(&session, "[[stamps 1]]"), first_token(&mut watch));
        accepted?;
        let (mut tokens, came) = tokens?;
        whole.push((came - asked).as_secs_f64());
        added.extend(tokens.delays.iter());
        read_on(&mut watch, &mut tokens).await?;
        last_seq = tokens.last_seq;
    }
    let (cpu, _) = meter.read()?;

    let (mut bare_added, mut bare_whole) = (Vec::new(), Vec::new());
    let meter = Meter::start(lab.proxy.pid())?;
    for _ in 0..TURNS {
        let asked = Instant::now();
        let mut stream = lab.proxy.ask("[[stamps 1]]").await?;
        let tokens = read_reply(&mut stream).await?;
        bare_whole.push(asked.elapsed().as_secs_f64());
        bare_added.extend(tokens.delays);
    }
    let (bare_cpu, _) = meter.read()?;
    let mut row = |what: &str, part: f64, ours: &mut Vec<f64>, bare: &mut Vec<f64>, target| {
        let other = ("proxy", Figure::seconds(percentile(bare, part)));
        table.compare(what, Figure::seconds(percentile(ours, part)), other, target);
    };
    row("first token at the client, p50", 0.5, &mut whole, &mut bare_whole, "2 ms");
    row("first token at the client, p99", 0.99, &mut whole, &mut bare_whole, "-");
    row("added to the model's first byte, p50", 0.5, &mut added, &mut bare_added, "1 ms");
    row("added to the model's first byte, p99", 0.99, &mut added, &mut bare_added, "5 ms");
    let turns = TURNS as u32;
    table.compare("CPU of a short turn", Figure::time(cpu / turns), ("proxy", Figure::time(bare_cpu / turns)), "2 ms");
    Ok(())
}

/// Seconds from a prompt to its first token at a client that is there already; and the turn's last seq.
pub async fn timed_first_token(server: &Server, session: &str, last_seq: u64) -> Result<(f64, u64)> {
    let mut watch = server.watch(session, last_seq).await?;
    watch.next().await?;
    let asked = Instant::now();
    // Read meanwhile: the token may come before the answer that accepts the prompt.
    let (accepted, token) = tokio::join!(server.prompt(session, "[[stream 1]]"), first_token(&mut watch));
    accepted?;
    let (mut tokens, came) = token?;
    read_on(&mut watch, &mut tokens).await?;
    Ok(((came - asked).as_secs_f64(), tokens.last_seq))
}

/// Reads up to the first token, and says when it was there.
async fn first_token(watch: &mut sse::Stream) -> Result<(Tokens, Instant)> {
    let mut tokens = Tokens::default();
    while tokens.count == 0 {
        let frame = watch.next().await?.context("the stream ended before the first token")?;
        tokens.take_event(&frame)?;
    }
    Ok((tokens, Instant::now()))
}

async fn steady(lab: &Lab, table: &mut Table) -> Result<()> {
    let asked = format!("[[stamps {STEADY_DELTAS} rate {STEADY_PER_SECOND}]]");
    let server = lab.server().await;
    let session = server.create_session().await?;
    let mut watch = server.watch(&session, 0).await?;
    let meter = Meter::start(server.pid())?;
    server.prompt(&session, &asked).await?;
    let mut ours = read_turn(&mut watch).await?;
    let (cpu, _) = meter.read()?;
    let meter = Meter::start(lab.proxy.pid())?;
    let mut stream = lab.proxy.ask(&asked).await?;
    let mut bare = read_reply(&mut stream).await?;
    let (bare_cpu, _) = meter.read()?;
    for (what, part, target) in [("p50", 0.5, "0.3 ms"), ("p99", 0.99, "1 ms")] {
        let other = ("proxy", Figure::seconds(percentile(&mut bare.delays, part)));
        let value = Figure::seconds(percentile(&mut ours.delays, part));
        table.compare(&format!("delay per delta at 200 a second, {what}"), value, other, target);
    }
    let deltas = STEADY_DELTAS as u32;
    let other = ("proxy", Figure::time(bare_cpu / deltas));
    table.compare("CPU per delta at 200 a second", Figure::time(cpu / deltas), other, "-");
    Ok(())
}
