//! Waits that end: every one has a limit, and says what it waited for when the limit passes.

use std::future::Future;
use std::net::TcpListener;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// How long a step of a test may take on a busy machine before it counts as hanging.
pub const STEP_LIMIT: Duration = Duration::from_secs(20);

/// How often a condition that nobody announces is looked at.
const POLL_EVERY: Duration = Duration::from_millis(5);

/// Waits until `condition` holds.
///
/// # Panics
/// When `limit` passes first; the message names `what`.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + limit;
        while !condition() {
            assert!(Instant::now() < deadline, "{place}: waited {limit:?} in vain for {what}");
            sleep(POLL_EVERY).await;
        }
    }
}

/// Awaits `future` for at most `STEP_LIMIT`.
///
/// # Panics
/// When the limit passes first; the message names `what`.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(STEP_LIMIT, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {STEP_LIMIT:?} in vain for {what}"),
    }
}

/// A port on loopback that nobody listened on a moment ago. Another process may take it: prefer port 0 where the server
/// tells which one it got.
#[must_use]
pub fn free_port() -> u16 {
    #[expect(clippy::expect_used, reason = "a machine without a free port on loopback runs no test")]
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind a port on loopback");
    #[expect(clippy::expect_used, reason = "a bound listener has an address")]
    listener.local_addr().expect("the address of a listener").port()
}
