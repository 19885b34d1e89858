//! Who uses whom, and the circles in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One room uses another, there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) file: String,
    pub(super) line: usize,
}

/// The first use of each room by each other.
#[derive(Debug, Default)]
pub(super) struct Graph(BTreeMap<String, BTreeMap<String, Use>>);

impl Graph {
    pub(super) fn add(&mut self, used: Use) {
        self.0.entry(used.from.clone()).or_default().entry(used.to.clone()).or_insert(used);
    }

    /// A shortest circle through each room that is on one, each circle once. It begins with the room that is first by name.
    pub(super) fn cycles(&self) -> Vec<Vec<Use>> {
        let mut cycles = Vec::new();
        let mut seen = BTreeSet::new();
        for room in self.0.keys() {
            let Some(mut cycle) = self.shortest_from(room) else { continue };
            let first = (0..cycle.len()).min_by_key(|at| &cycle[*at].from).unwrap_or(0);
            cycle.rotate_left(first);
            let members: BTreeSet<String> = cycle.iter().map(|step| step.from.clone()).collect();
            if seen.insert(members) {
                cycles.push(cycle);
            }
        }
        cycles
    }

    /// The shortest way from a room back to it.
    fn shortest_from(&self, start: &str) -> Option<Vec<Use>> {
        let mut came_by: BTreeMap<&str, &Use> = BTreeMap::new();
        let mut waiting = VecDeque::from([start]);
        while let Some(room) = waiting.pop_front() {
            for (next, step) in self.0.get(room).into_iter().flatten() {
                if next == start {
                    let mut way = vec![step.clone()];
                    let mut at = room;
                    while at != start {
                        let before = came_by.get(at)?;
                        way.push((*before).clone());
                        at = &before.from;
                    }
                    way.reverse();
                    return Some(way);
                }
                if !came_by.contains_key(next.as_str()) {
                    came_by.insert(next, step);
                    waiting.push_back(next);
                }
            }
        }
        None
    }
}
