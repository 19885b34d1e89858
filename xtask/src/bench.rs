//! `cargo xtask bench`: builds as they are installed, then the table; with `--quick` a build that costs less, then the comparison.

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
    if arguments.rest.iter().any(|argument| argument == "--quick") {
        // The tests' build, with the own code optimised: of what others wrote nothing is built again, which takes most of the
        // time of a release build. What is compared was built in the same way.
        succeed(cargo().args(["build", "--workspace", "--bins"]).env("CARGO_PROFILE_DEV_OPT_LEVEL", "1"))?;
        return succeed(program(target_dir().join("debug/wharf-bench")).args(&arguments.rest));
    }
    let packages = ["--package", "wharf", "--package", "wharf-testkit", "--package", "wharf-bench"];
    succeed(cargo().args(["build", "--profile", "dist", "--bins"]).args(packages))?;
    succeed(program(target_dir().join("dist/wharf-bench")).args(&arguments.rest))
}
