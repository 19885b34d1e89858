//! Memory that a process which waits need not hold: the pages of its program that it went through when it started.
//!
//! An editor's `wharf acp` waits nearly all of its life, and there are as many as there are open editors. What it reads to start (arguments,
//! configuration, the handshake) is most of what it ever reads of its program.

#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

use std::ops::Range;

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
