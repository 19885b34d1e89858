//! The measurement that each change has to pass: few figures, each little disturbed by the machine, compared with the
//! committed baseline.
//!
//! Processor time is counted in instructions, below callgrind. Where callgrind is missing it is the processor time itself,
//! as a multiple of what the bare proxy needs in the same round. Wall time is only ever a ratio to a stand-in in the same
//! round. Each figure is the median of [`ROUNDS`] rounds; a round measures all of them, so that what disturbs the machine
//! for a while disturbs all alike.

mod baseline;
mod callgrind;
mod gauge;
mod verdict;
mod wall;
mod work;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wharf_testkit::process::memory_kib;

use crate::lab::{Lab, Server, percentile};
use crate::quick::baseline::Baseline;
use crate::quick::gauge::Gauge;
use crate::quick::work::{Template, WORKLOADS};

const ROUNDS: usize = 5;
/// A server that nobody has used for so long has given back what it does not need to wait.
const QUIET: Duration = Duration::from_secs(17);

/// Samples of each figure, by name.
type Samples = BTreeMap<String, Vec<f64>>;

pub struct Options<'a> {
    /// The decision record that says why the baseline moves; with it the baseline is written instead of compared with.
    pub move_baseline: Option<&'a Path>,
    /// Without callgrind, also where it is there.
    pub processor_time: bool,
}

pub async fn run(lab: &Lab, options: &Options<'_>) -> Result<()> {
    if let Some(decision) = options.move_baseline {
        // Both ways of measuring, so that those without callgrind have something to compare with.
        if !callgrind::is_there() {
            bail!("the baseline holds instruction counts: install valgrind to move it");
        }
        let mut figures = measure(lab, true).await?;
        figures.extend(measure(lab, false).await?);
        return Baseline::new(decision, figures)?.write();
    }
    let baseline = Baseline::read()?;
    let by_instructions = !options.processor_time && callgrind::is_there();
    if !by_instructions {
        println!(
            "quick: without callgrind (valgrind is missing, or not wanted): processor time is compared with a proxy's"
        );
    }
    let mut figures = measure(lab, by_instructions).await?;
    let slower = baseline.slower(&figures);
    if !slower.is_empty() {
        // A slower program is slower again; a disturbed machine seldom is in the same way.
        println!("quick: slower: {}; measuring all of it once more", verdict::named(&slower));
        for (name, value) in measure(lab, by_instructions).await? {
            let figure = figures.entry(name).or_insert(value);
            *figure = figure.min(value);
        }
    }
    verdict::print(&baseline, &figures)?;
    verdict::judge(&baseline, &figures)
}

/// The median of each figure.
async fn measure(lab: &Lab, by_instructions: bool) -> Result<BTreeMap<String, f64>> {
    let began = Instant::now();
    let template = Template::make(lab).await?;
    let mut waiting = Vec::new();
    for _ in 0..ROUNDS {
        waiting.push(used_once(lab).await?);
    }
    let quiet_since = Instant::now();
    let mut samples = Samples::new();
    let mut wall = wall::Pair::open(lab).await?;
    for round in 1..=ROUNDS {
        wall.round(lab, &mut samples).await?;
        let mut gauge = Gauge::start(lab, &template, by_instructions).await?;
        add(&mut samples, gauge.name("start"), gauge.of_the_start()?);
        for workload in WORKLOADS {
            let cost = workload.cost(&mut gauge).await.with_context(|| format!("round {round}, {}", workload.name))?;
            add(&mut samples, gauge.name(workload.name), cost);
        }
    }
    tokio::time::sleep(QUIET.saturating_sub(quiet_since.elapsed())).await;
    for server in &waiting {
        let resident = memory_kib(server.pid(), "VmRSS").context("a server that waited is gone")?;
        add(&mut samples, "idle: resident memory (KiB)".to_owned(), resident as f64);
    }
    println!("quick: {ROUNDS} rounds in {:.0} s", began.elapsed().as_secs_f64());
    Ok(samples.into_iter().map(|(name, mut values)| (name, percentile(&mut values, 0.5))).collect())
}

fn add(samples: &mut Samples, name: String, value: f64) {
    samples.entry(name).or_default().push(value);
}

/// A server that has answered a prompt, and now waits.
async fn used_once(lab: &Lab) -> Result<Server> {
    let server = lab.server().await;
    let session = server.create_session().await?;
    server.turn(&session, "[[say hello]]").await?;
    Ok(server)
}

/// The checkout's root.
fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}
