//! Sessions that are not taken up any more: when that is decided, and how it is undone.
//!
//! Before a session is taken up, that is noted in the store, and the note goes with the first event that this brings to disk: a
//! process that dies in between leaves it. From then on the turn's own count says how often it was taken up (`max_resumes`).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{RwLockReadGuard, RwLockWriteGuard};
use tokio::time::timeout;
use wharf_protocol::event::{SessionDeleted, SessionSealed, SessionUnsealed};
use wharf_protocol::{EventBody, SealReason, Session, SessionId};
use wharf_store::Lease;

use crate::EngineError;
use crate::feed::Feed;
use crate::live::Shared;

/// A session is sealed when the process died so often while it took it up.
pub(crate) const RECOVERIES_MAX: u32 = 3;

/// How long a session waits until no other is being taken up that may not be beside it. One that hangs must not keep all others
/// out.
const ALONE_WAIT: Duration = Duration::from_secs(10);

/// A session may be taken up. Those that a process died with go alone, so that only one can be blamed for the next death.
pub(crate) struct Admitted<'a> {
    _turn: TakingUp<'a>,
    /// A note is in the store.
    noted: bool,
}

enum TakingUp<'a> {
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'a, ()>),
    Beside(#[expect(dead_code, reason = "held")] RwLockReadGuard<'a, ()>),
    Any,
}

/// Asks whether a session may be taken up, and notes that it is. With a session that is sealed, or becomes so: why.
pub(crate) async fn admit<'a>(shared: &'a Shared, feed: &Feed, lease: &Lease) -> Result<Admitted<'a>, EngineError> {
    let session = &feed.session;
    if lease.is_sealed {
        let view = stored(shared, session).await?;
        feed.skip_to(view.last_seq);
        return Err(sealed(&view));
    }
    if lease.recoveries >= RECOVERIES_MAX && lease.taken_over {
        let message = format!("the server died {} times in a row while it took this session up", lease.recoveries);
        return Err(seal(shared, feed, lease, SealReason::RecoveryCrashed, message).await);
    }
    if !lease.taken_over && !lease.is_unfinished && lease.recoveries == 0 {
        return Ok(Admitted { _turn: TakingUp::Any, noted: false });
    }
    let turn = if lease.recoveries == 0 {
        timeout(ALONE_WAIT, shared.taking_up.read()).await.map_or(TakingUp::Any, TakingUp::Beside)
    } else {
        timeout(ALONE_WAIT, shared.taking_up.write()).await.map_or(TakingUp::Any, TakingUp::Alone)
    };
    // An owner that gave its lease back did not die of it.
    let count = if lease.taken_over || lease.recoveries == 0 { lease.recoveries + 1 } else { lease.recoveries };
    shared.store.note_recovery(session, lease.fence, count).await?;
    Ok(Admitted { _turn: turn, noted: true })
}

impl Admitted<'_> {
    /// It was taken up: `wrote` says whether that brought an event to disk, which takes the note with it.
    pub(crate) async fn done(
        self,
        shared: &Shared,
        feed: &Feed,
        lease: &Lease,
        wrote: bool,
    ) -> Result<(), EngineError> {
        if self.noted && !wrote {
            shared.store.note_recovery(&feed.session, lease.fence, 0).await?;
        }
        Ok(())
    }
}

/// Seals a session whose log cannot be read, where the store lets us; otherwise it stays as it is, and is told to be damaged.
pub(crate) async fn seal_damaged(shared: &Shared, feed: &Feed, lease: &Lease, damage: EngineError) -> EngineError {
    let EngineError::Damaged { reason, .. } = &damage else { return damage };
    tracing::error!(session.id = %feed.session, %reason, "what is stored of a session cannot be read");
    match seal(shared, feed, lease, SealReason::Damaged, reason.clone()).await {
        sealed @ EngineError::Sealed { .. } => sealed,
        _ => damage,
    }
}

/// Seals a session whose task panicked each time it was loaded.
pub(crate) async fn seal_panicked(shared: &Shared, feed: &Feed) -> EngineError {
    let message = format!("taking the session up failed {RECOVERIES_MAX} times in a row with an error of the program");
    match shared.store.acquire(&feed.session).await {
        Ok(lease) => {
            let error = seal(shared, feed, &lease, SealReason::RecoveryCrashed, message).await;
            drop(shared.store.release(&feed.session, lease.fence).await);
            error
        }
        Err(error) => error.into(),
    }
}

/// The answer that the session gives from here on, or why it could not be sealed.
async fn seal(shared: &Shared, feed: &Feed, lease: &Lease, reason: SealReason, message: String) -> EngineError {
    let body = SessionSealed { reason, message };
    match append(shared, feed, lease, body.into()).await {
        Ok(view) => {
            let error = sealed(&view);
            tracing::error!(session.id = %feed.session, %error, "session sealed");
            error
        }
        Err(error) => error,
    }
}

fn sealed(view: &Session) -> EngineError {
    match &view.sealed {
        Some(seal) => EngineError::Sealed { session: view.id.clone(), seal: Box::new(seal.clone()) },
        None => EngineError::Overloaded("the session is being unsealed"),
    }
}

/// Undoes a seal: the session is taken up with the next use.
pub(crate) async fn unseal(shared: &Arc<Shared>, session: &SessionId, by: Option<String>) -> Result<(), EngineError> {
    with_lease(shared, session, SessionUnsealed { by }.into()).await.map(drop)
}

/// Deletes a session that nobody can take up.
pub(crate) async fn delete(shared: &Arc<Shared>, session: &SessionId, by: Option<String>) -> Result<(), EngineError> {
    let (feed, lease) = with_lease(shared, session, SessionDeleted { by }.into()).await?;
    shared.store.delete(session, lease.fence).await?;
    feed.end();
    Ok(())
}

async fn with_lease(
    shared: &Arc<Shared>,
    session: &SessionId,
    body: EventBody,
) -> Result<(Arc<Feed>, Lease), EngineError> {
    let feed = shared.feed(session).await?;
    let lease = shared.store.acquire(session).await?;
    let appended = append(shared, &feed, &lease, body).await;
    drop(shared.store.release(session, lease.fence).await);
    appended.map(|_| (feed, lease))
}

/// Appends one event without looking at those before it.
async fn append(shared: &Shared, feed: &Feed, lease: &Lease, body: EventBody) -> Result<Session, EngineError> {
    let view = stored(shared, &feed.session).await?;
    shared.appender.append_unread(feed, lease, view, body).await
}

async fn stored(shared: &Shared, session: &SessionId) -> Result<Session, EngineError> {
    shared.store.session(session).await?.ok_or_else(|| EngineError::SessionNotFound(session.clone()))
}
