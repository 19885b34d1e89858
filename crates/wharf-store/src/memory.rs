//! A store in memory: the twin of the one on SQLite, for tests. A [`MemoryDisk`] outlives its stores, as a file would.

mod log;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;
use wharf_protocol::rest::{SessionPage, SessionQuery, UsageBy, UsageQuery, UsageReport, UsageRow};
use wharf_protocol::{EncodedEvent, EventKind, MessageId, Seq, Session, SessionId, Timestamp, Turn, TurnId};

use self::log::Log;
use crate::page::{self, PageCursor};
use crate::spending::{DAYS, OTHERS, PAIRS_OF_A_DAY, Spent, report};
use crate::{
    AcquireError, Append, AppendError, Entry, Head, Lease, Logs, NewLog, Position, QueryError, ReadError, SavedState,
    StagedLog, Store, StoreError, Window,
};

/// What stores in memory write to.
#[derive(Debug)]
pub struct MemoryDisk {
    state: Mutex<State>,
    head: watch::Sender<Position>,
}

#[derive(Debug, Default)]
struct State {
    logs: BTreeMap<SessionId, Log>,
    /// Where each event of all sessions lies.
    positions: BTreeMap<u64, (SessionId, Seq)>,
    last_position: u64,
    /// Logs that have not come to light.
    staged: BTreeMap<i64, Staged>,
    last_stage: i64,
    /// By day, model and workspace.
    spending: BTreeMap<(String, String, String), UsageRow>,
    live_owners: BTreeSet<u64>,
    last_owner: u64,
}

#[derive(Debug)]
struct Staged {
    owner: u64,
    entries: Vec<Entry>,
}

impl Staged {
    fn last(&self) -> Seq {
        self.entries.last().map_or(Seq(1), |entry| entry.event.seq)
    }
}

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    disk: Arc<MemoryDisk>,
    owner: u64,
    closed: AtomicBool,
}

impl Default for MemoryDisk {
    fn default() -> Self {
        Self { state: Mutex::default(), head: watch::Sender::new(Position(0)) }
    }
}

impl MemoryDisk {
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryStore {
    /// A store on a disk of its own.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::open(&MemoryDisk::new())
    }

    /// A store on this disk. Dropping it without closing it is what a killed process does.
    #[must_use]
    pub fn open(disk: &Arc<MemoryDisk>) -> Arc<Self> {
        let mut state = disk.lock();
        state.last_owner += 1;
        let owner = state.last_owner;
        state.live_owners.insert(owner);
        Arc::new(Self { disk: Arc::clone(disk), owner, closed: AtomicBool::new(false) })
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        if self.closed.load(Ordering::Acquire) { Err(StoreError::Closed) } else { Ok(self.disk.lock()) }
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        let mut state = self.disk.lock();
        state.live_owners.remove(&self.owner);
        // A dead owner brings nothing to light.
        state.staged.retain(|_, staged| staged.owner != self.owner);
    }
}

impl State {
    fn spend(&mut self, spent: Spent) {
        let Spent { day, model, cwd, usage, cost } = spent;
        let mut key = (day, model, cwd);
        if !self.spending.contains_key(&key) {
            let mut days: Vec<&String> = self.spending.keys().map(|(day, ..)| day).collect();
            days.dedup();
            let pairs = self.spending.keys().filter(|(day, ..)| *day == key.0).count();
            if pairs == 0
                && let Some(oldest) =
                    days.len().checked_sub(DAYS - 1).and_then(|at| days.get(at)).map(|day| (*day).clone())
            {
                self.spending.retain(|(day, ..), _| *day >= oldest);
            } else if pairs >= PAIRS_OF_A_DAY {
                (key.1, key.2) = (OTHERS.to_owned(), OTHERS.to_owned());
            }
        }
        self.spending.entry(key).or_default().add(&usage, &cost);
    }

    fn spent(&self, query: &UsageQuery) -> UsageReport {
        let (since, until) = query.range();
        let (mut rows, mut total) = (BTreeMap::<String, UsageRow>::new(), UsageRow::default());
        let asked = self.spending.iter().filter(|((day, ..), _)| *since <= **day && **day <= *until);
        for ((day, model, cwd), row) in asked {
            let key = match query.by {
                UsageBy::Day => day,
                UsageBy::Model => model,
                UsageBy::Workspace => cwd,
            };
            let sum = rows.entry(key.clone()).or_default();
            sum.key.clone_from(key);
            sum.add(&row.usage, &row.cost);
            total.add(&row.usage, &row.cost);
        }
        let mut rows: Vec<UsageRow> = rows.into_values().collect();
        match query.by {
            UsageBy::Day => rows.reverse(),
            UsageBy::Model | UsageBy::Workspace => {
                rows.sort_by_key(|row| std::cmp::Reverse((row.cost.nano_usd, row.usage.total_tokens)));
            }
        }
        report(query.by, rows, total)
    }

    fn log(&self, session: &SessionId) -> Result<&Log, ReadError> {
        self.logs
            .get(session)
            .filter(|log| !log.deleted)
            .ok_or_else(|| ReadError::NotFound { session: session.clone() })
    }

    /// The log, if its lease is the one with this fence.
    fn owned(&mut self, session: &SessionId, fence: u64) -> Result<&mut Log, AppendError> {
        let log = self
            .logs
            .get_mut(session)
            .filter(|log| !log.deleted)
            .ok_or_else(|| AppendError::NotFound { session: session.clone() })?;
        if log.fence == fence { Ok(log) } else { Err(AppendError::Conflict { session: session.clone() }) }
    }

    fn write(&mut self, session: &SessionId, entries: &[Entry], view: &Session) {
        let Some(log) = self.logs.get_mut(session) else { return };
        for entry in entries {
            self.last_position += 1;
            self.positions.insert(self.last_position, (session.clone(), entry.event.seq));
            log.push(self.last_position, entry);
        }
        log.show(entries, view);
    }

    fn remove(&mut self, positions: &[u64]) {
        for position in positions {
            self.positions.remove(position);
        }
    }

    /// The sessions of a query without its cursor, newest first.
    fn matching(&self, query: &SessionQuery) -> Vec<&Session> {
        let words = page::search_words(query);
        let mut found: Vec<&Session> = self
            .logs
            .values()
            .filter(|log| !log.deleted)
            .filter(|log| words.as_ref().is_none_or(|words| log.mentions(words)))
            .map(|log| &log.session)
            .filter(|session| session.archived == query.archived.unwrap_or(false))
            .filter(|session| query.cwd.as_ref().is_none_or(|cwd| session.cwd == *cwd))
            .filter(|session| query.status.is_none_or(|status| session.status == status))
            .collect();
        found.sort_by(|a, b| (b.updated_at, &b.id).cmp(&(a.updated_at, &a.id)));
        found
    }
}

/// The entries follow `expected`: not empty, seqs growing from above it.
pub(crate) fn in_order(expected: Seq, entries: &[Entry]) -> bool {
    let mut last = expected;
    !entries.is_empty()
        && entries.iter().all(|entry| {
            let grows = entry.event.seq > last;
            last = entry.event.seq;
            grows
        })
}

#[async_trait]
impl Logs for MemoryStore {
    async fn acquire(&self, session: &SessionId) -> Result<Lease, AcquireError> {
        let mut state = self.state()?;
        let State { logs, live_owners, .. } = &mut *state;
        let log = logs
            .get_mut(session)
            .filter(|log| !log.deleted)
            .ok_or_else(|| AcquireError::NotFound { session: session.clone() })?;
        let other = log.owner.filter(|owner| *owner != self.owner);
        if let Some(owner) = other.filter(|owner| live_owners.contains(owner)) {
            return Err(AcquireError::Held { session: session.clone(), owner: owner.to_string() });
        }
        log.owner = Some(self.owner);
        log.fence += 1;
        Ok(Lease {
            fence: log.fence,
            taken_over: other.is_some(),
            skip_to: None,
            recoveries: log.recoveries,
            is_unfinished: log.is_unfinished(),
            is_sealed: log.is_sealed(),
        })
    }

    async fn release(&self, session: &SessionId, fence: u64) -> Result<(), StoreError> {
        if let Ok(log) = self.state()?.owned(session, fence) {
            log.owner = None;
        }
        Ok(())
    }

    async fn read(
        &self,
        session: &SessionId,
        after: Seq,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<EncodedEvent>, ReadError> {
        let state = self.state()?;
        let log = state.log(session)?;
        if after.0 + 1 < log.session.first_seq.0 {
            return Err(ReadError::Expired { first: log.session.first_seq });
        }
        let mut bytes = 0;
        Ok(log
            .after(after)
            .take(limit)
            .map(|entry| entry.encoded.clone())
            .take_while(|event| fits(&mut bytes, event.json.len(), max_bytes))
            .collect())
    }

    async fn read_state(&self, session: &SessionId) -> Result<SavedState, ReadError> {
        let state = self.state()?;
        let log = state.log(session)?;
        let closed = log.after(Seq::ZERO).filter(|entry| entry.event.kind().closes_texts()).last();
        let closed = closed.map(|entry| entry.event.seq);
        let events = log
            .after(Seq::ZERO)
            .map(|entry| &entry.event)
            .filter(|event| !event.kind().is_chunk() || closed.is_none_or(|closed| event.seq > closed))
            .cloned()
            .collect();
        Ok(SavedState { session: log.session.clone(), events })
    }

    async fn read_kinds(
        &self,
        session: &SessionId,
        kinds: &[EventKind],
        window: Window,
        limit: usize,
    ) -> Result<Vec<EncodedEvent>, ReadError> {
        let state = self.state()?;
        let log = state.log(session)?;
        let wanted = |entry: &&Entry| kinds.contains(&entry.event.kind());
        let mut found: Vec<EncodedEvent> = match window {
            Window::After(after) => {
                log.after(after).filter(wanted).take(limit).map(|entry| entry.encoded.clone()).collect()
            }
            Window::Before(before) => {
                let before = before.unwrap_or(Seq(u64::MAX));
                log.before(before).filter(wanted).take(limit).map(|entry| entry.encoded.clone()).collect()
            }
        };
        found.sort_by_key(|event| event.seq);
        Ok(found)
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<(Position, EncodedEvent)>, StoreError> {
        let state = self.state()?;
        let mut bytes = 0;
        Ok(state
            .positions
            .range(after.0.saturating_add(1)..)
            .filter_map(|(position, (session, seq))| {
                let entry = state.logs.get(session)?.visible(*seq)?;
                Some((Position(*position), entry.encoded.clone()))
            })
            .take(limit)
            .take_while(|(_, event)| fits(&mut bytes, event.json.len(), max_bytes))
            .collect())
    }

    fn head(&self) -> Head {
        Head::new(self.disk.head.subscribe())
    }

    async fn session(&self, session: &SessionId) -> Result<Option<Session>, StoreError> {
        Ok(self.state()?.log(session).ok().map(|log| log.session.clone()))
    }

    async fn sessions(&self, query: &SessionQuery) -> Result<SessionPage, QueryError> {
        let cursor = PageCursor::from_query(query)?;
        let limit = page::limit(query);
        let state = self.state()?;
        let matching = state.matching(query);
        let total = matching.len() as u64;
        let mut rest = matching.into_iter().filter(|session| {
            cursor.as_ref().is_none_or(|cursor| (session.updated_at, &session.id) < (cursor.updated_at, &cursor.id))
        });
        let sessions: Vec<Session> = rest.by_ref().take(limit).cloned().collect();
        let more = rest.next().is_some();
        let next_cursor = sessions.last().filter(|_| more).map(|last| PageCursor::of(last).to_string());
        Ok(SessionPage { sessions, total, next_cursor })
    }

    async fn session_count(&self) -> Result<u64, StoreError> {
        Ok(self.state()?.logs.values().filter(|log| !log.deleted).count() as u64)
    }

    async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError> {
        Ok(self.state()?.spent(query))
    }

    async fn turn(&self, session: &SessionId, turn: &TurnId) -> Result<Option<Turn>, StoreError> {
        Ok(self.state()?.log(session).ok().and_then(|log| log.turn(turn)))
    }

    async fn turn_of_prompt(
        &self,
        session: &SessionId,
        prompt: &MessageId,
    ) -> Result<Option<(Turn, String)>, StoreError> {
        Ok(self.state()?.log(session).ok().and_then(|log| log.turn_of_prompt(prompt)))
    }

    async fn turns(&self, session: &SessionId, before: Option<Seq>, limit: usize) -> Result<Vec<Turn>, StoreError> {
        let state = self.state()?;
        let Ok(log) = state.log(session) else { return Ok(Vec::new()) };
        let mut turns = log.turns();
        turns.retain(|turn| before.is_none_or(|before| turn.first_seq < before));
        turns.sort_by_key(|turn| std::cmp::Reverse(turn.first_seq));
        turns.truncate(limit);
        Ok(turns)
    }

    async fn unfinished(&self) -> Result<Vec<SessionId>, StoreError> {
        let state = self.state()?;
        let open =
            |log: &&Log| !log.deleted && !log.is_sealed() && (log.is_unfinished() || log.session.running_commands > 0);
        let mut found: Vec<&Log> = state.logs.values().filter(open).collect();
        found.sort_by_key(|log| (log.recoveries, &log.session.id));
        Ok(found.iter().map(|log| log.session.id.clone()).collect())
    }

    async fn note_recovery(&self, session: &SessionId, fence: u64, count: u32) -> Result<(), AppendError> {
        self.state()?.owned(session, fence)?.recoveries = count;
        Ok(())
    }

    async fn truncate(&self, session: &SessionId, fence: u64, through: Seq) -> Result<(), AppendError> {
        let mut state = self.state()?;
        let removed = state.owned(session, fence)?.truncate(through);
        state.remove(&removed);
        Ok(())
    }

    async fn delete(&self, session: &SessionId, fence: u64) -> Result<(), AppendError> {
        let mut state = self.state()?;
        let removed = state.owned(session, fence)?.delete();
        state.remove(&removed);
        Ok(())
    }

    async fn drop_chunks(&self, ended_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut state = self.state()?;
        let mut ended: Vec<(Timestamp, u64, Turn)> = Vec::new();
        for log in state.logs.values().filter(|log| !log.deleted) {
            let old = log.turns().into_iter().filter_map(|turn| {
                let ended_at = turn.ended_at.filter(|ended_at| *ended_at < ended_before)?;
                Some((ended_at, log.number, turn))
            });
            ended.extend(old);
        }
        ended.sort_by_key(|(ended_at, number, turn)| (*ended_at, *number, turn.first_seq));
        let mut dropped = 0;
        for (_, _, turn) in ended {
            let Some(log) = state.logs.get_mut(&turn.session_id) else { continue };
            let removed = log.drop_chunks(&turn, limit - dropped);
            dropped += removed.len();
            state.remove(&removed);
        }
        Ok(dropped)
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.state().map(drop)
    }

    async fn close(&self) {
        let Ok(mut state) = self.state() else { return };
        for log in state.logs.values_mut().filter(|log| log.owner == Some(self.owner)) {
            log.owner = None;
        }
        self.closed.store(true, Ordering::Release);
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, append: NewLog) -> Result<Lease, AppendError> {
        let mut state = self.state()?;
        let session = append.session.id.clone();
        if state.logs.contains_key(&session) {
            return Err(AppendError::Exists { session });
        }
        if !in_order(Seq::ZERO, &append.entries) {
            return Err(AppendError::Conflict { session });
        }
        let number = state.logs.len() as u64;
        state.logs.insert(session.clone(), Log::new(append.session.clone(), self.owner, number));
        state.write(&session, &append.entries, &append.session);
        self.disk.head.send_replace(Position(state.last_position));
        Ok(Lease { fence: 1, taken_over: false, skip_to: None, recoveries: 0, is_unfinished: false, is_sealed: false })
    }

    async fn stage(&self, session: &SessionId) -> Result<StagedLog, AppendError> {
        let mut state = self.state()?;
        state.last_stage += 1;
        let key = state.last_stage;
        state.staged.insert(key, Staged { owner: self.owner, entries: Vec::new() });
        Ok(StagedLog { session: session.clone(), key })
    }

    async fn stage_events(&self, stage: &StagedLog, entries: Arc<[Entry]>) -> Result<(), AppendError> {
        let mut state = self.state()?;
        let session = stage.session.clone();
        let Some(staged) = state.staged.get_mut(&stage.key) else { return Err(AppendError::NotFound { session }) };
        if !in_order(staged.last(), &entries) {
            return Err(AppendError::Conflict { session });
        }
        staged.entries.extend_from_slice(&entries);
        Ok(())
    }

    async fn publish(&self, stage: &StagedLog, created: Entry, view: Session) -> Result<Lease, AppendError> {
        let mut state = self.state()?;
        let session = stage.session.clone();
        if state.logs.contains_key(&session) {
            return Err(AppendError::Exists { session });
        }
        let Some(staged) = state.staged.get(&stage.key) else { return Err(AppendError::NotFound { session }) };
        let last = staged.last();
        if created.event.seq != Seq(1) || view.last_seq != last {
            return Err(AppendError::Conflict { session });
        }
        let staged = state.staged.remove(&stage.key).map(|staged| staged.entries).unwrap_or_default();
        let number = state.logs.len() as u64;
        let mut log = Log::new(view.clone(), self.owner, number);
        state.last_position += 1;
        let position = state.last_position;
        state.positions.insert(position, (session.clone(), Seq(1)));
        log.push(position, &created);
        // Copies have no position among the events of all sessions.
        staged.iter().for_each(|entry| log.push(0, entry));
        log.show(&[created], &view);
        state.logs.insert(session, log);
        self.disk.head.send_replace(Position(position));
        Ok(Lease { fence: 1, taken_over: false, skip_to: None, recoveries: 0, is_unfinished: false, is_sealed: false })
    }

    async fn discard(&self, stage: &StagedLog) -> Result<(), StoreError> {
        self.state()?.staged.remove(&stage.key);
        Ok(())
    }

    async fn append(&self, append: Append) -> Result<Position, AppendError> {
        let mut state = self.state()?;
        let session = append.session.id.clone();
        let log = state.owned(&session, append.fence)?;
        if log.session.last_seq != append.expected || !in_order(append.expected, &append.entries) {
            return Err(AppendError::Conflict { session });
        }
        state.write(&session, &append.entries, &append.session);
        for spent in append.entries.iter().filter_map(|entry| Spent::of(&entry.event, &append.session.cwd)) {
            state.spend(spent);
        }
        let head = Position(state.last_position);
        self.disk.head.send_replace(head);
        Ok(head)
    }
}

/// Whether one more event of `len` bytes is within `max`; the first always is.
pub(crate) fn fits(bytes: &mut usize, len: usize, max: usize) -> bool {
    let first = *bytes == 0;
    *bytes = bytes.saturating_add(len);
    first || *bytes <= max
}
