//! The directory that a session works in, by its name: looked up anew each time that something begins there.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags};

use super::name_of;

/// A directory by its name, and where it may lead. Nothing is held open: since it was looked at last, the directory may have been
/// made anew, or a link may have come in its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Home {
    path: PathBuf,
    /// Empty: anywhere.
    allowed: Arc<[PathBuf]>,
}

impl Home {
    /// `allowed` are the directories that it has to lie in; none of them: it may lie anywhere.
    pub fn new(path: impl Into<PathBuf>, allowed: &[PathBuf]) -> Self {
        Self { path: path.into(), allowed: allowed.into() }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory `path`, which may lead where this one may.
    #[must_use]
    pub fn at(&self, path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), allowed: Arc::clone(&self.allowed) }
    }

    /// Opens the directory that has the name now. What was opened is judged, not the name: no link that is swapped in meanwhile
    /// leads elsewhere.
    pub fn open(&self) -> io::Result<(OwnedFd, PathBuf)> {
        let (dir, real) = open(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::new(
                error.kind(),
                "it is gone. Make it again, or move it back; the session goes on in whatever directory has its name",
            ),
            _ => error,
        })?;
        let is_allowed = |root: &PathBuf| root.canonicalize().is_ok_and(|root| real.starts_with(root));
        if self.allowed.is_empty() || self.allowed.iter().any(is_allowed) {
            return Ok((dir, real));
        }
        let why = "a symbolic link has taken its place, which leads out of the allowed directories";
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    }
}

/// The directory that `path` leads to, and its real path.
pub(super) fn open(path: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
    let real = name_of(&dir).or_else(|_| path.canonicalize())?;
    Ok((dir, real))
}
