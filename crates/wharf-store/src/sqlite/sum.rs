//! Each event's checksum: SQLite notices a page that makes no sense, but not one whose content has changed.

use wharf_protocol::SessionId;

/// Of everything that a reader relies on: whose event it is, where it stands, what it is and what it says.
pub(super) fn sum(session: &SessionId, seq: i64, kind: i64, json: &[u8]) -> i64 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&seq.to_le_bytes());
    crc.update(&kind.to_le_bytes());
    crc.update(session.as_str().as_bytes());
    // An id has no zero in it: where it ends and the event begins is told by one.
    crc.update(&[0]);
    crc.update(json);
    i64::from(crc.finalize())
}

/// What an older version wrote has no sum to be compared with.
pub(super) fn holds(stored: Option<i64>, session: &SessionId, seq: i64, kind: i64, json: &[u8]) -> bool {
    stored.is_none_or(|stored| stored == sum(session, seq, kind, json))
}
