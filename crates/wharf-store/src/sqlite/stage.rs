//! Logs that are written out of sight, and come to light as a whole.
//!
//! Until then a log is one that was deleted, to everybody else; its id is none that a session can have, and it begins after
//! its last event, so that no reader of all sessions meets one of its events.

use rusqlite::{Connection, OptionalExtension, params};
use wharf_protocol::{Seq, Session, SessionId};

use super::batch::{Batch, CEILING_STEP, Executed, Failure};
use super::error::int;
use super::model;
use super::request::Written;
use crate::memory::in_order;
use crate::{Entry, Lease, StagedLog};

/// The ids of staged logs; no session's id begins so.
const STAGED: &str = "id >= '~' AND id < '~~'";

impl Batch<'_> {
    pub fn stage(&self, session: &SessionId) -> Result<Executed, Failure> {
        let key = self
            .connection
            .prepare_cached(
                "INSERT INTO logs (id, first_seq, last_seq, seq_ceiling, fence, boot, owner, deleted)
                 VALUES ('~' || hex(randomblob(12)), ?1, 1, ?1, 1, ?2, ?3, 1) RETURNING key",
            )?
            .query_row(params![i64::MAX, self.identity.boot, self.identity.owner], |row| row.get(0))?;
        Ok(Written::Staged(StagedLog { session: session.clone(), key }).into())
    }

    pub fn stage_events(&mut self, stage: &StagedLog, entries: &[Entry]) -> Result<Executed, Failure> {
        let Some(before) = self.staged(stage)? else { return Ok(Written::NotFound.into()) };
        let Some(last) = entries.last().filter(|_| in_order(Seq(super::error::count(before)), entries)) else {
            return Ok(Written::Conflict.into());
        };
        self.connection
            .prepare_cached("UPDATE logs SET last_seq = ?2 WHERE key = ?1")?
            .execute([stage.key, int(last.event.seq.0)])?;
        self.insert(&stage.session, stage.key, entries)?;
        self.project(stage.key, entries)?;
        Ok(Written::Done.into())
    }

    pub fn publish(&mut self, stage: &StagedLog, created: &Entry, view: &Session) -> Result<Executed, Failure> {
        let mut exists = self.connection.prepare_cached("SELECT 1 FROM logs WHERE id = ?1")?;
        if exists.exists([stage.session.as_str()])? {
            return Ok(Written::Exists.into());
        }
        let Some(last) = self.staged(stage)? else { return Ok(Written::NotFound.into()) };
        if created.event.seq != Seq(1) || int(view.last_seq.0) != last {
            return Ok(Written::Conflict.into());
        }
        self.connection
            .prepare_cached(
                "UPDATE logs SET id = ?2, first_seq = 1, seq_ceiling = ?3, boot = ?4, owner = ?5, deleted = 0, staged = ?6
                 WHERE key = ?1",
            )?
            .execute(params![
                stage.key,
                stage.session.as_str(),
                last + CEILING_STEP,
                self.identity.boot,
                self.identity.owner,
                last,
            ])?;
        self.remember(&stage.session, stage.key);
        let entries = std::slice::from_ref(created);
        self.insert(&stage.session, stage.key, entries)?;
        model::add(self.connection, stage.key, view)?;
        self.project(stage.key, entries)?;
        let lease =
            Lease { fence: 1, taken_over: false, skip_to: None, recoveries: 0, is_unfinished: false, is_sealed: false };
        Ok(self.after_sync(stage.key, entries, Written::Leased(lease)))
    }

    pub fn discard(&mut self, stage: &StagedLog) -> Result<Executed, Failure> {
        if self.staged(stage)?.is_some() {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO purges (session) VALUES (?1)")?
                .execute([stage.key])?;
            self.purges.push(stage.key);
        }
        Ok(Written::Done.into())
    }

    /// Its last seq, if it has not come to light.
    fn staged(&self, stage: &StagedLog) -> Result<Option<i64>, Failure> {
        let sql = format!("SELECT last_seq FROM logs WHERE key = ?1 AND owner = ?2 AND {STAGED}");
        let mut select = self.connection.prepare_cached(&sql)?;
        Ok(select.query_row(params![stage.key, self.identity.owner], |row| row.get(0)).optional()?)
    }
}

/// The logs that have not come to light, and who makes them.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<(i64, Option<String>)>> {
    let mut select = connection.prepare_cached(&format!("SELECT key, owner FROM logs WHERE {STAGED}"))?;
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Forgets a log of which nothing is left. The ids of sessions are kept.
pub(super) fn remove(connection: &Connection, key: i64) -> Result<(), Failure> {
    connection.prepare_cached(&format!("DELETE FROM logs WHERE key = ?1 AND {STAGED}"))?.execute([key])?;
    Ok(())
}
