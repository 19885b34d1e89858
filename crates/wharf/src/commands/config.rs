//! `wharf config`: what holds, where it stands, what may stand there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use schemars::schema_for;
use wharf_client::Discovery;

use crate::cli::{ConfigCommand, Global};
use crate::config::{self as configuration, Config, Flags, default_path, show};
use crate::connect::no_server;
use crate::failure::{Exit, Failure};
use crate::output::{self, note};
use crate::state::{self, StateDir};

/// Only `show` reads the configuration: the others are what a broken one is repaired with.
pub fn run(global: &Global, command: &ConfigCommand, environment: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::Show { json } => {
            let layered = configuration::load(global.config.as_deref(), environment, Flags::new())?;
            output::out(&show(&layered, *json));
            Ok(Exit::Completed)
        }
        ConfigCommand::Path => path(global, environment),
        ConfigCommand::Schema => schema(),
        ConfigCommand::Reload => {
            // A file that was named is checked before anybody is asked to read it.
            if let Some(file) = &global.config {
                configuration::load(Some(file), environment, Flags::new())?;
            }
            reload(environment)
        }
    }
}

fn path(global: &Global, environment: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    match global.config.clone().or_else(|| default_path(environment)) {
        Some(path) => {
            output::out(&format!("{}\n", path.display()));
            Ok(Exit::Completed)
        }
        None => Err(Failure::new(Exit::Usage, "there is no home directory for a configuration file")
            .hint("name a file with --config or WHARF_CONFIG")
            .into()),
    }
}

/// How long a server may take to read its configuration. It does so between two requests.
const VERDICT: Duration = Duration::from_secs(10);
const VERDICT_PAUSE: Duration = Duration::from_millis(20);

/// Asks the server of this machine to read its configuration again, and reports what it made of it. The server may have been
/// started with another file than this command: only its own verdict counts.
fn reload(environment: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let state = StateDir::open(state::locate(environment)?)?;
    let server = Discovery::find(state.path())?.ok_or_else(|| no_server(&state))?;
    let pid = i32::try_from(server.pid).ok().and_then(Pid::from_raw).context("the discovery file names no process")?;
    let before = state.reload_verdict(server.pid).map_or(0, |verdict| verdict.count);
    kill_process(pid, Signal::HUP).with_context(|| format!("cannot signal process {}", server.pid))?;
    let deadline = Instant::now() + VERDICT;
    while Instant::now() < deadline {
        if let Some(verdict) = state.reload_verdict(server.pid).filter(|verdict| verdict.count > before) {
            if verdict.is_taken {
                note(&verdict.text);
                return Ok(Exit::Completed);
            }
            return Err(Failure::new(Exit::Usage, verdict.text)
                .hint("`wharf config schema` describes every key")
                .into());
        }
        std::thread::sleep(VERDICT_PAUSE);
    }
    let text = format!("process {} did not say what it made of its configuration within {VERDICT:?}", server.pid);
    Err(Failure::new(Exit::Failed, text).hint("`wharf logs` shows what it says").into())
}

fn schema() -> anyhow::Result<Exit> {
    super::print_json(&schema_for!(Config))?;
    Ok(Exit::Completed)
}
