//! The thread that moves the log's pages into the database, so that the `-wal` file stays small without appends waiting for it.
//!
//! SQLite syncs the `-wal` file before it copies a page, and the database before the `-wal` file is used from its start again;
//! what was acknowledged after a sync of the `-wal` file is therefore always in one of the two.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::wal::CheckpointMode;

use super::connect;
use crate::StoreError;

/// A checkpoint each 4 MiB of log.
const STEP_PAGES: u32 = 1_000;
/// Under steady writing a checkpoint never reaches the log's end. From 16 MiB on it takes the writer's lock for the little that is
/// left, so that the log begins anew.
const RESTART_PAGES: i32 = 4_000;
/// From 128 MiB on, the file is given back as well.
const TRUNCATE_PAGES: i32 = 32_000;
/// How long a restart may wait for readers, and the writer with it.
const PATIENCE: Duration = Duration::from_millis(50);

const STACK_BYTES: usize = 256 << 10;

pub(super) struct Checkpoints {
    signal: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    next_at: AtomicU32,
}

impl Checkpoints {
    pub fn start(database: &Path) -> io::Result<Self> {
        let (signal, inbox) = sync_channel(1);
        let database = database.to_owned();
        let thread = std::thread::Builder::new()
            .name("wharf-checkpoint".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || run(&inbox, &database))?;
        Ok(Self { signal: Some(signal), thread: Some(thread), next_at: AtomicU32::new(STEP_PAGES) })
    }

    /// To be called after a commit, with the pages that the log has then.
    pub fn committed(&self, pages: u32) {
        if pages < STEP_PAGES {
            self.next_at.store(STEP_PAGES, Ordering::Relaxed);
        } else if pages >= self.next_at.load(Ordering::Relaxed)
            && let Some(signal) = &self.signal
            // While one runs, the next commit asks again.
            && signal.try_send(()).is_ok()
        {
            self.next_at.store(pages + STEP_PAGES, Ordering::Relaxed);
        }
    }

    pub fn finish(&mut self) {
        self.signal = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(inbox: &Receiver<()>, database: &Path) {
    while inbox.recv().is_ok() {
        // Opened for each one: an idle process keeps no connection for this.
        if let Err(error) = checkpoint(database) {
            tracing::warn!(%error, "a checkpoint of the store failed; the next one tries again");
        }
    }
}

fn checkpoint(database: &Path) -> Result<(), StoreError> {
    let connection = connect::writer(database)?;
    connection.busy_timeout(PATIENCE)?;
    let (pages, _) = connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE)?;
    let mode = if pages >= TRUNCATE_PAGES { CheckpointMode::TRUNCATE } else { CheckpointMode::RESTART };
    if pages >= RESTART_PAGES {
        match connection.wal_checkpoint_v2(None::<&str>, mode).map_err(StoreError::from) {
            // A reader was in the way.
            Ok(_) | Err(StoreError::Busy) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
