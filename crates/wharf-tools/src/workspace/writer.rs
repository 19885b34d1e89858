//! The one writer of the user's files: in one step or not at all, and with everything that belongs to the file.
//!
//! A new content stands beside the file until a rename puts it there, so that nobody ever sees a part of it. A rename makes
//! another file, which is given what the old one had: owner, mode, access list, attributes ([`attributes`]). Where it cannot have
//! that, or cannot be made or put there (hard links, somebody else's file, a mounted file, a directory that may not be written),
//! the file itself is overwritten, and what it was is kept until that is done ([`in_place`]). What is lost all the same, the
//! result says.

mod attributes;
mod in_place;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::place::Fingerprint;
use super::{PathError, stat_entry};
use crate::name::quoted;
use in_place::InPlace;

const LINKS: &str = "its other names (hard links) keep the old content";
const SPECIAL: &str = "its set-user-ID and set-group-ID bits were dropped, as its content is another one";
const MODE: &str = "its mode could not be changed, as it belongs to somebody else";

/// A change of one file that is ready. Dropped before it is kept, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(super) parent: OwnedFd,
    name: OsString,
    existing: Option<Fingerprint>,
    path: String,
    /// Directories made for it, outermost first.
    pub(super) made: Vec<(OwnedFd, OsString)>,
    change: Change,
    /// What the file does not keep.
    lost: Vec<&'static str>,
    state: State,
}

#[derive(Debug)]
enum Change {
    Removal,
    /// The new content is beside the file, under this name.
    Replacement {
        beside: OsString,
    },
    InPlace(InPlace),
    /// The new content has its place.
    Put,
}

#[derive(Debug)]
enum State {
    Open,
    /// Done, and the old file is still there under this name, where a rename did it.
    Undoable {
        backup: Option<OsString>,
    },
    Final,
}

impl Prepared {
    /// Removes the file, unless it gets a content.
    pub(super) fn removal(parent: OwnedFd, name: OsString, existing: Option<Fingerprint>, path: String) -> Self {
        let (made, lost) = (Vec::new(), Vec::new());
        Self { parent, name, existing, path, made, change: Change::Removal, lost, state: State::Open }
    }

    /// What the file does not keep, in words for the result; known once it is committed.
    pub(crate) fn lost(&self) -> Vec<String> {
        self.lost.iter().map(|what| (*what).to_owned()).collect()
    }

    pub(super) fn fill(&mut self, content: &[u8], mode: Option<u32>) -> Result<(), PathError> {
        self.filled(content, mode).map_err(|error| self.io(error))
    }

    fn filled(&mut self, content: &[u8], mode: Option<u32>) -> io::Result<()> {
        let Some(existing) = self.existing else {
            // What the process's mask leaves of it.
            return self.write_beside(content, mode.unwrap_or(0o666)).map(drop);
        };
        let old = self.open_old()?;
        if existing.is_special {
            self.lost.push(SPECIAL);
        }
        if self.is_mounted() {
            return self.overwrite(&old, content, mode);
        }
        if rustix::fs::fstat(&old)?.st_nlink > 1 {
            if self.overwrite(&old, content, mode).is_ok() {
                return Ok(());
            }
            // A program that runs can be replaced and not overwritten.
            self.lost.push(LINKS);
        }
        // Nobody else reads the new content of a private file.
        let new = match self.write_beside(content, 0o600) {
            Ok(new) => new,
            Err(error) if is_barred(&error) => return self.overwrite(&old, content, mode),
            Err(error) => return Err(error),
        };
        match attributes::keep(&old, &new, &existing, mode) {
            Ok(lost) => self.lost.extend(lost),
            Err(what) if self.overwrite(&old, content, mode).is_err() => self.lost.push(what),
            Err(_) => {}
        }
        Ok(())
    }

    fn open_old(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        Ok(File::from(rustix::fs::openat(&self.parent, &self.name, flags, Mode::empty())?))
    }

    /// A file that something is mounted on can neither be replaced nor removed.
    fn is_mounted(&self) -> bool {
        let stat = rustix::fs::statx(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
        stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
    }

    fn write_beside(&mut self, content: &[u8], mode: u32) -> io::Result<File> {
        let (beside, mut file) = create_beside(&self.parent, mode)?;
        self.change = Change::Replacement { beside };
        file.write_all(content)?;
        Ok(file)
    }

    /// Makes the change one of the file itself, in place of a replacement.
    fn overwrite(&mut self, old: &File, content: &[u8], mode: Option<u32>) -> io::Result<()> {
        let mode = mode.filter(|mode| self.existing.is_some_and(|existing| existing.mode != *mode));
        let in_place = InPlace::prepare(&self.parent, &self.name, old, content, mode)?;
        self.remove_beside();
        self.change = Change::InPlace(in_place);
        Ok(())
    }

    fn remove_beside(&mut self) {
        if let Change::Replacement { beside } = &self.change {
            let _ = rustix::fs::unlinkat(&self.parent, beside, AtFlags::empty());
        }
    }

    /// Puts the change in place. Until `keep` it can be taken back.
    pub(crate) fn commit(&mut self) -> Result<(), PathError> {
        if let Some(seen) = &self.existing {
            let now = stat_entry(&self.parent, &self.name).ok().map(|stat| Fingerprint::of(&stat));
            if now != Some(*seen) {
                return Err(self.changed());
            }
        }
        if let Change::InPlace(in_place) = &mut self.change {
            let done = in_place.write(self.existing.as_ref());
            return match done {
                Ok(has_mode) => {
                    self.lost.extend((!has_mode).then_some(MODE));
                    self.state = State::Undoable { backup: None };
                    Ok(())
                }
                Err(in_place::Failure::Changed) => Err(self.changed()),
                Err(in_place::Failure::Io(error)) => Err(self.io(error)),
            };
        }
        let backup = match &self.existing {
            Some(_) => Some(self.back_up().map_err(|error| self.io(error))?),
            None => None,
        };
        self.state = State::Undoable { backup };
        let done = match &self.change {
            Change::Replacement { beside } => self.put(beside),
            _ => match rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::empty()) {
                // Where hard links are not to be had the backup was a rename: it is gone already.
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(error.into()),
            },
        };
        match done {
            Ok(()) => {
                self.change = Change::Put;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.state = State::Open;
                Err(self.changed())
            }
            Err(error) => {
                self.undo();
                Err(self.io(error))
            }
        }
    }

    /// Makes a committed change final.
    pub(crate) fn keep(&mut self) {
        if let State::Undoable { backup: Some(backup) } = std::mem::replace(&mut self.state, State::Final) {
            let _ = rustix::fs::unlinkat(&self.parent, &backup, AtFlags::empty());
        }
        if let Change::InPlace(in_place) = &mut self.change {
            in_place.keep(&self.parent);
        }
    }

    /// Takes a committed change back: the old file itself returns, with everything that belongs to it.
    fn undo(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Open);
        if let Change::InPlace(in_place) = &mut self.change {
            if matches!(state, State::Undoable { .. })
                && let Err(error) = in_place.restore()
            {
                tracing::error!(path = self.path, %error, "could not restore a file after a failed change");
            }
            return;
        }
        match state {
            State::Undoable { backup: Some(backup) } => {
                match rustix::fs::renameat(&self.parent, &backup, &self.parent, &self.name) {
                    // Where both are names of one file, a rename leaves both.
                    Ok(()) => {
                        let _ = rustix::fs::unlinkat(&self.parent, &backup, AtFlags::empty());
                    }
                    // The old content is not lost: it stays under the backup's name.
                    Err(error) => {
                        tracing::error!(path = self.path, %error, "could not restore a file after a failed change");
                    }
                }
            }
            State::Undoable { backup: None } => {
                let _ = rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::empty());
            }
            State::Open | State::Final => {}
        }
    }

    /// A second name for the file that will be replaced.
    fn back_up(&self) -> io::Result<OsString> {
        let backup = temporary_name()?;
        match rustix::fs::linkat(&self.parent, &self.name, &self.parent, &backup, AtFlags::empty()) {
            Ok(()) => {}
            // No hard links on this file system, or not of this file.
            Err(_) => rustix::fs::renameat(&self.parent, &self.name, &self.parent, &backup)?,
        }
        Ok(backup)
    }

    fn put(&self, beside: &OsStr) -> io::Result<()> {
        let (parent, name) = (self.parent.as_fd(), &self.name);
        if self.existing.is_none() {
            match rustix::fs::renameat_with(parent, beside, parent, name, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
                done => return done.map_err(io::Error::from),
            }
        }
        rustix::fs::renameat(parent, beside, parent, name).map_err(io::Error::from)
    }

    fn changed(&self) -> PathError {
        PathError::Changed { path: quoted(&self.path) }
    }

    pub(super) fn io(&self, source: io::Error) -> PathError {
        PathError::Io { path: quoted(&self.path), source: plain(source) }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if matches!(self.state, State::Final) {
            return;
        }
        self.undo();
        self.remove_beside();
        if let Change::InPlace(in_place) = &mut self.change {
            in_place.keep(&self.parent);
        }
        for (parent, name) in self.made.iter().rev() {
            // Not empty means that somebody else uses it by now.
            let _ = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
    }
}

/// No file can be made in this directory.
fn is_barred(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// A new file of ours in `parent`.
fn create_beside(parent: &OwnedFd, mode: u32) -> io::Result<(OsString, File)> {
    let name = temporary_name()?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(parent, &name, flags, Mode::from_raw_mode(mode))?;
    Ok((name, File::from(fd)))
}

/// A name that nobody can foresee.
fn temporary_name() -> io::Result<OsString> {
    let mut bits = [0u8; 12];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    let hex: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!(".wharf-tmp-{hex}").into())
}

/// The error in words that say what to do, where the system's number alone would not.
pub(super) fn plain(error: io::Error) -> io::Error {
    let words = match Errno::from_io_error(&error) {
        Some(Errno::BUSY) => "it is in use as a mount point, so it can be changed, but neither replaced nor removed",
        Some(Errno::ACCESS | Errno::PERM) => "no permission to change it here",
        Some(Errno::ROFS) => "the file system is read-only",
        Some(Errno::NOSPC | Errno::DQUOT) => "the disk is full. Nothing was changed; make room, then repeat the change",
        Some(Errno::TXTBSY) => "it is a program that runs",
        _ => return error,
    };
    io::Error::new(error.kind(), words)
}

#[cfg(test)]
mod tests;
