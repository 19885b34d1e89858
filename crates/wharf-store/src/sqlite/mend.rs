//! What the writer does by itself about files that somebody deleted or replaced under it.

use std::fs;
use std::mem;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::files::{Files, beside};
use super::sync::{SyncThread, open_wal};
use super::writer::Writer;
use super::{connect, count_pages};
use crate::StoreError;

impl Writer {
    /// Goes on with files that are where the next start looks for them. The connection still has the ones that are gone, so that
    /// nothing is lost as long as the process lives.
    pub(super) fn reattach(&mut self) -> Result<(), StoreError> {
        // Whoever waits for a sync is told: into a file that is gone, it means nothing.
        self.sync.finish();
        if let Err(lost) = self.files.look_database() {
            self.rescue();
            return Err(lost);
        }
        // A reader that works meanwhile would keep the old files in use; it takes milliseconds, and a check tries again.
        let _nobody_reads = self.readers.hold()?;
        if !self.is_detached {
            self.connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE)?;
            // Everything is in the database now. The old files go with their last connection.
            drop(mem::replace(&mut self.connection, Connection::open_in_memory()?));
            self.is_detached = true;
        }
        let mut connection = connect::writer(&self.database)?;
        // The files come with the first write.
        connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'checks'", [])?;
        self.wal_pages = count_pages(&mut connection)?;
        let trouble = |error: std::io::Error| StoreError::Unavailable(error.to_string());
        self.wal = open_wal(&self.database).map_err(trouble)?;
        let files = Arc::new(Files::new(&self.database).map_err(trouble)?);
        let file = self.wal.try_clone().map_err(trouble)?;
        let (sync_file, visibility) = (Arc::clone(&self.sync_file), Arc::clone(&self.visibility));
        self.sync = SyncThread::start(file, sync_file, visibility, Arc::clone(&files)).map_err(trouble)?;
        self.files = files;
        self.connection = connection;
        self.is_detached = false;
        // What was committed into the old log was synced with the database.
        self.visibility.recovered();
        tracing::warn!(
            "the store's log was deleted or replaced while in use; everything in it was saved, and a new one is in use"
        );
        Ok(())
    }

    /// The database itself is gone: it still can be read, so that a copy is made while that is so. Once.
    fn rescue(&mut self) {
        if mem::replace(&mut self.is_rescued, true) {
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let copy = beside(&self.database, &format!(".rescued-{now}"));
        // Made first, for its mode: SQLite fills an empty file.
        let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy);
        let saved = made.map_err(|error| error.to_string()).and_then(|_| {
            let sql = "VACUUM INTO ?1";
            self.connection.execute(sql, [copy.to_string_lossy()]).map_err(|error| error.to_string())
        });
        match saved {
            Ok(_) => tracing::error!(
                copy = %copy.display(),
                "the database was deleted or replaced while in use; nothing new is accepted. Everything in it was copied: stop \
                 the server, put the copy in the database's place without -wal and -shm files, start again"
            ),
            Err(error) => tracing::error!(
                %error,
                "the database was deleted or replaced while in use; nothing new is accepted, and it could not be copied. It \
                 lives as long as this process: export its sessions before you stop it"
            ),
        }
    }
}
