//! How many are connected, by transport.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wharf_protocol::rest::ConnectionCounts;

#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// Connections of any kind.
    pub(crate) tcp: Arc<AtomicU64>,
    pub(crate) websocket: Arc<AtomicU64>,
    /// Server-sent events and NDJSON.
    pub(crate) sse: Arc<AtomicU64>,
    pub(crate) acp: Arc<AtomicU64>,
    /// Of those, the ones that watch every session.
    pub(crate) global: Arc<AtomicU64>,
}

/// Counts as long as it lives.
#[derive(Debug)]
pub(crate) struct Present(Arc<AtomicU64>);

impl Present {
    pub(crate) fn new(counter: &Arc<AtomicU64>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Presence {
    pub(crate) fn counts(&self) -> ConnectionCounts {
        let [websocket, sse, acp] =
            [&self.websocket, &self.sse, &self.acp].map(|counter| counter.load(Ordering::Relaxed));
        ConnectionCounts { websocket, sse, acp, total: websocket + sse + acp }
    }
}
