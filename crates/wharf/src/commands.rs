//! One command a file; this one chooses.

mod acp;
mod agents;
mod ask;
mod attach;
mod background;
mod completions;
mod config;
mod debug;
mod doctor;
mod init;
mod logs;
mod mcp;
mod models;
mod serve;
mod session;
mod sessions;
mod status;
mod stdin;
mod stop;
mod tools;
mod usage;

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Serialize;

use crate::cli::{Command, Global};
use crate::config::{self as configuration, Layered, Source};
use crate::connect::{Context, Given};
use crate::failure::{Exit, Failure};
use crate::reload::Origin;
use crate::state::{self, StateDir};
use crate::{logging, output};

/// Threads of a command that works in this process.
const WORKERS: usize = 2;

/// Runs a command to its end.
pub fn run(global: &Global, command: Command, environment: BTreeMap<String, String>) -> anyhow::Result<Exit> {
    match &command {
        Command::Completions { shell } => return completions::run(*shell),
        // Needs no configuration of ours, and no state.
        Command::Init(args) => return init::run(global, &environment, args),
        Command::Config(command) => return config::run(global, command, &environment),
        Command::Doctor(args) => return doctor::run(global, args, &environment),
        _ => {}
    }
    let layered = configuration::load(global.config.as_deref(), &environment, command.flags())?;
    let Layered { strangers, .. } = &layered;
    let flags = command.flags();
    let log = logging::start(&layered.config.log, global.verbose)
        .map_err(|error| Failure::new(Exit::Usage, format!("log ({}): {error}", layered.source("log"))))?;
    for name in strangers {
        tracing::warn!("the variable {name} is not one of wharf's");
    }
    let state = StateDir::open(state::locate(&environment)?)?;
    let is_set = |key: &str| *layered.source(key) != Source::Default;
    let is_flag = |key: &str| matches!(layered.source(key), Source::Flag(_));
    let port_was_chosen = is_set("server.port");
    let given = Given {
        model: is_flag("model"),
        permission: is_flag("permission"),
        permission_set: is_set("permission"),
        own_models: is_flag("base_url") || is_flag("protocol") || is_flag("api_key_env"),
    };
    let config_file = global.config.clone();
    let origin = Origin { file: global.config.clone(), flags, environment: environment.clone(), log };
    let config = layered.config.clone();
    let context = Context { config, config_file, environment, state, given };
    let threads =
        if matches!(command, Command::Serve(_)) { context.config.server.workers.clamp(1, 64) } else { WORKERS };
    // A bridge only passes messages on: another thread would cost it memory and every message a hop.
    let is_bridge = matches!(&command, Command::Acp(args) if !args.embedded);
    let mut runtime = if is_bridge {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime =
        runtime.worker_threads(threads).thread_name("wharf").enable_all().build().context("cannot start threads")?;
    let exit = runtime.block_on(async {
        match command {
            Command::Serve(args) => serve::run(&context, port_was_chosen, args.trace, origin, layered).await,
            Command::Ask(args) | Command::Run(args) => ask::run(&context, args).await,
            Command::Attach(args) => attach::run(&context, args).await,
            Command::Acp(args) => acp::run(&context, args).await,
            Command::Sessions(args) => sessions::run(&context, args).await,
            Command::Commands(args) => background::run(&context, args).await,
            Command::Logs(args) => logs::run(&context, &args).await,
            Command::Models(args) => models::run(&context, &args).await,
            Command::Usage(args) => usage::run(&context, &args).await,
            Command::Tools(args) => tools::run(&context, &args).await,
            Command::Mcp(command) => mcp::run(&context, command).await,
            Command::Debug(command) => debug::run(&context, command).await,
            Command::Agents(args) => agents::run(&context, &args).await,
            Command::Status(args) => status::run(&context, &args).await,
            Command::Stop(args) => stop::run(&context, &args).await,
            Command::Init(_) | Command::Doctor(_) | Command::Config(_) | Command::Completions { .. } => {
                Ok(Exit::Completed)
            }
        }
    });
    // A read of the terminal that nobody waits for any more must not hold the process.
    runtime.shutdown_background();
    exit
}

/// Prints a value as JSON.
fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    output::out(&(crate::terminal::clean_json(&text) + "\n"));
    Ok(())
}
