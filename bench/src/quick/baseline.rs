//! What the figures were when they were last decided on: `bench/baseline.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::quick::root;

/// More than this much above the baseline fails. Counts and sizes repeat within 4 %, also on a busy machine.
const STEADY: f64 = 0.15;
/// The same for what a clock measures, even as a ratio: on a busy machine it has been seen 80 % apart. What is three times as slow is
/// not the machine.
const CLOCKED: f64 = 2.0;

/// How much above the baseline a figure may be.
pub fn tolerance(name: &str) -> f64 {
    if name.ends_with("(instructions)") || name.ends_with("(KiB)") { STEADY } else { CLOCKED }
}

#[derive(Serialize, Deserialize)]
pub struct Baseline {
    /// The decision record that says why the figures are what they are.
    decision: PathBuf,
    figures: BTreeMap<String, f64>,
}

impl Baseline {
    pub fn new(decision: &Path, figures: BTreeMap<String, f64>) -> Result<Self> {
        let new = Self { decision: decision.to_owned(), figures };
        new.check()?;
        Ok(new)
    }

    pub fn read() -> Result<Self> {
        let path = path();
        let text = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let read: Self = serde_json::from_slice(&text).with_context(|| format!("read {}", path.display()))?;
        read.check()?;
        Ok(read)
    }

    /// A baseline that moves without a reason is none.
    fn check(&self) -> Result<()> {
        let is_record = self.decision.starts_with("docs/decisions") && root().join(&self.decision).is_file();
        let shown = self.decision.display();
        ensure!(
            is_record,
            "{shown}: the baseline names the decision record (docs/decisions/NNNN-*.md) that says why it moved"
        );
        Ok(())
    }

    pub fn write(&self) -> Result<()> {
        let path = path();
        let rounded = self.figures.iter().map(|(name, value)| (name.clone(), round(*value))).collect();
        let text = serde_json::to_string_pretty(&Self { decision: self.decision.clone(), figures: rounded })? + "\n";
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        println!("quick: wrote {}", path.display());
        Ok(())
    }

    pub fn of(&self, name: &str) -> Result<f64> {
        let stored = self.figures.get(name).copied();
        stored.filter(|value| *value > 0.0).with_context(|| format!("no baseline for {name:?}"))
    }

    /// The figures that are slower than they may be, and how much slower than the baseline: 0.2 is a fifth.
    pub fn slower<'a>(&self, figures: &'a BTreeMap<String, f64>) -> Vec<(&'a str, f64)> {
        let change = |(name, value): (&'a String, &f64)| Some((name.as_str(), value / self.of(name).ok()? - 1.0));
        figures.iter().filter_map(change).filter(|(name, change)| *change > tolerance(name)).collect()
    }
}

fn path() -> PathBuf {
    root().join("bench/baseline.json")
}

/// Three digits are more than what is repeated.
fn round(value: f64) -> f64 {
    if value >= 1_000.0 { value.round() } else { (value * 1_000.0).round() / 1_000.0 }
}

#[cfg(test)]
mod tests {
    //! What counts as slower.

    use std::collections::BTreeMap;
    use std::path::Path;

    use super::Baseline;

    fn figures(list: &[(&str, f64)]) -> BTreeMap<String, f64> {
        list.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn a_figure_fails_above_the_tolerance_only() {
        let record = Path::new("docs/decisions/0001-one-log-is-the-api.md");
        let (turn, start) = ("turn: CPU (instructions)", "start: wall (x a hello server)");
        let baseline = Baseline::new(record, figures(&[(turn, 100.0), (start, 10.0)])).unwrap();
        assert!(baseline.slower(&figures(&[(turn, 115.0), (start, 1.0)])).is_empty());
        let slow = figures(&[(turn, 116.0), (start, 30.0)]);
        assert_eq!(baseline.slower(&slow).iter().map(|(name, _)| *name).collect::<Vec<_>>(), [turn]);
        let thrice = figures(&[(turn, 100.0), (start, 30.1)]);
        assert_eq!(baseline.slower(&thrice).iter().map(|(name, _)| *name).collect::<Vec<_>>(), [start]);
        assert!(baseline.of("other").is_err(), "a figure that nobody decided on");
    }

    #[test]
    fn a_baseline_needs_a_decision() {
        for path in ["docs/decisions/none.md", "README.md", "/etc/passwd"] {
            assert!(Baseline::new(Path::new(path), BTreeMap::new()).is_err(), "{path}");
        }
    }
}
