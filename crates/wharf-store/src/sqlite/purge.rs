//! Removing much without anybody waiting: a bounded piece at a time, between the writer's batches.

use std::collections::VecDeque;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use wharf_protocol::Timestamp;

use super::batch::Failure;
use super::error::int;
use super::{model, owner, stage};
use crate::StoreError;

/// Rows removed in one transaction.
const STEP_ROWS: usize = 1_000;
/// Texts are dearer to remove than rows.
const STEP_TEXTS: i64 = 200;
/// Turns looked at in one transaction.
const STEP_TURNS: usize = 100;

pub(super) enum Job {
    /// The removed part of a log.
    Purge(i64),
    DropChunks(DropChunks),
}

pub(super) struct DropChunks {
    pub ended_before: Timestamp,
    pub limit: usize,
    pub dropped: usize,
    pub reply: oneshot::Sender<Result<usize, StoreError>>,
    pub _permit: OwnedSemaphorePermit,
}

/// Jobs in the order in which they came.
#[derive(Default)]
pub(super) struct Jobs(VecDeque<Job>);

impl Jobs {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn push(&mut self, job: Job) {
        self.0.push_back(job);
    }

    /// The purges that a process before this one, or a failure, left undone; and logs that a dead one did not bring to light.
    pub fn resume(&mut self, connection: &Connection, owners: &Path) -> rusqlite::Result<()> {
        for (key, owner) in stage::all(connection)? {
            if !owner.is_some_and(|owner| owner::is_alive(owners, &owner)) {
                connection.execute("INSERT OR IGNORE INTO purges (session) VALUES (?1)", [key])?;
            }
        }
        let mut select = connection.prepare("SELECT session FROM purges")?;
        let waiting = |jobs: &Self, key| jobs.0.iter().any(|job| matches!(job, Job::Purge(other) if *other == key));
        for key in select.query_map([], |row| row.get(0))? {
            let key = key?;
            if !waiting(self, key) {
                self.0.push_back(Job::Purge(key));
            }
        }
        Ok(())
    }

    /// Does a piece of the first job.
    pub fn step(&mut self, connection: &Connection) {
        let Some(mut job) = self.0.pop_front() else { return };
        let done = in_transaction(connection, || match &mut job {
            Job::Purge(key) => purge(connection, *key),
            Job::DropChunks(drop) => drop_chunks(connection, drop),
        });
        match (job, done.map_err(StoreError::from)) {
            (job, Ok(false)) => self.0.push_back(job),
            (Job::Purge(_), Ok(true)) => {}
            (Job::Purge(_), Err(error)) => {
                tracing::warn!(%error, "removed events could not be purged; a later check tries again");
            }
            (Job::DropChunks(drop), done) => {
                let _ = drop.reply.send(done.map(|_| drop.dropped));
            }
        }
    }
}

fn in_transaction(connection: &Connection, work: impl FnOnce() -> Result<bool, Failure>) -> Result<bool, Failure> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let result = work().and_then(|done| {
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(done)
    });
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    result
}

/// `true`: nothing is left to remove.
fn purge(connection: &Connection, key: i64) -> Result<bool, Failure> {
    let log: Option<(i64, bool)> = connection
        .prepare_cached("SELECT first_seq, deleted FROM logs WHERE key = ?1")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((first, deleted)) = log {
        keep_positions(connection)?;
        let removed = connection
            .prepare_cached(
                "DELETE FROM events WHERE id IN
                 (SELECT id FROM events WHERE session = ?1 AND seq < ?2 ORDER BY seq LIMIT ?3)",
            )?
            .execute([key, first, int(STEP_ROWS as u64)])?;
        if removed > 0
            || model::remove_docs(connection, key, i64::from(!deleted), first, STEP_TEXTS)? > 0
            || purge_turns(connection, key, first, deleted)? > 0
        {
            return Ok(false);
        }
    }
    connection.prepare_cached("DELETE FROM purges WHERE session = ?1")?.execute([key])?;
    stage::remove(connection, key)?;
    Ok(true)
}

/// A position is not used again when the newest events of all are removed.
fn keep_positions(connection: &Connection) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE meta SET value = (SELECT max(id) FROM events)
             WHERE name = 'position_floor' AND value < (SELECT max(id) FROM events)",
        )?
        .execute([])?;
    Ok(())
}

fn purge_turns(connection: &Connection, key: i64, first: i64, deleted: bool) -> Result<usize, Failure> {
    let limit = int(STEP_ROWS as u64);
    if deleted {
        let turns = connection
            .prepare_cached("DELETE FROM turns WHERE id IN (SELECT id FROM turns WHERE session = ?1 LIMIT ?2)")?
            .execute([key, limit])?;
        let prompts = connection
            .prepare_cached(
                "DELETE FROM prompts WHERE session = ?1 AND message_id IN
                 (SELECT message_id FROM prompts WHERE session = ?1 LIMIT ?2)",
            )?
            .execute([key, limit])?;
        return Ok(turns + prompts);
    }
    // That the prompt was answered stays known, so that it is not run again; what was said goes.
    let blanked = connection
        .prepare_cached(
            "UPDATE turns SET view = json_remove(view, '$.response') WHERE id IN
             (SELECT id FROM turns WHERE session = ?1 AND first_seq < ?2 AND last_seq < ?2
              AND view ->> '$.response' IS NOT NULL LIMIT ?3)",
        )?
        .execute([key, first, limit])?;
    Ok(blanked)
}

/// `true`: nothing is left to drop, or as much was dropped as was asked for.
fn drop_chunks(connection: &Connection, job: &mut DropChunks) -> Result<bool, Failure> {
    let mut room = STEP_ROWS.min(job.limit - job.dropped);
    let mut dropped = 0;
    keep_positions(connection)?;
    for _ in 0..STEP_TURNS {
        if room == 0 {
            break;
        }
        let Some(turn) = oldest_with_chunks(connection, job.ended_before)? else {
            job.dropped += dropped;
            return Ok(true);
        };
        let removed = drop_chunks_of(connection, &turn, room)?;
        if removed < room {
            connection.prepare_cached("UPDATE turns SET chunks = 0 WHERE id = ?1")?.execute([turn.id])?;
        }
        room -= removed;
        dropped += removed;
    }
    job.dropped += dropped;
    Ok(job.dropped >= job.limit)
}

struct OldTurn {
    id: i64,
    session: i64,
    turn_id: String,
    first_seq: i64,
    last_seq: i64,
}

fn oldest_with_chunks(connection: &Connection, ended_before: Timestamp) -> Result<Option<OldTurn>, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT t.id, t.session, t.turn_id, max(t.first_seq, l.first_seq), t.last_seq
         FROM turns t JOIN logs l ON l.key = t.session
         WHERE t.chunks = 1 AND t.ended_at IS NOT NULL AND t.ended_at < ?1 AND l.deleted = 0
         ORDER BY t.ended_at, t.session, t.first_seq LIMIT 1",
    )?;
    let row = select.query_row([ended_before.0], |row| {
        Ok(OldTurn {
            id: row.get(0)?,
            session: row.get(1)?,
            turn_id: row.get(2)?,
            first_seq: row.get(3)?,
            last_seq: row.get(4)?,
        })
    });
    Ok(row.optional()?)
}

fn drop_chunks_of(connection: &Connection, turn: &OldTurn, limit: usize) -> Result<usize, Failure> {
    // The turn's name as a field of the event: inside a text its quotes would be escaped.
    let field = format!("\"turn_id\":\"{}\"", turn.turn_id);
    let removed = connection
        .prepare_cached(
            "DELETE FROM events WHERE id IN
             (SELECT id FROM events WHERE session = ?1 AND seq >= ?2 AND seq < ?3 AND kind >= 100 AND instr(json, ?4) > 0
              ORDER BY seq LIMIT ?5)",
        )?
        .execute(params![turn.session, turn.first_seq, turn.last_seq, field.as_bytes(), int(limit as u64)])?;
    Ok(removed)
}
