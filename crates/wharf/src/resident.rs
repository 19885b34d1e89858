//! Memory that a process which waits need not hold: the pages of its program that it went through when it started.
//!
//! An editor's `wharf acp` waits nearly all of its life, and there are as many as there are open editors; a server waits for most of the day.
//! What they read to start (arguments, configuration, the store's schema, the handshake) is most of what they ever read of their program.

#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

use std::convert::Infallible;
use std::ops::Range;
use std::time::Duration;

/// How often a server looks whether it is quiet.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// So many quiet looks in a row, and memory is given back; once, until there was something to do again.
const QUIET_LOOKS: u32 = 2;
/// Processor time between two looks that counts as nothing, in ticks of 10 ms: timers and health checks.
const QUIET_TICKS: u64 = 1;

/// Gives memory back each time that this process has done nothing for a while. Dropped to end it.
pub async fn give_back_when_quiet() -> Infallible {
    let mut quiet = Quiet::default();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if quiet.look(used_ticks()) {
            give_back();
        }
    }
}

/// Whether a process is quiet, by what it uses of the processor: that knows of every request, turn and timer.
#[derive(Default)]
struct Quiet {
    /// At the last look.
    used: u64,
    /// Quiet looks in a row.
    looks: u32,
}

impl Quiet {
    /// Whether it has just become quiet; `used`: processor time since the start.
    fn look(&mut self, used: u64) -> bool {
        let is_quiet = used.saturating_sub(self.used) <= QUIET_TICKS;
        self.used = used;
        self.looks = if is_quiet { self.looks.saturating_add(1) } else { 0 };
        self.looks == QUIET_LOOKS
    }
}

/// Ticks of processor time that this process has used, all its threads together; 0 where the system does not say.
fn used_ticks() -> u64 {
    std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| ticks_of(&stat)).unwrap_or(0)
}

fn ticks_of(stat: &str) -> Option<u64> {
    // The name may hold anything, also a bracket.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(ticks()? + ticks()?)
}

/// Gives back what this process has read in of its program and libraries. What is needed again is read in again, page by
/// page, most likely from the kernel's own cache.
#[cfg(target_os = "linux")]
pub fn give_back() {
    use rustix::mm::{Advice, madvise};

    let Ok(smaps) = std::fs::read_to_string("/proc/self/smaps") else { return };
    for Range { start, end } in unchanged(&smaps) {
        let place = std::ptr::without_provenance_mut(start);
        #[expect(unsafe_code, reason = "no safe interface gives pages back")]
        // SAFETY: no page of the mapping was ever changed and none can be, so each access finds the file's bytes as before.
        let given = unsafe { madvise(place, end - start, Advice::LinuxDontNeed) };
        if let Err(error) = given {
            tracing::debug!(%error, "pages of the program could not be given back");
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub fn give_back() {}

/// The mappings of files that cannot be written through and of which no page was changed while they still could: the
/// addresses that a program puts in order when it starts are changed ones.
fn unchanged(smaps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut mapping = None;
    for line in smaps.lines() {
        match line.split_once(':') {
            Some(("Anonymous", size)) if size.trim() == "0 kB" => found.extend(mapping.take()),
            Some((name, _)) if !name.contains(' ') => {}
            _ => mapping = read_only_file(line),
        }
    }
    found
}

fn read_only_file(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let rights = fields.next()?;
    let has_file = fields.nth(2)? != "0";
    let is_read_only = rights.starts_with('r') && !rights.contains(['w', 's']);
    let address = |text| usize::from_str_radix(text, 16).ok();
    (is_read_only && has_file).then_some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests;
