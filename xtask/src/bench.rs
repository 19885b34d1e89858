//! `cargo xtask bench`: release builds, then the table.

use anyhow::Result;
use clap::Args;

use crate::command::{cargo, program, succeed, target_dir};

#[derive(Args)]
pub struct Arguments {
    /// Passed to the measuring program; `--help` tells which.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let packages = ["--package", "wharf", "--package", "wharf-testkit", "--package", "wharf-bench"];
    succeed(cargo().args(["build", "--release", "--bins"]).args(packages))?;
    succeed(program(target_dir().join("release/wharf-bench")).args(&arguments.rest))
}
