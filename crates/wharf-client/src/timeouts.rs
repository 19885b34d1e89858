//! How long a client waits, in one place.

use std::time::Duration;

/// Every wait of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to stand.
    pub connect: Duration,
    /// For the whole answer to one request, and for a stream's first byte.
    pub request: Duration,
    /// For a server that may not be there: the health check of [`crate::Client::auto`].
    pub probe: Duration,
    /// For a turn to end in [`crate::Client::prompt_and_wait`]; the turn itself goes on.
    pub turn: Duration,
    /// Without a byte on a stream, which sends a heartbeat every 15 s: then the connection is taken for dead.
    pub stream_idle: Duration,
    /// For a lost stream to come back, over all attempts.
    pub reconnect_total: Duration,
    /// Between the pings of a WebSocket.
    pub ws_ping: Duration,
    /// For connections and an embedded engine to end in good order.
    pub shutdown: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(30),
            probe: Duration::from_millis(500),
            turn: Duration::from_secs(2 * 3600),
            stream_idle: Duration::from_secs(30),
            reconnect_total: Duration::from_secs(120),
            ws_ping: Duration::from_secs(10),
            shutdown: Duration::from_secs(5),
        }
    }
}
