//! The binary: arguments, configuration, wiring, and clients for the terminal.

mod cli;
mod commands;
mod config;
mod connect;
mod descriptors;
mod failure;
mod journal;
mod keys;
mod logging;
mod output;
mod process;
mod reload;
mod resident;
mod state;
mod task;
mod terminal;
mod wiring;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory;

use crate::cli::{AcpArgs, Cli, Command};
use crate::failure::{Exit, Failure};

fn main() -> ExitCode {
    // Before anything is read: keys of providers come with the environment, and commands of the agent run as this user.
    wharf_exec::supervisor::hide();
    #[cfg(feature = "failpoints")]
    if let Some(orders) = process::variable("WHARF_FAILPOINTS")
        && let Err(error) = wharf_failpoints::arm(&orders.to_string_lossy())
    {
        eprintln!("WHARF_FAILPOINTS: {error}");
        return Exit::Usage.into();
    }
    // First of all: as its own exec supervisor this program stays small.
    if let Some(code) = wharf_exec::supervisor::entry(process::arguments()) {
        return code;
    }
    let environment = process::seal_environment();
    let cli = cli::spelling::parse_or_exit();
    let verbose = cli.global.verbose;
    let asked = match cli.command.clone() {
        None if terminal::input_is_a_pipe() => match editor_on_input() {
            Ok(command) => Some(command),
            Err(error) => return failure::report(&error, verbose > 0).into(),
        },
        command => command,
    };
    let Some(command) = asked else {
        let help = Cli::command().render_help();
        let is_coloured = terminal::Style::for_stdout().is_coloured();
        output::out(&if is_coloured { help.ansi().to_string() } else { help.to_string() });
        return Exit::Completed.into();
    };
    let ended = commands::run(&cli.global, command, environment);
    // An answer that reached nobody is no success, whatever the command made of it.
    match (ended, output::failure()) {
        (Ok(exit), None) => exit.into(),
        (Ok(_), Some(error)) => failure::report(&error, verbose > 0).into(),
        (Err(error), _) => failure::report(&error, verbose > 0).into(),
    }
}

/// `wharf` alone with a pipe on its input: an editor, if what comes is its protocol.
fn editor_on_input() -> anyhow::Result<Command> {
    let read_ahead = terminal::first_bytes().context("cannot read standard input")?;
    match read_ahead.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => Ok(Command::Acp(AcpArgs { read_ahead, ..AcpArgs::default() })),
        something => {
            let what = if something.is_some() {
                "standard input is not an editor's protocol"
            } else {
                "nothing came on standard input"
            };
            Err(Failure::new(Exit::Usage, what)
                .hint("`... | wharf ask` asks about it; `wharf --help` shows all commands")
                .into())
        }
    }
}
