//! What a command has put out and how it ended, in two files that outlive the server.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::wire::EndReport;

/// Stands in a status file from the command's start on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StatusFile {
    /// Of the call, or of the background command.
    #[serde(alias = "call_id")]
    pub(crate) id: String,
    pub(crate) started_ms: u64,
    /// Name of the output file beside this one.
    pub(crate) output: String,
    /// Absent while the command runs, and for ever where its keeper was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<EndReport>,
}

impl StatusFile {
    pub(crate) fn path(directory: &Path, id: &str) -> PathBuf {
        directory.join(format!("{id}.status.json"))
    }

    /// Puts it into the place of the one before; `durable`: also against a power cut.
    pub(crate) fn write(&self, directory: &Path, durable: bool) -> io::Result<()> {
        let path = Self::path(directory, &self.id);
        let fresh = directory.join(format!("{}.{}.new", self.id, std::process::id()));
        // What a killed keeper of the same number left half-written.
        let _ = std::fs::remove_file(&fresh);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        if durable {
            file.sync_all()?;
        }
        std::fs::rename(&fresh, &path)?;
        if durable {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }

    pub(crate) fn read(directory: &Path, id: &str) -> Option<Self> {
        const STATUS_MAX_BYTES: u64 = 64 * 1024;
        let mut bytes = Vec::new();
        File::open(Self::path(directory, id)).ok()?.take(STATUS_MAX_BYTES).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// A file of bounded size with the head and the tail of an output. It is locked as long as its writer lives.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    directory: PathBuf,
    name: String,
    /// The file's first bytes are the output's; behind them lies a ring with its last ones.
    head: u64,
    ring: u64,
    total: u64,
    /// Where writing failed; nothing after it is kept.
    failed_at: Option<u64>,
}

impl Spool {
    pub(crate) fn create(directory: &Path, call: &str, max_bytes: u64) -> io::Result<Self> {
        let (file, path) = crate::output::create(directory, call)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ring = max_bytes / 4;
        let head = max_bytes - ring;
        Ok(Self { file, directory: directory.to_path_buf(), name, head, ring, total: 0, failed_at: None })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (at, room) = self.place();
            let count = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(count);
            if self.failed_at.is_none() && self.file.write_all_at(now, at).is_err() {
                self.failed_at = Some(self.total);
            }
            self.total += now.len() as u64;
            bytes = later;
        }
    }

    /// Where the next byte goes, and how many fit there without a break.
    fn place(&self) -> (u64, u64) {
        if self.total < self.head {
            return (self.total, self.head - self.total);
        }
        let at = (self.total - self.head) % self.ring.max(1);
        (self.head + at, self.ring.max(1) - at)
    }

    /// Puts the ring in order; how many bytes of the output the file holds.
    pub(crate) fn finish(&mut self) -> u64 {
        if let Some(failed_at) = self.failed_at {
            // Beyond its first round the ring has no order that its reader could know.
            return if failed_at <= self.head + self.ring { failed_at } else { self.head };
        }
        if self.total <= self.head + self.ring {
            return self.total;
        }
        match self.straighten() {
            Ok(()) => self.head + self.ring,
            // The head is right, and the tail is not said to be there.
            Err(_) => self.file.set_len(self.head).map_or(0, |()| self.head),
        }
    }

    fn straighten(&mut self) -> io::Result<()> {
        let path = self.directory.join(&self.name);
        let fresh_path = self.directory.join(format!("{}.new", self.name));
        let _ = std::fs::remove_file(&fresh_path);
        let mut fresh = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&fresh_path)?;
        rustix::fs::flock(&fresh, FlockOperation::NonBlockingLockExclusive)?;
        let mut source = File::open(&path)?;
        let mut copy = |from: u64, len: u64, fresh: &mut File| {
            source.seek(SeekFrom::Start(from))?;
            io::copy(&mut (&mut source).take(len), fresh)
        };
        let oldest = (self.total - self.head) % self.ring;
        copy(0, self.head, &mut fresh)?;
        write!(fresh, "\n[... {} bytes left out here ...]\n", self.total - self.head - self.ring)?;
        copy(self.head + oldest, self.ring - oldest, &mut fresh)?;
        copy(self.head, oldest, &mut fresh)?;
        std::fs::rename(&fresh_path, &path)?;
        self.file = fresh;
        Ok(())
    }

    pub(crate) fn sync(&self) {
        // A disk that refuses has told the writes already.
        let _ = self.file.sync_all();
    }
}

/// Whether the writer of this output file still lives.
pub(crate) fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| {
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
    })
}

#[cfg(test)]
mod tests;
