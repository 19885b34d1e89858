//! The process table, and signals that reach the process that was meant.

use std::fs;
use std::io::Read;

use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::process::PidfdFlags;
use rustix::process::{Pid, Signal};

/// A line of the process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    /// In clock ticks since the machine's start; with the pid it names a process for ever.
    pub(crate) start: u64,
    pub(crate) zombie: bool,
}

impl Process {
    /// Signals this very process: a number that was given to another one meanwhile is not touched.
    pub(crate) fn send(&self, signal: Signal) -> Result<(), Errno> {
        let pid = Pid::from_raw(self.pid).ok_or(Errno::SRCH)?;
        #[cfg(target_os = "linux")]
        {
            let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
            if process(self.pid).is_none_or(|now| now.start != self.start) {
                return Err(Errno::SRCH);
            }
            rustix::process::pidfd_send_signal(handle, signal)
        }
        #[cfg(not(target_os = "linux"))]
        rustix::process::kill_process(pid, signal)
    }
}

pub(crate) fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(process).collect()
}

pub(crate) fn process(pid: i32) -> Option<Process> {
    // Longer than any; one read brings all of it.
    let mut stat = [0; 1024];
    let count = fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut stat).ok()?;
    parse_stat(pid, &stat[..count])
}

/// Reads `/proc/PID/stat`; the name in it may hold anything, also brackets and blanks.
fn parse_stat(pid: i32, stat: &[u8]) -> Option<Process> {
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let fields: Vec<&str> = std::str::from_utf8(&stat[after_name..]).ok()?.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse().ok();
    Some(Process {
        pid,
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
        start: fields.get(19)?.parse().ok()?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests;
