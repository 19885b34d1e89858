//! Measures the real program beside bare stand-ins, in one run: absolute figures differ from machine to machine, ratios less.
//!
//! A figure is compared with the least that could do the same: a server that only says hello, a proxy that only forwards
//! the model's bytes. The targets are those of the architecture page.

#![allow(clippy::disallowed_methods, reason = "it is a program")]

mod bare;
mod bridge;
mod crowd;
mod history;
mod hostile;
mod lab;
mod latency;
mod load;
mod memory;
mod quick;
mod reader;
mod ready;
mod start;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::lab::Lab;
use crate::quick::Options;
use crate::table::Table;

/// Sessions of the large store.
const READY_SESSIONS: usize = 10_000;

#[derive(Parser)]
#[command(about = "Measures a release build of Wharf")]
struct Arguments {
    #[command(subcommand)]
    stand_in: Option<StandIn>,
    /// A few figures in under two minutes, compared with `bench/baseline.json`: fails where one is more than 15 % slower.
    #[arg(long, conflicts_with = "only")]
    quick: bool,
    /// With --quick: writes the baseline, which names the decision record (docs/decisions/NNNN-*.md) that says why it moves.
    #[arg(long, value_name = "RECORD", requires = "quick")]
    move_baseline: Option<PathBuf>,
    /// With --quick: processor time beside a proxy's instead of instructions, as where valgrind is missing.
    #[arg(long, requires = "quick")]
    processor_time: bool,
    /// Only these measurements.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measurement>,
    /// Sessions of the crowd.
    #[arg(long, default_value_t = 1_000)]
    sessions: usize,
    /// How long each session of the crowd streams.
    #[arg(long, default_value_t = 20)]
    seconds: usize,
    /// Stored sessions, and events of the long session.
    #[arg(long, default_value_t = 100_000)]
    stored: usize,
    /// Events of the large store that a server starts on (about 450 bytes of disk each), in 10,000 sessions.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// How long a session streams beside another one in a hostile repository.
    #[arg(long, default_value_t = 10)]
    hostile_seconds: usize,
}

#[derive(Subcommand)]
enum StandIn {
    /// A server that only says hello.
    #[command(hide = true)]
    Hello { port: u16 },
    /// A proxy that only forwards bytes.
    #[command(hide = true)]
    Proxy { upstream: String },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Measurement {
    Start,
    Memory,
    Latency,
    Load,
    Crowd,
    History,
    Ready,
    Bridge,
    Hostile,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = Arguments::parse();
    // Stand-ins get one thread, so that nothing is cheaper.
    let threads = if arguments.stand_in.is_some() { 1 } else { 2 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    match &arguments.stand_in {
        Some(StandIn::Hello { port }) => runtime.block_on(bare::hello(*port)),
        Some(StandIn::Proxy { upstream }) => runtime.block_on(bare::proxy(upstream)),
        None => runtime.block_on(measure(&arguments)),
    }
}

async fn measure(arguments: &Arguments) -> Result<()> {
    let lab = Lab::open()?;
    if arguments.quick {
        let move_baseline = arguments.move_baseline.as_deref();
        return quick::run(&lab, &Options { move_baseline, processor_time: arguments.processor_time }).await;
    }
    let mut table = Table::default();
    let wanted = |one: Measurement| arguments.only.is_empty() || arguments.only.contains(&one);
    if wanted(Measurement::Start) {
        start::measure(&mut table).await?;
    }
    if wanted(Measurement::Memory) {
        memory::measure(&lab, &mut table).await?;
    }
    if wanted(Measurement::Latency) {
        latency::measure(&lab, &mut table).await?;
    }
    if wanted(Measurement::Load) {
        load::measure(&lab, &mut table).await?;
    }
    if wanted(Measurement::History) {
        history::measure(&lab, arguments.stored, &mut table).await?;
    }
    if wanted(Measurement::Bridge) {
        bridge::measure(&lab, &mut table).await?;
    }
    if wanted(Measurement::Hostile) {
        hostile::measure(&lab, arguments.hostile_seconds, &mut table).await?;
    }
    if wanted(Measurement::Ready) {
        ready::measure(&lab, READY_SESSIONS, arguments.events, &mut table).await?;
    }
    if wanted(Measurement::Crowd) {
        crowd::measure(&lab, arguments.sessions, arguments.seconds, &mut table).await?;
    }
    table.print();
    table.verdict()
}
