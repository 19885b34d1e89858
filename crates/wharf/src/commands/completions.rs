//! `wharf completions`: a script for a shell.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::failure::Exit;
use crate::output;

pub fn run(shell: Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "wharf", &mut script);
    output::out(&String::from_utf8_lossy(&script));
    Ok(Exit::Completed)
}
