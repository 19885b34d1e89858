//! The twin in memory passes the suite of all stores.

use std::sync::Arc;

use super::{MemoryDisk, MemoryStore};
use crate::Store;
use crate::conformance::Backend;

struct Memory(Arc<MemoryDisk>);

impl Backend for Memory {
    fn open(&self) -> Arc<dyn Store> {
        MemoryStore::open(&self.0)
    }
}

crate::store_conformance!(Memory(MemoryDisk::new()));
