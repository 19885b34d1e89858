//! One directory of a workspace.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::home::{Home, open};

#[derive(Debug)]
pub(super) struct Root {
    /// Why it cannot be used, where it cannot.
    dir: Result<OwnedFd, String>,
    /// Resolved, as it was when opened.
    pub(super) real: PathBuf,
    /// As the client named it: agents are told this name and use it.
    given: PathBuf,
}

impl Root {
    /// The directory that has the name `home` now.
    pub(super) fn open(home: &Home) -> io::Result<Self> {
        let (dir, real) = home.open()?;
        Ok(Self { dir: Ok(dir), real, given: home.path().to_path_buf() })
    }

    /// The directory `real`, and no other one: since it was looked at, a link may have come in its place or on the way to it.
    pub(super) fn open_real(real: &Path) -> Self {
        let dir = match open(real) {
            Ok((dir, found)) if found == real => Ok(dir),
            Ok(_) => Err("a symbolic link has taken its place".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        Self { dir, real: real.to_path_buf(), given: real.to_path_buf() }
    }

    pub(super) fn dir(&self) -> Result<&OwnedFd, &str> {
        self.dir.as_ref().map_err(String::as_str)
    }

    /// What of `path` lies in it. Whole components are compared: `/work-evil` is not inside `/work`.
    pub(super) fn inner<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        path.strip_prefix(&self.real).or_else(|_| path.strip_prefix(&self.given)).ok()
    }
}
