//! The table of a quick run, and whether it passes.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::quick::baseline::{Baseline, tolerance};

pub fn print(baseline: &Baseline, figures: &BTreeMap<String, f64>) -> Result<()> {
    let width = figures.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    println!(
        "\n| {:<width$} | {:>12} | {:>12} | {:>8} | {:>7} | verdict |",
        "figure", "baseline", "now", "change", "at most"
    );
    let dashes = [width + 2, 14, 14, 10, 9, 9].map(|count| "-".repeat(count)).join("|");
    println!("|{dashes}|");
    for (name, now) in figures {
        let before = baseline.of(name)?;
        let change = now / before - 1.0;
        let most = tolerance(name);
        let verdict = if change > most { "SLOWER" } else { "ok" };
        println!(
            "| {name:<width$} | {:>12} | {:>12} | {:>+7.1}% | {:>+6.0}% | {verdict:<7} |",
            shown(before),
            shown(*now),
            change * 100.0,
            most * 100.0
        );
    }
    println!();
    Ok(())
}

pub fn judge(baseline: &Baseline, figures: &BTreeMap<String, f64>) -> Result<()> {
    let slower = baseline.slower(figures);
    if slower.is_empty() {
        return Ok(());
    }
    bail!(
        "slower than bench/baseline.json allows: {}\nMake it faster again. If the cost is wanted, write a decision record that \
         says why, and move the baseline with `cargo xtask bench --quick --move-baseline docs/decisions/NNNN-....md`",
        named(&slower)
    )
}

pub fn named(slower: &[(&str, f64)]) -> String {
    let each = slower.iter().map(|(name, change)| format!("{name}: {:+.1} %", change * 100.0));
    each.collect::<Vec<_>>().join("; ")
}

fn shown(value: f64) -> String {
    if value < 1_000.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
