//! The life of what a keeper runs: from its start over its end, asked for or not, to the point where its tree may be killed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rustix::process::WaitStatus;

use crate::limits::{DRAIN, GRACE};
use crate::supervisor::descendants;
use crate::supervisor::signals::{self, Children};
use crate::wire::HowEnded;

/// Once the server is gone: between the request to end and the kill.
const LAST_GRACE: Duration = Duration::from_millis(200);
/// How often a tree that was asked to end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) struct Life {
    pub(super) children: Children,
    /// The first process; its end is the end of all.
    pub(super) main: i32,
    /// With it everything else would be killed: it ends when the others have.
    main_is_asked_last: bool,
    exit: Option<WaitStatus>,
    has_children: bool,
    deadline: Option<Instant>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Running,
    /// The main process has ended; what it put out may still arrive.
    Draining {
        until: Instant,
    },
    /// The tree was asked to end.
    Ending {
        why: HowEnded,
        kill_at: Instant,
    },
}

impl Life {
    pub(super) fn new(children: Children, main: i32, deadline: Option<Instant>) -> Self {
        Self {
            children,
            main,
            main_is_asked_last: false,
            exit: None,
            has_children: true,
            deadline,
            stage: Stage::Running,
        }
    }

    /// The first process holds the namespace of the others.
    pub(super) fn in_namespace(mut self, is_in_one: bool) -> Self {
        self.main_is_asked_last = is_in_one;
        self
    }

    pub(super) fn is_in_namespace(&self) -> bool {
        self.main_is_asked_last
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running)
    }

    /// Moves on as far as time and the main process say; `Some` once the tree may be killed. `is_drained`: no more output
    /// is wanted of a process that has ended.
    pub(super) fn step(&mut self, server_is_gone: bool, is_drained: bool) -> Option<HowEnded> {
        let now = Instant::now();
        if let Stage::Running = self.stage {
            if self.exit.is_some() {
                self.stage = Stage::Draining { until: now + DRAIN };
            } else if server_is_gone {
                self.end(HowEnded::Abandoned, LAST_GRACE);
            } else if self.deadline.is_some_and(|deadline| now >= deadline) {
                self.end(HowEnded::TimedOut, GRACE);
            }
        }
        if let Stage::Ending { kill_at, .. } = &mut self.stage
            && server_is_gone
        {
            *kill_at = (*kill_at).min(now + LAST_GRACE);
        }
        match self.stage {
            Stage::Running => None,
            Stage::Draining { until } => {
                let exit = self.exit.filter(|_| is_drained || now >= until)?;
                Some(match exit.terminating_signal() {
                    Some(signal) => HowEnded::Signalled { signal },
                    None => HowEnded::Exited { code: exit.exit_status().unwrap_or_default() },
                })
            }
            Stage::Ending { why, kill_at } => {
                let is_dead = || !self.has_children || descendants::living(&HashSet::new()).is_empty();
                (now >= kill_at || is_dead()).then_some(why)
            }
        }
    }

    /// The server wants the end. What has ended by itself, or is ending, is not ended again.
    pub(super) fn stop(&mut self) {
        if self.is_running() && self.exit.is_none() {
            self.end(HowEnded::Cancelled, GRACE);
        }
    }

    fn end(&mut self, why: HowEnded, grace: Duration) {
        descendants::ask(self.main_is_asked_last.then_some(self.main));
        self.stage = Stage::Ending { why, kill_at: Instant::now() + grace };
    }

    /// How long nothing happens by itself.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self.stage {
            Stage::Running => self.deadline.map(|at| at.saturating_duration_since(Instant::now())),
            Stage::Draining { until } => Some(until.saturating_duration_since(Instant::now())),
            Stage::Ending { .. } => Some(LOOK_EVERY),
        }
    }

    /// Takes note of the children that have ended.
    pub(super) fn reap(&mut self) {
        self.children.clear();
        let reaped = signals::reap();
        self.has_children = reaped.has_children;
        for (pid, status) in reaped.ended {
            if pid.as_raw_pid() == self.main {
                self.exit = Some(status);
            }
        }
    }
}
