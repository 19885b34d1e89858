//! git's index: which files it tracks, and what each looked like when git looked at it last. Read for its entries alone.
//!
//! The format is git's `index-format`: versions 2 to 4 with SHA-1. An index that is split, sparse or of a kind that is not known here is not
//! read at all.

/// Entries of an index that is read; a larger one takes longer than there is time.
const ENTRIES_MAX: usize = 200_000;

/// Longest path of an entry, in bytes.
const PATH_MAX: usize = 4_096;

/// A file that git tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tracked {
    pub(super) path: Vec<u8>,
    /// When git looked last, in seconds and nanoseconds.
    pub(super) modified: (u32, u32),
    pub(super) kind: Kind,
    pub(super) size: u32,
    pub(super) object: [u8; 20],
    /// Nobody is to look whether it is there.
    pub(super) is_assumed: bool,
    /// It waits for a merge to be resolved.
    pub(super) is_unmerged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Link,
    /// Another repository.
    Submodule,
}

/// The entries in their order, which is that of their paths. `None` where the index is not of a kind that is known.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<Tracked>> {
    let mut rest = Rest(bytes);
    if rest.take(4)? != b"DIRC" {
        return None;
    }
    let (version, count) = (rest.number()?, rest.number()? as usize);
    if !(2..=4).contains(&version) || count > ENTRIES_MAX {
        return None;
    }
    let mut entries: Vec<Tracked> = Vec::with_capacity(count.min(bytes.len() / 62));
    for _ in 0..count {
        let before = entries.last().map(|entry: &Tracked| entry.path.as_slice()).unwrap_or_default();
        let entry = rest.entry(version, before)?;
        entries.push(entry);
    }
    has_known_extensions(rest).then_some(entries)
}

/// Extensions whose names begin in lower case change what the entries mean. At the end stands a checksum.
fn has_known_extensions(mut rest: Rest<'_>) -> bool {
    while rest.0.len() > 20 {
        let (Some(name), Some(length)) = (rest.take(4), rest.number()) else { return false };
        if name[0].is_ascii_lowercase() || rest.take(length as usize).is_none() {
            return false;
        }
    }
    rest.0.len() == 20
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn entry(&mut self, version: u32, before: &[u8]) -> Option<Tracked> {
        let start = self.0.len();
        self.take(8)?;
        let modified = (self.number()?, self.number()?);
        self.take(8)?;
        let kind = match self.number()? >> 12 {
            0o10 => Kind::File,
            0o12 => Kind::Link,
            0o16 => Kind::Submodule,
            _ => return None,
        };
        self.take(8)?;
        let size = self.number()?;
        let object = self.take(20)?.try_into().ok()?;
        let flags = self.short()?;
        let further = if flags & 0x4000 != 0 && version >= 3 { self.short()? } else { 0 };
        let path = if version == 4 { self.path_after(before)? } else { self.path(start)? };
        let is_assumed = flags & 0x8000 != 0 || further & 0x4000 != 0;
        let is_unmerged = flags & 0x3000 != 0;
        Some(Tracked { path, modified, kind, size, object, is_assumed, is_unmerged })
    }

    /// Up to eight zeros follow, so that an entry has a multiple of eight bytes.
    fn path(&mut self, start: usize) -> Option<Vec<u8>> {
        let length = self.0.iter().take(PATH_MAX + 1).position(|byte| *byte == 0)?;
        let path = self.take(length)?.to_vec();
        let taken = start - self.0.len();
        self.take(8 - taken % 8)?;
        Some(path)
    }

    /// What the path before it does not have, and how much of that one is dropped.
    fn path_after(&mut self, before: &[u8]) -> Option<Vec<u8>> {
        let mut dropped: usize = 0;
        for place in 0..5 {
            let byte = *self.take(1)?.first()?;
            dropped = (dropped << 7) | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
            if place == 4 {
                return None;
            }
            dropped += 1;
        }
        let kept = before.len().checked_sub(dropped)?;
        let length = self.0.iter().take(PATH_MAX + 1).position(|byte| *byte == 0)?;
        let path = [&before[..kept], self.take(length)?].concat();
        self.take(1)?;
        (path.len() <= PATH_MAX).then_some(path)
    }
}
