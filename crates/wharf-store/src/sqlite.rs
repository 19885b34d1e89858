//! The store on SQLite: one file in WAL mode, one thread that writes, one that syncs, a few connections that read.

mod batch;
mod checkpoint;
mod connect;
mod error;
mod files;
mod inspect;
mod kind;
mod list;
mod mend;
mod model;
mod owner;
mod purge;
mod read;
mod readers;
mod rebuild;
mod request;
mod schema;
mod spending;
mod stage;
mod sum;
mod sync;
mod visibility;
mod writer;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use wharf_protocol::rest::{SessionPage, SessionQuery, UsageQuery, UsageReport};
use wharf_protocol::{EncodedEvent, EventKind, MessageId, Seq, Session, SessionId, Timestamp, Turn, TurnId};

pub use self::inspect::{Inspector, Sink, StoredSession, Verified};

use self::checkpoint::Checkpoints;
use self::error::of_session;
use self::files::{Before, Files};
use self::owner::Owner;
use self::readers::Readers;
use self::request::{Ask, Reply, Request, Write};
use self::sync::{SyncFile, SyncThread};
use self::visibility::Visibility;
use self::writer::Writer;
use crate::{
    AcquireError, Append, AppendError, Entry, Head, Lease, Logs, NewLog, Position, QueryError, ReadError, SavedState,
    StagedLog, Store, StoreError, Window,
};

/// Writes that may wait for the writer or the disk; more are told that the store is busy.
const MAX_IN_FLIGHT: usize = 8_192;

const STACK_BYTES: usize = 512 << 10;

/// Where the file is, and what machine it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteConfig {
    /// The database. Its directory is made where it is missing; files beside it belong to the store.
    pub path: PathBuf,
    /// Connections that read at the same time.
    pub readers: usize,
    /// Names this start of the machine. `None`: not known; every opening counts as a new start, which costs seqs after a crash.
    pub boot_id: Option<String>,
}

impl SqliteConfig {
    /// The settings for a file on this machine.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Self { path: path.into(), readers: 3, boot_id: boot_id.map(|id| id.trim().to_owned()) }
    }
}

/// The store on SQLite. Dropping it without [`Logs::close`] keeps its leases until somebody takes them over.
pub struct SqliteStore {
    inbox: Sender<Request>,
    permits: Arc<Semaphore>,
    readers: Arc<Readers>,
    visibility: Arc<Visibility>,
    owner: Owner,
    closed: AtomicBool,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("owner", &self.owner.name).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file, makes it where it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// `TooNew` for a file of a later version; `Unavailable` where the file cannot be used.
    pub fn open(config: SqliteConfig) -> Result<Arc<Self>, StoreError> {
        Self::open_with(config, sync::fdatasync(), &|_| Ok(()))
    }

    fn open_with(
        config: SqliteConfig,
        sync_file: SyncFile,
        prepare: &dyn Fn(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Arc<Self>, StoreError> {
        let SqliteConfig { path, readers, boot_id } = config;
        let owners = path.with_file_name("owners");
        let before = files::before_opening(&path, &owners)?;
        connect::prepare_files(&path).map_err(|error| disk(&path, &error))?;
        let mut connection = connect::writer(&path)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        schema::migrate(&mut connection, &path)?;
        prepare(&connection)?;
        if matches!(before, Before::LogLost) {
            files::leave_out_lost(&mut connection)?;
        }
        let owner = Owner::register(&owners).map_err(|error| disk(&owners, &error))?;
        let boot = boot_key(&connection, boot_id.as_deref().unwrap_or(&owner.name))?;
        let wal = open_synced_wal(&path, &sync_file).map_err(|error| disk(&path, &error))?;
        let visibility = Arc::new(Visibility::new(writer::last_id(&connection)?));
        let wal_pages = count_pages(&mut connection)?;
        let files = Arc::new(Files::new(&path).map_err(|error| disk(&path, &error))?);
        let readers = Readers::new(&path, readers);
        let shared_readers = Arc::clone(&readers);
        let (inbox, requests) = channel();
        let start = || -> std::io::Result<()> {
            let sync_thread = SyncThread::start(
                wal.try_clone()?,
                Arc::clone(&sync_file),
                Arc::clone(&visibility),
                Arc::clone(&files),
            )?;
            let writer = Writer {
                database: path.clone(),
                connection,
                files,
                readers: shared_readers,
                is_detached: false,
                is_rescued: false,
                inbox: requests,
                visibility: Arc::clone(&visibility),
                sync: sync_thread,
                checkpoints: Checkpoints::start(&path)?,
                wal_pages,
                wal,
                sync_file,
                owner: owner.name.clone(),
                owners,
                boot,
                keys: batch::Keys::new(),
                jobs: purge::Jobs::default(),
            };
            std::thread::Builder::new()
                .name("wharf-writer".to_owned())
                .stack_size(STACK_BYTES)
                .spawn(move || writer.run())
                .map(drop)
        };
        start().map_err(|error| disk(&path, &error))?;
        Ok(Arc::new(Self {
            inbox,
            permits: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            readers,
            visibility,
            owner,
            closed: AtomicBool::new(false),
        }))
    }

    /// Makes the read models (session rows, turns, prompts, search) anew from the events. Appends wait meanwhile.
    ///
    /// # Errors
    /// `Damaged` where an event cannot be read; then nothing was changed.
    pub async fn rebuild(&self) -> Result<(), StoreError> {
        self.ask(Ask::Rebuild).await?
    }

    /// Sends a request to the writer and waits for the answer.
    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, StoreError> {
        self.open_or_closed()?;
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| StoreError::Busy)?;
        self.send(ask, permit).await
    }

    async fn send<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<T>) -> Ask,
        permit: OwnedSemaphorePermit,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        // The channel itself has no bound: a permit is held for each message in it.
        self.inbox.send(Request { ask: ask(reply), permit }).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }

    async fn change(&self, write: Write) -> Result<(), AppendError> {
        self.ask(|reply| Ask::Write(write, Reply::Change(reply))).await?
    }

    /// A query about one session: damage that it meets is that session's.
    async fn query_of<T, E, F>(&self, session: &SessionId, query: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + OfSession + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        self.query(query).await.map_err(|error: E| error.of_session(session))
    }

    async fn query<T, E, F>(&self, query: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        self.open_or_closed()?;
        self.readers.read(query).await
    }

    fn open_or_closed(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) { Err(StoreError::Closed) } else { Ok(()) }
    }
}

/// An error that can say whose rows it was about.
trait OfSession {
    fn of_session(self, session: &SessionId) -> Self;
}

impl OfSession for StoreError {
    fn of_session(self, session: &SessionId) -> Self {
        of_session(session, self)
    }
}

impl OfSession for ReadError {
    fn of_session(self, session: &SessionId) -> Self {
        match self {
            Self::Store(error) => Self::Store(of_session(session, error)),
            other => other,
        }
    }
}

fn disk(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

/// The small number of this start of the machine.
fn boot_key(connection: &Connection, boot: &str) -> Result<i64, StoreError> {
    let select = || {
        let mut select = connection.prepare("SELECT id FROM boots WHERE boot = ?1")?;
        select.query_row([boot], |row| row.get::<_, i64>(0)).optional()
    };
    if let Some(key) = select()? {
        return Ok(key);
    }
    connection.execute("INSERT OR IGNORE INTO boots (boot) VALUES (?1)", params![boot])?;
    select()?.ok_or_else(|| StoreError::Unavailable("a row that was written is missing".to_owned()))
}

/// What a killed process committed may not have been synced; it is shown from here on, so it is synced now.
fn open_synced_wal(path: &Path, sync_file: &SyncFile) -> std::io::Result<File> {
    let wal = sync::open_wal(path)?;
    if wal.metadata()?.len() > 0 {
        sync_file(&wal)?;
    }
    Ok(wal)
}

fn count_pages(connection: &mut Connection) -> Result<Arc<AtomicU32>, StoreError> {
    let pages = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&pages);
    connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
        counted.store(pages.unsigned_abs(), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(pages)
}

#[async_trait]
impl Logs for SqliteStore {
    async fn acquire(&self, session: &SessionId) -> Result<Lease, AcquireError> {
        self.ask(|reply| Ask::Write(Write::Acquire(session.clone()), Reply::Acquire(reply))).await?
    }

    async fn release(&self, session: &SessionId, fence: u64) -> Result<(), StoreError> {
        let write = Write::Release { session: session.clone(), fence };
        self.ask(|reply| Ask::Write(write, Reply::Release(reply))).await?
    }

    async fn read(
        &self,
        session: &SessionId,
        after: Seq,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<EncodedEvent>, ReadError> {
        let (id, visibility) = (session.clone(), Arc::clone(&self.visibility));
        self.query_of(session, move |connection| read::read(connection, &visibility, &id, after, limit, max_bytes))
            .await
    }

    async fn read_state(&self, session: &SessionId) -> Result<SavedState, ReadError> {
        let id = session.clone();
        self.query_of(session, move |connection| read::read_state(connection, &id)).await
    }

    async fn read_kinds(
        &self,
        session: &SessionId,
        kinds: &[EventKind],
        window: Window,
        limit: usize,
    ) -> Result<Vec<EncodedEvent>, ReadError> {
        let (id, kinds) = (session.clone(), kinds.to_vec());
        self.query_of(session, move |connection| read::read_kinds(connection, &id, &kinds, window, limit)).await
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<(Position, EncodedEvent)>, StoreError> {
        let head = *self.visibility.head().borrow();
        self.query(move |connection| read::read_all(connection, head, after, limit, max_bytes)).await
    }

    fn head(&self) -> Head {
        Head::new(self.visibility.head())
    }

    async fn session(&self, session: &SessionId) -> Result<Option<Session>, StoreError> {
        let id = session.clone();
        self.query_of(session, move |connection| read::session(connection, &id)).await
    }

    async fn sessions(&self, query: &SessionQuery) -> Result<SessionPage, QueryError> {
        let query = query.clone();
        self.query(move |connection| list::sessions(connection, &query)).await
    }

    async fn session_count(&self) -> Result<u64, StoreError> {
        self.query(list::session_count).await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError> {
        let query = query.clone();
        self.query(move |connection| spending::usage(connection, &query)).await
    }

    async fn turn(&self, session: &SessionId, turn: &TurnId) -> Result<Option<Turn>, StoreError> {
        let (id, turn) = (session.clone(), turn.clone());
        self.query_of(session, move |connection| read::turn(connection, &id, &turn)).await
    }

    async fn turn_of_prompt(
        &self,
        session: &SessionId,
        prompt: &MessageId,
    ) -> Result<Option<(Turn, String)>, StoreError> {
        let (id, prompt) = (session.clone(), prompt.clone());
        self.query_of(session, move |connection| read::turn_of_prompt(connection, &id, &prompt)).await
    }

    async fn turns(&self, session: &SessionId, before: Option<Seq>, limit: usize) -> Result<Vec<Turn>, StoreError> {
        let id = session.clone();
        self.query_of(session, move |connection| read::turns(connection, &id, before, limit)).await
    }

    async fn unfinished(&self) -> Result<Vec<SessionId>, StoreError> {
        self.query(read::unfinished).await
    }

    async fn note_recovery(&self, session: &SessionId, fence: u64, count: u32) -> Result<(), AppendError> {
        self.change(Write::NoteRecovery { session: session.clone(), fence, count }).await
    }

    async fn truncate(&self, session: &SessionId, fence: u64, through: Seq) -> Result<(), AppendError> {
        self.change(Write::Truncate { session: session.clone(), fence, through }).await
    }

    async fn delete(&self, session: &SessionId, fence: u64) -> Result<(), AppendError> {
        self.change(Write::Delete { session: session.clone(), fence }).await
    }

    async fn drop_chunks(&self, ended_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.ask(|reply| Ask::DropChunks { ended_before, limit, reply }).await?
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.ask(Ask::Check).await?
    }

    async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        // The writer's connection closes last: it brings the log into the database.
        self.readers.close();
        // Waits for a permit where others would be told to come back: closing must not be lost.
        if let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await {
            let _ = self.send(Ask::Close, permit).await;
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create(&self, append: NewLog) -> Result<Lease, AppendError> {
        self.ask(|reply| Ask::Write(Write::Create(append), Reply::Create(reply))).await?
    }

    async fn stage(&self, session: &SessionId) -> Result<StagedLog, AppendError> {
        self.ask(|reply| Ask::Write(Write::Stage(session.clone()), Reply::Stage(reply))).await?
    }

    async fn stage_events(&self, stage: &StagedLog, entries: Arc<[Entry]>) -> Result<(), AppendError> {
        self.change(Write::StageEvents { stage: stage.clone(), entries }).await
    }

    async fn publish(&self, stage: &StagedLog, created: Entry, view: Session) -> Result<Lease, AppendError> {
        let write = Write::Publish { stage: stage.clone(), created: Box::new(created), view: Box::new(view) };
        self.ask(|reply| Ask::Write(write, Reply::Create(reply))).await?
    }

    async fn discard(&self, stage: &StagedLog) -> Result<(), StoreError> {
        let write = Write::Discard(stage.clone());
        self.ask(|reply| Ask::Write(write, Reply::Release(reply))).await?
    }

    async fn append(&self, append: Append) -> Result<Position, AppendError> {
        self.ask(|reply| Ask::Write(Write::Append(append), Reply::Append(reply))).await?
    }
}
