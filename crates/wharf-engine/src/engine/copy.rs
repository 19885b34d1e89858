//! Copies of sessions: a fork of one that is here, an import of one from elsewhere. Written out of sight, and brought to light
//! as a whole.
//!
//! A large log is read and written in pieces, so that no other session waits long for the store; a process that dies in
//! between leaves nothing.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use wharf_core::{Fork, Misplaced};
use wharf_protocol::event::SessionCreated;
use wharf_protocol::export::{ExportHead, ExportedSession};
use wharf_protocol::rest::{ForkSession, ImportSession};
use wharf_protocol::{EncodedEvent, Event, ForkedFrom, McpServer, Seq, Session, SessionId, Timestamp};
use wharf_store::{AppendError, Entry, Logs, StagedLog};

use super::Access;
use super::checks::check_title;
use crate::EngineError;
use crate::entropy::entropy;
use crate::live::Shared;

/// Events, and bytes, that one read brings, at most.
const READ_EVENTS: usize = 512;
const READ_BYTES: usize = 1 << 20;
/// Events, and bytes, that are written in one go: the store's writer is held up no longer than by a busy session.
const WRITE_EVENTS: usize = 256;
const WRITE_BYTES: usize = 1 << 20;
impl Access {
    /// Makes a copy of a session, with its conversation up to an event. The session itself is not touched, whatever it does
    /// meanwhile; what was unfinished at that event is ended in the copy, and does not run again.
    pub async fn fork_session(&self, source: &SessionId, request: ForkSession) -> Result<Session, EngineError> {
        self.shared.check_ready()?;
        let ForkSession { at_seq, session_id, title } = request;
        check_title(title.as_deref())?;
        let shared = &self.shared;
        let feed = shared.feed(source).await?;
        let from = self.session(source).await?;
        let at = at_seq.unwrap_or(feed.last());
        check_at(at, feed.last(), from.first_seq)?;
        let _place = shared.forks.acquire().await.map_err(|_| EngineError::Stopping)?;
        let created = SessionCreated {
            cwd: from.cwd,
            additional_directories: from.additional_directories,
            agent_name: from.agent_name,
            model: from.model,
            mode: from.mode,
            thinking: Some(from.thinking),
            tool_location: Some(from.tool_location),
            title: title.or(from.title),
            recovery: from.recovery,
            forked_from: Some(ForkedFrom { session_id: source.clone(), seq: at }),
        };
        let session_id = session_id.unwrap_or_else(|| SessionId::from_bits(entropy()));
        let mut copying = Copying::begin(shared, session_id, created).await?;
        let mut after = Seq(from.first_seq.0.saturating_sub(1));
        while after < at {
            let read = shared.store.read(source, after, READ_EVENTS, READ_BYTES).await;
            let events = read.map_err(|error| EngineError::from_read(error, after))?;
            // Nothing but chunks that retention has dropped.
            let Some(last) = events.last() else { break };
            after = last.seq;
            for event in events.iter().filter(|event| event.seq <= at) {
                copying.take(decode(source, event)?).await?;
            }
        }
        let servers = shared.mcp.servers(source).await;
        let session = copying.finish(servers).await?;
        tracing::info!(session.id = %session.id, from = %source, %at, by = %self.caller.name, "session forked");
        Ok(session)
    }

    /// The first line of a session's export, and where its events come from.
    pub async fn export_session(&self, session: &SessionId) -> Result<(ExportHead, Export), EngineError> {
        let feed = self.shared.feed(session).await?;
        let view = self.session(session).await?;
        let last = feed.last();
        let head = ExportHead { last_seq: last, ..ExportHead::new(&view) };
        let after = Seq(view.first_seq.0.saturating_sub(1));
        Ok((head, Export { store: Arc::clone(&self.shared.store), session: session.clone(), after, last }))
    }

    /// Begins to make a session of an export, which follows line by line.
    pub fn import_session(&self, wanted: ImportSession) -> Result<Import, EngineError> {
        self.shared.check_ready()?;
        check_title(wanted.title.as_deref())?;
        let place = Arc::clone(&self.shared.imports).try_acquire_owned();
        let place = place.map_err(|_| EngineError::Overloaded("other sessions are being imported"))?;
        Ok(Import { access: self.clone(), wanted, copying: None, line: 0, _place: place })
    }
}

fn check_at(at: Seq, last: Seq, first: Seq) -> Result<(), EngineError> {
    if at == Seq::ZERO {
        return Err(EngineError::Invalid { field: "at_seq", reason: "the first event is 1".to_owned() });
    }
    if at > last {
        return Err(EngineError::CursorAhead { after: at, last });
    }
    if at < first {
        return Err(EngineError::CursorExpired { after: at, first });
    }
    Ok(())
}

fn decode(session: &SessionId, event: &EncodedEvent) -> Result<Event, EngineError> {
    event.decode().map_err(|error| EngineError::Damaged {
        session: session.clone(),
        reason: format!("event {}: {error}", event.seq),
    })
}

/// A session's events up to the present, piece by piece.
pub struct Export {
    store: Arc<dyn Logs>,
    session: SessionId,
    after: Seq,
    last: Seq,
}

impl Export {
    /// The next events; none after the last one.
    pub async fn next(&mut self) -> Result<Vec<EncodedEvent>, EngineError> {
        if self.after >= self.last {
            return Ok(Vec::new());
        }
        let read = self.store.read(&self.session, self.after, READ_EVENTS, READ_BYTES).await;
        let mut events = read.map_err(|error| EngineError::from_read(error, self.after))?;
        events.truncate(events.partition_point(|event| event.seq <= self.last));
        self.after = events.last().map_or(self.last, |event| event.seq);
        Ok(events)
    }
}

/// A session that is being made of an export. Dropped before its end, it leaves nothing.
pub struct Import {
    access: Access,
    wanted: ImportSession,
    copying: Option<Copying>,
    line: u64,
    _place: OwnedSemaphorePermit,
}

impl Import {
    /// Takes the next line, without its end.
    pub async fn line(&mut self, text: &[u8]) -> Result<(), EngineError> {
        self.line += 1;
        let line = self.line;
        let wrong = |reason: String| EngineError::NotAnExport { line, reason };
        let text = wharf_foreign::text::without_mark(text);
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        let Some(copying) = &mut self.copying else {
            let head: ExportHead = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
            head.check().map_err(wrong)?;
            self.copying = Some(self.begin(head.session).await?);
            return Ok(());
        };
        let event: Event = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
        copying.check(&event).map_err(|misplaced| wrong(misplaced.to_string()))?;
        copying.take(event).await
    }

    /// The session.
    pub async fn finish(mut self) -> Result<Session, EngineError> {
        let Some(copying) = self.copying.take() else {
            let reason = "there is no first line that describes a session".to_owned();
            return Err(EngineError::NotAnExport { line: self.line.max(1), reason });
        };
        let session = copying.finish(Vec::new()).await?;
        tracing::info!(session.id = %session.id, by = %self.access.caller.name, "session imported");
        Ok(session)
    }

    /// What decides over what may run, and where, is this server's and not the file's: its permission mode and its further
    /// directories are not taken over.
    async fn begin(&self, exported: ExportedSession) -> Result<Copying, EngineError> {
        let ImportSession { session_id, cwd, agent_name, model, title } = self.wanted.clone();
        let ExportedSession { id: _, cwd: its_cwd, agent_name: its_agent, model: its_model, .. } = &exported;
        let access = &self.access;
        let agent = access.agent_of(Some(agent_name.as_deref().unwrap_or(its_agent)))?;
        let cwd = access.workspace_of(Some(cwd.unwrap_or_else(|| its_cwd.clone())))?;
        let model = access.model_of(Some(model.as_deref().unwrap_or(its_model))).await?;
        let title = title.or(exported.title);
        check_title(title.as_deref())?;
        let created = SessionCreated {
            cwd,
            additional_directories: Vec::new(),
            model,
            mode: agent.mode.unwrap_or(access.shared.config().default_mode),
            agent_name: agent.name,
            thinking: Some(exported.thinking),
            tool_location: Some(exported.tool_location),
            title,
            recovery: exported.recovery,
            forked_from: None,
        };
        let session_id = session_id.unwrap_or_else(|| SessionId::from_bits(entropy()));
        Copying::begin(&access.shared, session_id, created).await
    }
}

/// A copy in the making. Dropped before its end, it is removed.
struct Copying {
    shared: Arc<Shared>,
    fork: Fork,
    /// `None` once it has come to light.
    stage: Option<StagedLog>,
    created: Entry,
    waiting: Vec<Entry>,
    waiting_bytes: usize,
}

impl Copying {
    async fn begin(shared: &Arc<Shared>, session_id: SessionId, created: SessionCreated) -> Result<Self, EngineError> {
        if shared.store.session(&session_id).await?.is_some() {
            return Err(EngineError::SessionExists(session_id));
        }
        let agent = shared.agent(&created.agent_name);
        let config = shared.config().core(&agent, Arc::new([]), shared.subjects(), &[]);
        let stage = Some(shared.appender.stage(&session_id).await?);
        let (fork, event) = Fork::begin(session_id, created, config, entropy(), Timestamp::now());
        let (shared, created) = (Arc::clone(shared), Entry::new(event));
        Ok(Self { shared, fork, stage, created, waiting: Vec::new(), waiting_bytes: 0 })
    }

    fn check(&self, event: &Event) -> Result<(), Misplaced> {
        self.fork.check(event)
    }

    async fn take(&mut self, event: Event) -> Result<(), EngineError> {
        let taken = self.fork.take(event);
        self.write(taken).await
    }

    async fn write(&mut self, events: Vec<Event>) -> Result<(), EngineError> {
        for event in events {
            let entry = Entry::new(event);
            self.waiting_bytes += entry.encoded.json.len();
            self.waiting.push(entry);
            if self.waiting.len() >= WRITE_EVENTS || self.waiting_bytes >= WRITE_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), EngineError> {
        let Some(stage) = self.stage.as_ref().filter(|_| !self.waiting.is_empty()) else { return Ok(()) };
        self.waiting_bytes = 0;
        let entries = std::mem::take(&mut self.waiting);
        Ok(self.shared.appender.add(stage, entries).await?)
    }

    /// Brings it to light.
    async fn finish(mut self, mcp_servers: Vec<McpServer>) -> Result<Session, EngineError> {
        let last = self.fork.finish();
        self.write(last).await?;
        self.flush().await?;
        let Some(stage) = self.stage.clone() else { return Err(EngineError::Stopping) };
        let (shared, view) = (&self.shared, self.fork.session().clone());
        let has_mcp = !mcp_servers.is_empty();
        if has_mcp {
            // Before the session is there: one that is there has its servers, also after a crash.
            shared.mcp.keep(&view.id, mcp_servers).await?;
        }
        let lease = match shared.appender.publish(&stage, self.created.clone(), view.clone()).await {
            Ok(lease) => lease,
            Err(AppendError::Exists { session }) => return Err(EngineError::SessionExists(session)),
            Err(error) => {
                if has_mcp {
                    shared.mcp.forget(&view.id).await;
                }
                return Err(error.into());
            }
        };
        self.stage = None;
        shared.store.release(&view.id, lease.fence).await?;
        Ok(view)
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        let Some(stage) = self.stage.take() else { return };
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(async move {
            if let Err(error) = shared.appender.discard(&stage).await {
                tracing::debug!(session.id = %stage.session, %error, "a copy that came to nothing goes with the next start");
            }
        });
    }
}
