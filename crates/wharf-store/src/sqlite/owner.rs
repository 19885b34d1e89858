//! Who holds leases: each open store has a name and a locked file beside the database. A lock that can be taken has a dead
//! owner, whatever became of its process.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Tries to make a file that nobody tidies away between its making and its locking.
const ATTEMPTS: usize = 16;

/// A live owner: as long as this exists, its leases are honoured.
#[derive(Debug)]
pub(super) struct Owner {
    pub name: String,
    _lock: File,
}

impl Owner {
    /// Takes a new name and removes the files of dead owners.
    pub fn register(directory: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        remove_dead(directory)?;
        for _ in 0..ATTEMPTS {
            let name = format!("{}-{:016x}", std::process::id(), getrandom::u64().map_err(io::Error::other)?);
            let path = file_of(directory, &name);
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && is_at(&file, &path) {
                return Ok(Self { name, _lock: file });
            }
        }
        Err(io::Error::other("no owner's file could be locked"))
    }
}

/// Gives up a name: whoever has it is not taken for a dead owner from here on. A file that stays is removed by the next start.
pub(super) fn forget(directory: &Path, name: &str) {
    let _ = fs::remove_file(file_of(directory, name));
    // Nor are those who died while this one had the log open all along.
    let _ = remove_dead(directory);
}

/// Whether an owner ended without giving up its name.
pub(super) fn any_dead(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().map(|entry| entry.path()).any(|path| {
        let is_lock = path.extension().is_some_and(|extension| extension == "lock");
        is_lock && OpenOptions::new().write(true).open(&path).is_ok_and(|file| can_lock(&file))
    })
}

pub(super) fn is_alive(directory: &Path, name: &str) -> bool {
    match OpenOptions::new().write(true).open(file_of(directory, name)) {
        Ok(file) => !can_lock(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        // Not knowing is no reason to take a session away.
        Err(_) => true,
    }
}

/// A shared lock, so that two who look at the same time do not take each other for the owner.
fn can_lock(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockShared).is_ok()
}

fn file_of(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.lock"))
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(named)) => held.ino() == named.ino() && held.dev() == named.dev(),
        _ => false,
    }
}

fn remove_dead(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        let Ok(file) = OpenOptions::new().write(true).open(&path) else { continue };
        if can_lock(&file) {
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}
