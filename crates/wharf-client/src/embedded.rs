//! An engine in this process, behind the client's methods.

use std::collections::VecDeque;
use std::time::Instant;

use wharf_engine::{Access, AllCursor, Caller, Cursor, Engine, EngineError, Position, Watcher};
use wharf_protocol::rest::{
    ConnectionCounts, Health, Info, PromptAnswer, PromptStatus, ServerConfigView, Status, ToolList, TurnPage,
};
use wharf_protocol::{EncodedEvent, PROTOCOL_VERSION, Prompt, Seq, SessionId, Timestamp, ToolSpec};

use crate::feed::{FeedItem, Followed, Located, located_from};
use crate::{ClientError, Resource};

/// Bytes of events that one pull brings, about.
const PULL_BYTES: usize = 256 << 10;

/// Turns of a page where the caller names no limit.
const TURNS_PAGE: usize = 50;

/// The engine, and what it is to whoever asks.
pub(crate) struct Embedded {
    pub(crate) engine: Engine,
    pub(crate) access: Access,
    started: Instant,
}

impl Embedded {
    pub(crate) fn new(engine: Engine, caller: Caller) -> Self {
        Self { access: engine.access(caller), engine, started: Instant::now() }
    }
}

/// The engine's error as a server would have told it.
pub(crate) fn told(error: EngineError) -> ClientError {
    if let EngineError::Internal(reason) = &error {
        tracing::error!(%reason, "the engine failed");
    }
    error.to_api().into()
}

impl Embedded {
    fn uptime_seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    pub(crate) async fn health(&self) -> Result<Health, ClientError> {
        self.engine.check().await.map_err(told)?;
        Ok(Health {
            healthy: true,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.uptime_seconds(),
            reason: None,
        })
    }

    pub(crate) async fn info(&self) -> Info {
        Info {
            name: "wharf".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol_version: PROTOCOL_VERSION.to_owned(),
            capabilities: vec!["embedded".to_owned()],
            agents: self.access.agents().iter().map(|agent| agent.name.clone()).collect(),
            tools_count: self.access.tools().len(),
            limits: self.engine.config().limits.clone(),
            containment: self.access.containment().await,
        }
    }

    pub(crate) async fn status(&self) -> Result<Status, ClientError> {
        Ok(Status {
            timestamp: Timestamp::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.uptime_seconds(),
            sessions: self.access.session_counts().await.map_err(told)?,
            connections: ConnectionCounts::default(),
            config: ServerConfigView { host: String::new(), port: 0, work_dir: self.engine.config().work_dir.clone() },
            containment: self.access.containment().await,
        })
    }

    pub(crate) fn tools(&self) -> ToolList {
        let tools: Vec<ToolSpec> = self.access.tools().iter().map(|tool| ToolSpec::clone(tool)).collect();
        ToolList { total: tools.len(), tools }
    }

    pub(crate) fn tool(&self, name: &str) -> Result<ToolSpec, ClientError> {
        let found = self.access.tools().iter().find(|tool| tool.name == name).map(|tool| ToolSpec::clone(tool));
        found.ok_or_else(|| ClientError::NotFound { what: Resource::Tool, message: format!("tool {name:?} not found") })
    }

    pub(crate) async fn turns(
        &self,
        session: &SessionId,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<TurnPage, ClientError> {
        let before = match cursor {
            Some(text) => Some(text.parse::<Seq>().map_err(|_| ClientError::Validation {
                field: Some("cursor".to_owned()),
                message: "the cursor is not one that was given out".to_owned(),
            })?),
            None => None,
        };
        self.access.turns(session, before, limit.unwrap_or(TURNS_PAGE)).await.map_err(told)
    }

    pub(crate) async fn accept(&self, session: &SessionId, prompt: Prompt) -> Result<(PromptAnswer, Seq), ClientError> {
        let accepted = self.access.prompt(session, prompt).await.map_err(told)?;
        let answer = PromptAnswer {
            session_id: session.clone(),
            message_id: accepted.message_id,
            turn_id: accepted.turn_id,
            status: if accepted.position.is_some() { PromptStatus::Queued } else { PromptStatus::Streaming },
            position: accepted.position,
            response: None,
            usage: None,
            cost: None,
            stop_reason: None,
        };
        Ok((answer, accepted.seq))
    }

    pub(crate) async fn open_feed(
        &self,
        followed: &Followed,
        after: Option<u64>,
        may_answer: bool,
    ) -> Result<EmbeddedFeed, ClientError> {
        match followed {
            Followed::Session(session) => {
                let cursor = self.access.watch(session, after.map(Seq), Watcher { may_answer }).await.map_err(told)?;
                Ok(EmbeddedFeed { greeting: Some(cursor.last_seq().0), source: Source::Session(cursor) })
            }
            Followed::All => {
                let cursor = self.access.watch_all(after.map(Position)).await.map_err(told)?;
                Ok(EmbeddedFeed { greeting: Some(cursor.position().0), source: Source::All(cursor) })
            }
        }
    }
}

/// A cursor of the engine as a connection.
pub(crate) struct EmbeddedFeed {
    greeting: Option<u64>,
    source: Source,
}

enum Source {
    Session(Cursor),
    All(AllCursor),
}

impl EmbeddedFeed {
    /// May be dropped at any point without losing anything.
    pub(crate) async fn next(&mut self) -> Result<Vec<FeedItem>, ClientError> {
        if let Some(last) = self.greeting.take() {
            return Ok(vec![FeedItem::Connected { last: Some(last) }]);
        }
        let batch: VecDeque<(u64, EncodedEvent)> = match &mut self.source {
            Source::Session(cursor) => {
                let batch = cursor.next(PULL_BYTES).await.map_err(told)?;
                batch.into_iter().map(|event| (event.seq.0, event)).collect()
            }
            Source::All(cursor) => {
                let batch = cursor.next(PULL_BYTES).await.map_err(told)?;
                batch.into_iter().map(|(position, event)| (position.0, event)).collect()
            }
        };
        batch.iter().map(|(position, event)| item_from(*position, event)).collect()
    }
}

fn item_from(position: u64, event: &EncodedEvent) -> Result<FeedItem, ClientError> {
    let text = std::str::from_utf8(&event.json).map_err(|error| ClientError::Protocol(error.to_string()))?;
    Ok(FeedItem::Event(Located { position, ..located_from(text, None)? }))
}
