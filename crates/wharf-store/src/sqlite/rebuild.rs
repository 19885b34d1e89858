//! Making the read models anew from the events. For a file whose read models are in doubt; appends wait meanwhile.

use rusqlite::{Connection, OptionalExtension, params};
use wharf_protocol::{Seq, Session, SessionId};

use super::batch::Failure;
use super::error::{count, damaged, int};
use super::{model, read};

pub(super) fn rebuild(connection: &Connection) -> Result<(), Failure> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let result = rebuild_all(connection).and_then(|()| Ok(connection.execute_batch("COMMIT")?));
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    result
}

fn rebuild_all(connection: &Connection) -> Result<(), Failure> {
    // Rows of turns and prompts that are older than their log's first event stay: nothing is left to make them from, and a
    // repeated prompt must still be known.
    connection.execute_batch(
        "DELETE FROM sessions;
         DELETE FROM counts;
         DELETE FROM docs;
         INSERT INTO search (search) VALUES ('delete-all');
         DELETE FROM turns WHERE first_seq >= (SELECT first_seq FROM logs WHERE key = turns.session);
         DELETE FROM prompts WHERE seq >= (SELECT first_seq FROM logs WHERE key = prompts.session);",
    )?;
    let mut logs = connection.prepare("SELECT key, id, first_seq FROM logs WHERE deleted = 0 ORDER BY key")?;
    let mut rows = logs.query([])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(1)?;
        let Ok(id) = id.parse::<SessionId>() else {
            tracing::error!("a log has an id that is none; it is left out");
            continue;
        };
        rebuild_log(connection, row.get(0)?, &id, row.get(2)?)?;
    }
    Ok(())
}

fn rebuild_log(connection: &Connection, key: i64, id: &SessionId, first_seq: i64) -> Result<(), Failure> {
    let base: Option<String> = connection
        .prepare_cached("SELECT view FROM bases WHERE session = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    let mut view: Option<Session> =
        base.map(|base| serde_json::from_str(&base)).transpose().map_err(|error| damaged(id, error))?;
    let mut select = connection.prepare_cached(
        "SELECT seq, kind, json, sum FROM events INDEXED BY events_meaning
         WHERE session = ?1 AND kind < 100 AND seq >= ?2 ORDER BY seq",
    )?;
    // A log that was cleared but not cut yet still has the events that its view begins with.
    let from = if view.is_some() { first_seq } else { 0 };
    let mut rows = select.query(params![key, from])?;
    while let Some(row) = rows.next()? {
        let event = read::decode(id, &read::known(id, row)?)?;
        match &mut view {
            None => view = Session::from_created(&event),
            Some(view) if event.seq > view.last_seq => view.apply(&event),
            Some(_) => {}
        }
        model::project(connection, key, &event)?;
    }
    let view = view.ok_or_else(|| damaged(id, "it has no first event"))?;
    let first_seq = view.first_seq.max(Seq(count(first_seq)));
    connection.prepare_cached("UPDATE logs SET first_seq = ?2 WHERE key = ?1")?.execute([key, int(first_seq.0)])?;
    model::add(connection, key, &Session { first_seq, ..view })
}
