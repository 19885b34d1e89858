//! `cargo xtask test`: build, peers, then the workspace's tests, whose summary closes the output.

use anyhow::{Result, bail};
use clap::Args;

use crate::command::{cargo, is_there, succeed};
use crate::peers;

#[derive(Args)]
pub struct Arguments {
    /// Only the workspace's own tests.
    #[arg(long)]
    no_peers: bool,
    /// Only the peer suites, or those named.
    #[arg(long, value_name = "SUITE", num_args = 0.., conflicts_with = "no_peers")]
    peers: Option<Vec<String>>,
    /// Only tests whose name holds this; peers are left out.
    filter: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    check_tools(arguments)?;
    succeed(cargo().args(["build", "--workspace", "--bins"]))?;
    if let Some(suites) = &arguments.peers {
        return peers::run(suites);
    }
    let peers = match (arguments.no_peers, &arguments.filter) {
        (false, None) => peers::run(&[]),
        _ => Ok(()),
    };
    // Both are run: one failure should not hide the other.
    let tests = run_tests(arguments.filter.as_deref());
    peers.and(tests)
}

fn run_tests(filter: Option<&str>) -> Result<()> {
    let nextest = is_there("cargo-nextest", "--version");
    let mut command = cargo();
    if nextest {
        command.args(["nextest", "run", "--workspace"]);
    } else {
        eprintln!("cargo-nextest is missing (cargo install cargo-nextest --locked): running cargo test instead");
        command.args(["test", "--workspace", "--tests", "--bins", "--lib", "--no-fail-fast"]);
    }
    succeed(command.args(filter))
}

/// Says everything that is missing at once.
fn check_tools(arguments: &Arguments) -> Result<()> {
    let mut needed = vec![("rustc", "--version", "rustup, as rust-version in Cargo.toml says")];
    if !arguments.no_peers && arguments.filter.is_none() {
        needed.push(("python3", "--version", "apt-get install python3 python3-venv"));
    }
    let missing: Vec<String> = needed
        .iter()
        .filter(|(name, argument, _)| !is_there(name, argument))
        .map(|(name, _, how)| format!("{name} ({how})"))
        .collect();
    if !missing.is_empty() {
        bail!("missing: {}", missing.join(", "));
    }
    Ok(())
}
