//! The writes of one transaction: each is checked before it writes, so that one that is refused leaves the others alone.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use wharf_protocol::{EventKind, Seq, Session, SessionId};

use super::error::{count, damaged, int};
use super::request::{Write, Written};
use super::visibility::{Visibility, position};
use super::{kind, model, owner, spending, sum};
use crate::memory::in_order;
use crate::spending::Spent;
use crate::{Append, Entry, Lease, NewLog, StoreError};

/// How far a session's chunks may run ahead of the last sync. So many seqs are left out after a power cut.
pub(super) const CEILING_STEP: i64 = 4_096;

/// Keys of logs that the writer remembers; it forgets all when there are more.
const MAX_KEYS: usize = 16_384;

/// Why a transaction has to be undone.
#[derive(Debug)]
pub(super) enum Failure {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sql(error) => error.into(),
            Failure::Store(error) => error,
        }
    }
}

/// Who writes: the same for all batches of a store.
pub(super) struct Identity<'a> {
    pub owner: &'a str,
    pub owners: &'a Path,
    pub boot: i64,
}

pub(super) type Keys = HashMap<SessionId, i64>;

pub(super) struct Batch<'a> {
    pub connection: &'a Connection,
    pub identity: Identity<'a>,
    pub visibility: &'a Visibility,
    pub keys: &'a mut Keys,
    /// Where the next event goes.
    pub next_id: i64,
    /// The sessions whose part has to be synced, with the first seq of it.
    pub parts: HashMap<i64, Seq>,
    /// Logs with events to be removed in the background.
    pub purges: Vec<i64>,
}

/// A write that is part of the transaction, and whether its answer has to wait for the disk.
pub(super) struct Executed {
    pub outcome: Written,
    pub synced: bool,
}

impl From<Written> for Executed {
    fn from(outcome: Written) -> Self {
        Self { outcome, synced: false }
    }
}

struct LogRow {
    key: i64,
    first_seq: i64,
    last_seq: i64,
    seq_ceiling: i64,
    fence: i64,
    boot: Option<i64>,
    owner: Option<String>,
    recoveries: i64,
}

impl Batch<'_> {
    pub fn execute(&mut self, write: &Write) -> Result<Executed, Failure> {
        match write {
            Write::Create(new) => self.create(new),
            Write::Stage(session) => self.stage(session),
            Write::StageEvents { stage, entries } => self.stage_events(stage, entries),
            Write::Publish { stage, created, view } => self.publish(stage, created, view),
            Write::Discard(stage) => self.discard(stage),
            Write::Append(append) => self.append(append),
            Write::Acquire(session) => self.acquire(session),
            Write::Release { session, fence } => self.release(session, *fence),
            Write::NoteRecovery { session, fence, count } => self.note_recovery(session, *fence, *count),
            Write::Truncate { session, fence, through } => self.truncate(session, *fence, *through),
            Write::Delete { session, fence } => self.delete(session, *fence),
        }
    }

    fn create(&mut self, new: &NewLog) -> Result<Executed, Failure> {
        let mut exists = self.connection.prepare_cached("SELECT 1 FROM logs WHERE id = ?1")?;
        if exists.exists([new.session.id.as_str()])? {
            return Ok(Written::Exists.into());
        }
        let Some(last) = new.entries.last().filter(|_| in_order(Seq::ZERO, &new.entries)) else {
            return Ok(Written::Conflict.into());
        };
        let last = int(last.event.seq.0);
        self.connection
            .prepare_cached(
                "INSERT INTO logs (id, first_seq, last_seq, seq_ceiling, fence, boot, owner)
                 VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6)",
            )?
            .execute(params![
                new.session.id.as_str(),
                int(new.session.first_seq.0),
                last,
                last + CEILING_STEP,
                self.identity.boot,
                self.identity.owner,
            ])?;
        let key = self.connection.last_insert_rowid();
        self.remember(&new.session.id, key);
        self.insert(&new.session.id, key, &new.entries)?;
        model::add(self.connection, key, &new.session)?;
        self.project(key, &new.entries)?;
        let lease =
            Lease { fence: 1, taken_over: false, skip_to: None, recoveries: 0, is_unfinished: false, is_sealed: false };
        Ok(self.after_sync(key, &new.entries, Written::Leased(lease)))
    }

    fn append(&mut self, append: &Append) -> Result<Executed, Failure> {
        let session = &append.session.id;
        let Some(last) = append.entries.last().filter(|_| in_order(append.expected, &append.entries)) else {
            return Ok(Written::Conflict.into());
        };
        let Some(key) = self.key(session)? else { return Ok(Written::NotFound.into()) };
        let chunks = append.entries.iter().all(|entry| entry.event.kind().is_chunk());
        let (last, expected) = (int(last.event.seq.0), int(append.expected.0));
        if chunks {
            // The least that keeps the promises: no seq is shown above a ceiling that is on disk, of this boot.
            let changed = self
                .connection
                .prepare_cached(
                    "UPDATE logs SET last_seq = ?2
                     WHERE key = ?1 AND last_seq = ?3 AND fence = ?4 AND seq_ceiling >= ?2 AND boot = ?5 AND deleted = 0",
                )?
                .execute(params![key, last, expected, int(append.fence), self.identity.boot])?;
            if changed == 1 {
                self.insert(session, key, &append.entries)?;
                let outcome = Written::Appended(position(self.next_id - 1));
                // What follows an event that is not yet on disk may not be shown before it.
                let behind = self.parts.contains_key(&key) || self.visibility.waits(key);
                return Ok(if behind { self.after_sync(key, &append.entries, outcome) } else { outcome.into() });
            }
        }
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE logs SET last_seq = ?2, seq_ceiling = ?2 + ?6, boot = ?5, first_seq = max(first_seq, ?7),
                     recoveries = CASE ?8 WHEN 1 THEN recoveries ELSE 0 END
                 WHERE key = ?1 AND last_seq = ?3 AND fence = ?4 AND deleted = 0",
            )?
            .execute(params![
                key,
                last,
                expected,
                int(append.fence),
                self.identity.boot,
                CEILING_STEP,
                if chunks { 0 } else { int(append.session.first_seq.0) },
                chunks,
            ])?;
        if changed == 0 {
            let exists = self.log(session)?.is_some();
            return Ok(if exists { Written::Conflict } else { Written::NotFound }.into());
        }
        self.insert(session, key, &append.entries)?;
        if !chunks {
            model::update(self.connection, key, &append.session)?;
            self.project(key, &append.entries)?;
            // Here alone: what is copied or built anew was paid for once.
            let spent = append.entries.iter().filter_map(|entry| Spent::of(&entry.event, &append.session.cwd));
            spent.into_iter().try_for_each(|spent| spending::add(self.connection, &spent))?;
        }
        Ok(self.after_sync(key, &append.entries, Written::Appended(position(self.next_id - 1))))
    }

    fn acquire(&mut self, session: &SessionId) -> Result<Executed, Failure> {
        let Some(log) = self.log(session)? else { return Ok(Written::NotFound.into()) };
        let other = log.owner.filter(|owner| owner != self.identity.owner);
        if let Some(owner) = &other
            && owner::is_alive(self.identity.owners, owner)
        {
            return Ok(Written::Held(owner.clone()).into());
        }
        // `boot` stays what it is until the next event is on disk: a lease without an append changes nothing in what was lost.
        self.connection
            .prepare_cached("UPDATE logs SET owner = ?2, fence = fence + 1 WHERE key = ?1")?
            .execute(params![log.key, self.identity.owner])?;
        let rebooted = log.boot.is_some_and(|boot| boot != self.identity.boot);
        let skip_to = (rebooted && log.seq_ceiling > log.last_seq).then(|| Seq(count(log.seq_ceiling)));
        let (is_unfinished, is_sealed) = self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM turns WHERE session = ?1 AND ended_at IS NULL)
                            OR EXISTS (SELECT 1 FROM sessions WHERE key = ?1 AND status = 'busy'),
                        EXISTS (SELECT 1 FROM sessions WHERE key = ?1 AND status = 'sealed')",
            )?
            .query_row([log.key], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let lease = Lease {
            fence: count(log.fence) + 1,
            taken_over: other.is_some(),
            skip_to,
            recoveries: u32::try_from(log.recoveries).unwrap_or(0),
            is_unfinished,
            is_sealed,
        };
        Ok(Written::Leased(lease).into())
    }

    fn release(&mut self, session: &SessionId, fence: u64) -> Result<Executed, Failure> {
        self.connection
            .prepare_cached(
                "UPDATE logs SET owner = NULL, boot = nullif(boot, ?3) WHERE id = ?1 AND fence = ?2 AND owner = ?4",
            )?
            .execute(params![session.as_str(), int(fence), self.identity.boot, self.identity.owner])?;
        Ok(Written::Done.into())
    }

    fn note_recovery(&mut self, session: &SessionId, fence: u64, count: u32) -> Result<Executed, Failure> {
        let log = match self.owned(session, fence)? {
            Ok(log) => log,
            Err(refused) => return Ok(refused.into()),
        };
        self.connection
            .prepare_cached("UPDATE logs SET recoveries = ?2 WHERE key = ?1")?
            .execute(params![log.key, count])?;
        Ok(Written::Done.into())
    }

    fn truncate(&mut self, session: &SessionId, fence: u64, through: Seq) -> Result<Executed, Failure> {
        let log = match self.owned(session, fence)? {
            Ok(log) => log,
            Err(refused) => return Ok(refused.into()),
        };
        let first = int(through.0).min(log.last_seq).saturating_add(1).max(log.first_seq);
        // A rebuild cannot start from `session.created` any more: it starts from this view.
        let base = model::view(self.connection, session, log.key)?;
        let base = Session { last_seq: Seq(count(log.last_seq)), first_seq: Seq(count(first)), ..base };
        let base = serde_json::to_string(&base).map_err(|error| damaged(session, error))?;
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO bases (session, view) VALUES (?1, ?2)")?
            .execute(params![log.key, base])?;
        self.cut(log.key, first)?;
        Ok(self.changed_after_sync(&log))
    }

    fn delete(&mut self, session: &SessionId, fence: u64) -> Result<Executed, Failure> {
        let log = match self.owned(session, fence)? {
            Ok(log) => log,
            Err(refused) => return Ok(refused.into()),
        };
        let end: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT max(seq) FROM events INDEXED BY events_meaning
         WHERE session = ?1 AND kind < 100 AND kind = ?2",
            )?
            .query_row(params![log.key, kind::code(EventKind::SessionDeleted)], |row| row.get(0))?;
        self.connection.prepare_cached("UPDATE logs SET deleted = 1 WHERE key = ?1")?.execute([log.key])?;
        model::remove(self.connection, log.key)?;
        self.connection.prepare_cached("DELETE FROM bases WHERE session = ?1")?.execute([log.key])?;
        self.cut(log.key, end.unwrap_or(log.last_seq + 1))?;
        self.keys.remove(session);
        Ok(self.changed_after_sync(&log))
    }

    /// The log begins at `first` from here on; what is older is removed in the background.
    fn cut(&mut self, key: i64, first: i64) -> Result<(), Failure> {
        self.connection.prepare_cached("UPDATE logs SET first_seq = ?2 WHERE key = ?1")?.execute([key, first])?;
        self.connection.prepare_cached("INSERT OR IGNORE INTO purges (session) VALUES (?1)")?.execute([key])?;
        self.purges.push(key);
        Ok(())
    }

    pub(super) fn insert(&mut self, session: &SessionId, key: i64, entries: &[Entry]) -> Result<(), Failure> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO events (id, session, seq, kind, json, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for entry in entries {
            let encoded = &entry.encoded;
            let (seq, kind) = (int(encoded.seq.0), kind::code(encoded.kind));
            let sum = sum::sum(session, seq, kind, &encoded.json);
            insert.execute(params![self.next_id, key, seq, kind, &encoded.json[..], sum])?;
            self.next_id += 1;
        }
        Ok(())
    }

    pub(super) fn project(&self, key: i64, entries: &[Entry]) -> Result<(), Failure> {
        entries.iter().try_for_each(|entry| model::project(self.connection, key, &entry.event))
    }

    pub(super) fn after_sync(&mut self, key: i64, entries: &[Entry], outcome: Written) -> Executed {
        if let Some(first) = entries.first() {
            self.parts.entry(key).or_insert(first.event.seq);
        }
        Executed { outcome, synced: true }
    }

    /// A change without an event of its own hides none.
    fn changed_after_sync(&mut self, log: &LogRow) -> Executed {
        self.parts.entry(log.key).or_insert(Seq(count(log.last_seq) + 1));
        Executed { outcome: Written::Done, synced: true }
    }

    fn owned(&self, session: &SessionId, fence: u64) -> Result<Result<LogRow, Written>, Failure> {
        Ok(match self.log(session)? {
            None => Err(Written::NotFound),
            Some(log) if log.fence != int(fence) => Err(Written::Conflict),
            Some(log) => Ok(log),
        })
    }

    fn log(&self, session: &SessionId) -> Result<Option<LogRow>, Failure> {
        let mut select = self.connection.prepare_cached(
            "SELECT key, first_seq, last_seq, seq_ceiling, fence, boot, owner, recoveries FROM logs WHERE id = ?1 AND deleted = 0",
        )?;
        let row = select.query_row([session.as_str()], |row| {
            Ok(LogRow {
                key: row.get(0)?,
                first_seq: row.get(1)?,
                last_seq: row.get(2)?,
                seq_ceiling: row.get(3)?,
                fence: row.get(4)?,
                boot: row.get(5)?,
                owner: row.get(6)?,
                recoveries: row.get(7)?,
            })
        });
        Ok(row.optional()?)
    }

    fn key(&mut self, session: &SessionId) -> Result<Option<i64>, Failure> {
        if let Some(key) = self.keys.get(session) {
            return Ok(Some(*key));
        }
        let key = self.log(session)?.map(|log| log.key);
        if let Some(key) = key {
            self.remember(session, key);
        }
        Ok(key)
    }

    pub(super) fn remember(&mut self, session: &SessionId, key: i64) {
        if self.keys.len() >= MAX_KEYS {
            self.keys.clear();
        }
        self.keys.insert(session.clone(), key);
    }
}
