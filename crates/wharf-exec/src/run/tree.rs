//! The processes of one call, found by group, ancestry and marker, and their end.
//!
//! A process that leaves the group by `setsid` and its parents by forking twice still carries the marker in its
//! environment; one that also cleared its environment comes to us as a foster child, because this process adopts orphans.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};

use crate::process::{Process, process, processes};

/// Environment variable that marks every process of a call.
pub(crate) const MARKER: &str = "WHARF_CALL_TOKEN";

/// Longest fight against a tree that forks faster than it is killed.
const KILL_LIMIT: Duration = Duration::from_millis(900);
const KILL_PAUSE: Duration = Duration::from_millis(2);
const ENVIRONMENT_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The children that this crate started, and how many calls run: what is neither is somebody's orphan.
#[derive(Debug, Default)]
struct Direct {
    children: HashSet<i32>,
    calls: usize,
    /// Start of the first of the calls that overlap up to now.
    since: Option<u64>,
}

static DIRECT: OnceLock<Mutex<Direct>> = OnceLock::new();

fn direct() -> MutexGuard<'static, Direct> {
    DIRECT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process the foster parent of orphaned descendants. Once for the whole process.
pub fn adopt_orphans() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
            tracing::warn!(%error, "orphans of commands cannot be adopted; they are found by their marker only");
        }
    });
}

/// How many processes a call left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeftBehind {
    pub(crate) killed: usize,
    pub(crate) survivors: usize,
}

/// The processes of one call. Dropped, they are killed.
#[derive(Debug)]
pub(crate) struct Tree {
    members: Arc<Members>,
    over: bool,
}

#[derive(Debug)]
struct Members {
    /// `NAME=value`, as it stands in an environment.
    marker: Vec<u8>,
    /// The first process and its start; also the number of its group.
    main: OnceLock<(i32, u64)>,
    /// Seen before, with their starts: a zombie has no environment left to be known by.
    known: Mutex<HashMap<i32, u64>>,
}

impl Tree {
    /// Before the first process is started, so that no other call takes it for an orphan.
    pub(crate) fn expect(token: String) -> Self {
        direct().calls += 1;
        let members = Members {
            marker: format!("{MARKER}={token}").into_bytes(),
            main: OnceLock::new(),
            known: Mutex::default(),
        };
        Self { members: Arc::new(members), over: false }
    }

    pub(crate) fn started(&mut self, pid: Option<u32>) {
        let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) else { return };
        // It cannot be gone: nobody has waited for it yet.
        let start = process(pid).map_or(0, |process| process.start);
        let mut direct = direct();
        direct.children.insert(pid);
        direct.since.get_or_insert(start);
        let _ = self.members.main.set((pid, start));
    }

    /// Asks every process to end.
    pub(crate) async fn ask(&self) {
        let members = Arc::clone(&self.members);
        let _ = tokio::task::spawn_blocking(move || members.signal(Signal::TERM)).await;
    }

    pub(crate) async fn is_dead(&self) -> bool {
        let members = Arc::clone(&self.members);
        tokio::task::spawn_blocking(move || members.living().is_empty()).await.unwrap_or(false)
    }

    /// Kills what is left, and waits until it is gone.
    pub(crate) async fn kill(&mut self) -> LeftBehind {
        let members = Arc::clone(&self.members);
        match tokio::task::spawn_blocking(move || members.kill()).await {
            Ok(ended) => {
                self.over = true;
                ended
            }
            // The runtime is shutting down: `drop` does it.
            Err(_) => LeftBehind::default(),
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.over {
            self.members.kill();
        }
        let mut direct = direct();
        direct.calls = direct.calls.saturating_sub(1);
        if let Some((pid, _)) = self.members.main.get() {
            direct.children.remove(pid);
        }
        if direct.calls == 0 {
            direct.since = None;
        }
    }
}

impl Members {
    fn kill(&self) -> LeftBehind {
        if wharf_failpoints::mistake("leave_child") {
            return LeftBehind::default();
        }
        let deadline = Instant::now() + KILL_LIMIT;
        let mut killed: HashSet<(i32, u64)> = HashSet::new();
        let mut untouchable: HashSet<(i32, u64)> = HashSet::new();
        let main = self.main.get().copied();
        loop {
            let living = self.living();
            let left: Vec<&Process> =
                living.iter().filter(|process| !untouchable.contains(&(process.pid, process.start))).collect();
            if left.is_empty() || Instant::now() >= deadline {
                let killed = killed.iter().filter(|it| Some(**it) != main).count();
                return LeftBehind { killed, survivors: living.len() };
            }
            // The group dies in one step, which no fork in it outruns.
            if let Some((group, _)) = main
                && left.iter().any(|process| process.group == group)
                && let Some(group) = Pid::from_raw(group)
            {
                let _ = rustix::process::kill_process_group(group, Signal::KILL);
            }
            for process in left {
                match process.send(Signal::KILL) {
                    Ok(()) => {
                        killed.insert((process.pid, process.start));
                    }
                    Err(Errno::SRCH) => {}
                    Err(_) => {
                        untouchable.insert((process.pid, process.start));
                    }
                }
            }
            std::thread::sleep(KILL_PAUSE);
        }
    }

    fn signal(&self, signal: Signal) {
        for process in self.living() {
            let _ = process.send(signal);
            // A stopped process hears nothing until it goes on.
            let _ = process.send(Signal::CONT);
        }
    }

    /// The call's processes that have not ended; those that have and are ours to reap are reaped.
    fn living(&self) -> Vec<Process> {
        let ours = rustix::process::getpid().as_raw_pid();
        let mut members = self.members(ours);
        let children = direct().children.clone();
        members.retain(|process| {
            if process.zombie && process.parent == ours && !children.contains(&process.pid) {
                reap(process.pid);
            }
            !process.zombie
        });
        members
    }

    fn members(&self, ours: i32) -> Vec<Process> {
        let Some(&(main, start)) = self.main.get() else { return Vec::new() };
        let all = processes();
        let Some(us) = all.iter().find(|process| process.pid == ours).copied() else { return Vec::new() };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (children, orphans_since) = {
            let direct = direct();
            // With other calls about, an orphan without a marker may be theirs; the last call takes them all.
            (direct.children.clone(), direct.since.filter(|_| direct.calls == 1))
        };
        let is_first = |process: &Process| {
            if children.contains(&process.pid) {
                return process.pid == main;
            }
            let orphan = process.parent == ours
                && process.group != us.group
                && orphans_since.is_some_and(|since| process.start >= since);
            process.start >= start
                && (process.group == main
                    || orphan
                    || known.get(&process.pid) == Some(&process.start)
                    || has_marker(process.pid, &self.marker))
        };
        let mut members: Vec<Process> = Vec::new();
        let mut others: Vec<Process> = Vec::new();
        for process in all
            .into_iter()
            .filter(|process| process.pid != ours && process.start >= start.min(orphans_since.unwrap_or(start)))
        {
            if is_first(&process) { members.push(process) } else { others.push(process) }
        }
        // Then all that descends from a member or shares a group or session with one.
        loop {
            let pids: HashSet<i32> = members.iter().map(|process| process.pid).collect();
            let groups: HashSet<i32> =
                members.iter().map(|process| process.group).filter(|group| *group != us.group).collect();
            let sessions: HashSet<i32> =
                members.iter().map(|process| process.session).filter(|session| *session != us.session).collect();
            let (found, rest): (Vec<Process>, Vec<Process>) = others.into_iter().partition(|process| {
                !children.contains(&process.pid)
                    && (pids.contains(&process.parent)
                        || groups.contains(&process.group)
                        || sessions.contains(&process.session))
            });
            others = rest;
            if found.is_empty() {
                break;
            }
            members.extend(found);
        }
        known.clear();
        known.extend(members.iter().map(|process| (process.pid, process.start)));
        members
    }
}

fn reap(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

fn has_marker(pid: i32, marker: &[u8]) -> bool {
    let read = || -> io::Result<Vec<u8>> {
        let mut environment = Vec::new();
        fs::File::open(format!("/proc/{pid}/environ"))?.take(ENVIRONMENT_MAX_BYTES).read_to_end(&mut environment)?;
        Ok(environment)
    };
    read().is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|variable| variable == marker))
}
