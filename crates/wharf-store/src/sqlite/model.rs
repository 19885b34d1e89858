//! The read models: rows that follow from events, written in the events' own transaction.

use rusqlite::{Connection, OptionalExtension, params};
use wharf_protocol::{Event, EventBody, Session, SessionId, Timestamp, Turn, TurnId};

use super::batch::Failure;
use super::error::{damaged, int};
use crate::projection::{self, TurnChange};

/// The title's place among the texts that can be searched for; prompts have their own seq.
const TITLE: i64 = 0;

pub(super) fn add(connection: &Connection, key: i64, view: &Session) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO sessions (key, id, updated_at, status, archived, cwd, view) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            key,
            view.id.as_str(),
            view.updated_at.0,
            view.status.as_str(),
            view.archived,
            view.cwd.to_string_lossy(),
            encode(&view.id, view)?,
        ])?;
    change_count(connection, view.archived, view.status.as_str(), 1)?;
    if let Some(title) = &view.title {
        add_doc(connection, key, TITLE, title)?;
    }
    Ok(())
}

pub(super) fn update(connection: &Connection, key: i64, view: &Session) -> Result<(), Failure> {
    let before = connection
        .prepare_cached(
            "SELECT archived, status, iif(json_valid(view), view ->> '$.title', NULL) FROM sessions WHERE key = ?1",
        )?
        .query_row([key], |row| {
            Ok((row.get::<_, bool>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
        })
        .optional()?;
    // Rows can be gone while the log is whole; a rebuild brings them back.
    let Some((archived, status, title)) = before else { return add(connection, key, view) };
    connection
        .prepare_cached(
            "UPDATE sessions SET updated_at = ?2, status = ?3, archived = ?4, cwd = ?5, view = ?6 WHERE key = ?1",
        )?
        .execute(params![
            key,
            view.updated_at.0,
            view.status.as_str(),
            view.archived,
            view.cwd.to_string_lossy(),
            encode(&view.id, view)?,
        ])?;
    if (archived, status.as_str()) != (view.archived, view.status.as_str()) {
        change_count(connection, archived, &status, -1)?;
        change_count(connection, view.archived, view.status.as_str(), 1)?;
    }
    if title != view.title {
        remove_docs(connection, key, TITLE, TITLE + 1, 1)?;
        if let Some(title) = &view.title {
            add_doc(connection, key, TITLE, title)?;
        }
    }
    Ok(())
}

/// Takes a session out of the lists. Its turns, prompts and texts follow in the background.
pub(super) fn remove(connection: &Connection, key: i64) -> Result<(), Failure> {
    let removed = connection
        .prepare_cached("DELETE FROM sessions WHERE key = ?1 RETURNING archived, status")?
        .query_row([key], |row| Ok((row.get::<_, bool>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    if let Some((archived, status)) = removed {
        change_count(connection, archived, &status, -1)?;
    }
    Ok(())
}

/// The session's view as it was last stored. Its seqs are the log's to say.
pub(super) fn view(connection: &Connection, session: &SessionId, key: i64) -> Result<Session, Failure> {
    let view: Option<String> = connection
        .prepare_cached("SELECT view FROM sessions WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    let view = view.ok_or_else(|| damaged(session, "its row is missing"))?;
    serde_json::from_str(&view).map_err(|error| damaged(session, error).into())
}

fn change_count(connection: &Connection, archived: bool, status: &str, by: i64) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO counts (archived, status, sessions) VALUES (?1, ?2, ?3)
             ON CONFLICT (archived, status) DO UPDATE SET sessions = sessions + excluded.sessions",
        )?
        .execute(params![archived, status, by])?;
    Ok(())
}

/// What an event changes in turns, prompts and the search.
pub(super) fn project(connection: &Connection, key: i64, event: &Event) -> Result<(), Failure> {
    if let EventBody::PromptReceived(received) = &event.body {
        add_doc(connection, key, int(event.seq.0), &received.content.text())?;
    }
    let session = &event.session_id;
    match projection::turn_change(event) {
        Some(TurnChange::Accepted { prompt, turn }) => {
            connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO prompts (session, message_id, seq, turn_id, body_hash) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    key,
                    prompt.message_id.as_str(),
                    int(event.seq.0),
                    turn.as_ref().map(|turn| turn.turn_id.as_str()),
                    prompt.body_hash,
                ])?;
            turn.map_or(Ok(()), |turn| add_turn(connection, key, &turn))
        }
        Some(TurnChange::Joined { prompt, turn }) => join(connection, key, prompt.as_str(), turn.as_str()),
        Some(TurnChange::Started { mut turn }) => {
            let stored = turn_row(connection, session, key, &turn.turn_id)?;
            let is_new = stored.is_none();
            turn = stored.unwrap_or(turn);
            if is_new {
                add_turn(connection, key, &turn)?;
            }
            if projection::start(&mut turn, event) { store_turn(connection, key, &turn) } else { Ok(()) }
        }
        Some(TurnChange::Ended { turn }) => {
            let Some(mut turn) = turn_row(connection, session, key, turn)? else { return Ok(()) };
            if projection::end(&mut turn, event) { store_turn(connection, key, &turn) } else { Ok(()) }
        }
        Some(TurnChange::Withdrawn { prompt }) => {
            let turn: Option<TurnId> = connection
                .prepare_cached("SELECT turn_id FROM prompts WHERE session = ?1 AND message_id = ?2")?
                .query_row(params![key, prompt.as_str()], |row| row.get::<_, Option<String>>(0))
                .optional()?
                .flatten()
                .and_then(|turn| turn.parse().ok());
            let Some(turn) = turn else { return Ok(()) };
            let Some(mut turn) = turn_row(connection, session, key, &turn)? else { return Ok(()) };
            let withdrawn = turn.message_id == *prompt && projection::withdraw(&mut turn, event);
            if withdrawn { store_turn(connection, key, &turn) } else { Ok(()) }
        }
        None => Ok(()),
    }
}

fn join(connection: &Connection, key: i64, prompt: &str, turn: &str) -> Result<(), Failure> {
    let joined: Option<Option<String>> = connection
        .prepare_cached(
            "UPDATE prompts SET own_turn = turn_id, turn_id = ?3
             WHERE session = ?1 AND message_id = ?2 AND turn_id IS NOT ?3 RETURNING own_turn",
        )?
        .query_row(params![key, prompt, turn], |row| row.get(0))
        .optional()?;
    if let Some(own) = joined.flatten() {
        // The turn that it was accepted for never comes.
        connection
            .prepare_cached(
                "DELETE FROM turns WHERE session = ?1 AND turn_id = ?2 AND ended_at IS NULL AND view ->> '$.message_id' = ?3",
            )?
            .execute(params![key, own, prompt])?;
    }
    Ok(())
}

fn add_turn(connection: &Connection, key: i64, turn: &Turn) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO turns (session, turn_id, first_seq, chunks, view) VALUES (?1, ?2, ?3, 1, ?4)",
        )?
        .execute(params![key, turn.turn_id.as_str(), int(turn.first_seq.0), encode(&turn.session_id, turn)?])?;
    Ok(())
}

fn store_turn(connection: &Connection, key: i64, turn: &Turn) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE turns SET last_seq = ?3, ended_at = ?4, view = ?5 WHERE session = ?1 AND turn_id = ?2")?
        .execute(params![
            key,
            turn.turn_id.as_str(),
            turn.last_seq.map(|seq| int(seq.0)),
            turn.ended_at.map(|Timestamp(ms)| ms),
            encode(&turn.session_id, turn)?,
        ])?;
    Ok(())
}

fn turn_row(connection: &Connection, session: &SessionId, key: i64, turn: &TurnId) -> Result<Option<Turn>, Failure> {
    let view: Option<String> = connection
        .prepare_cached("SELECT view FROM turns WHERE session = ?1 AND turn_id = ?2")?
        .query_row(params![key, turn.as_str()], |row| row.get(0))
        .optional()?;
    view.map(|view| serde_json::from_str(&view).map_err(|error| damaged(session, error).into())).transpose()
}

fn add_doc(connection: &Connection, key: i64, seq: i64, text: &str) -> Result<(), Failure> {
    let added =
        connection.prepare_cached("INSERT OR IGNORE INTO docs (session, seq) VALUES (?1, ?2)")?.execute([key, seq])?;
    if added == 1 {
        connection
            .prepare_cached("INSERT INTO search (rowid, text) VALUES (?1, ?2)")?
            .execute(params![connection.last_insert_rowid(), projection::searched(text)])?;
    }
    Ok(())
}

/// Removes the texts from seq `from` up to below `to`, at most `limit`; returns how many.
pub(super) fn remove_docs(connection: &Connection, key: i64, from: i64, to: i64, limit: i64) -> Result<usize, Failure> {
    let mut select =
        connection.prepare_cached("SELECT id FROM docs WHERE session = ?1 AND seq >= ?2 AND seq < ?3 LIMIT ?4")?;
    let ids: Vec<i64> = select.query_map([key, from, to, limit], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for id in &ids {
        connection.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([id])?;
        connection.prepare_cached("DELETE FROM docs WHERE id = ?1")?.execute([id])?;
    }
    Ok(ids.len())
}

fn encode(session: &SessionId, view: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(view).map_err(|error| damaged(session, error).into())
}
