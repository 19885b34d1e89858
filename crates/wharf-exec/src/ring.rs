//! The newest bytes of an output, in a file of fixed size that several processes read while it grows.
//!
//! The writer says what it is about to overwrite before it does, and what is there after it was written. A reader therefore
//! knows which of the bytes that it has read were still the right ones, without a lock and without a word with the writer;
//! the same when the writer was killed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::FlockOperation;

const MAGIC: &[u8; 8] = b"wharfout";
const CAPACITY_AT: u64 = 8;
const RESERVED_AT: u64 = 16;
const WRITTEN_AT: u64 = 24;
const DATA_AT: u64 = 64;
/// Reads that may be overtaken by the writer before one gives what it has.
const ATTEMPTS: usize = 8;

/// Name of a command's ring beside its status file.
pub(crate) fn name(id: &str) -> String {
    format!("{id}.out")
}

/// The writer's end. It is locked as long as the writer lives.
#[derive(Debug)]
pub(crate) struct Ring {
    file: File,
    capacity: u64,
    total: u64,
    /// Writing failed: nothing from there on is kept.
    is_broken: bool,
}

impl Ring {
    pub(crate) fn create(directory: &Path, id: &str, capacity: u64) -> io::Result<Self> {
        let file = crate::output::create_named(directory, &name(id))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let capacity = capacity.max(1);
        file.write_all_at(MAGIC, 0)?;
        file.write_all_at(&capacity.to_le_bytes(), CAPACITY_AT)?;
        file.write_all_at(&[0; 16], RESERVED_AT)?;
        Ok(Self { file, capacity, total: 0, is_broken: false })
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// A disk that refuses costs the rest of the output, not the command.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(usize::try_from(self.capacity).unwrap_or(usize::MAX)) {
            let end = self.total + piece.len() as u64;
            self.is_broken = self.is_broken || self.write(piece, end).is_err();
            self.total = end;
        }
    }

    fn write(&self, piece: &[u8], end: u64) -> io::Result<()> {
        self.file.write_all_at(&end.to_le_bytes(), RESERVED_AT)?;
        let at = self.total % self.capacity;
        let (first, second) = piece.split_at(until_edge(at, self.capacity, piece.len()));
        self.file.write_all_at(first, DATA_AT + at)?;
        self.file.write_all_at(second, DATA_AT)?;
        self.file.write_all_at(&end.to_le_bytes(), WRITTEN_AT)
    }

    pub(crate) fn sync(&self) {
        // A disk that refuses has told the writes already.
        let _ = self.file.sync_all();
    }
}

/// How many of `len` bytes from `at` on lie before the ring's edge.
fn until_edge(at: u64, capacity: u64, len: usize) -> usize {
    usize::try_from(capacity - at).unwrap_or(usize::MAX).min(len)
}

/// What a ring holds of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Of the first byte.
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    /// The oldest byte that is kept.
    pub(crate) first: u64,
    /// All that was written.
    pub(crate) total: u64,
}

/// At most `limit` bytes from `offset` on, or the newest ones. Blocks.
pub(crate) fn read(path: &Path, offset: Option<u64>, limit: usize) -> io::Result<Piece> {
    let file = File::open(path)?;
    let mut header = [0; CAPACITY_AT as usize + 8];
    file.read_exact_at(&mut header, 0)?;
    let capacity = number(&file, CAPACITY_AT)?;
    if !header.starts_with(MAGIC) || capacity == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not the output of a command"));
    }
    let mut attempts = ATTEMPTS;
    loop {
        let piece = read_once(&file, capacity, offset, limit)?;
        attempts -= 1;
        if !piece.bytes.is_empty() || piece.offset >= piece.total || attempts == 0 {
            return Ok(piece);
        }
    }
}

fn read_once(file: &File, capacity: u64, offset: Option<u64>, limit: usize) -> io::Result<Piece> {
    let total = number(file, WRITTEN_AT)?;
    let first = total.saturating_sub(capacity);
    let wanted = offset.unwrap_or_else(|| total.saturating_sub(limit as u64));
    let mut offset = wanted.clamp(first, total);
    let len = usize::try_from(total - offset).unwrap_or(usize::MAX).min(limit);
    let mut bytes = vec![0; len];
    let at = offset % capacity;
    let (before, after) = bytes.split_at_mut(until_edge(at, capacity, len));
    file.read_exact_at(before, DATA_AT + at)?;
    file.read_exact_at(after, DATA_AT)?;
    // Whatever the writer has begun to overwrite meanwhile may be either.
    let first = number(file, RESERVED_AT)?.saturating_sub(capacity).max(first);
    let lost = usize::try_from(first.saturating_sub(offset)).unwrap_or(usize::MAX).min(len);
    bytes.drain(..lost);
    offset += lost as u64;
    Ok(Piece { offset, bytes, first: first.min(offset), total })
}

fn number(file: &File, at: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at)?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests;
