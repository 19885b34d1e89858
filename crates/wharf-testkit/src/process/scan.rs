//! What `/proc` says: which processes carry a mark, and what one of them uses.

use std::fs;
use std::time::Duration;

/// Clock ticks a second in `/proc`: 100 on every Linux that programs see.
const TICKS_PER_SECOND: u64 = 100;

/// Living processes whose command line or environment holds `mark`: those that a tool started with it, and everything
/// below them, however they detached themselves. The own process is left out.
#[must_use]
pub fn processes_with(mark: &str) -> Vec<u32> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| pid != own && carries(pid, mark.as_bytes()) && is_alive(pid)).collect()
}

fn carries(pid: u32, mark: &[u8]) -> bool {
    ["cmdline", "environ"].iter().any(|file| {
        // Another user's process, or one that ended meanwhile: not ours.
        let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        bytes.windows(mark.len().max(1)).any(|window| window == mark)
    })
}

/// Not a zombie that only waits for its parent.
fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|fields| fields.first().is_some_and(|state| state != "Z" && state != "X"))
}

/// The fields of `/proc/PID/stat` after the name, the state first.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, also a bracket.
    Some(text[text.rfind(')')? + 1..].split_whitespace().map(str::to_owned).collect())
}

/// User and system time that a process has used, its ended threads included.
#[must_use]
pub fn cpu_time(pid: u32) -> Option<Duration> {
    // The scheduler's own sum is exact to the nanosecond, but counts living threads only; ticks count all.
    let fields = stat(pid)?;
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let by_ticks = Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND);
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let nanoseconds: u64 = threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    Some(by_ticks.max(Duration::from_nanos(nanoseconds)))
}

/// A value of `/proc/PID/status` in KiB, for example `VmRSS` or `VmHWM`.
#[must_use]
pub fn memory_kib(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.strip_prefix(field).is_some_and(|rest| rest.starts_with(':')))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    //! A child that carries a mark is found while it lives.

    use std::process::{Command, Stdio};

    use super::{cpu_time, memory_kib, processes_with};

    #[test]
    fn a_marked_child_is_found_until_it_ends() {
        let mark = format!("wharf-scan-{}", std::process::id());
        let mut command = Command::new("cat");
        let mut child = command.env("MARK", &mark).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        assert_eq!(processes_with(&mark), [child.id()]);
        assert!(memory_kib(child.id(), "VmRSS").is_some_and(|kib| kib > 0));
        assert!(cpu_time(child.id()).is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(processes_with(&mark), Vec::<u32>::new());
    }
}
