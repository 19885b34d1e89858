//! `wharf config`: what holds, where it stands, what may stand there.

use schemars::schema_for;

use crate::cli::ConfigCommand;
use crate::config::{Config, Layered, show};
use crate::failure::{Exit, Failure};
use crate::output;

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
    }
}

/// Needs no valid configuration: it is what one mends it with.
pub fn schema() -> anyhow::Result<Exit> {
    super::print_json(&schema_for!(Config))?;
    Ok(Exit::Completed)
}
