//! A file that is overwritten itself. What it was is kept until the new content is on disk, and comes back where that fails.
//!
//! The copy lies beside the file, under a name of ours: a process that is killed meanwhile leaves it there. Where nothing can be made
//! beside the file it is in memory alone.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::super::place::Fingerprint;
use super::{create_beside, is_barred};

/// Largest file whose old content is kept in memory; a larger one is refused.
const MEMORY_MAX_BYTES: u64 = 32 << 20;

/// The new content of a file, and its old one.
#[derive(Debug)]
pub(super) struct InPlace {
    file: File,
    content: Vec<u8>,
    old: Old,
    was: Stat,
    /// Where it is to be another one.
    mode: Option<u32>,
    /// The old content could not be put back: its copy is all that is left of it.
    is_broken: bool,
}

#[derive(Debug)]
enum Old {
    Beside { name: OsString, file: File },
    InMemory(Vec<u8>),
}

pub(super) enum Failure {
    /// By somebody else.
    Changed,
    Io(io::Error),
}

impl InPlace {
    pub(super) fn prepare(
        parent: &OwnedFd,
        name: &OsStr,
        old: &File,
        content: &[u8],
        mode: Option<u32>,
    ) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = File::from(rustix::fs::openat(parent, name, flags, Mode::empty())?);
        let was = rustix::fs::fstat(&file)?;
        let old = Old::of(parent, old)?;
        Ok(Self { file, content: content.to_vec(), old, was, mode, is_broken: false })
    }

    /// Writes the new content; says whether the file has its new mode. Where that fails, it is what it was.
    pub(super) fn write(&mut self, seen: Option<&Fingerprint>) -> Result<bool, Failure> {
        let now = rustix::fs::fstat(&self.file).map_err(|error| Failure::Io(error.into()))?;
        if seen.is_some_and(|seen| *seen != Fingerprint::of(&now)) {
            return Err(Failure::Changed);
        }
        let set = |mode: u32| rustix::fs::fchmod(&self.file, Mode::from_raw_mode(mode)).is_ok();
        if now.st_mode & 0o6000 != 0 {
            // Somebody else's rights are not for a new content. For who may not change the mode the kernel drops them.
            set(now.st_mode & 0o777);
        }
        let has_mode = self.mode.is_none_or(set);
        let Err(error) = overwrite(&mut self.file, &mut &self.content[..], self.content.len() as u64) else {
            return Ok(has_mode);
        };
        let Err(again) = self.restore() else { return Err(Failure::Io(error)) };
        let left = match &self.old {
            Old::Beside { name, .. } => format!("what it was is beside it, in {}", name.display()),
            Old::InMemory(_) => "what it was is lost".to_owned(),
        };
        let text = format!(
            "it could not be written ({error}) nor restored ({again}): it holds a part of both contents; {left}"
        );
        Err(Failure::Io(io::Error::other(text)))
    }

    /// Gives the file what it was.
    pub(super) fn restore(&mut self) -> io::Result<()> {
        let len = u64::try_from(self.was.st_size).unwrap_or(0);
        let done = match &mut self.old {
            Old::Beside { file, .. } => {
                file.seek(SeekFrom::Start(0)).and_then(|_| overwrite(&mut self.file, file, len))
            }
            Old::InMemory(old) => overwrite(&mut self.file, &mut &old[..], len),
        };
        self.is_broken = done.is_err();
        let _ = rustix::fs::fchmod(&self.file, Mode::from_raw_mode(self.was.st_mode & 0o7777));
        done
    }

    /// The old content is not needed any more.
    pub(super) fn keep(&mut self, parent: &OwnedFd) {
        if let Old::Beside { name, .. } = &self.old
            && !self.is_broken
        {
            let _ = rustix::fs::unlinkat(parent, name, AtFlags::empty());
        }
    }
}

impl Old {
    fn of(parent: &OwnedFd, old: &File) -> io::Result<Self> {
        // Its own position: the file may be read elsewhere.
        let mut old = File::open(format!("/proc/self/fd/{}", old.as_raw_fd()))?;
        let (name, mut copy) = match create_beside(parent, 0o600) {
            Ok(made) => made,
            Err(error) if is_barred(&error) => {
                let size = old.metadata()?.len();
                if size > MEMORY_MAX_BYTES {
                    let text = "it is too large to be changed where no copy of it can be made beside it";
                    return Err(io::Error::other(text));
                }
                let mut content = Vec::new();
                io::copy(&mut io::Read::take(old, MEMORY_MAX_BYTES + 1), &mut content)?;
                return Ok(Self::InMemory(content));
            }
            Err(error) => return Err(error),
        };
        let copied = io::copy(&mut old, &mut copy).and_then(|_| copy.sync_data());
        let reopened = copied.and_then(|()| File::open(format!("/proc/self/fd/{}", copy.as_raw_fd())));
        match reopened {
            Ok(file) => Ok(Self::Beside { name, file }),
            Err(error) => {
                let _ = rustix::fs::unlinkat(parent, &name, AtFlags::empty());
                Err(error)
            }
        }
    }
}

/// Makes `content` the whole of the file. Room for it is taken first: what fails for that reason has changed nothing.
fn overwrite(file: &mut File, content: &mut impl io::Read, len: u64) -> io::Result<()> {
    let had = file.metadata()?.len();
    if len > had
        && let Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) =
            rustix::fs::fallocate(&*file, FallocateFlags::KEEP_SIZE, had, len - had)
    {
        return Err(error.into());
    }
    file.seek(SeekFrom::Start(0))?;
    let written = io::copy(&mut io::Read::take(content, len), file)?;
    file.flush()?;
    file.set_len(written)?;
    // Some file systems find out only here that there is no room.
    file.sync_data()
}
