//! The binary: arguments, configuration, wiring, and clients for the terminal.

mod cli;
mod commands;
mod config;
mod connect;
mod descriptors;
mod failure;
mod logging;
mod output;
mod reload;
mod resident;
mod sealed;
mod state;
mod terminal;
mod wiring;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{AcpArgs, Cli, Command};
use crate::failure::Exit;

fn main() -> ExitCode {
    // Before anything is read: keys of providers come with the environment, and commands of the agent run as this user.
    wharf_tools::supervisor::hide();
    #[cfg(feature = "failpoints")]
    if let Some(orders) = std::env::var_os("WHARF_FAILPOINTS")
        && let Err(error) = wharf_failpoints::arm(&orders.to_string_lossy())
    {
        eprintln!("WHARF_FAILPOINTS: {error}");
        return Exit::Usage.into();
    }
    // First of all: as its own exec supervisor this program stays small.
    if let Some(code) = wharf_tools::supervisor::entry(std::env::args_os()) {
        return code;
    }
    let environment = sealed::open();
    let cli = Cli::parse();
    let verbose = cli.global.verbose;
    let asked = cli.command.clone().or_else(|| terminal::input_is_a_pipe().then(|| Command::Acp(AcpArgs::default())));
    let Some(command) = asked else {
        let help = Cli::command().render_help();
        let is_coloured = terminal::Style::for_stdout().is_coloured();
        output::out(&if is_coloured { help.ansi().to_string() } else { help.to_string() });
        return Exit::Completed.into();
    };
    match commands::run(&cli.global, command, environment) {
        Ok(exit) => exit.into(),
        Err(error) => failure::report(&error, verbose > 0).into(),
    }
}
