//! A control group for each command, where this user may make one: then one word kills all of it, also what forks faster
//! than it is looked up, what runs as another user, and what neither keeper nor supervisor lives to see.
//!
//! The foster parent's way of ending a tree stays beside it: there may be no group, and who may make one may also leave it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::process::{Process, process};

/// How long the kernel may take to let go of a group whose processes were killed.
const REMOVE_LIMIT: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Groups that a command may have made below its own; deeper ones stay.
const DEPTH_MAX: usize = 16;

/// The group of one command. Everything in it is killed, and it is removed, when it is dropped.
#[derive(Debug)]
pub(super) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Does something in a group of its own, where that can be had, and comes out again: what was started stays inside, and
    /// so does all that it starts, from its first instant on. Only for a process of one thread.
    pub(super) fn around<T>(start: impl FnOnce() -> T) -> (T, Option<Self>) {
        let Some(own) = own() else { return (start(), None) };
        Self::around_in(&own, start)
    }

    fn around_in<T>(own: &Path, start: impl FnOnce() -> T) -> (T, Option<Self>) {
        let Some(group) = Self::enter(own) else { return (start(), None) };
        let started = start();
        if join(own).is_ok() {
            return (started, Some(group));
        }
        // It would kill this process as well; whoever looks for groups without a keeper ends it.
        std::mem::forget(group);
        (started, None)
    }

    fn enter(own: &Path) -> Option<Self> {
        let path = own.join(Name::of(process(rustix::process::getpid().as_raw_pid())?)?.to_string());
        fs::create_dir(&path).ok()?;
        // Empty until it is joined, so that to drop it harms nobody.
        let group = Self { path };
        // Before Linux 5.14 there is no such file.
        (group.path.join(KILL).exists() && join(&group.path).is_ok()).then_some(group)
    }

    /// Kills everything in it in one step.
    pub(super) fn kill(&self) {
        kill(&self.path);
    }

    /// Whether a process in it is alive.
    pub(super) fn is_populated(&self) -> bool {
        fs::read_to_string(self.path.join("cgroup.events"))
            .is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        end([self.path.clone()]);
    }
}

/// Ends the groups whose keepers are dead, beside the own one: those of keepers that were killed, also together with their
/// supervisor and their server.
pub(super) fn end_abandoned() {
    if let Some(own) = own() {
        end(abandoned(&own));
    }
}

fn abandoned(own: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(own) else { return Vec::new() };
    let is_abandoned = |name: &str| Name::parse(name).is_some_and(|name| name.is_of_the_dead());
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_abandoned))
        .map(|entry| entry.path())
        .collect()
}

/// All of them are killed before any of them is waited for.
fn end(groups: impl IntoIterator<Item = PathBuf>) {
    let mut left: Vec<PathBuf> = groups.into_iter().inspect(|group| kill(group)).collect();
    let until = Instant::now() + REMOVE_LIMIT;
    loop {
        left.retain(|group| !remove(group, DEPTH_MAX));
        if left.is_empty() || Instant::now() >= until {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

const KILL: &str = "cgroup.kill";

fn kill(group: &Path) {
    // Nothing to be done where it is refused: the foster parent looks after the processes.
    let _ = put(&group.join(KILL), b"1");
}

/// Moves this process.
fn join(group: &Path) -> io::Result<()> {
    put(&group.join("cgroup.procs"), b"0")
}

/// Makes no file: outside a control group file system there is none.
fn put(file: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(bytes)
}

/// Whether it is gone.
fn remove(group: &Path, depth: usize) -> bool {
    match fs::remove_dir(group) {
        Ok(()) => return true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return true,
        Err(_) if depth == 0 => return false,
        Err(_) => {}
    }
    let Ok(entries) = fs::read_dir(group) else { return false };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove(&entry.path(), depth - 1);
    }
    fs::remove_dir(group).is_ok()
}

/// `wharf-NAMESPACE-PID-START` of the keeper: never two alike, and never taken for another's, in whatever process namespace
/// that may be, and whatever number was given out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name {
    namespace: u64,
    pid: i32,
    start: u64,
}

impl Name {
    fn of(process: Process) -> Option<Self> {
        Some(Self { namespace: namespace()?, pid: process.pid, start: process.start })
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("wharf-")?.split('-');
        let (namespace, pid, start) = (parts.next()?, parts.next()?, parts.next()?);
        let found = Self { namespace: namespace.parse().ok()?, pid: pid.parse().ok()?, start: start.parse().ok()? };
        (found.to_string() == name).then_some(found)
    }

    /// Of another namespace's processes nothing is known here.
    fn is_of_the_dead(self) -> bool {
        namespace() == Some(self.namespace) && process(self.pid).is_none_or(|now| now.start != self.start || now.zombie)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "wharf-{}-{}-{}", self.namespace, self.pid, self.start)
    }
}

/// Number of the process namespace.
fn namespace() -> Option<u64> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// The directory of the group that this process is in.
fn own() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    directory(&mounts, &fs::read_to_string("/proc/self/cgroup").ok()?)
}

fn directory(mounts: &str, groups: &str) -> Option<PathBuf> {
    let group = Path::new(groups.lines().find_map(|line| line.strip_prefix("0::"))?);
    mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        // One with a blank in its name is written with a backslash, and is not worth the reading.
        let (root, at) = (fields.next()?, fields.next().filter(|at| !at.contains('\\'))?);
        let below = group.strip_prefix(root).ok().filter(|_| kind.starts_with("cgroup2 "))?;
        // Outside the own namespace of groups there are names that lead up.
        let is_plain = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        is_plain.then(|| Path::new(at).join(below))
    })
}

#[cfg(test)]
mod tests;
