//! `cargo xtask crash`: builds a server that can be killed at its fail points, and lets the harness do so.

use std::fs;

use anyhow::{Context, Result};
use clap::Args;

use crate::command::{cargo, program, succeed, target_dir};

#[derive(Args)]
pub struct Arguments {
    /// Passed to the harness; `--help` tells which.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    // The whole workspace, as the tests build it: what it depends on is built once.
    succeed(cargo().args(["build", "--workspace", "--bins", "--features", "wharf/failpoints"]))?;
    // Under a place of its own: no test may take it for the program that people use.
    let built = target_dir().join("debug");
    let wharf = target_dir().join("crash").join("wharf");
    fs::create_dir_all(target_dir().join("crash")).context("make target/crash")?;
    // A copy, not a link: the next build writes over the original.
    fs::copy(built.join("wharf"), &wharf).context("copy the server")?;
    fs::remove_file(built.join("wharf")).context("remove the server that can be killed")?;
    let mut harness = program(built.join("wharf-crash"));
    harness.arg("--wharf").arg(&wharf).arg("--model").arg(built.join("scripted-model")).args(&arguments.rest);
    succeed(&mut harness)
}
