//! `cargo xtask fuzz`: the property tests of every reader of foreign input, with many more cases than the ordinary run.

use anyhow::Result;
use clap::Args;

use crate::command::{cargo, succeed};

#[derive(Args)]
pub struct Arguments {
    /// Cases for each property; the ordinary test run has 256.
    #[arg(long, default_value_t = 20_000)]
    cases: u32,
    /// Only properties whose name holds this.
    filter: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    // The readers' properties stand in modules with this name; `cargo test` finds them by it, too.
    let wanted = match &arguments.filter {
        Some(filter) => format!("test(/fuzz::/) & test({filter})"),
        None => "test(/fuzz::/)".to_owned(),
    };
    let mut command = cargo();
    // A property takes minutes here: the profile has another time limit.
    command.args(["nextest", "run", "--workspace", "--profile", "fuzz", "-E", &wanted]);
    succeed(command.env("PROPTEST_CASES", arguments.cases.to_string()))
}
