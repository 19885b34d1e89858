//! The branch and the status of a git repository, read from its files. git is not started: its configuration may name programs for
//! almost everything it does (`core.fsmonitor`, filters, hooks, transports), and a repository brings its configuration along.
//!
//! What is told is less than `git status` tells: which files differ from git's index, and which it does not track. What is staged is not
//! compared with the last commit.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fmt::Write;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Stat};
use sha1::{Digest, Sha1};
use tokio_util::sync::CancellationToken;
use wharf_foreign::visible;

use super::index::{self, Kind, Tracked};
use super::repository;
use crate::blocking::Stop;
use crate::workspace::{Shown, Step, Walk, WalkEnd};
use crate::{Home, Workspace};

/// Within this time the status is known, or it is not told.
pub const TIME_LIMIT: Duration = Duration::from_millis(200);

/// A repository that took longer is not looked at again for so long: it would take as long each time.
const SLOW_FOR: Duration = Duration::from_secs(300);

/// Repositories that are known to be slow; with more all are tried again.
const SLOW_MAX: usize = 256;

/// Larger indexes take longer to read than there is time.
const INDEX_BYTES: u64 = 32 << 20;

/// Files of `.git` that hold a line or two.
const LINE_BYTES: u64 = 4 << 10;

/// Files whose content is compared where their times say nothing; larger ones count as changed.
const COMPARED_BYTES: u64 = 1 << 20;

/// So many files are named.
const NAMED: usize = 20;

/// Longest path that is shown, in bytes.
const PATH_BYTES: usize = 200;

/// Files and directories that git does not track, which are counted; more are "or more".
const UNTRACKED_MAX: usize = 1_000;

/// What stands in `.git` while something is going on.
const UNDER_WAY: [(&str, &str); 5] = [
    ("MERGE_HEAD", "a merge"),
    ("rebase-merge/head-name", "a rebase"),
    ("rebase-apply/next", "a rebase"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
];

/// Reads the state of repositories, and remembers which are too large for that.
#[derive(Debug, Default)]
pub struct GitFacts {
    slow: Mutex<HashMap<PathBuf, Instant>>,
}

/// Where a repository keeps what.
pub(super) struct Repository {
    /// Its files.
    work: std::sync::Arc<Workspace>,
    /// What `.git` is or points to.
    git: std::sync::Arc<Workspace>,
    top: PathBuf,
}

/// How the files of a repository differ from its index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    changed: Vec<(char, String)>,
    untracked: BTreeSet<Vec<u8>>,
}

impl GitFacts {
    /// Branch and status of the repository that `home` lies in, in words; `None` where there is none. Blocks, at most a little longer than
    /// the time limit.
    pub fn find(&self, home: &Home, masked: &[PathBuf]) -> Option<String> {
        let stop = Stop::new(&CancellationToken::new()).within(TIME_LIMIT);
        let repository = Repository::find(home, masked)?;
        let mut text = format!("Git branch: {}", repository.branch()?);
        if let Some((_, what)) = UNDER_WAY.iter().find(|(name, _)| repository.line(name).is_some()) {
            write!(text, ", with {what} under way").ok();
        }
        if self.is_slow(&repository.top) {
            return Some(text);
        }
        match repository.status(&stop) {
            Some(status) => status.write(&mut text),
            None if stop.reached().is_some() => self.remember_slow(&repository.top),
            None => {}
        }
        Some(text)
    }

    fn is_slow(&self, top: &Path) -> bool {
        let slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        slow.get(top).is_some_and(|since| since.elapsed() < SLOW_FOR)
    }

    pub(super) fn remember_slow(&self, top: &Path) {
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        if slow.len() >= SLOW_MAX {
            slow.clear();
        }
        slow.insert(top.to_path_buf(), Instant::now());
    }
}

impl Repository {
    pub(super) fn find(home: &Home, masked: &[PathBuf]) -> Option<Self> {
        let (_, cwd) = home.open().ok()?;
        let top = repository(&cwd)?;
        let work = Workspace::open_in(&home.at(&top), &[], masked).ok()?;
        let dot_git = top.join(".git");
        let kind = FileType::from_raw_mode(work.peek_entry(Path::new(".git"))?.st_mode);
        let git = match kind {
            FileType::Directory => dot_git,
            // A worktree or a submodule: its line names the directory.
            FileType::RegularFile => {
                let line = line_of(&work, Path::new(".git"))?;
                top.join(line.strip_prefix("gitdir:")?.trim())
            }
            _ => return None,
        };
        let git = Workspace::open_in(&home.at(git), &[], masked).ok()?;
        Some(Self { work, git, top })
    }

    fn line(&self, name: &str) -> Option<String> {
        line_of(&self.git, Path::new(name))
    }

    fn branch(&self) -> Option<String> {
        let head = self.line("HEAD")?;
        if let Some(reference) = head.strip_prefix("ref:") {
            let reference = reference.trim();
            return Some(visible::line(reference.strip_prefix("refs/heads/").unwrap_or(reference), PATH_BYTES));
        }
        let is_object = head.len() >= 40 && head.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_object.then(|| format!("none (detached at {})", &head[..9]))
    }

    /// `None` where that cannot be told, or not in time.
    pub(super) fn status(&self, stop: &Stop) -> Option<Status> {
        let mut status = Status::default();
        let (tracked, index_time) = self.tracked()?;
        for entry in &tracked {
            stop.reached().is_none().then_some(())?;
            if let Some(letter) = self.change(entry, index_time) {
                status.changed.push((letter, visible::line(&String::from_utf8_lossy(&entry.path), PATH_BYTES)));
            }
        }
        status.changed.dedup();
        status.untracked = self.untracked(&tracked, stop)?;
        Some(status)
    }

    /// What the index says, and when it was written. A repository without one tracks nothing.
    fn tracked(&self) -> Option<(Vec<Tracked>, (i64, i64))> {
        // Worktrees have the configuration of the repository that they belong to, which has the format of their objects too.
        let config = self.git.peek(Path::new("config")).and_then(|opened| text_of(opened.file, 64 << 10));
        let objects = config.unwrap_or_default().to_ascii_lowercase();
        if objects.contains("objectformat") && objects.contains("sha256") {
            return None;
        }
        let Some(opened) = self.git.peek(Path::new("index")) else { return Some((Vec::new(), (0, 0))) };
        let written = times(&opened.stat);
        let mut bytes = Vec::new();
        opened.file.take(INDEX_BYTES + 1).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 > INDEX_BYTES {
            return None;
        }
        Some((index::read(&bytes)?, written))
    }

    /// The letter that git has for what became of a file; `None` where it is as the index says.
    fn change(&self, entry: &Tracked, index_time: (i64, i64)) -> Option<char> {
        if entry.is_unmerged {
            return Some('U');
        }
        if entry.is_assumed || entry.kind == Kind::Submodule {
            return None;
        }
        let path = Path::new(OsStr::from_bytes(&entry.path));
        let Some(stat) = self.work.peek_entry(path) else { return Some('D') };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let is_same_kind = kind == if entry.kind == Kind::Link { FileType::Symlink } else { FileType::RegularFile };
        if !is_same_kind {
            return Some('T');
        }
        let modified = times(&stat);
        let noted = (i64::from(entry.modified.0), i64::from(entry.modified.1));
        // A file that changed while the index was written looks as the index says, and is not.
        let is_unsure = noted >= index_time;
        let is_same_size = u64::try_from(stat.st_size) == Ok(u64::from(entry.size));
        // Some systems keep no fractions of seconds, and git notes none then.
        let is_same_time = modified == noted || (noted.1 == 0 && modified.0 == noted.0);
        if is_same_size && is_same_time && !is_unsure {
            return None;
        }
        if !is_same_size && entry.size != 0 {
            return Some('M');
        }
        if entry.kind == Kind::Link {
            return (!is_same_time).then_some('M');
        }
        (self.object(path) != Some(entry.object)).then_some('M')
    }

    /// The name that git has for a file's content.
    fn object(&self, path: &Path) -> Option<[u8; 20]> {
        let opened = self.work.peek(path)?;
        let size = u64::try_from(opened.stat.st_size).ok().filter(|size| *size <= COMPARED_BYTES)?;
        let mut content = Vec::new();
        opened.file.take(COMPARED_BYTES + 1).read_to_end(&mut content).ok()?;
        if content.len() as u64 != size {
            return None;
        }
        let mut hash = Sha1::new();
        hash.update(format!("blob {size}\0"));
        hash.update(&content);
        Some(hash.finalize().into())
    }

    /// Files that git does not track, and does not ignore; where nothing in a directory is tracked, that directory.
    fn untracked(&self, tracked: &[Tracked], stop: &Stop) -> Option<BTreeSet<Vec<u8>>> {
        let mut found = BTreeSet::new();
        let walk = Walk { workspace: &self.work, stop, max_depth: usize::MAX, ignored: Shown::No };
        let start = self.work.open_dir(".").ok()?;
        let walked = walk.run(start, &mut |entry| {
            let path = entry.rel.as_os_str().as_bytes();
            let is_file = matches!(entry.kind, FileType::RegularFile | FileType::Symlink);
            if is_file && tracked.binary_search_by(|known| known.path.as_slice().cmp(path)).is_err() {
                found.insert(untracked_name(path, tracked));
            }
            if found.len() > UNTRACKED_MAX { Step::End } else { Step::Continue }
        });
        matches!(walked.ok()?.end, WalkEnd::Complete | WalkEnd::Enough).then_some(found)
    }
}

/// The outermost directory of a file that is not tracked in which nothing is, or the file.
fn untracked_name(path: &[u8], tracked: &[Tracked]) -> Vec<u8> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    for at in slashes {
        let directory = &path[..=at];
        let first = tracked.partition_point(|known| known.path.as_slice() < directory);
        if !tracked.get(first).is_some_and(|known| known.path.starts_with(directory)) {
            return directory.to_vec();
        }
    }
    path.to_vec()
}

// The widths of these fields differ between targets.
#[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap)]
fn times(stat: &Stat) -> (i64, i64) {
    (stat.st_mtime as i64, stat.st_mtime_nsec as i64)
}

fn line_of(workspace: &Workspace, name: &Path) -> Option<String> {
    let text = text_of(workspace.peek(name)?.file, LINE_BYTES)?;
    Some(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn text_of(file: std::fs::File, most: u64) -> Option<String> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

impl Status {
    fn write(&self, text: &mut String) {
        let (changed, untracked) = (self.changed.len(), self.untracked.len());
        if changed == 0 && untracked == 0 {
            text.push_str("\nGit status: nothing changed beside what may be staged");
            return;
        }
        let more = if untracked > UNTRACKED_MAX { " or more" } else { "" };
        let untracked = untracked.min(UNTRACKED_MAX);
        write!(text, "\nGit status (beside what may be staged): {changed} changed, {untracked}{more} not tracked").ok();
        let changes = self.changed.iter().map(|(letter, path)| format!(" {letter} {path}"));
        let others = self.untracked.iter();
        let others = others.map(|path| format!("?? {}", visible::line(&String::from_utf8_lossy(path), PATH_BYTES)));
        for line in changes.chain(others).take(NAMED) {
            write!(text, "\n{line}").ok();
        }
        if changed + untracked > NAMED {
            text.push_str("\n...");
        }
    }
}
