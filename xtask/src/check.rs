//! `cargo xtask check`: everything that has to hold besides the tests.

mod rooms;
mod sources;

use anyhow::{Result, bail};
use clap::Args;

use crate::command::{cargo, is_there, program, succeed};
use crate::generate;

#[derive(Args)]
pub struct Arguments {
    /// Only the checks whose name begins with one of these.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
}

/// One check: its name, and what it does.
type Check = (&'static str, fn() -> Result<()>);

const CHECKS: [Check; 9] = [
    ("sources", sources::check),
    ("generated files", generate::check),
    ("format", || succeed(cargo().args(["fmt", "--all", "--check"]))),
    ("lints", || succeed(cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))),
    ("documentation", documentation),
    ("licences and sources", || deny(&[], &["licenses", "sources"])),
    ("rooms", rooms::check),
    ("arrows between crates", || deny(&["--exclude-dev"], &["bans"])),
    ("advisories", advisories),
];

pub fn run(arguments: &Arguments) -> Result<()> {
    let wanted = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| name.starts_with(only));
    let chosen: Vec<&Check> = CHECKS.iter().filter(|(name, _)| wanted(name)).collect();
    if chosen.is_empty() {
        bail!("no such check; there are {}", CHECKS.map(|(name, _)| name).join(", "));
    }
    let mut failed = Vec::new();
    for (name, check) in chosen {
        println!("--- {name}");
        if let Err(error) = check() {
            println!("FAIL {name}: {error:#}");
            failed.push(*name);
        }
    }
    if !failed.is_empty() {
        bail!("checks failed: {}", failed.join(", "));
    }
    println!("every check that was run holds");
    Ok(())
}

fn documentation() -> Result<()> {
    let mut command = cargo();
    command.args(["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    succeed(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn deny(before: &[&str], checks: &[&str]) -> Result<()> {
    if !is_there("cargo-deny", &["--version"]) {
        bail!("cargo-deny is missing: cargo install cargo-deny --locked --version 0.20.2");
    }
    succeed(
        cargo()
            .arg("deny")
            .args(["--log-level", "error"])
            .args(before)
            .args(["check", "--hide-inclusion-graph"])
            .args(checks),
    )
}

/// The advisory database lies in a git repository that not every machine reaches.
fn advisories() -> Result<()> {
    if !is_there("cargo-deny", &["--version"]) {
        bail!("cargo-deny is missing: cargo install cargo-deny --locked --version 0.20.2");
    }
    let output = program("cargo-deny").args(["--log-level", "error", "check", "advisories"]).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("failed to fetch advisory database") || said.contains("failed to load advisory database") {
        println!("advisories were not checked: the advisory database cannot be fetched from here");
        return Ok(());
    }
    bail!("{said}")
}
