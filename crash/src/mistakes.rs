//! Seeds mistakes, one at a time, and demands that each is found by the check that is meant for it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use wharf_failpoints::MISTAKES;

use crate::arguments::Arguments;
use crate::lab::Lab;
use crate::plan::Plan;
use crate::round::{self, Demands};

/// Rounds in which a mistake has to show.
const ROUNDS: u64 = 12;

/// The check that a mistake is meant to be found by.
fn intended(mistake: &str) -> &'static str {
    match mistake {
        "acknowledge_before_commit" => "acknowledged",
        "skip_sync" | "show_before_sync" => "synced",
        "reuse_seq" => "one_content",
        "drop_at_handover" => "no_gap",
        "rerun_begun_call" => "one_effect",
        "answer_twice" => "one_answer",
        "lose_queue" => "ended",
        "leave_child" => "no_child",
        "overwrite_terminal" => "one_end",
        "resume_minus_one" => "no_repeat",
        _ => "none",
    }
}

pub async fn run(arguments: &Arguments, names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !MISTAKES.contains(&name.as_str())) {
        bail!("no mistake {unknown:?}; there are {}", MISTAKES.join(", "));
    }
    let mut missed = Vec::new();
    for mistake in MISTAKES.into_iter().filter(|it| names.is_empty() || names.iter().any(|name| name == it)) {
        let found = seed(arguments, mistake).await?;
        let (wanted, all) = (intended(mistake), found.checks.iter().copied().collect::<Vec<_>>().join(", "));
        if found.checks.contains(wanted) {
            println!("{mistake}: found by {wanted} in round {} (also: {all})", found.rounds);
        } else {
            println!("{mistake}: NOT found by {wanted} in {} rounds (found: {all})", found.rounds);
            missed.push(mistake);
        }
    }
    ensure!(missed.is_empty(), "mistakes that nobody noticed: {}", missed.join(", "));
    Ok(())
}

struct Found {
    rounds: u64,
    checks: BTreeSet<&'static str>,
}

async fn seed(arguments: &Arguments, mistake: &str) -> Result<Found> {
    let name = Some(mistake.to_owned());
    let mut lab = Lab::open(arguments.wharf.clone(), arguments.model.clone(), arguments.seed, name).await?;
    let demands = Demands { no_orphans: false, settle: Duration::from_secs(6) };
    let mut found = Found { rounds: 0, checks: BTreeSet::new() };
    while found.rounds < ROUNDS && !found.checks.contains(intended(mistake)) {
        let plan = Plan::for_mistake(mistake, arguments.seed, found.rounds, &lab.mark);
        let outcome = round::play(&mut lab, &plan, demands).await?;
        found.rounds += 1;
        found.checks.extend(outcome.violations.iter().map(|violation| violation.check));
    }
    Ok(found)
}
