//! A place for a file: where it would be written.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::writer::{Prepared, plain};
use super::{PathError, Root, Workspace, regular, stat_entry};
use crate::name::quoted;

const LINKS_MAX: usize = 16;
const DEPTH_MAX: usize = 128;

/// Where a file is or would be. Nothing was changed to find it.
#[derive(Debug)]
pub(crate) struct Place {
    /// The deepest directory of the path that exists.
    ancestor: OwnedFd,
    /// Directories to make beneath it.
    missing: Vec<OsString>,
    name: OsString,
    /// Resolved; relative to the workspace, or absolute in a further directory.
    rel: PathBuf,
    existing: Option<Fingerprint>,
    /// As the call named it.
    path: String,
}

/// A file as it was seen, to notice that somebody else changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    dev: u64,
    ino: u64,
    pub(super) size: u64,
    modified: (i64, u64),
    /// The rights of owner, group and others.
    pub(crate) mode: u32,
    /// It runs with the rights of its owner or group.
    pub(super) is_special: bool,
    pub(super) owner: (u32, u32),
}

impl Fingerprint {
    // The widths of these fields differ between targets.
    #[allow(clippy::unnecessary_cast)]
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            mode: stat.st_mode as u32 & 0o777,
            is_special: stat.st_mode as u32 & 0o6000 != 0,
            owner: (stat.st_uid, stat.st_gid),
        }
    }
}

impl Workspace {
    /// Where to write `path`. A symbolic link stands for its target; protected files are refused.
    pub(crate) fn locate(&self, path: &str) -> Result<Place, PathError> {
        self.locate_found(self.find(path)?, path)
    }

    /// Where to write the file that the workspace named `rel`.
    pub(crate) fn locate_named(&self, rel: &Path) -> Result<Place, PathError> {
        self.locate_found(self.find_named(rel)?, &crate::name::of(rel))
    }

    fn locate_found(&self, (root, mut rel): (&Root, PathBuf), path: &str) -> Result<Place, PathError> {
        let text = || quoted(path);
        if path.ends_with('/') {
            return Err(PathError::Invalid { path: text(), why: "it names a directory" });
        }
        for _ in 0..LINKS_MAX {
            let Some(name) = rel.file_name().map(OsStr::to_os_string) else {
                return Err(PathError::Kind { path: text(), what: "a directory", wanted: "a file" });
            };
            let parent = rel.parent().unwrap_or(Path::new(""));
            let (ancestor, missing) = self.deepest(root, parent, path)?;
            let mut real = self.inner(root, &ancestor, path)?;
            real.extend(&missing);
            let existing = match stat_entry(&ancestor, &name) {
                _ if !missing.is_empty() => None,
                Err(Errno::NOENT) => None,
                Err(error) => return Err(self.refusal(path, error)),
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink && self.has_openat2 => {
                    let target = rustix::fs::readlinkat(&ancestor, &name, Vec::new());
                    let target = target.map_err(|error| self.refusal(path, error))?;
                    rel = real.join(OsString::from_vec(target.into_bytes()));
                    if rel.is_absolute() {
                        return Err(self.outside(path));
                    }
                    continue;
                }
                Ok(stat) => {
                    regular(&stat, path)?;
                    Some(Fingerprint::of(&stat))
                }
            };
            let rel = self.name(root, &real.join(&name));
            if let Some(why) = self.protection(&rel) {
                return Err(PathError::Protected { path: text(), why });
            }
            if self.hides(&rel) {
                return Err(PathError::Protected { path: text(), why: "it belongs to Wharf's own state" });
            }
            self.admit(&rel, path)?;
            return Ok(Place { ancestor, missing, name, rel, existing, path: path.to_owned() });
        }
        Err(self.refusal(path, Errno::LOOP))
    }

    /// The deepest existing directory on the way to `inner` of `root`, and what is missing beneath it.
    fn deepest(&self, root: &Root, inner: &Path, path: &str) -> Result<(OwnedFd, Vec<OsString>), PathError> {
        let mut here = inner;
        let mut missing = Vec::new();
        for _ in 0..DEPTH_MAX {
            let at = if here.as_os_str().is_empty() { Path::new(".") } else { here };
            match self.beneath(root, at, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()) {
                Ok(fd) => {
                    missing.reverse();
                    return Ok((fd, missing));
                }
                Err(Errno::NOENT) => {}
                Err(error) => return Err(self.refusal(path, error)),
            }
            // `..` behind a directory that does not exist has no meaning.
            match here.components().next_back() {
                Some(Component::Normal(name)) => missing.push(name.to_os_string()),
                _ => return Err(self.refusal(path, Errno::NOENT)),
            }
            here = here.parent().unwrap_or(Path::new(""));
        }
        Err(PathError::Invalid { path: quoted(path), why: "it has too many directories" })
    }
}

impl Place {
    /// Resolved; relative to the workspace, or absolute in a further directory.
    pub(crate) fn rel(&self) -> &Path {
        &self.rel
    }

    pub(crate) fn exists(&self) -> bool {
        self.existing.is_some()
    }

    pub(crate) fn mode(&self) -> Option<u32> {
        self.existing.map(|existing| existing.mode)
    }

    /// The content of the file that is here.
    pub(crate) fn read(&mut self, limit: u64) -> Result<Vec<u8>, PathError> {
        if !self.exists() {
            return Err(PathError::NotFound { path: quoted(&self.path), hint: String::new() });
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = rustix::fs::openat(&self.ancestor, &self.name, flags, Mode::empty())
            .map_err(|error| self.io(error.into()))?;
        let stat = rustix::fs::fstat(&fd).map_err(|error| self.io(error.into()))?;
        regular(&stat, &self.path)?;
        let fingerprint = Fingerprint::of(&stat);
        self.existing = Some(fingerprint);
        let too_large = |size| PathError::TooLarge { path: quoted(&self.path), what: "the file", size, limit };
        if fingerprint.size > limit {
            return Err(too_large(fingerprint.size));
        }
        let mut content = Vec::with_capacity(fingerprint.size as usize);
        File::from(fd).take(limit + 1).read_to_end(&mut content).map_err(|error| self.io(error))?;
        if content.len() as u64 > limit {
            return Err(too_large(content.len() as u64));
        }
        Ok(content)
    }

    /// Makes the change ready, for `Prepared::commit` to put it in place. A file that exists keeps its mode, unless `mode` says
    /// another one.
    pub(crate) fn prepare(self, content: &[u8], mode: Option<u32>) -> Result<Prepared, PathError> {
        if self.existing.is_some() {
            // A rename would replace a file that may not be written.
            let access =
                rustix::fs::accessat(&self.ancestor, &self.name, rustix::fs::Access::WRITE_OK, AtFlags::EACCESS);
            if matches!(access, Err(Errno::ACCESS | Errno::ROFS | Errno::PERM)) {
                let source = io::Error::new(io::ErrorKind::PermissionDenied, "the file is read-only");
                return Err(self.io(source));
            }
        }
        let mut prepared = self.prepare_parents()?;
        prepared.fill(content, mode)?;
        Ok(prepared)
    }

    /// The removal of the file that is here.
    pub(crate) fn prepare_removal(self) -> Result<Prepared, PathError> {
        self.prepare_parents()
    }

    /// Makes the directories that are missing on the way to the place.
    pub(crate) fn make_parents(self) -> Result<(), PathError> {
        let mut prepared = self.prepare_parents()?;
        prepared.keep();
        Ok(())
    }

    fn prepare_parents(self) -> Result<Prepared, PathError> {
        let Self { ancestor, missing, name, rel: _, existing, path } = self;
        let mut prepared = Prepared::removal(ancestor, name, existing, path);
        for name in missing {
            let step = make_directory(&prepared.parent, &name).map_err(|error| prepared.io(error))?;
            let parent = std::mem::replace(&mut prepared.parent, step.fd);
            if step.made {
                prepared.made.push((parent, name));
            }
        }
        Ok(prepared)
    }

    fn io(&self, source: io::Error) -> PathError {
        PathError::Io { path: quoted(&self.path), source: plain(source) }
    }
}

struct Made {
    fd: OwnedFd,
    made: bool,
}

fn make_directory(parent: &OwnedFd, name: &OsStr) -> io::Result<Made> {
    let made = match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    Ok(Made { fd, made })
}
