//! Whether the files that are open are still those that the next start will find: what goes into a file that was deleted
//! meanwhile is lost with the process.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, TransactionBehavior};

use super::{owner, sync};
use crate::StoreError;

/// Seqs and positions that are left out when a log was lost: more than the log's limit has room for.
const LOST_LOG_STEP: i64 = 1_000_000;
/// Room that there has to be, in blocks of 64 KiB, before a store that could not write does so again.
const PROBE_BLOCKS: usize = 16;

/// The files that the store has open, as they were when it opened them.
#[derive(Debug)]
pub(super) struct Files {
    database: Known,
    wal: Known,
    shm: Known,
    /// The database never shrinks: only the log does.
    database_bytes: AtomicU64,
}

#[derive(Debug)]
struct Known {
    path: PathBuf,
    id: (u64, u64),
}

impl Known {
    fn new(path: PathBuf) -> io::Result<Self> {
        let id = id_of(&fs::metadata(&path)?);
        Ok(Self { path, id })
    }

    fn look(&self) -> Result<Metadata, StoreError> {
        let name = self.path.file_name().unwrap_or_default().display();
        match fs::metadata(&self.path) {
            Ok(found) if id_of(&found) == self.id => Ok(found),
            Ok(_) => Err(StoreError::Lost(format!("{name} was replaced while it was in use"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::Lost(format!("{name} was deleted while it was in use")))
            }
            Err(error) => Err(StoreError::Unavailable(format!("{name}: {error}"))),
        }
    }
}

fn id_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Files {
    /// All three have to be there: after a first transaction they are.
    pub fn new(database: &Path) -> io::Result<Self> {
        let bytes = fs::metadata(database)?.len();
        Ok(Self {
            wal: Known::new(sync::wal_path(database))?,
            shm: Known::new(beside(database, "-shm"))?,
            database: Known::new(database.to_owned())?,
            database_bytes: AtomicU64::new(bytes),
        })
    }

    /// `Lost` where a file is not the one that is open. A few microseconds, three calls of the kernel.
    pub fn look(&self) -> Result<(), StoreError> {
        self.look_database()?;
        self.wal.look()?;
        self.shm.look().map(drop)
    }

    pub fn look_database(&self) -> Result<(), StoreError> {
        let bytes = self.database.look()?.len();
        let before = self.database_bytes.fetch_max(bytes, Ordering::Relaxed);
        if bytes < before {
            return Err(StoreError::Lost(format!("the database was cut short, from {before} bytes to {bytes}")));
        }
        Ok(())
    }
}

pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// What is wrong with the files before they are opened.
pub(super) enum Before {
    Sound,
    /// A process that did not close the store had a log, and there is none.
    LogLost,
}

/// Looks at what an earlier process left. Opening comes after it: it would make what is missing, or throw away a log whose
/// database is missing.
pub(super) fn before_opening(database: &Path, owners: &Path) -> Result<Before, StoreError> {
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let wal = sync::wal_path(database);
    if length(database) == 0 {
        if length(&wal) > 0 {
            let (database, wal) = (database.display(), wal.display());
            return Err(StoreError::Lost(format!(
                "{database} is missing or empty, and its log {wal} is not: put the database back, or move the log away to begin anew"
            )));
        }
        return Ok(Before::Sound);
    }
    // In this order: a store that closes gives up its name first, then the log goes.
    let has_log = wal.exists();
    Ok(if !has_log && owner::any_dead(owners) { Before::LogLost } else { Before::Sound })
}

/// The log was deleted after a crash: what had been written since the last checkpoint is gone, and clients may have seen it. No
/// number that it may have had is used again.
pub(super) fn leave_out_lost(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(
        "UPDATE logs SET boot = 0, seq_ceiling = max(seq_ceiling, last_seq) + ?1 WHERE deleted = 0",
        [LOST_LOG_STEP],
    )?;
    transaction.execute(
        "UPDATE meta SET value = max(value, coalesce((SELECT max(id) FROM events), 0)) + ?1 WHERE name = 'position_floor'",
        [LOST_LOG_STEP],
    )?;
    transaction.commit()?;
    tracing::error!(
        "the log of the store (its -wal file) is missing although the last process did not close it: what was written since \
         the last checkpoint is lost; the numbers of those events are not used again"
    );
    Ok(())
}

/// What a failed write means, in words for people: SQLite says no more than that it failed.
pub(super) fn explain(database: &Path, error: StoreError) -> StoreError {
    let StoreError::Unavailable(reason) = &error else { return error };
    match probe(database) {
        Err(probed) if probed.kind() == io::ErrorKind::StorageFull || probed.kind() == io::ErrorKind::QuotaExceeded => {
            StoreError::Full(format!("{reason}: {probed}"))
        }
        Err(probed) if probed.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::ReadOnly(format!("{reason}: {probed}"))
        }
        _ => error,
    }
}

/// Tries what SQLite tried: to write beside the database.
pub(super) fn probe(database: &Path) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = beside(database, "-probe");
    let tried = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        for _ in 0..PROBE_BLOCKS {
            file.write_all(&[0; 64 << 10])?;
        }
        file.sync_all()
    };
    let result = tried();
    // It may not be there.
    let _ = fs::remove_file(&path);
    result
}
