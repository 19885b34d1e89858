//! Files of ours that hold what was put out, and texts within a limit: head and tail, with a note of what is left out.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Most bytes that one call may leave in its output file.
pub const OUTPUT_FILE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Files of one call: a call that runs again after a crash must not overwrite the first one's output.
const NAMES_PER_CALL: u32 = 16;

/// A new file of ours that nobody else may read.
pub(crate) fn create_named(directory: &Path, name: &str) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    // `create_new` follows no link.
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(directory.join(name))
}

/// A new file of ours for the output of `call`; nobody else may read it.
pub fn create(directory: &Path, call: &str) -> io::Result<(File, PathBuf)> {
    for number in 1..=NAMES_PER_CALL {
        let name = if number == 1 { format!("{call}.txt") } else { format!("{call}-{number}.txt") };
        match create_named(directory, &name) {
            Ok(file) => return Ok((file, directory.join(name))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many output files of one call"))
}

/// Head and tail of `text` in at most `limit` bytes, with a note between them of what is missing.
#[must_use]
pub fn cut(text: &str, limit: usize, file: Option<&Path>) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let (head, tail) = halves(limit, file);
    let head = text.floor_char_boundary(head);
    let tail = text.ceil_char_boundary(text.len() - tail).max(head);
    joined(&text[..head], &text[tail..], (tail - head) as u64, file, limit)
}

/// How many bytes of head and of tail fit into `limit` beside the note between them.
pub(crate) fn halves(limit: usize, file: Option<&Path>) -> (usize, usize) {
    let room = limit.saturating_sub(note(u64::MAX, file).len());
    (room / 2, room / 2)
}

/// `head`, a note that `missing` bytes are left out, and `tail`.
pub(crate) fn joined(head: &str, tail: &str, missing: u64, file: Option<&Path>, limit: usize) -> String {
    let mut text = format!("{head}{}{tail}", note(missing, file));
    // A limit below the note's own length is no setting that anyone has; it still holds.
    text.truncate(text.floor_char_boundary(limit));
    text
}

fn note(missing: u64, file: Option<&Path>) -> String {
    match file {
        Some(file) => format!("\n[... {missing} bytes left out here; all of it is in {} ...]\n", file.display()),
        None => format!("\n[... {missing} bytes left out here ...]\n"),
    }
}

#[cfg(test)]
mod tests;
