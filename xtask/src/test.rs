//! `cargo xtask test`: build, peers, faults seen from outside, then the workspace's tests, whose summary closes the output.

use anyhow::{Result, ensure};
use clap::Args;

use crate::command::{cargo, is_there, succeed};
use crate::{faults, peers};

#[derive(Args)]
pub struct Arguments {
    /// Only the workspace's own tests.
    #[arg(long)]
    no_peers: bool,
    /// Only the peer suites, all of them, or those named.
    #[arg(long, value_name = "SUITE", num_args = 0.., conflicts_with = "no_peers")]
    peers: Option<Vec<String>>,
    /// Only the faults that were seen from outside (`tests/faults`).
    #[arg(long, conflicts_with_all = ["no_peers", "peers"])]
    faults: bool,
    /// Only tests whose name holds this; peers and faults are left out.
    filter: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    check_tools(arguments)?;
    succeed(cargo().args(["build", "--workspace", "--bins"]))?;
    if let Some(suites) = &arguments.peers {
        return peers::run(&peers::Plan::Named(suites));
    }
    if arguments.faults {
        return faults::run();
    }
    // All are run: one failure should not hide the others.
    let outside = match (arguments.no_peers, &arguments.filter) {
        (false, None) => {
            let peers = peers::run(&peers::Plan::Short);
            let faults = faults::run();
            peers.and(faults)
        }
        _ => Ok(()),
    };
    let tests = run_tests(arguments.filter.as_deref());
    outside.and(tests)
}

fn run_tests(filter: Option<&str>) -> Result<()> {
    let nextest = is_there("cargo-nextest", &["--version"]);
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
    let mut missing = Vec::new();
    if !is_there("rustc", &["--version"]) {
        missing.push("rustc (rustup, as rust-version in Cargo.toml says)");
    }
    let peers = !arguments.no_peers && arguments.filter.is_none();
    // A Python without ensurepip makes environments that cannot install anything.
    if peers && !is_there("python3", &["-c", "import ensurepip, venv, sys; assert sys.version_info >= (3, 11)"]) {
        missing.push("python3 from 3.11 with venv (apt-get install python3 python3-venv; --no-peers does without)");
    }
    ensure!(missing.is_empty(), "missing: {}", missing.join(", "));
    Ok(())
}
