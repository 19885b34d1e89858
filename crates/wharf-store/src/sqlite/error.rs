//! What SQLite's errors mean to callers.

use rusqlite::{Error, ErrorCode};
use wharf_protocol::SessionId;

use crate::{QueryError, ReadError, StoreError};

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full(error.to_string()),
            Some(ErrorCode::ReadOnly) => Self::ReadOnly(error.to_string()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for QueryError {
    fn from(error: Error) -> Self {
        Self::Store(error.into())
    }
}

/// The whole file or disk is in trouble, not the one statement that met it.
pub(super) fn is_disk(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
        )
    )
}

/// Where a session's own rows cannot be read, it is the session that is damaged.
pub(super) fn of_session(session: &SessionId, error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt(reason) => damaged(session, reason),
        error => error,
    }
}

pub(super) fn damaged(session: &SessionId, reason: impl ToString) -> StoreError {
    StoreError::Damaged { session: session.clone(), reason: reason.to_string() }
}

/// SQLite's integers are signed; ours never come near the end of either.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
