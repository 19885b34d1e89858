//! What the engine does by itself: taking up what a dead one left, mending the store, dropping what is old.

use std::sync::Arc;
use std::time::Duration;

use wharf_protocol::{SessionId, Timestamp};

use super::mcp::forget_leftovers;
use crate::EngineError;
use crate::live::Shared;

/// Most sessions that are taken up at the same time when the engine starts.
const RECOVERING: usize = 32;
/// How often old chunks are dropped and unused entries swept.
const MAINTENANCE_EVERY: Duration = Duration::from_secs(60);
/// How often a store that failed is asked whether it works again.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Chunks dropped in one go, so that appends never wait long behind it.
const DROP_BATCH: usize = 2_000;

/// Brings every session to life that a dead engine left with work to do.
pub(super) async fn recover(shared: Arc<Shared>) {
    let unfinished = tokio::select! {
        sessions = shared.store.unfinished() => sessions,
        () = shared.stop.cancelled() => return,
    };
    forget_leftovers(&shared).await;
    let sessions = match unfinished {
        Ok(sessions) => sessions,
        Err(error) => {
            tracing::error!(%error, "unfinished turns could not be listed; they go on when their session is used");
            return;
        }
    };
    if sessions.is_empty() {
        return;
    }
    tracing::info!(sessions = sessions.len(), "taking up unfinished turns");
    let limit = tokio::sync::Semaphore::new(RECOVERING);
    let wake = |session: SessionId| {
        let (shared, limit) = (&shared, &limit);
        async move {
            let Ok(_permit) = limit.acquire().await else { return };
            // Its answer comes once the session is loaded and its recovery is on disk.
            if let Err(error) = shared.look(&session, |_| ()).await
                && !matches!(error, EngineError::Sealed { .. })
            {
                tracing::warn!(session.id = %session, %error, "an unfinished session could not be taken up");
            }
        }
    };
    let all = futures_util::future::join_all(sessions.into_iter().map(wake));
    tokio::select! {
        _ = all => {}
        () = shared.stop.cancelled() => {}
    }
}

/// Asks a store that failed until it works again: some failures end only when somebody looks.
pub(super) async fn mend(shared: Arc<Shared>) {
    let work = async {
        loop {
            shared.trouble.notified().await;
            while let Err(error) = shared.store.check().await {
                tracing::error!(%error, "the storage does not work; nothing new is accepted");
                tokio::time::sleep(CHECK_EVERY).await;
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = shared.stop.cancelled() => {}
    }
}

/// Drops what retention no longer wants and entries that nobody uses.
pub(super) async fn maintain(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(MAINTENANCE_EVERY) => {}
            () = shared.stop.cancelled() => return,
        }
        shared.sweep();
        let retention_ms = shared.config().chunk_retention_ms;
        if retention_ms == 0 {
            continue;
        }
        let before = Timestamp(Timestamp::now().0.saturating_sub_unsigned(retention_ms));
        loop {
            match shared.store.drop_chunks(before, DROP_BATCH).await {
                Ok(dropped) if dropped == DROP_BATCH && !shared.stop.is_cancelled() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "old chunks could not be dropped");
                    break;
                }
            }
        }
    }
}
