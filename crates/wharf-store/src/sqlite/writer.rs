//! The one thread that writes: it takes what has come in, writes it in one transaction, and answers.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use wharf_failpoints::{mistake, point, trace};

use super::batch::{Batch, Failure, Identity, Keys};
use super::checkpoint::Checkpoints;
use super::error::{is_disk, of_session};
use super::files::{Files, explain, probe};
use super::owner;
use super::purge::{DropChunks, Job, Jobs};
use super::readers::Readers;
use super::rebuild;
use super::request::{Ask, Request, Waiter, Write, Written};
use super::sync::{SyncFile, SyncThread, Unsynced, write_again};
use super::visibility::{Ticket, Visibility};
use crate::{Append, StoreError};

/// Writes of one transaction. More would only make the first of them wait longer.
const BATCH_WRITES: usize = 512;
const BATCH_BYTES: usize = 8 << 20;

/// How often an idle writer looks whether another process has written.
const FOREIGN_POLL: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    pub database: PathBuf,
    pub connection: Connection,
    /// The files that `connection` has open.
    pub files: Arc<Files>,
    pub readers: Arc<Readers>,
    /// `connection` is a stand-in: the files could not be opened again yet.
    pub is_detached: bool,
    /// A database that was deleted under us was copied.
    pub is_rescued: bool,
    pub inbox: Receiver<Request>,
    pub visibility: Arc<Visibility>,
    pub sync: SyncThread,
    pub checkpoints: Checkpoints,
    /// Pages in the `-wal` file, as the last commit left it.
    pub wal_pages: Arc<AtomicU32>,
    pub wal: File,
    pub sync_file: SyncFile,
    pub owner: String,
    pub owners: PathBuf,
    pub boot: i64,
    pub keys: Keys,
    pub jobs: Jobs,
}

/// A transaction that was committed.
struct Committed {
    outcomes: Vec<(Written, bool)>,
    /// Set when something of it has to be synced.
    ticket: Option<Ticket>,
}

struct Group {
    writes: Vec<Write>,
    waiters: Vec<Waiter>,
}

impl Writer {
    pub fn run(mut self) {
        let closed = self.work();
        self.sync.finish();
        self.checkpoints.finish();
        // In this order: a name that is still there when the log is gone tells of a log that somebody deleted.
        owner::forget(&self.owners, &self.owner);
        // The file is whole and free before anybody hears that the store is closed.
        drop(self);
        if let Some(reply) = closed {
            let _ = reply.send(());
        }
    }

    /// Works until it is told to close, or nobody is left who could ask for something.
    fn work(&mut self) -> Option<oneshot::Sender<()>> {
        if let Err(error) = self.jobs.resume(&self.connection, &self.owners) {
            tracing::warn!(%error, "the purges that were left undone could not be read; a later check tries again");
        }
        while let Some(request) = self.next() {
            if let Some(Request { ask, permit }) = request
                && let Some(closed) = self.handle(ask, permit)
            {
                return Some(closed);
            }
            self.jobs.step(&self.connection);
            self.checkpoints.committed(self.wal_pages.load(Ordering::Relaxed));
        }
        None
    }

    /// `None`: no more will come. `Some(None)`: nothing has come.
    fn next(&mut self) -> Option<Option<Request>> {
        if !self.jobs.is_empty() {
            return match self.inbox.try_recv() {
                Ok(request) => Some(Some(request)),
                Err(TryRecvError::Empty) => Some(None),
                Err(TryRecvError::Disconnected) => None,
            };
        }
        match self.inbox.recv_timeout(FOREIGN_POLL) {
            Ok(request) => Some(Some(request)),
            Err(RecvTimeoutError::Timeout) => {
                self.look_around();
                Some(None)
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Whom to tell that the store is closed, where that was asked for.
    fn handle(&mut self, ask: Ask, permit: OwnedSemaphorePermit) -> Option<oneshot::Sender<()>> {
        let mut next = Some((ask, permit));
        while let Some((ask, permit)) = next.take() {
            match ask {
                Ask::Write(write, reply) => {
                    let session = write.session().clone();
                    let first = Waiter { session, reply, _permit: permit };
                    let mut group = Group { writes: vec![write], waiters: vec![first] };
                    next = self.gather(&mut group);
                    self.write(group);
                }
                Ask::DropChunks { ended_before, limit, reply } => {
                    let job = DropChunks { ended_before, limit, dropped: 0, reply, _permit: permit };
                    self.jobs.push(Job::DropChunks(job));
                }
                Ask::Check(reply) => {
                    let _ = reply.send(self.check());
                }
                Ask::Rebuild(reply) => {
                    let _ = reply.send(rebuild::rebuild(&self.connection).map_err(StoreError::from));
                }
                Ask::Close(reply) => {
                    self.close();
                    return Some(reply);
                }
            }
        }
        None
    }

    /// Adds what has come in meanwhile; returns the first request that cannot be part of it.
    fn gather(&self, group: &mut Group) -> Option<(Ask, OwnedSemaphorePermit)> {
        let mut bytes = 0;
        while group.writes.len() < BATCH_WRITES && bytes < BATCH_BYTES {
            let Request { ask, permit } = self.inbox.try_recv().ok()?;
            let Ask::Write(write, reply) = ask else { return Some((ask, permit)) };
            if let Write::Append(Append { entries, .. }) | Write::StageEvents { entries, .. } = &write {
                bytes += entries.iter().map(|entry| entry.encoded.json.len()).sum::<usize>();
            }
            group.waiters.push(Waiter { session: write.session().clone(), reply, _permit: permit });
            group.writes.push(write);
        }
        None
    }

    fn write(&mut self, group: Group) {
        if let Some(error) = self.visibility.failure() {
            return fail(group.waiters, &error);
        }
        if self.files.look().is_err()
            && let Err(error) = self.reattach()
        {
            // Somebody reads: the next write tries again.
            if error != StoreError::Busy {
                self.visibility.fail(error.clone());
            }
            return fail(group.waiters, &error);
        }
        let Group { writes, mut waiters } = group;
        if mistake("acknowledge_before_commit") {
            waiters = acknowledge_early(&writes, waiters);
        }
        match self.transact(&writes) {
            Ok(committed) => self.publish(committed, waiters),
            Err(Failure::Sql(error)) if is_disk(&error) => {
                let error = explain(&self.database, error.into());
                if error != StoreError::Busy {
                    // Nothing is taken until there is room for more than the next small write: turns that were taken up and
                    // stopped again and again would be given up.
                    tracing::error!(%error, "the store cannot write; it takes nothing until a check succeeds");
                    self.visibility.fail(error.clone());
                }
                fail(waiters, &error);
            }
            // One of them met something that is its own trouble: alone, it spoils no other.
            Err(_) => {
                for (write, waiter) in writes.into_iter().zip(waiters) {
                    match self.transact(&[write]) {
                        Ok(committed) => self.publish(committed, vec![waiter]),
                        Err(failure) => {
                            let error = of_session(&waiter.session, failure.into());
                            waiter.answer(Err(error));
                        }
                    }
                }
            }
        }
    }

    fn transact(&mut self, writes: &[Write]) -> Result<Committed, Failure> {
        point("store.before_insert");
        if !self.connection.is_autocommit() {
            // A disk in trouble may have kept the last one from being undone.
            self.connection.execute_batch("ROLLBACK")?;
        }
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut ticket = None;
        let result = self.execute(writes, &mut ticket);
        if result.is_err() {
            if let Some(ticket) = ticket {
                self.visibility.retract(ticket);
            }
            // Some errors have undone the transaction already.
            if !self.connection.is_autocommit() {
                self.connection.execute_batch("ROLLBACK")?;
            }
            // It may name logs that were undone.
            self.keys.clear();
        }
        result
    }

    fn execute(&mut self, writes: &[Write], ticket: &mut Option<Ticket>) -> Result<Committed, Failure> {
        let committed = self.visibility.committed();
        let next_id = last_id(&self.connection)? + 1;
        let mut batch = Batch {
            connection: &self.connection,
            identity: Identity { owner: &self.owner, owners: &self.owners, boot: self.boot },
            visibility: &self.visibility,
            keys: &mut self.keys,
            next_id,
            parts: HashMap::new(),
            purges: Vec::new(),
        };
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            let executed = batch.execute(write)?;
            outcomes.push((executed.outcome, executed.synced));
        }
        let Batch { next_id: end, parts, purges, .. } = batch;
        // Events of another process lie between ours: whether they are on disk is not known here.
        let foreign = next_id > committed + 1;
        if !parts.is_empty() || foreign {
            let parts: Vec<_> = parts.into_iter().collect();
            *ticket = Some(self.visibility.announce(committed + 1, &parts));
        }
        point("store.before_commit");
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        trace("commit", ticket.map_or(0, Ticket::number));
        point("store.after_commit");
        self.visibility.commit(end - 1);
        for key in purges {
            self.jobs.push(Job::Purge(key));
        }
        Ok(Committed { outcomes, ticket: *ticket })
    }

    fn publish(&self, committed: Committed, waiters: Vec<Waiter>) {
        // What was just written counts only where the next start finds it.
        if let Err(error) = self.files.look() {
            self.visibility.fail(error.clone());
            return fail(waiters, &error);
        }
        let mut late = Vec::new();
        for (waiter, (outcome, synced)) in waiters.into_iter().zip(committed.outcomes) {
            if synced {
                late.push((waiter, outcome));
            } else {
                waiter.answer(Ok(outcome));
            }
        }
        if let Some(ticket) = committed.ticket {
            self.sync.push(Unsynced { ticket, waiters: late });
        }
    }

    /// What an idle writer looks after.
    fn look_around(&mut self) {
        if self.visibility.failure().is_none()
            && self.files.look().is_err()
            && let Err(error) = self.reattach()
        {
            if error != StoreError::Busy {
                tracing::error!(%error, "the store's files are not what they were");
                self.visibility.fail(error);
            }
            return;
        }
        if self.visibility.failure().is_some() {
            if let Err(error) = self.check() {
                tracing::debug!(%error, "the store still cannot write");
            }
            return;
        }
        if let Err(error) = self.look_for_foreign() {
            tracing::debug!(%error, "could not look for events of other processes");
        }
    }

    fn look_for_foreign(&self) -> rusqlite::Result<()> {
        let committed = self.visibility.committed();
        let last = last_id(&self.connection)?;
        if last > committed {
            let ticket = self.visibility.announce(committed + 1, &[]);
            self.visibility.commit(last);
            self.sync.push(Unsynced { ticket, waiters: Vec::new() });
        }
        Ok(())
    }

    /// Writes something small; after a failed sync, everything of the log once more.
    fn check(&mut self) -> Result<(), StoreError> {
        self.write_something().map_err(|error| explain(&self.database, error))
    }

    fn write_something(&mut self) -> Result<(), StoreError> {
        if self.is_detached || self.files.look().is_err() {
            self.reattach()?;
        }
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let result = self.check_in_transaction();
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        result?;
        self.look_for_foreign()?;
        self.jobs.resume(&self.connection, &self.owners)?;
        Ok(())
    }

    fn check_in_transaction(&self) -> Result<(), StoreError> {
        if self.visibility.failure().is_some() {
            probe(&self.database).map_err(|error| StoreError::Unavailable(error.to_string()))?;
            // Inside the transaction nobody else writes to the log.
            write_again(&self.wal, &self.sync_file)
                .map_err(|error| StoreError::Unavailable(format!("syncing the log failed again: {error}")))?;
            self.visibility.recovered();
            tracing::warn!("the store can write again");
        }
        self.connection.prepare_cached("UPDATE meta SET value = value + 1 WHERE name = 'checks'")?.execute([])?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn close(&mut self) {
        self.sync.finish();
        if self.visibility.failure().is_none() {
            let released = self.connection.execute(
                "UPDATE logs SET owner = NULL, boot = nullif(boot, ?2) WHERE owner = ?1",
                rusqlite::params![self.owner, self.boot],
            );
            if let Err(error) = released
                .map_err(StoreError::from)
                .and_then(|_| (self.sync_file)(&self.wal).map_err(|error| StoreError::Unavailable(error.to_string())))
            {
                tracing::warn!(%error, "leases could not be given back; the next start takes them over");
            }
        }
    }
}

/// The mistake of that name: appends are answered although nothing was written yet.
fn acknowledge_early(writes: &[Write], waiters: Vec<Waiter>) -> Vec<Waiter> {
    if !writes.iter().all(|write| matches!(write, Write::Append(_))) {
        return waiters;
    }
    for waiter in waiters {
        waiter.answer(Ok(Written::Appended(crate::Position(0))));
    }
    // The answer has time to reach its client.
    std::thread::sleep(Duration::from_millis(30));
    Vec::new()
}

/// The newest position of all that are or were in use.
pub(super) fn last_id(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "SELECT max(coalesce((SELECT max(id) FROM events), 0), (SELECT value FROM meta WHERE name = 'position_floor'))",
        )?
        .query_row([], |row| row.get(0))
}

fn fail(waiters: Vec<Waiter>, error: &StoreError) {
    for waiter in waiters {
        waiter.answer(Err(error.clone()));
    }
}
