//! The project's own commands: everything that a fresh checkout needs beyond `cargo build`.

#![allow(clippy::disallowed_methods, reason = "it is a program")]

mod bench;
mod check;
mod command;
mod crash;
mod faults;
mod fuzz;
mod generate;
mod peers;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Tests, checks and measurements of Wharf")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs every test: the workspace's own, the server against independent peers, and the faults seen from outside.
    Test(test::Arguments),
    /// Format, lints, licences, arrows between crates, documentation, and the rules of docs/style.md that a program can see.
    Check(check::Arguments),
    /// Kills a server at every step and checks what it promised; `--mistakes` checks the checks.
    Crash(crash::Arguments),
    /// Gives every reader of foreign input many more cases than the tests do.
    Fuzz(fuzz::Arguments),
    /// Makes the Rust of the clients' shared vocabulary anew.
    Generate,
    /// Measures a release build and prints one table.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Test(arguments) => test::run(&arguments),
        Task::Check(arguments) => check::run(&arguments),
        Task::Crash(arguments) => crash::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Generate => generate::run(),
        Task::Bench(arguments) => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
