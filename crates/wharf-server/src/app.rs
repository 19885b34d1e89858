//! What every handler shares.

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wharf_engine::Engine;

use crate::budget::Budget;
use crate::catalogue::Catalogue;
use crate::config::ServerConfig;
use crate::gate::Gate;
use crate::guard::Guard;
use crate::limit::Addresses;
use crate::metrics::Metrics;
use crate::presence::Presence;
use crate::terminals::Terminals;

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) config: ServerConfig,
    pub(crate) port: u16,
    pub(crate) gate: Gate,
    pub(crate) guard: Guard,
    /// Requests with a wrong key, or without the one that they need.
    pub(crate) failures: Addresses,
    /// Requests without a key for what needs none: apart, so that guesses at keys do not use up `/health`.
    pub(crate) visitors: Addresses,
    pub(crate) budget: Arc<Budget>,
    pub(crate) metrics: Metrics,
    pub(crate) presence: Presence,
    pub(crate) catalogue: Catalogue,
    pub(crate) terminals: Arc<Terminals>,
    pub(crate) started: Instant,
    /// A stop was asked for: streams tell their clients, and go on.
    pub(crate) draining: CancellationToken,
    /// Streams end.
    pub(crate) closing: CancellationToken,
    /// The tasks of upgraded connections; the server waits for them.
    pub(crate) sockets: TaskTracker,
}

impl App {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl std::ops::Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}
