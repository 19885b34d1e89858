//! Walking a directory tree by descriptors: no link is followed, and what `.gitignore` names is passed over.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{Dir, FileType, Mode, OFlags};
use std::os::fd::AsFd;

use super::{OpenDir, PathError, Workspace, stat_entry};
use crate::blocking::{Stop, Why};

const DEPTH_MAX: usize = 100;
/// One directory with more entries than this is listed in part.
const DIRECTORY_MAX: usize = 200_000;
const IGNORE_FILE_MAX: u64 = 256 * 1024;
/// Directories of version control, whose files nobody looks for.
const VERSION_CONTROL: &[&str] = &[".git", ".hg", ".svn", ".jj"];

/// How to walk.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) stop: &'a Stop,
    /// 1 lists the start alone.
    pub(crate) max_depth: usize,
    pub(crate) ignored: Shown,
}

/// Whether the visitor sees what is ignored; nothing below it is visited either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    No,
    Yes,
}

/// One entry of a directory.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// Relative to the workspace, or absolute in a further directory.
    pub(crate) rel: &'a Path,
    pub(crate) name: &'a OsStr,
    pub(crate) kind: FileType,
    /// The directory that it lies in.
    pub(crate) parent: BorrowedFd<'a>,
    /// 1 for the entries of the start.
    pub(crate) depth: usize,
    pub(crate) ignored: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Continue,
    /// Enough was seen.
    End,
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WalkEnd {
    Complete,
    /// The visitor wanted no more.
    Enough,
    Stopped(Why),
}

/// What visitors are.
type Visit<'v> = dyn FnMut(&Entry<'_>) -> Step + 'v;

impl Entry<'_> {
    /// The regular file that this entry is, open for reading; nothing where it became something else.
    pub(crate) fn open(&self) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = rustix::fs::openat(self.parent, self.name, flags, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&fd).ok()?;
        (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then(|| File::from(fd))
    }
}

impl Walk<'_> {
    /// Visits everything below `start`, directories before what they hold, each directory by name.
    pub(crate) fn run(&self, start: OpenDir, visit: &mut Visit<'_>) -> Result<WalkEnd, PathError> {
        let mut rules = self.rules_above(&start.rel);
        Ok(self.directory(&start.fd, &start.rel, 1, &mut rules, visit))
    }

    fn directory(
        &self,
        fd: &OwnedFd,
        rel: &Path,
        depth: usize,
        rules: &mut Vec<Gitignore>,
        visit: &mut Visit<'_>,
    ) -> WalkEnd {
        // A directory that cannot be read has nothing to show.
        let Ok(dir) = Dir::read_from(fd) else { return WalkEnd::Complete };
        let mut entries: Vec<(Vec<u8>, FileType)> = Vec::new();
        for entry in dir.flatten().take(DIRECTORY_MAX) {
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                entries.push((name.to_vec(), entry.file_type()));
            }
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        rules.push(rules_of(fd, rel));
        let end = self.entries(fd, rel, depth, &entries, rules, visit);
        rules.pop();
        end
    }

    fn entries(
        &self,
        fd: &OwnedFd,
        rel: &Path,
        depth: usize,
        entries: &[(Vec<u8>, FileType)],
        rules: &mut Vec<Gitignore>,
        visit: &mut Visit<'_>,
    ) -> WalkEnd {
        for (name, kind) in entries {
            if let Some(why) = self.stop.reached() {
                return WalkEnd::Stopped(why);
            }
            let name = OsStr::from_bytes(name);
            let path = rel.join(name);
            let kind = match kind {
                FileType::Unknown => {
                    stat_entry(fd, name).map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
                }
                kind => *kind,
            };
            let is_dir = kind == FileType::Directory;
            if self.workspace.hides(&path) {
                continue;
            }
            let ignored = is_ignored(rules, &path, is_dir) || VERSION_CONTROL.iter().any(|it| name == *it);
            if ignored && self.ignored == Shown::No {
                continue;
            }
            let entry = Entry { rel: &path, name, kind, parent: fd.as_fd(), depth, ignored };
            if visit(&entry) == Step::End {
                return WalkEnd::Enough;
            }
            if !is_dir || ignored || depth >= self.max_depth.min(DEPTH_MAX) {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let Ok(below) = rustix::fs::openat(fd, name, flags, Mode::empty()) else { continue };
            match self.directory(&below, &path, depth + 1, rules, visit) {
                WalkEnd::Complete => {}
                end => return end,
            }
        }
        WalkEnd::Complete
    }

    /// The rules of the directories above the start, outermost first.
    fn rules_above(&self, start: &Path) -> Vec<Gitignore> {
        let mut rules = Vec::new();
        let top = self.workspace.further_top(start).unwrap_or(Path::new(""));
        if let Some(info) = self.workspace.open_above(&top.join(".git/info")) {
            let mut builder = GitignoreBuilder::new(top);
            add_lines(&mut builder, &info, "exclude");
            rules.push(builder.build().unwrap_or_else(|_| Gitignore::empty()));
        }
        let mut above: Vec<&Path> = start.ancestors().skip(1).take_while(|above| above.starts_with(top)).collect();
        above.reverse();
        for rel in above {
            if let Some(fd) = self.workspace.open_above(rel) {
                rules.push(rules_of(&fd, rel));
            }
        }
        rules
    }
}

/// The innermost rule that says something decides.
fn is_ignored(rules: &[Gitignore], path: &Path, is_dir: bool) -> bool {
    rules
        .iter()
        .rev()
        .map(|rules| rules.matched(path, is_dir))
        .find(|found| !found.is_none())
        .is_some_and(|found| found.is_ignore())
}

/// What the directory's own ignore files say; with or without a git repository around it.
fn rules_of(fd: &OwnedFd, rel: &Path) -> Gitignore {
    let root: PathBuf = rel.to_path_buf();
    let mut builder = GitignoreBuilder::new(root);
    let mut any = false;
    for name in [".gitignore", ".ignore"] {
        any |= add_lines(&mut builder, fd, name);
    }
    if any { builder.build().unwrap_or_else(|_| Gitignore::empty()) } else { Gitignore::empty() }
}

fn add_lines(builder: &mut GitignoreBuilder, fd: &OwnedFd, name: &str) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(fd, name, flags, Mode::empty()) else { return false };
    if !rustix::fs::fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile) {
        return false;
    }
    let mut content = Vec::new();
    if File::from(file).take(IGNORE_FILE_MAX).read_to_end(&mut content).is_err() {
        return false;
    }
    for line in String::from_utf8_lossy(&content).trim_start_matches('\u{feff}').lines() {
        // A line that is no pattern ignores nothing.
        let _ = builder.add_line(None, line);
    }
    true
}
