//! The table that a run prints.

use std::time::Duration;

use anyhow::{Result, ensure};

/// What was measured so far.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    faults: Vec<String>,
}

struct Row {
    what: String,
    ours: String,
    other: String,
    ratio: String,
    target: &'static str,
}

impl Table {
    /// A figure beside what it is compared with, both in the same unit.
    pub fn compare(&mut self, what: &str, ours: Figure, (name, other): (&str, Figure), target: &'static str) {
        let ratio = if other.0 > 0.0 { format!("{:.2}x", ours.0 / other.0) } else { "-".to_owned() };
        let other = format!("{} ({name})", other.show());
        self.push(Row { what: what.to_owned(), ours: ours.show(), other, ratio, target });
    }

    /// A figure that stands alone.
    pub fn add(&mut self, what: &str, ours: Figure, target: &'static str) {
        self.push(Row { what: what.to_owned(), ours: ours.show(), other: "-".into(), ratio: "-".into(), target });
    }

    /// Something that may not happen at any speed.
    pub fn fault(&mut self, what: String) {
        println!("FAULT {what}");
        self.faults.push(what);
    }

    fn push(&mut self, row: Row) {
        // Seen at once: a long run that breaks off has told something.
        println!("{}: {} | {} | {} | target {}", row.what, row.ours, row.other, row.ratio, row.target);
        self.rows.push(row);
    }

    pub fn print(&self) {
        let cells = |row: &Row| {
            [row.what.clone(), row.ours.clone(), row.other.clone(), row.ratio.clone(), row.target.to_owned()]
        };
        let head = ["what", "Wharf", "compared with", "ratio", "target"].map(str::to_owned);
        let lines: Vec<[String; 5]> = std::iter::once(head).chain(self.rows.iter().map(cells)).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3, 4].map(width);
        println!();
        for (at, line) in lines.iter().enumerate() {
            let cells: Vec<String> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            println!("| {} |", cells.join(" | "));
            if at == 0 {
                println!("|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"));
            }
        }
    }

    /// An error if anything was lost, repeated or refused.
    pub fn verdict(&self) -> Result<()> {
        ensure!(self.faults.is_empty(), "{} faults:\n{}", self.faults.len(), self.faults.join("\n"));
        Ok(())
    }
}

/// A number and how it is shown.
#[derive(Clone, Copy)]
pub struct Figure(f64, Unit);

#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Bytes,
    Cores,
}

impl Figure {
    pub fn time(value: Duration) -> Self {
        Self(value.as_secs_f64(), Unit::Seconds)
    }

    pub fn seconds(value: f64) -> Self {
        Self(value, Unit::Seconds)
    }

    pub fn kib(value: f64) -> Self {
        Self(value * 1024.0, Unit::Bytes)
    }

    /// Processor time by wall time.
    pub fn cores(value: f64) -> Self {
        Self(value, Unit::Cores)
    }

    fn show(self) -> String {
        let Self(value, unit) = self;
        match unit {
            Unit::Seconds if value.abs() < 1e-3 => format!("{:.1} us", value * 1e6),
            Unit::Seconds if value.abs() < 1.0 => format!("{:.2} ms", value * 1e3),
            Unit::Seconds => format!("{value:.2} s"),
            Unit::Bytes if value.abs() < 1e6 => format!("{:.1} KiB", value / 1024.0),
            Unit::Bytes => format!("{:.1} MiB", value / 1048576.0),
            Unit::Cores => format!("{value:.2} cores"),
        }
    }
}
