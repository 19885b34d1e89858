//! Walking a directory tree by descriptors: no link is followed, what `.gitignore` names is passed over, and what was not
//! looked at is told.

mod ignores;
mod missed;

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use self::ignores::Ignores;
pub(crate) use self::missed::Missed;
use super::{OpenDir, PathError, Workspace, stat_entry};
use crate::blocking::{Stop, Why};

/// Directories below this many others are not looked into, and told as missed: each holds a descriptor.
const DEPTH_MAX: usize = 100;
/// Nor are those with a longer path: no tool could open what lies in them.
const PATH_MAX_BYTES: usize = 4000;
/// One directory with more entries than this is listed in part, and told as missed.
const DIRECTORY_MAX: usize = 200_000;
/// The same of all directories on the way to where the walk is.
const HELD_MAX: usize = 500_000;
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

/// A walk that is over.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) end: WalkEnd,
    pub(crate) missed: Missed,
}

/// Why an entry is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// It was removed, or became something else, in the meantime.
    Gone,
    Unreadable,
}

/// What visitors are.
type Visit<'v> = dyn FnMut(&Entry<'_>) -> Step + 'v;

impl Entry<'_> {
    /// The regular file that this entry is, open for reading.
    pub(crate) fn open(&self) -> Result<File, Closed> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = rustix::fs::openat(self.parent, self.name, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOENT | Errno::LOOP => Closed::Gone,
            _ => Closed::Unreadable,
        })?;
        let stat = rustix::fs::fstat(&fd).map_err(|_| Closed::Unreadable)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            Ok(File::from(fd))
        } else {
            Err(Closed::Gone)
        }
    }
}

impl Walk<'_> {
    /// Visits everything below `start`, directories before what they hold, each directory by name.
    pub(crate) fn run(&self, start: OpenDir, visit: &mut Visit<'_>) -> Result<Walked, PathError> {
        let mut missed = Missed::default();
        let ignores = Ignores::above(self.workspace, &start.rel, &mut missed);
        let mut way = Way { walk: self, levels: Vec::new(), held: 0, ignores, missed };
        way.enter(start.fd, start.rel);
        let end = way.run(visit);
        Ok(Walked { end, missed: way.missed })
    }
}

/// From the start of a walk to where it is. Strangers make directories as deep as they like: the way is on the heap.
struct Way<'w> {
    walk: &'w Walk<'w>,
    levels: Vec<Level>,
    /// Entries of all levels.
    held: usize,
    ignores: Ignores,
    missed: Missed,
}

/// A directory on the way.
struct Level {
    fd: OwnedFd,
    rel: PathBuf,
    size: usize,
    /// Those that were not visited yet.
    entries: std::vec::IntoIter<(Vec<u8>, FileType)>,
}

impl Way<'_> {
    fn enter(&mut self, fd: OwnedFd, rel: PathBuf) {
        let Ok(dir) = Dir::read_from(&fd) else { return self.missed.unreadable.add(&rel) };
        let room = DIRECTORY_MAX.min(HELD_MAX.saturating_sub(self.held));
        let mut entries: Vec<(Vec<u8>, FileType)> = Vec::new();
        for entry in dir {
            let Ok(entry) = entry else {
                self.missed.partial.add(&rel);
                break;
            };
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if entries.len() == room {
                self.missed.partial.add(&rel);
                break;
            }
            entries.push((name.to_vec(), entry.file_type()));
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        self.ignores.enter(&fd, &rel, &mut self.missed);
        self.held += entries.len();
        self.levels.push(Level { fd, rel, size: entries.len(), entries: entries.into_iter() });
    }

    fn run(&mut self, visit: &mut Visit<'_>) -> WalkEnd {
        while let Some(level) = self.levels.last_mut() {
            if let Some(why) = self.walk.stop.reached() {
                return WalkEnd::Stopped(why);
            }
            let Some((name, kind)) = level.entries.next() else {
                self.held -= level.size;
                self.levels.pop();
                self.ignores.leave();
                continue;
            };
            match self.visit(OsStr::from_bytes(&name), kind, visit) {
                Visited::Done => {}
                Visited::Below(fd, rel) => self.enter(fd, rel),
                Visited::End => return WalkEnd::Enough,
            }
        }
        WalkEnd::Complete
    }

    /// One entry of the last level.
    fn visit(&mut self, name: &OsStr, kind: FileType, visit: &mut Visit<'_>) -> Visited {
        let depth = self.levels.len();
        let Some(Level { fd, rel, .. }) = self.levels.last() else { return Visited::Done };
        let path = rel.join(name);
        let kind = match kind {
            FileType::Unknown => {
                stat_entry(fd, name).map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
            }
            kind => kind,
        };
        let is_dir = kind == FileType::Directory;
        if self.walk.workspace.hides(&path) || self.walk.workspace.passes_over(&path) {
            return Visited::Done;
        }
        let is_version_control = VERSION_CONTROL.iter().any(|it| name == *it);
        let ignored = is_version_control || self.ignores.covers(&path, is_dir);
        if ignored && !is_version_control {
            self.missed.ignored.add(&path);
        }
        if ignored && self.walk.ignored == Shown::No {
            return Visited::Done;
        }
        let entry = Entry { rel: &path, name, kind, parent: fd.as_fd(), depth, ignored };
        if visit(&entry) == Step::End {
            return Visited::End;
        }
        if !is_dir || ignored || depth >= self.walk.max_depth {
            return Visited::Done;
        }
        if depth >= DEPTH_MAX || path.as_os_str().len() > PATH_MAX_BYTES {
            self.missed.deep.add(&path);
            return Visited::Done;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(fd, name, flags, Mode::empty()) {
            Ok(below) => return Visited::Below(below, path),
            // It was removed, or became something else, in the meantime.
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => {}
            Err(_) => self.missed.unreadable.add(&path),
        }
        Visited::Done
    }
}

/// What comes after an entry.
enum Visited {
    Done,
    Below(OwnedFd, PathBuf),
    End,
}

#[cfg(test)]
mod tests;
