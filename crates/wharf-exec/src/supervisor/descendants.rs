//! Every process below this one, and their end. Complete without any mark: orphans come to us.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use super::cgroup::Cgroup;
use super::signals;
use crate::process::{Process, processes};

/// Longest fight against a tree that forks faster than it is killed.
const KILL_LIMIT: Duration = Duration::from_millis(900);
const KILL_PAUSE: Duration = Duration::from_millis(1);

/// How a fight ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Killed {
    pub(super) pids: HashSet<i32>,
    /// What could not be killed: it runs as another user.
    pub(super) survivors: usize,
    /// Of our own children, those that were reaped on the way.
    pub(super) reaped: Vec<(Pid, rustix::process::WaitStatus)>,
}

/// The living processes below this one, parents first, except `spared` children with all that is below them.
pub(super) fn living(spared: &HashSet<i32>) -> Vec<Process> {
    let mut below: HashMap<i32, Vec<Process>> = HashMap::new();
    for process in processes() {
        below.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut parents = vec![rustix::process::getpid().as_raw_pid()];
    while let Some(parent) = parents.pop() {
        for child in below.remove(&parent).unwrap_or_default() {
            if spared.contains(&child.pid) {
                continue;
            }
            parents.push(child.pid);
            if !child.zombie {
                found.push(child);
            }
        }
    }
    found
}

/// Asks every process to end, but one.
pub(super) fn ask(spared: Option<i32>) {
    for process in living(&HashSet::new()).into_iter().filter(|process| Some(process.pid) != spared) {
        let _ = process.send(Signal::TERM);
        // A stopped process hears nothing until it goes on.
        let _ = process.send(Signal::CONT);
    }
}

/// Kills every process, those in the control group too, and waits until they are gone and reaped; then the group goes.
pub(super) fn kill(spared: &HashSet<i32>, cgroup: Option<Cgroup>) -> Killed {
    if wharf_failpoints::mistake("leave_child") {
        std::mem::forget(cgroup);
        return Killed::default();
    }
    let own_group = rustix::process::getpgrp().as_raw_pid();
    let deadline = Instant::now() + KILL_LIMIT;
    let mut killed = Killed::default();
    let mut untouchable: HashSet<(i32, u64)> = HashSet::new();
    loop {
        let reaped = signals::reap();
        killed.reaped.extend(reaped.ended);
        // The common case: nobody is left, and the process table needs no look.
        let living = if reaped.has_children { living(spared) } else { Vec::new() };
        let left: Vec<&Process> =
            living.iter().filter(|process| !untouchable.contains(&(process.pid, process.start))).collect();
        if left.is_empty() || Instant::now() >= deadline {
            killed.survivors = living.len();
            return killed;
        }
        // A group dies in one step, which no fork in it outruns. Parents come first: a shell has no time to tell of a
        // child that was killed.
        let mut seen = HashSet::from([own_group]);
        let groups = left.iter().map(|process| process.group).filter(|group| seen.insert(*group));
        for group in groups.filter_map(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        for process in left {
            match process.send(Signal::KILL) {
                Ok(()) => {
                    killed.pids.insert(process.pid);
                }
                Err(Errno::SRCH) => {}
                // Another user's process, which only the group's end reaches.
                Err(_) if cgroup.as_ref().is_some_and(Cgroup::is_populated) => {}
                Err(_) => {
                    untouchable.insert((process.pid, process.start));
                }
            }
        }
        // After the signals, so that what was still there is counted and parents come first; whatever was forked in between
        // is caught by it.
        if let Some(cgroup) = &cgroup {
            cgroup.kill();
        }
        std::thread::sleep(KILL_PAUSE);
    }
}
