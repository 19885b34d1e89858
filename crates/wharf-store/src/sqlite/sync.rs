//! The thread that brings commits to the disk and only then acknowledges what has to be there.
//!
//! It syncs the `-wal` file through a descriptor of its own, beside SQLite's. That is safe: closing a descriptor drops the
//! process's POSIX locks on that file, but SQLite takes its locks on the database and the `-shm` file, never on the `-wal`
//! file; and a sync is a matter of the file, not of the descriptor it was written through. The file stays the same one while a
//! connection is open: only the last connection that closes removes it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use wharf_failpoints::{mistake, point, trace};

use super::files::{Files, beside};
use super::request::{Waiter, Written};
use super::visibility::{Ticket, Visibility};
use crate::StoreError;

/// Commits that wait for one sync. The writer waits when there are more: it gets ahead of the disk by this much.
const QUEUE_CAPACITY: usize = 1_024;

const STACK_BYTES: usize = 256 << 10;
const COPY_BYTES: usize = 1 << 20;

/// How a file is brought to the disk; tests put a disk that fails in its place.
pub(super) type SyncFile = Arc<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

pub(super) fn fdatasync() -> SyncFile {
    Arc::new(|file| {
        rustix::fs::fdatasync(file)?;
        trace("sync", 0);
        Ok(())
    })
}

/// A commit that waits for the disk, and who waits for it.
pub(super) struct Unsynced {
    pub ticket: Ticket,
    pub waiters: Vec<(Waiter, Written)>,
}

pub(super) struct SyncThread {
    queue: Option<SyncSender<Unsynced>>,
    thread: Option<JoinHandle<()>>,
}

impl SyncThread {
    pub fn start(file: File, sync: SyncFile, visibility: Arc<Visibility>, files: Arc<Files>) -> io::Result<Self> {
        let (queue, inbox) = sync_channel(QUEUE_CAPACITY);
        let thread = std::thread::Builder::new()
            .name("wharf-sync".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || run(&inbox, &file, &sync, &visibility, &files))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub fn push(&self, unsynced: Unsynced) {
        let Some(queue) = &self.queue else { return };
        if let Err(std::sync::mpsc::SendError(lost)) = queue.send(unsynced) {
            answer(lost.waiters, || Some(StoreError::Unavailable("the thread that syncs is gone".to_owned())));
        }
    }

    /// Waits until all that was pushed is synced and acknowledged.
    pub fn finish(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(inbox: &Receiver<Unsynced>, file: &File, sync: &SyncFile, visibility: &Visibility, files: &Files) {
    while let Ok(first) = inbox.recv() {
        let mut through = first.ticket;
        let mut waiters = first.waiters;
        // One sync serves everybody who came before it.
        for more in inbox.try_iter().take(QUEUE_CAPACITY) {
            through = more.ticket;
            waiters.extend(more.waiters);
        }
        if mistake("show_before_sync") {
            visibility.synced(through);
            trace("acknowledge", through.number());
            answer(std::mem::take(&mut waiters), || None);
        }
        // After a failed sync the kernel takes the pages for clean: another sync would say yes to data that is not there.
        if visibility.failure().is_none() {
            point("store.before_sync");
            let synced = if mistake("skip_sync") { Ok(()) } else { sync(file) };
            let failed = |error| StoreError::Unavailable(format!("syncing the log failed: {error}"));
            // A sync of a file that nobody can find again keeps nothing.
            match synced.map_err(failed).and_then(|()| files.look()) {
                Ok(()) => visibility.synced(through),
                Err(error) => {
                    tracing::error!(%error, "the store could not sync its log; it refuses to write until a check succeeds");
                    visibility.fail(error);
                }
            }
        }
        point("store.after_sync");
        trace("acknowledge", through.number());
        answer(waiters, || visibility.failure());
    }
}

fn answer(waiters: Vec<(Waiter, Written)>, failure: impl Fn() -> Option<StoreError>) {
    for (waiter, outcome) in waiters {
        waiter.answer(failure().map_or(Ok(outcome), Err));
    }
}

pub(super) fn wal_path(database: &Path) -> PathBuf {
    beside(database, "-wal")
}

pub(super) fn open_wal(database: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(wal_path(database))
}

/// Writes the whole file over itself and syncs it: makes pages dirty again that a failed sync left marked as clean. Nobody else
/// may write meanwhile. What the kernel has thrown away since the failure is not brought back; nobody was told that it is there.
pub(super) fn write_again(file: &File, sync: &SyncFile) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0;
    loop {
        let read = file.read_at(&mut buffer, offset)?;
        if read == 0 {
            break;
        }
        file.write_all_at(&buffer[..read], offset)?;
        offset += read as u64;
    }
    sync(file)
}
