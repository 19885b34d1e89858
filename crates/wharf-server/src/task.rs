//! Tasks that belong to who began them: where one of this crate begins outside a `JoinSet` or `TaskTracker`, it begins here.

use tokio_util::task::AbortOnDropHandle;

/// Begins a task that ends, at the latest, when what is returned is dropped. As a future that gives what the task came to.
#[expect(clippy::disallowed_methods, reason = "what is returned owns it")]
pub(crate) fn owned<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(tokio::spawn(task))
}
