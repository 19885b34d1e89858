//! The crash harness: clients at work on a server that is killed again and again, and checks of everything it promises.

mod arguments;
mod check;
mod clients;
mod history;
mod lab;
mod mistakes;
mod plan;
mod rng;
mod round;
mod sealing;
mod summary;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;

use crate::arguments::Arguments;
use crate::check::Violation;
use crate::lab::Lab;
use crate::plan::Plan;
use crate::round::Demands;
use crate::summary::Summary;

/// After so many broken promises a run has shown enough.
const VIOLATIONS_MAX: usize = 20;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("crash: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match &arguments.mistakes {
            Some(names) => mistakes::run(&arguments, names).await,
            None => run(&arguments).await,
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crash: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { iterations, seed, first, .. } = *arguments;
    let mut lab = Lab::open(arguments.wharf.clone(), arguments.model.clone(), seed, None).await?;
    let demands = Demands { no_orphans: !arguments.allow_orphans, settle: Duration::from_secs(40) };
    let mut summary = Summary::new();
    let mut logs = Vec::new();
    for number in first..first + iterations {
        let plan = Plan::new(seed, number, &lab.mark);
        let outcome = round::play(&mut lab, &plan, demands).await?;
        for Violation { check, what } in &outcome.violations {
            println!("round {number} (killed at {}): {check}: {what}", outcome.deaths.join(", then "));
        }
        logs.extend(outcome.logs.iter().cloned());
        summary.add(outcome);
        if summary.violations() >= VIOLATIONS_MAX {
            break;
        }
        if (number + 1 - first).is_multiple_of(10) {
            println!("{} rounds, {} violations", number + 1 - first, summary.violations());
        }
    }
    summary.add_late(sealing::play(&mut lab).await?);
    summary.add_late(read_again(&mut lab, &logs).await?);
    summary.print(&lab, arguments);
    if summary.violations() > 0 {
        println!("{}", lab.server_output());
        bail!("{} promises were broken", summary.violations());
    }
    Ok(())
}

/// What was on the log once is there in the end, unchanged by all that came after it.
async fn read_again(lab: &mut Lab, logs: &[(String, Vec<history::Seen>)]) -> Result<Vec<Violation>> {
    let Some(server) = lab.start(None, None, false).await? else { bail!("a server died that nobody killed") };
    let rest = lab.rest(&server, false)?;
    let mut violations = Vec::new();
    for (session, log) in logs {
        if round::read_log(&rest, session).await? != *log {
            let what = format!("{session}: the log is not what it was");
            violations.push(Violation { check: "kept", what });
        }
    }
    Ok(violations)
}
