//! A look at a file that may be damaged: read-only, beside a running server or without one. What can be read is read, and what
//! cannot be read is said. Nothing here changes the file.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, params};
use wharf_protocol::{Seq, Session, SessionId};

use super::error::count;
use super::read::{Raw, raw};
use super::{connect, read, schema};
use crate::StoreError;

const CACHE_KIB: u32 = 2_048;
/// Problems of one session that are told one by one.
const PROBLEMS_MAX: usize = 20;
/// Where even the index cannot be read, rows are looked for by their positions; after a gap with steps that grow up to this.
const STEP_MAX: i64 = 4_096;

/// An open file.
#[derive(Debug)]
pub struct Inspector {
    connection: Connection,
}

/// What the file says of a session, before its events are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSession {
    pub id: SessionId,
    /// As in the session's view; `None` where that cannot be read.
    pub status: Option<String>,
    key: i64,
    first_seq: i64,
    last_seq: i64,
}

/// What a session's events are like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Events that are what was written.
    pub sound: u64,
    /// Of these, those that an older version wrote, which kept no checksum.
    pub unchecked: u64,
    /// What is wrong, the first few.
    pub problems: Vec<String>,
    /// How much is wrong in all.
    pub damaged: u64,
}

impl Verified {
    fn problem(&mut self, what: String) {
        self.damaged += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(what);
        }
    }
}

/// Takes the bytes of one sound event; an error ends the walk.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> std::io::Result<()>;

impl Inspector {
    /// Opens the file as it is.
    ///
    /// # Errors
    /// Where it is no database, or cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = connect::reader(path, CACHE_KIB)?;
        // The last one to leave would bring the log into the database: that is the server's to do.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        Ok(Self { connection })
    }

    /// The file's schema, and the newest that this version knows.
    pub fn schema(&self) -> Result<(i64, i64), StoreError> {
        let found = self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((found, schema::known()))
    }

    /// What SQLite finds wrong with the structure; nothing where all is well. `quick` leaves the indexes' contents out.
    pub fn structure(&self, quick: bool, limit: usize) -> Vec<String> {
        let pragma = if quick { "quick_check" } else { "integrity_check" };
        let sql = format!("PRAGMA {pragma}({limit})");
        let lines = || -> rusqlite::Result<Vec<String>> {
            self.connection.prepare(&sql)?.query_map([], |row| row.get(0))?.collect()
        };
        match lines() {
            Ok(lines) => lines.into_iter().flat_map(own_lines).filter(|line| line != "ok").take(limit).collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    /// Every session that is not deleted.
    ///
    /// # Errors
    /// Where even the list cannot be read to its end; then it is looked for in the events.
    pub fn sessions(&self) -> Result<Vec<StoredSession>, StoreError> {
        let mut select = self.connection.prepare(
            "SELECT l.key, l.id, l.first_seq, l.last_seq, (SELECT status FROM sessions s WHERE s.key = l.key)
             FROM logs l WHERE l.deleted = 0 ORDER BY l.key",
        )?;
        let mut rows = select.query([])?;
        let mut sessions = Vec::new();
        while let Some(row) = rows.next()? {
            // An id that is none belongs to no session that anybody could ask for.
            let Ok(id) = row.get::<_, String>(1)?.parse() else { continue };
            let status = row.get(4)?;
            sessions.push(StoredSession {
                id,
                status,
                key: row.get(0)?,
                first_seq: row.get(2)?,
                last_seq: row.get(3)?,
            });
        }
        Ok(sessions)
    }

    /// One of them.
    pub fn session(&self, id: &SessionId) -> Result<Option<StoredSession>, StoreError> {
        let row = self
            .connection
            .prepare_cached("SELECT key, first_seq, last_seq FROM logs WHERE id = ?1 AND deleted = 0")?
            .query_row([id.as_str()], |row| {
                let (key, first_seq, last_seq) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(StoredSession { id: id.clone(), status: None, key, first_seq, last_seq })
            });
        Ok(row.optional()?)
    }

    /// A session's view, where it can be read or made anew from the events.
    pub fn view(&self, session: &StoredSession) -> Option<Session> {
        let view: Option<String> = self
            .connection
            .prepare_cached("SELECT view FROM sessions WHERE key = ?1")
            .and_then(|mut select| select.query_row([session.key], |row| row.get(0)).optional())
            .unwrap_or_default();
        let (first, last) = session.seqs();
        let view = view.unwrap_or_default();
        read::view_or_folded(&self.connection, &session.id, session.key, &view, Seq(first), Seq(last)).ok()
    }

    /// Reads every event of a session, hands on those that are sound, oldest first, and says what is wrong with the others.
    ///
    /// # Errors
    /// What the sink says; a file that cannot be read is no error here.
    pub fn verify(&self, session: &StoredSession, sink: Sink<'_>) -> std::io::Result<Verified> {
        let mut walk = Walk { session, sink, verified: Verified::default(), last: session.first_seq - 1 };
        // One snapshot: a server may write meanwhile.
        let snapshot = self.connection.unchecked_transaction();
        let whole = self.in_order(&mut walk)?;
        if let Err(error) = whole {
            walk.verified.problem(format!("after event {}: {error}", walk.last));
            if let Err(error) = self.one_by_one(&mut walk)? {
                walk.verified.problem(format!("the index of its events cannot be read: {error}"));
                self.by_position(&mut walk)?;
            }
        }
        drop(snapshot);
        let Walk { mut verified, last, .. } = walk;
        if last < session.last_seq {
            verified.problem(format!("events {} to {} are missing", last + 1, session.last_seq));
        }
        Ok(verified)
    }

    /// The way that readers take. An outer error is the sink's.
    fn in_order(&self, walk: &mut Walk<'_, '_>) -> std::io::Result<rusqlite::Result<()>> {
        let sql = "SELECT seq, kind, json, sum FROM events INDEXED BY events_seq
                   WHERE session = ?1 AND seq > ?2 ORDER BY seq";
        let select = self.connection.prepare_cached(sql);
        let mut select = match select {
            Ok(select) => select,
            Err(error) => return Ok(Err(error)),
        };
        let mut rows = match select.query(params![walk.session.key, walk.last]) {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            match rows.next() {
                Ok(Some(row)) => match raw(row) {
                    Ok(raw) => walk.meet(&raw)?,
                    Err(error) => return Ok(Err(error)),
                },
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Finds the events in the index, and reads each row for itself: a page that cannot be read takes its own rows only.
    fn one_by_one(&self, walk: &mut Walk<'_, '_>) -> std::io::Result<rusqlite::Result<()>> {
        let places = || -> rusqlite::Result<Vec<(i64, i64)>> {
            let sql = "SELECT seq, id FROM events INDEXED BY events_seq WHERE session = ?1 AND seq > ?2 ORDER BY seq";
            let mut select = self.connection.prepare_cached(sql)?;
            select.query_map(params![walk.session.key, walk.last], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let places = match places() {
            Ok(places) => places,
            Err(error) => return Ok(Err(error)),
        };
        for (seq, id) in places {
            let row = self
                .connection
                .prepare_cached("SELECT seq, kind, json, sum FROM events WHERE id = ?1")
                .and_then(|mut select| select.query_row([id], raw));
            match row {
                Ok(raw) => walk.meet(&raw)?,
                Err(error) => {
                    walk.verified.problem(format!("event {seq}: {error}"));
                    walk.last = walk.last.max(seq);
                }
            }
        }
        Ok(Ok(()))
    }

    /// Looks through the whole table.
    fn by_position(&self, walk: &mut Walk<'_, '_>) -> std::io::Result<()> {
        let end: i64 = self
            .connection
            .query_row("SELECT coalesce(max(id), 0) FROM events", [], |row| row.get(0))
            .unwrap_or(i64::from(u32::MAX));
        let (mut at, mut step) = (0, 1);
        while at <= end {
            let mut next = None;
            let sql = "SELECT seq, kind, json, sum, id FROM events NOT INDEXED WHERE id > ?1 AND session = ?2 ORDER BY id LIMIT 1";
            let found = self.connection.prepare_cached(sql).and_then(|mut select| {
                select.query_row(params![at, walk.session.key], |row| Ok((raw(row)?, row.get::<_, i64>(4)?))).optional()
            });
            match found {
                Ok(Some((raw, id))) => {
                    if raw.seq > walk.last {
                        walk.meet(&raw)?;
                    }
                    (next, step) = (Some(id), 1);
                }
                Ok(None) => return Ok(()),
                Err(_) => step = (step * 2).min(STEP_MAX),
            }
            at = next.unwrap_or(at + step);
        }
        Ok(())
    }
}

/// The state of one reading.
struct Walk<'a, 'b> {
    session: &'a StoredSession,
    sink: Sink<'b>,
    verified: Verified,
    last: i64,
}

impl Walk<'_, '_> {
    fn meet(&mut self, raw: &Raw) -> std::io::Result<()> {
        self.last = self.last.max(raw.seq);
        match raw.event(&self.session.id) {
            Ok(event) => {
                self.verified.sound += 1;
                self.verified.unchecked += u64::from(raw.sum.is_none());
                (self.sink)(&event.json)
            }
            Err(StoreError::Damaged { reason, .. }) => {
                self.verified.problem(reason);
                Ok(())
            }
            Err(error) => {
                self.verified.problem(error.to_string());
                Ok(())
            }
        }
    }
}

fn own_lines(text: String) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

impl StoredSession {
    /// The seqs that its log begins and ends with.
    #[must_use]
    pub fn seqs(&self) -> (u64, u64) {
        (count(self.first_seq), count(self.last_seq))
    }

    /// How many events there could be.
    #[must_use]
    pub fn length(&self) -> u64 {
        count(self.last_seq.saturating_sub(self.first_seq) + 1)
    }
}
