//! Reading logs and turns. Each function runs on a read-only connection, in one snapshot of the file.

use bytes::Bytes;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};
use wharf_protocol::{EncodedEvent, Event, EventKind, MessageId, Seq, Session, SessionId, Turn, TurnId};

use super::error::{count, damaged, int};
use super::visibility::{Visibility, position};
use super::{kind, sum};
use crate::memory::fits;
use crate::{Position, ReadError, SavedState, StoreError, Window, projection};

struct Log {
    key: i64,
    first_seq: Seq,
    last_seq: Seq,
}

fn log(connection: &Connection, session: &SessionId) -> Result<Log, ReadError> {
    let row = connection
        .prepare_cached("SELECT key, first_seq, last_seq FROM logs WHERE id = ?1 AND deleted = 0")?
        .query_row([session.as_str()], |row| {
            let (first, last): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(Log { key: row.get(0)?, first_seq: Seq(count(first)), last_seq: Seq(count(last)) })
        })
        .optional()?;
    row.ok_or_else(|| ReadError::NotFound { session: session.clone() })
}

/// An event's row, whatever is in it.
pub(super) struct Raw {
    pub seq: i64,
    pub kind: i64,
    pub json: Bytes,
    pub sum: Option<i64>,
}

/// The columns `seq, kind, json, sum` of a row.
pub(super) fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let value = row.get_ref(2)?;
    let json =
        value.as_bytes().map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, Type::Blob, Box::new(error)))?;
    Ok(Raw { seq: row.get(0)?, kind: row.get(1)?, json: Bytes::copy_from_slice(json), sum: row.get(3)? })
}

impl Raw {
    /// The bytes of the event, which are those that were written.
    fn encoded(self, session: &SessionId) -> Result<EncodedEvent, StoreError> {
        let Self { seq, kind: code, json, sum } = self;
        if !sum::holds(sum, session, seq, code, &json) {
            return Err(damaged(session, format_args!("event {seq} is not what was written")));
        }
        let kind = kind::from_code(code);
        let kind = kind.ok_or_else(|| damaged(session, format_args!("event {seq} has a type that is not known")))?;
        Ok(EncodedEvent { seq: Seq(count(seq)), kind, json })
    }

    /// The same, and they can be understood.
    pub fn event(&self, session: &SessionId) -> Result<EncodedEvent, StoreError> {
        let Self { seq, kind, ref json, sum } = *self;
        let encoded = Self { seq, kind, json: json.clone(), sum }.encoded(session)?;
        decode(session, &encoded)?;
        Ok(encoded)
    }
}

pub(super) fn known(session: &SessionId, row: &Row<'_>) -> Result<EncodedEvent, StoreError> {
    match raw(row) {
        Ok(raw) => raw.encoded(session),
        Err(error @ rusqlite::Error::SqliteFailure(..)) => Err(error.into()),
        Err(error) => {
            let seq: i64 = row.get(0).unwrap_or_default();
            Err(damaged(session, format_args!("event {seq}: {error}")))
        }
    }
}

fn events(
    connection: &Connection,
    session: &SessionId,
    sql: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<EncodedEvent>, ReadError> {
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query(params_from_iter(values))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(known(session, row)?);
    }
    Ok(events)
}

pub(super) fn read(
    connection: &Connection,
    visibility: &Visibility,
    session: &SessionId,
    after: Seq,
    limit: usize,
    max_bytes: usize,
) -> Result<Vec<EncodedEvent>, ReadError> {
    let snapshot = connection.unchecked_transaction()?;
    let log = log(&snapshot, session)?;
    if after.next() < log.first_seq {
        return Err(ReadError::Expired { first: log.first_seq });
    }
    let mut select = snapshot.prepare_cached(
        "SELECT seq, kind, json, sum FROM events WHERE session = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = select.query(params![log.key, int(after.0), int(limit as u64)])?;
    let mut events: Vec<EncodedEvent> = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let event = match known(session, row) {
            Ok(event) => event,
            // What comes before it can still be read; the next read meets it first.
            Err(_) if !events.is_empty() => break,
            Err(error) => return Err(error.into()),
        };
        if !fits(&mut bytes, event.json.len(), max_bytes) {
            break;
        }
        events.push(event);
    }
    // Asked after the rows were read: whatever of them is not on disk yet was announced before.
    if let Some(hidden) = visibility.hidden_from(log.key) {
        events.retain(|event| event.seq < hidden);
    }
    Ok(events)
}

pub(super) fn read_state(connection: &Connection, session: &SessionId) -> Result<SavedState, ReadError> {
    let snapshot = connection.unchecked_transaction()?;
    let log = log(&snapshot, session)?;
    let view = stored_view(&snapshot, session, &log)?.ok_or_else(|| damaged(session, "its row is missing"))?;
    let first = int(log.first_seq.0);
    let mut saved = events(
        &snapshot,
        session,
        "SELECT seq, kind, json, sum FROM events INDEXED BY events_meaning
         WHERE session = ?1 AND seq >= ?2 AND kind < 100 ORDER BY seq",
        &[&log.key, &first],
    )?;
    let closed = saved.iter().rev().find(|event| event.kind.closes_texts());
    let closed = closed.map_or(first - 1, |event| int(event.seq.0));
    saved.extend(events(
        &snapshot,
        session,
        "SELECT seq, kind, json, sum FROM events WHERE session = ?1 AND seq > ?2 AND kind >= 100 ORDER BY seq",
        &[&log.key, &closed],
    )?);
    saved.sort_by_key(|event| event.seq);
    let decode = |encoded: &EncodedEvent| decode(session, encoded);
    let events = saved.iter().map(decode).collect::<Result<Vec<Event>, StoreError>>()?;
    Ok(SavedState { session: view, events })
}

pub(super) fn decode(session: &SessionId, encoded: &EncodedEvent) -> Result<Event, StoreError> {
    let seq = encoded.seq;
    let event = encoded.decode().map_err(|error| damaged(session, format_args!("event {seq}: {error}")))?;
    if event.seq == seq && event.session_id == *session {
        Ok(event)
    } else {
        Err(damaged(session, format_args!("event {seq} is another one inside")))
    }
}

pub(super) fn read_kinds(
    connection: &Connection,
    session: &SessionId,
    kinds: &[EventKind],
    window: Window,
    limit: usize,
) -> Result<Vec<EncodedEvent>, ReadError> {
    let snapshot = connection.unchecked_transaction()?;
    let log = log(&snapshot, session)?;
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    // With chunks among them the index of events with meaning does not help.
    let chunks = kinds.iter().any(|kind| kind.is_chunk());
    let (index, meaning) = if chunks { ("events_seq", "") } else { ("events_meaning", "AND kind < 100") };
    let (bound, order) = match window {
        Window::After(after) => (int(after.0), "seq > ?3 ORDER BY seq"),
        Window::Before(before) => (before.map_or(i64::MAX, |seq| int(seq.0)), "seq < ?3 ORDER BY seq DESC"),
    };
    let codes: Vec<String> = kinds.iter().map(|kind| kind::code(*kind).to_string()).collect();
    let sql = format!(
        "SELECT seq, kind, json, sum FROM events INDEXED BY {index}
         WHERE session = ?1 AND seq >= ?2 {meaning} AND kind IN ({}) AND {order} LIMIT ?4",
        codes.join(", ")
    );
    let (first, limit) = (int(log.first_seq.0), int(limit as u64));
    let mut found = events(&snapshot, session, &sql, &[&log.key, &first, &bound, &limit])?;
    found.sort_by_key(|event| event.seq);
    Ok(found)
}

pub(super) fn read_all(
    connection: &Connection,
    head: Position,
    after: Position,
    limit: usize,
    max_bytes: usize,
) -> Result<Vec<(Position, EncodedEvent)>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT e.seq, e.kind, e.json, e.sum, e.id, l.id FROM events e CROSS JOIN logs l ON l.key = e.session
         WHERE e.id > ?1 AND e.id <= ?2 AND e.seq >= l.first_seq
         AND (e.seq > l.staged OR e.seq = 1) ORDER BY e.id LIMIT ?3",
    )?;
    let mut rows = select.query(params![int(after.0), int(head.0), int(limit as u64)])?;
    let mut events = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(4)?;
        let session: Option<SessionId> = row.get::<_, String>(5)?.parse().ok();
        let Some(Ok(event)) = session.map(|session| known(&session, row)) else {
            // One bad row must not stop everybody's stream for ever. Reading its session says what is wrong.
            tracing::error!(position = id, "an event cannot be read; it is left out");
            continue;
        };
        if !fits(&mut bytes, event.json.len(), max_bytes) {
            break;
        }
        events.push((position(id), event));
    }
    Ok(events)
}

pub(super) fn session(connection: &Connection, session: &SessionId) -> Result<Option<Session>, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    match log(&snapshot, session) {
        Ok(log) => stored_view(&snapshot, session, &log),
        Err(error) => absent(error),
    }
}

fn absent<T: Default>(error: ReadError) -> Result<T, StoreError> {
    match error {
        ReadError::NotFound { .. } | ReadError::Expired { .. } => Ok(T::default()),
        ReadError::Store(error) => Err(error),
    }
}

fn stored_view(connection: &Connection, session: &SessionId, log: &Log) -> Result<Option<Session>, StoreError> {
    let view: Option<String> = connection
        .prepare_cached("SELECT view FROM sessions WHERE key = ?1")?
        .query_row([log.key], |row| row.get(0))
        .optional()?;
    view.map(|view| view_or_folded(connection, session, log.key, &view, log.first_seq, log.last_seq)).transpose()
}

/// The view as it is stored; where that cannot be read, made anew from the events that it follows from.
pub(super) fn view_or_folded(
    connection: &Connection,
    session: &SessionId,
    key: i64,
    view: &str,
    first_seq: Seq,
    last_seq: Seq,
) -> Result<Session, StoreError> {
    with_seqs(session, view, first_seq, last_seq).or_else(|damage| {
        let folded = folded(connection, session, key, first_seq)?.ok_or(damage)?;
        Ok(Session { first_seq, last_seq, ..folded })
    })
}

fn folded(
    connection: &Connection,
    session: &SessionId,
    key: i64,
    first_seq: Seq,
) -> Result<Option<Session>, StoreError> {
    let base: Option<String> = connection
        .prepare_cached("SELECT view FROM bases WHERE session = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    let mut view: Option<Session> =
        base.map(|base| serde_json::from_str(&base)).transpose().map_err(|error| damaged(session, error))?;
    let mut select = connection.prepare_cached(
        "SELECT seq, kind, json, sum FROM events INDEXED BY events_meaning
         WHERE session = ?1 AND kind < 100 AND seq >= ?2 ORDER BY seq",
    )?;
    let from = if view.is_some() { int(first_seq.0) } else { 0 };
    let mut rows = select.query(params![key, from])?;
    while let Some(row) = rows.next()? {
        // An event that cannot be read leaves the view a little older than the log.
        let Ok(event) = known(session, row).and_then(|event| decode(session, &event)) else { continue };
        match &mut view {
            None => view = Session::from_created(&event),
            Some(view) if event.seq > view.last_seq => view.apply(&event),
            Some(_) => {}
        }
    }
    Ok(view)
}

/// The log knows the seqs better than the view: chunks move them without writing the view again.
pub(super) fn with_seqs(session: &SessionId, view: &str, first_seq: Seq, last_seq: Seq) -> Result<Session, StoreError> {
    let view: Session = serde_json::from_str(view).map_err(|error| damaged(session, error))?;
    Ok(Session { first_seq, last_seq, ..view })
}

fn shown(session: &SessionId, log: &Log, view: &str) -> Result<Turn, StoreError> {
    let mut turn: Turn = serde_json::from_str(view).map_err(|error| damaged(session, error))?;
    projection::hide_cleared(&mut turn, log.first_seq);
    Ok(turn)
}

pub(super) fn turn(connection: &Connection, session: &SessionId, turn: &TurnId) -> Result<Option<Turn>, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let log = match log(&snapshot, session) {
        Ok(log) => log,
        Err(error) => return absent(error),
    };
    let view: Option<String> = snapshot
        .prepare_cached("SELECT view FROM turns WHERE session = ?1 AND turn_id = ?2")?
        .query_row(params![log.key, turn.as_str()], |row| row.get(0))
        .optional()?;
    let view = match view {
        Some(view) => Some(view),
        // The prompt that this turn was meant for joined another one.
        None => snapshot
            .prepare_cached(
                "SELECT t.view FROM prompts p JOIN turns t ON t.session = p.session AND t.turn_id = p.turn_id
                 WHERE p.session = ?1 AND p.own_turn = ?2",
            )?
            .query_row(params![log.key, turn.as_str()], |row| row.get(0))
            .optional()?,
    };
    view.map(|view| shown(session, &log, &view)).transpose()
}

pub(super) fn turn_of_prompt(
    connection: &Connection,
    session: &SessionId,
    prompt: &MessageId,
) -> Result<Option<(Turn, String)>, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let log = match log(&snapshot, session) {
        Ok(log) => log,
        Err(error) => return absent(error),
    };
    let row: Option<(String, String)> = snapshot
        .prepare_cached(
            "SELECT t.view, p.body_hash FROM prompts p JOIN turns t ON t.session = p.session AND t.turn_id = p.turn_id
             WHERE p.session = ?1 AND p.message_id = ?2",
        )?
        .query_row(params![log.key, prompt.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    row.map(|(view, body_hash)| Ok((shown(session, &log, &view)?, body_hash))).transpose()
}

pub(super) fn turns(
    connection: &Connection,
    session: &SessionId,
    before: Option<Seq>,
    limit: usize,
) -> Result<Vec<Turn>, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let log = match log(&snapshot, session) {
        Ok(log) => log,
        Err(error) => return absent(error),
    };
    let mut select = snapshot.prepare_cached(
        "SELECT view FROM turns WHERE session = ?1 AND first_seq < ?2 ORDER BY first_seq DESC LIMIT ?3",
    )?;
    let before = before.map_or(i64::MAX, |seq| int(seq.0));
    let mut rows = select.query(params![log.key, before, int(limit as u64)])?;
    let mut turns = Vec::new();
    while let Some(row) = rows.next()? {
        turns.push(shown(session, &log, &row.get::<_, String>(0)?)?);
    }
    Ok(turns)
}

pub(super) fn unfinished(connection: &Connection) -> Result<Vec<SessionId>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT id FROM logs l WHERE deleted = 0 AND key IN (
             SELECT session FROM turns WHERE ended_at IS NULL
             UNION SELECT key FROM sessions WHERE status = 'busy'
             UNION SELECT key FROM sessions WHERE iif(json_valid(view), view ->> '$.running_commands', 0) > 0
         ) AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.key = l.key AND s.status = 'sealed') ORDER BY recoveries, id",
    )?;
    let ids: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}
