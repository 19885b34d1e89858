//! `wharf config`: what holds, where it stands, what may stand there.

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use schemars::schema_for;
use wharf_client::Discovery;

use crate::cli::ConfigCommand;
use crate::config::{Config, Layered, show};
use crate::connect::Context;
use crate::failure::{Exit, Failure};
use crate::output::{self, note};

pub fn run(layered: &Layered, command: &ConfigCommand) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::Show { json } => {
            output::out(&show(layered, *json));
            Ok(Exit::Completed)
        }
        ConfigCommand::Path => match &layered.path {
            Some(path) => {
                output::out(&format!("{}\n", path.display()));
                Ok(Exit::Completed)
            }
            None => Err(Failure::new(Exit::Usage, "there is no home directory for a configuration file")
                .hint("name a file with --config or WHARF_CONFIG")
                .into()),
        },
        ConfigCommand::Schema => schema(),
        // Told to the server: see `reload`.
        ConfigCommand::Reload => Ok(Exit::Completed),
    }
}

/// Asks the server of this machine to read its configuration again. That this command could read its own says that the file is
/// sound; what the server makes of it stands in the server's output.
pub fn reload(context: &Context) -> anyhow::Result<Exit> {
    let server = Discovery::find(context.state.path())?.ok_or_else(|| context.no_server())?;
    let pid = i32::try_from(server.pid).ok().and_then(Pid::from_raw).context("the discovery file names no process")?;
    kill_process(pid, Signal::HUP).with_context(|| format!("cannot signal process {}", server.pid))?;
    note(&format!("process {} was asked to read its configuration again; its output says what changed", server.pid));
    Ok(Exit::Completed)
}

/// Needs no valid configuration: it is what one mends it with.
pub fn schema() -> anyhow::Result<Exit> {
    super::print_json(&schema_for!(Config))?;
    Ok(Exit::Completed)
}
