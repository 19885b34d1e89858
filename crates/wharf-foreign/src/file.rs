//! Files that are read when a program starts: keys, configuration, notes between processes. Somebody else may have put something
//! in their place.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::text::without_mark;

/// Opens a regular file for reading. A FIFO would wait for a writer and a device may never end: both are refused at once, as is
/// a directory.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::empty())
}

/// The same, but a symbolic link is refused too: for files that lie in a directory of ours.
pub fn open_no_link(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::NOFOLLOW)
}

fn open_with(path: &Path, further: OFlags) -> io::Result<File> {
    // Without NONBLOCK the open itself waits at a FIFO; NOCTTY: a terminal must not become ours. On a regular file neither has a meaning.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | further;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    let error = if kind.is_dir() { io::ErrorKind::IsADirectory } else { io::ErrorKind::InvalidInput };
    Err(io::Error::new(error, "is not a regular file"))
}

/// Reads the rest of `file`, which may have `most` bytes. More is an error, never a part of it: half a key or half a
/// configuration means something else.
pub fn read(mut file: &File, most: u64) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("is larger than {most} bytes"));
    if file.metadata()?.len() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // It may grow while it is read, and files of `/proc` tell no length.
    file.by_ref().take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

/// The text of a small regular file, without a byte-order mark.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    text(&open(path)?, most)
}

/// The rest of an open file as text, without a byte-order mark.
pub fn text(file: &File, most: u64) -> io::Result<String> {
    let bytes = read(file, most)?;
    let text = std::str::from_utf8(without_mark(&bytes));
    text.map(ToOwned::to_owned).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "is not UTF-8"))
}

#[cfg(test)]
mod tests;
