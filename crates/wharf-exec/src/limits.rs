//! How long a process that ends is waited for.

use std::time::Duration;

/// After the end of the main process: how long what it put out may still take to arrive.
pub const DRAIN: Duration = Duration::from_millis(200);
/// Between the request to end and the kill.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// After the main process there is nobody left to slow down; a stray that floods the pipe is cut off here.
pub(crate) const DRAIN_BYTES: usize = 1024 * 1024;
