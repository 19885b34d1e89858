//! What a run came to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::check::Violation;
use crate::lab::Lab;
use crate::round::Outcome;

pub struct Summary {
    began: Instant,
    rounds: usize,
    deaths: BTreeMap<String, usize>,
    ready: Vec<Duration>,
    turns: usize,
    resumed: usize,
    events: usize,
    violations: Vec<Violation>,
}

impl Summary {
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            rounds: 0,
            deaths: BTreeMap::new(),
            ready: Vec::new(),
            turns: 0,
            resumed: 0,
            events: 0,
            violations: Vec::new(),
        }
    }

    pub fn add(&mut self, outcome: Outcome) {
        let Outcome { deaths, ready, turns, resumed, events, violations, logs: _ } = outcome;
        self.rounds += 1;
        for death in deaths {
            *self.deaths.entry(death).or_default() += 1;
        }
        self.ready.extend(ready);
        self.turns += turns;
        self.resumed += resumed;
        self.events += events;
        self.violations.extend(violations);
    }

    pub fn add_late(&mut self, violations: Vec<Violation>) {
        self.violations.extend(violations);
    }

    pub fn violations(&self) -> usize {
        self.violations.len()
    }

    pub fn print(&mut self, lab: &Lab, arguments: &Arguments) {
        self.ready.sort();
        let ready = |share: usize| {
            let at = (self.ready.len() * share / 100).min(self.ready.len().saturating_sub(1));
            self.ready.get(at).map_or(0, Duration::as_millis)
        };
        let kills: usize = self.deaths.values().sum();
        let (connections, suffered) = lab.connections();
        println!();
        println!("seed {}: {} rounds in {:.0} s", arguments.seed, self.rounds, self.began.elapsed().as_secs_f64());
        println!("kills: {kills} in work, {} servers started", lab.starts());
        for (place, count) in &self.deaths {
            println!("  {count:5}  {place}");
        }
        println!("turns: {}, taken up again {} times; {} events", self.turns, self.resumed, self.events);
        println!("connections: {connections}, of which {suffered} were cut, halved or delayed");
        println!("time to ready: p50 {} ms, p95 {} ms, max {} ms", ready(50), ready(95), ready(100));
        println!("violations: {}", self.violations.len());
        let mut by_check: BTreeMap<&str, usize> = BTreeMap::new();
        for violation in &self.violations {
            *by_check.entry(violation.check).or_default() += 1;
        }
        for (check, count) in by_check {
            println!("  {count:5}  {check}");
        }
    }
}
