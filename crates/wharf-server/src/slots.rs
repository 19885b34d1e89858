//! The connections that may be open at a time. When there are no more, the oldest one that has shown no key makes room: whoever
//! has a key gets in, however many others hold connections open.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::presence::Present;

/// For a connection that makes room to end; the new one is refused where it takes longer.
const LEAVING: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Slots {
    most: usize,
    table: Mutex<Table>,
    /// One has ended. The listener is the only one that waits for it.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Table {
    open: usize,
    next: u64,
    /// Connections that have shown no key, by their age.
    strangers: BTreeMap<u64, CancellationToken>,
}

impl Slots {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, table: Mutex::default(), ended: Notify::new() })
    }

    /// `None`: every connection is in use by somebody with a key.
    pub(crate) async fn take(self: &Arc<Self>, counter: &Arc<AtomicU64>) -> Option<Slot> {
        if let Some(slot) = self.take_free(counter) {
            return Some(slot);
        }
        let (_, oldest) = self.table().strangers.pop_first()?;
        oldest.cancel();
        timeout(LEAVING, async {
            loop {
                self.ended.notified().await;
                if let Some(slot) = self.take_free(counter) {
                    return slot;
                }
            }
        })
        .await
        .ok()
    }

    fn take_free(self: &Arc<Self>, counter: &Arc<AtomicU64>) -> Option<Slot> {
        let mut table = self.table();
        if table.open >= self.most {
            return None;
        }
        table.open += 1;
        table.next += 1;
        let (id, evicted) = (table.next, CancellationToken::new());
        table.strangers.insert(id, evicted.clone());
        Some(Slot {
            slots: Arc::clone(self),
            id,
            evicted,
            is_known: AtomicBool::new(false),
            _present: Present::new(counter),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the connections that may be open.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    evicted: CancellationToken,
    is_known: AtomicBool,
    _present: Present,
}

impl Slot {
    /// It has shown a key: from here on it makes room for nobody.
    pub(crate) fn known(&self) {
        if !self.is_known.swap(true, Ordering::Relaxed) {
            self.slots.table().strangers.remove(&self.id);
        }
    }

    pub(crate) fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    /// Until somebody else needs the room.
    pub(crate) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.slots.table();
        table.open -= 1;
        table.strangers.remove(&self.id);
        self.slots.ended.notify_one();
    }
}

#[cfg(test)]
mod tests;
