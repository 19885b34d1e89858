//! `wharf stop`: asks the server of this machine to stop, and waits until it has.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use wharf_client::Discovery;

use crate::cli::StopArgs;
use crate::connect::Context;
use crate::failure::{Exit, Failure};
use crate::output::note;

const LOOK: Duration = Duration::from_millis(20);

/// What a server needs beyond its drain: to close connections and the store.
const CLOSING: Duration = Duration::from_secs(15);

pub async fn run(context: &Context, args: &StopArgs) -> anyhow::Result<Exit> {
    // The lock says that it lives; it need not answer to be stopped.
    let state_dir = context.state.path();
    let Some(server) = Discovery::find(state_dir)? else {
        note("no server runs");
        return Ok(Exit::Completed);
    };
    let pid = i32::try_from(server.pid).ok().and_then(Pid::from_raw).context("the discovery file names no process")?;
    kill_process(pid, Signal::TERM).with_context(|| format!("cannot stop process {}", server.pid))?;
    let limit = Duration::from_millis(context.config.server.drain_ms) + CLOSING;
    let started = Instant::now();
    let mut hurried = !args.now;
    while Discovery::find(state_dir)?.is_some_and(|now| now.pid == server.pid) {
        if !hurried && started.elapsed() > LOOK {
            hurried = true;
            // It may have ended in between.
            let _ = kill_process(pid, Signal::TERM);
        }
        if started.elapsed() > limit {
            return Err(Failure::new(Exit::Failed, format!("process {} does not stop", server.pid))
                .hint(format!(
                    "`kill -9 {}` loses nothing that was accepted: turns go on after the next start",
                    server.pid
                ))
                .into());
        }
        tokio::time::sleep(LOOK).await;
    }
    note(&format!("stopped {}", server.url));
    Ok(Exit::Completed)
}
