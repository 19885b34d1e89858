//! A session's owner task: runs the session, again after a failure, and answers whoever waits when it cannot.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::EngineError;
use crate::actor::{self, Exit};
use crate::feed::Feed;
use crate::live::Shared;
use crate::request::Request;
use crate::seal::{self, RECOVERIES_MAX};

/// First and longest wait before a session that failed (a disk that does not take data) is taken up again.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// The task of a session that [`Shared`] found without an owner.
pub(crate) fn own(shared: Arc<Shared>, feed: Arc<Feed>, mut inbox: mpsc::Receiver<Request>) -> BoxFuture<'static, ()> {
    async move { run(&shared, &feed, &mut inbox).await }.boxed()
}

/// Runs one session's owner, again after a failure, until it is idle, gone or the engine stops.
async fn run(shared: &Arc<Shared>, feed: &Arc<Feed>, inbox: &mut mpsc::Receiver<Request>) {
    let session = feed.session.clone();
    let mut wait = RETRY_FIRST;
    let mut was_live = false;
    let mut panics = 0;
    loop {
        let is_loaded = AtomicBool::new(false);
        let ran = AssertUnwindSafe(actor::run(shared, feed, inbox, &is_loaded)).catch_unwind().await;
        let died_loading = ran.is_err() && !is_loaded.load(Ordering::Relaxed);
        panics = if died_loading { panics + 1 } else { 0 };
        if panics >= RECOVERIES_MAX {
            let error = seal::seal_panicked(shared, feed).await;
            shared.remove(&session);
            refuse_all(inbox, error).await;
            return;
        }
        let error = match ran {
            Ok(Exit::Idle) => return,
            Ok(Exit::NotLoaded { error, is_final }) if is_final || !was_live => {
                if matches!(error, EngineError::Storage(_)) {
                    shared.trouble.notify_one();
                }
                shared.remove(&session);
                refuse_all(inbox, error).await;
                return;
            }
            Ok(Exit::Gone(error)) => {
                shared.remove(&session);
                feed.end();
                refuse_all(inbox, error).await;
                return;
            }
            Ok(Exit::NotLoaded { error, .. }) => error,
            Ok(Exit::Failed(error)) => {
                was_live = true;
                wait = RETRY_FIRST;
                tracing::warn!(session.id = %session, %error, "session stopped; taking it up again");
                error
            }
            Err(_panic) => {
                was_live = true;
                tracing::error!(session.id = %session, "session task panicked; taking it up again");
                EngineError::Internal("session task panicked".to_owned())
            }
        };
        shared.trouble.notify_one();
        // Nothing runs until it is taken up again: a server that stops need not wait for it.
        shared.set_busy(&session, false);
        refuse_waiting(inbox, &error);
        // Whatever was under way is on the log; loading decides how it goes on.
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.stop.cancelled() => {
                shared.remove(&session);
                refuse_all(inbox, EngineError::Stopping).await;
                return;
            }
        }
        wait = (wait * 2).min(RETRY_LONGEST);
    }
}

/// Answers what waits now; the inbox stays open.
fn refuse_waiting(inbox: &mut mpsc::Receiver<Request>, error: &EngineError) {
    while let Ok(message) = inbox.try_recv() {
        message.refuse(error.again());
    }
}

/// Closes the inbox and answers everything in it, also what is being sent at this moment.
async fn refuse_all(inbox: &mut mpsc::Receiver<Request>, error: EngineError) {
    inbox.close();
    while let Some(message) = inbox.recv().await {
        message.refuse(error.again());
    }
}
