//! What a server gave out and wants back unchanged: signatures and encrypted reasoning, each with what it belongs to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// Never the same in one process, so that no server takes another one's.
static NEXT: AtomicU64 = AtomicU64::new(0x5157_0000_0000_0001);

#[derive(Debug, Default)]
pub(crate) struct Issued(Mutex<HashMap<String, Value>>);

impl Issued {
    /// A new one. Its text is base64 as well as hexadecimal.
    pub(super) fn give(&self, belongs_to: Value) -> String {
        let opaque = format!("{:016x}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.all().insert(opaque.clone(), belongs_to);
        opaque
    }

    /// Says later what one belongs to.
    pub(super) fn bind(&self, opaque: &str, belongs_to: Value) {
        self.all().insert(opaque.to_owned(), belongs_to);
    }

    /// What one belongs to, if this server gave it out.
    pub(super) fn of(&self, opaque: &str) -> Option<Value> {
        self.all().get(opaque).cloned()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
