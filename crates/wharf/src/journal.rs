//! The server's log on disk, which `wharf logs` prints: what it writes to standard error, without colours, in a file of limited size.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Largest file. It then becomes `server.log.1`, in place of the one before.
const FILE_MAX_BYTES: u64 = 8 << 20;

static JOURNAL: OnceLock<Mutex<Journal>> = OnceLock::new();

/// The newest lines.
pub fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("server.log")
}

/// The lines before those.
pub fn older_file(state_dir: &Path) -> PathBuf {
    state_dir.join("server.log.1")
}

struct Journal {
    path: PathBuf,
    older: PathBuf,
    file: File,
    bytes: u64,
    /// Whoever started this process sent standard error into the same file.
    is_stderr: bool,
}

/// Keeps a log of this process from here on. The process goes on where none can be kept.
pub fn keep(state_dir: &Path) -> io::Result<()> {
    let path = file(state_dir);
    let file = open(&path)?;
    let metadata = file.metadata()?;
    let stderr = rustix::fs::fstat(io::stderr())?;
    let is_stderr = stderr.st_dev == metadata.dev() && stderr.st_ino == metadata.ino();
    let journal = Journal { path, older: older_file(state_dir), file, bytes: metadata.len(), is_stderr };
    // Only a second server in one process could be late.
    let _ = JOURNAL.set(Mutex::new(journal));
    Ok(())
}

/// Adds to the log; `true` where standard error need not be told, because it is the log.
pub fn add(bytes: &[u8]) -> bool {
    let Some(journal) = JOURNAL.get() else { return false };
    let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
    journal.add(bytes);
    journal.is_stderr
}

/// Whether standard error is the log.
pub fn is_stderr() -> bool {
    JOURNAL.get().is_some_and(|journal| journal.lock().unwrap_or_else(PoisonError::into_inner).is_stderr)
}

impl Journal {
    /// A log that cannot be written loses lines; there is nowhere to say so.
    fn add(&mut self, bytes: &[u8]) {
        let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.bytes.saturating_add(more) > FILE_MAX_BYTES
            && std::fs::rename(&self.path, &self.older).is_ok()
            && let Ok(file) = open(&self.path)
        {
            self.file = file;
            self.bytes = 0;
        }
        if self.file.write_all(bytes).is_ok() {
            self.bytes += more;
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(nofollow).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("is not a regular file")) }
}

/// Lines for the log alone, as a writer.
pub struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_makes_room() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let older = dir.path().join("log.1");
        let mut journal = Journal {
            file: open(&path).unwrap(),
            path: path.clone(),
            older: older.clone(),
            bytes: 0,
            is_stderr: false,
        };
        journal.add(b"first\n");
        journal.bytes = FILE_MAX_BYTES;
        journal.add(b"second\n");
        journal.bytes = FILE_MAX_BYTES;
        journal.add(b"third\n");
        assert_eq!(std::fs::read_to_string(&older).unwrap(), "second\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "third\n");
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        open(&path).unwrap_err();
    }
}
