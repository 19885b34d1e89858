//! `tests/faults`: what went wrong from outside, tried again on the real program.

use std::time::Duration;

use anyhow::Result;

use crate::command::{program, root, succeed_within, target_dir};

/// Longer than every row's own limit together: what takes more hangs.
const LIMIT: Duration = Duration::from_secs(900);

/// Runs every row, then the hostile repository in its short form.
pub fn run() -> Result<()> {
    // Both are run: one failure should not hide the other.
    let rows = script("run");
    let hostile = script("hostile_run");
    rows.and(hostile)
}

fn script(name: &str) -> Result<()> {
    println!("--- faults: {name}");
    let mut command = program("python3");
    command.arg("-u").arg(root().join("tests/faults").join(name)).arg(target_dir().join("debug/wharf"));
    succeed_within(LIMIT, command.env("PYTHONDONTWRITEBYTECODE", "1"))
}
