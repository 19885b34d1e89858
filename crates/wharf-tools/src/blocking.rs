//! Work that blocks: on its own thread, told when to stop, waited for.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use wharf_protocol::ToolError;

/// When a piece of blocking work has to end.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    cancel: CancellationToken,
    deadline: Option<Instant>,
}

/// Why work has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Cancelled,
    OutOfTime,
}

impl Stop {
    pub(crate) fn new(cancel: &CancellationToken) -> Self {
        Self { cancel: cancel.clone(), deadline: None }
    }

    #[must_use]
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.deadline = Instant::now().checked_add(limit);
        self
    }

    pub(crate) fn reached(&self) -> Option<Why> {
        if self.cancel.is_cancelled() {
            return Some(Why::Cancelled);
        }
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(Why::OutOfTime)
    }

    /// `Stopped` once the call was cancelled.
    pub(crate) fn check(&self) -> Result<(), ToolError> {
        if self.cancel.is_cancelled() { Err(ToolError::stopped()) } else { Ok(()) }
    }
}

/// Runs work that may change something: it is always waited for, so that nothing happens after the call's end.
pub(crate) async fn change<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    finished(tokio::task::spawn_blocking(work).await)
}

/// Runs work that only looks: a cancelled call leaves it behind, and it ends by itself when it next looks at `Stop`.
pub(crate) async fn look<T: Send + 'static>(
    cancel: &CancellationToken,
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    let work = tokio::task::spawn_blocking(work);
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(ToolError::stopped()),
        done = work => finished(done),
    }
}

/// Looks at files before a call is decided; what cannot be looked at is not seen.
pub(crate) async fn seeing<T: Default + Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

fn finished<T>(done: Result<Result<T, ToolError>, tokio::task::JoinError>) -> Result<T, ToolError> {
    done.unwrap_or_else(|error| {
        // What a panic says may quote a file: the panic hook has written it, and nobody else gets it.
        let kind = if error.is_panic() { "panicked" } else { "was dropped" };
        tracing::error!("the work of a tool {kind}");
        Err(ToolError::Failed("the tool crashed; this is a bug of Wharf. Nothing else is known of the call".to_owned()))
    })
}

#[cfg(test)]
mod tests;
