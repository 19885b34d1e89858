//! The ignore files that are in force where a walk is. Strangers write them: what they cost is limited before it is compiled.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{FileType, Mode, OFlags};
use wharf_foreign::pattern::{Cost, GLOB};

use super::Missed;
use crate::workspace::Workspace;

/// What is behind it in an ignore file ignores nothing, and the result says so.
const FILE_MAX_BYTES: u64 = 256 * 1024;
/// Of all ignore files from the top to where the walk is; lines beyond ignore nothing, and the result says so. So many states
/// take some megabytes, and are built in a fraction of a second.
const BUDGET: Cost = Cost { patterns: 50_000, states: 128 * 1024 };
/// What each file with wildcards costs at least: its automaton may keep some megabytes of what it has seen.
const FILE_STATES: usize = 4 * 1024;

/// The rules of the directories above the start and on the way from there, outermost first.
pub(super) struct Ignores {
    rules: Vec<Rules>,
    in_force: Cost,
}

struct Rules {
    matcher: Gitignore,
    cost: Cost,
}

impl Ignores {
    /// What is in force at `start`, without what is in it.
    pub(super) fn above(workspace: &Workspace, start: &Path, missed: &mut Missed) -> Self {
        let mut ignores = Self { rules: Vec::new(), in_force: Cost::default() };
        let top = workspace.further_top(start).unwrap_or(Path::new(""));
        if let Some(info) = workspace.open_above(&top.join(".git/info")) {
            ignores.read(&info, top, &["exclude"], missed);
        }
        let mut above: Vec<&Path> = start.ancestors().skip(1).take_while(|above| above.starts_with(top)).collect();
        above.reverse();
        for rel in above {
            if let Some(fd) = workspace.open_above(rel) {
                ignores.enter(&fd, rel, missed);
            }
        }
        ignores
    }

    /// Adds what the directory's own ignore files say; with or without a git repository around it.
    pub(super) fn enter(&mut self, fd: &OwnedFd, rel: &Path, missed: &mut Missed) {
        self.read(fd, rel, &[".gitignore", ".ignore"], missed);
    }

    /// Forgets the directory that was entered last.
    pub(super) fn leave(&mut self) {
        if let Some(rules) = self.rules.pop() {
            self.in_force = self.in_force.minus(rules.cost);
        }
    }

    /// The innermost rule that says something decides.
    pub(super) fn covers(&self, path: &Path, is_dir: bool) -> bool {
        self.rules
            .iter()
            .rev()
            .map(|rules| rules.matcher.matched(path, is_dir))
            .find(|found| !found.is_none())
            .is_some_and(|found| found.is_ignore())
    }

    fn read(&mut self, fd: &OwnedFd, rel: &Path, names: &[&str], missed: &mut Missed) {
        let mut builder = None;
        let mut cost = Cost::default();
        for name in names {
            let Some((content, is_whole)) = content(fd, name) else { continue };
            let mut refuse = |why: &str| missed.refused.add_with(&rel.join(name), why);
            let builder = builder.get_or_insert_with(|| GitignoreBuilder::new(rel));
            for (at, line) in content.lines().enumerate() {
                // A blank line or a comment is no pattern.
                if line.starts_with('#') || line.trim().is_empty() {
                    continue;
                }
                if let Err(error) = GLOB.check(line) {
                    refuse(&format!(" line {}: {error}", at + 1));
                    continue;
                }
                let mut next = cost.plus(Cost::of(line));
                if cost.states == 0 && next.states > 0 {
                    next.states += FILE_STATES;
                }
                if !self.in_force.plus(next).fits(BUDGET) {
                    refuse(&format!(" from line {}: too many patterns are in force", at + 1));
                    break;
                }
                // A line that is no pattern ignores nothing, as in git.
                if builder.add_line(None, line).is_ok() {
                    cost = next;
                }
            }
            if !is_whole {
                refuse(&format!(" is longer than {} KiB", FILE_MAX_BYTES / 1024));
            }
        }
        let matcher = match builder.map(|builder| builder.build()) {
            None => Gitignore::empty(),
            Some(Ok(matcher)) => matcher,
            Some(Err(_)) => {
                missed.refused.add_with(&rel.join(names[0]), ": its patterns are too large together");
                Gitignore::empty()
            }
        };
        self.in_force = self.in_force.plus(cost);
        self.rules.push(Rules { matcher, cost });
    }
}

/// What an ignore file says, without a line that is cut, and whether this is the whole of it.
fn content(dir: &OwnedFd, name: &str) -> Option<(String, bool)> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(&file).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut bytes = Vec::new();
    File::from(file).take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
    let is_whole = bytes.len() as u64 <= FILE_MAX_BYTES;
    if !is_whole {
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0));
    }
    Some((String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_owned(), is_whole))
}
