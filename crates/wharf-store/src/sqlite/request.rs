//! What callers ask of the writer, and how they are answered.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use wharf_protocol::{Seq, Session, SessionId, Timestamp};

use crate::{AcquireError, Append, AppendError, Entry, Lease, NewLog, Position, StagedLog, StoreError};

/// One message to the writer. The permit bounds how many there are, until they are answered.
pub(super) struct Request {
    pub ask: Ask,
    pub permit: OwnedSemaphorePermit,
}

#[expect(clippy::large_enum_variant, reason = "nearly all of them are writes")]
pub(super) enum Ask {
    Write(Write, Reply),
    DropChunks { ended_before: Timestamp, limit: usize, reply: oneshot::Sender<Result<usize, StoreError>> },
    Check(oneshot::Sender<Result<(), StoreError>>),
    Rebuild(oneshot::Sender<Result<(), StoreError>>),
    Close(oneshot::Sender<()>),
}

/// What goes into a transaction together with others.
pub(super) enum Write {
    Create(NewLog),
    Stage(SessionId),
    StageEvents { stage: StagedLog, entries: Arc<[Entry]> },
    Publish { stage: StagedLog, created: Box<Entry>, view: Box<Session> },
    Discard(StagedLog),
    Append(Append),
    Acquire(SessionId),
    Release { session: SessionId, fence: u64 },
    NoteRecovery { session: SessionId, fence: u64, count: u32 },
    Truncate { session: SessionId, fence: u64, through: Seq },
    Delete { session: SessionId, fence: u64 },
}

impl Write {
    pub fn session(&self) -> &SessionId {
        match self {
            Self::Create(new) => &new.session.id,
            Self::StageEvents { stage, .. } | Self::Publish { stage, .. } | Self::Discard(stage) => &stage.session,
            Self::Append(append) => &append.session.id,
            Self::Stage(session)
            | Self::Acquire(session)
            | Self::Release { session, .. }
            | Self::NoteRecovery { session, .. }
            | Self::Truncate { session, .. }
            | Self::Delete { session, .. } => session,
        }
    }
}

pub(super) enum Reply {
    Create(oneshot::Sender<Result<Lease, AppendError>>),
    Append(oneshot::Sender<Result<Position, AppendError>>),
    Acquire(oneshot::Sender<Result<Lease, AcquireError>>),
    Release(oneshot::Sender<Result<(), StoreError>>),
    Change(oneshot::Sender<Result<(), AppendError>>),
    Stage(oneshot::Sender<Result<StagedLog, AppendError>>),
}

/// What a write came to. All but the first four wrote nothing.
#[derive(Debug)]
pub(super) enum Written {
    Done,
    Staged(StagedLog),
    Leased(Lease),
    Appended(Position),
    Conflict,
    Exists,
    NotFound,
    Held(String),
}

/// Somebody who waits for the outcome of a write. Whoever went away meanwhile is not missed.
pub(super) struct Waiter {
    pub session: SessionId,
    pub reply: Reply,
    pub _permit: OwnedSemaphorePermit,
}

impl Waiter {
    pub fn answer(self, outcome: Result<Written, StoreError>) {
        let session = self.session;
        match self.reply {
            Reply::Create(reply) => drop(reply.send(match outcome {
                Ok(Written::Leased(lease)) => Ok(lease),
                other => Err(append_error(other, session)),
            })),
            Reply::Append(reply) => drop(reply.send(match outcome {
                Ok(Written::Appended(position)) => Ok(position),
                other => Err(append_error(other, session)),
            })),
            Reply::Stage(reply) => drop(reply.send(match outcome {
                Ok(Written::Staged(stage)) => Ok(stage),
                other => Err(append_error(other, session)),
            })),
            Reply::Change(reply) => drop(reply.send(match outcome {
                Ok(Written::Done) => Ok(()),
                other => Err(append_error(other, session)),
            })),
            Reply::Acquire(reply) => drop(reply.send(match outcome {
                Ok(Written::Leased(lease)) => Ok(lease),
                Ok(Written::Held(owner)) => Err(AcquireError::Held { session, owner }),
                Ok(_) => Err(AcquireError::NotFound { session }),
                Err(error) => Err(error.into()),
            })),
            // A lease that somebody else has by now needs no giving back.
            Reply::Release(reply) => drop(reply.send(outcome.map(drop))),
        }
    }
}

fn append_error(outcome: Result<Written, StoreError>, session: SessionId) -> AppendError {
    match outcome {
        Err(error) => error.into(),
        Ok(Written::Exists) => AppendError::Exists { session },
        Ok(Written::NotFound) => AppendError::NotFound { session },
        Ok(_) => AppendError::Conflict { session },
    }
}
