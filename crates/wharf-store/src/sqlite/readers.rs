//! A few read-only connections, opened when first needed, used on the runtime's blocking threads.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect;
use crate::StoreError;

/// Reads that may wait for a connection; more are told to come back.
const MAX_WAITING: usize = 4_096;
/// How long somebody waits for a connection of others where none can be opened.
const TAKE_ATTEMPTS: u32 = 40;
const TAKE_PAUSE: Duration = Duration::from_millis(5);
/// Pages that each connection keeps in memory.
const CACHE_KIB: u32 = 384;

#[derive(Debug)]
pub(super) struct Readers {
    database: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    /// As many as there are permits.
    connections: u32,
    /// Connections to files of an earlier one are not used again.
    generation: AtomicU64,
    waiting: AtomicUsize,
}

impl Readers {
    pub fn new(database: &Path, connections: usize) -> Arc<Self> {
        let connections = connections.clamp(1, 1_024);
        Arc::new(Self {
            database: database.to_owned(),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(connections)),
            connections: u32::try_from(connections).unwrap_or(1),
            generation: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
        })
    }

    pub async fn read<T, E, F>(self: &Arc<Self>, read: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let waiting = Waiting::enter(self)?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        drop(waiting);
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let generation = readers.generation.load(Ordering::Acquire);
            let connection = readers.take()?;
            let result = read(&connection);
            if !readers.permits.is_closed() && readers.generation.load(Ordering::Acquire) == generation {
                readers.idle().push(connection);
            }
            result
        });
        task.await.unwrap_or_else(|_| Err(StoreError::Unavailable("a read was stopped".to_owned()).into()))
    }

    /// Lets nobody read, and forgets every connection, as long as the answer lives. `Busy` where somebody reads.
    pub fn hold(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let all = Arc::clone(&self.permits).try_acquire_many_owned(self.connections).map_err(|_| StoreError::Busy)?;
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.idle().clear();
        Ok(all)
    }

    pub fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }

    fn take(&self) -> Result<Connection, StoreError> {
        if let Some(connection) = self.idle().pop() {
            return Ok(connection);
        }
        let mut opened = connect::reader(&self.database, CACHE_KIB);
        // Files that were deleted cannot be opened again. Connections that have them open still read them, one after the other.
        for _ in 0..TAKE_ATTEMPTS {
            if opened.is_ok() {
                break;
            }
            std::thread::sleep(TAKE_PAUSE);
            if let Some(connection) = self.idle().pop() {
                opened = Ok(connection);
            }
        }
        opened
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of those that wait for a connection, also when its caller goes away.
struct Waiting<'a>(&'a Readers);

impl<'a> Waiting<'a> {
    fn enter(readers: &'a Readers) -> Result<Self, StoreError> {
        let entered = Self(readers);
        if readers.waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING { Ok(entered) } else { Err(StoreError::Busy) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
