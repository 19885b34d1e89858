//! A few read-only connections, opened when first needed, used on the runtime's blocking threads.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connect;
use crate::StoreError;

/// Reads that may wait for a connection; more are told to come back.
const MAX_WAITING: usize = 4_096;
/// Pages that each connection keeps in memory.
const CACHE_KIB: u32 = 384;

#[derive(Debug)]
pub(super) struct Readers {
    database: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Readers {
    pub fn new(database: &Path, connections: usize) -> Arc<Self> {
        Arc::new(Self {
            database: database.to_owned(),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(connections.max(1))),
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
            let connection = readers.take()?;
            let result = read(&connection);
            if !readers.permits.is_closed() {
                readers.idle().push(connection);
            }
            result
        });
        task.await.unwrap_or_else(|_| Err(StoreError::Disk("a read was stopped".to_owned()).into()))
    }

    pub fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle().pop();
        idle.map_or_else(|| connect::reader(&self.database, CACHE_KIB), Ok)
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
