//! Sessions: made, listed, changed, unsealed and deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use wharf_core::{Core, Input};
use wharf_protocol::event::SessionCreated;
use wharf_protocol::rest::{
    CreateSession, SessionCounts, SessionPage, SessionQuery, UpdateSession, UsageQuery, UsageReport,
};
use wharf_protocol::{Session, SessionId, Timestamp};
use wharf_store::AppendError;

use super::Access;
use super::checks::{check_limit, check_title};
use super::mcp::check_mcp;
use crate::entropy::entropy;
use crate::request::Request;
use crate::{EngineError, directories, seal};

impl Access {
    pub async fn create_session(&self, request: CreateSession) -> Result<Session, EngineError> {
        self.shared.check_ready()?;
        let CreateSession {
            cwd,
            additional_directories,
            agent_name,
            session_id,
            model,
            mode,
            thinking,
            tool_location,
            title,
            mcp_servers,
            recovery,
        } = request;
        let cwd = self.workspace_of(cwd)?;
        let additional_directories = directories::further(&self.shared.config(), &cwd, additional_directories, &[])?;
        let agent = self.agent_of(agent_name.as_deref())?;
        check_title(title.as_deref())?;
        check_mcp(&mcp_servers)?;
        let engine_config = self.shared.config();
        let wanted = model.as_deref().or(agent.model.as_deref()).or(engine_config.default_model.as_deref());
        let model = self.model_of(wanted).await?;
        let session_id = session_id.unwrap_or_else(|| SessionId::from_bits(entropy()));
        let created = SessionCreated {
            cwd,
            additional_directories,
            agent_name: agent.name.clone(),
            model,
            mode: mode.or(agent.mode).unwrap_or(engine_config.default_mode),
            thinking,
            tool_location,
            title,
            recovery: recovery.unwrap_or_default(),
            forked_from: None,
        };
        let config = engine_config.core(&agent, Arc::new([]), self.shared.subjects(), &[]);
        let (core, event) = Core::create(session_id.clone(), created, config, entropy(), Timestamp::now());
        let session = core.session().clone();
        let has_mcp = !mcp_servers.is_empty();
        if has_mcp {
            // Before the session is there: one that is there has its servers, also after a crash.
            if self.shared.store.session(&session_id).await?.is_some() {
                return Err(EngineError::SessionExists(session_id));
            }
            self.shared.mcp.keep(&session_id, mcp_servers).await?;
        }
        let lease = match self.shared.appender.begin(event, session.clone()).await {
            Ok(lease) => lease,
            Err(AppendError::Exists { session }) => return Err(EngineError::SessionExists(session)),
            Err(error) => {
                if has_mcp {
                    self.shared.mcp.forget(&session_id).await;
                }
                self.shared.trouble.notify_one();
                return Err(error.into());
            }
        };
        // The first prompt makes it live; until then it costs no memory.
        self.shared.store.release(&session_id, lease.fence).await?;
        tracing::info!(session.id = %session_id, by = %self.caller.name, "session created");
        if has_mcp {
            // Its servers take their time: they start now, not with the first prompt.
            if let Err(error) = self.shared.look(&session_id, |_| ()).await {
                tracing::debug!(session.id = %session_id, %error, "the MCP servers start with the first prompt");
            }
        }
        Ok(session)
    }

    pub async fn session(&self, session: &SessionId) -> Result<Session, EngineError> {
        self.shared.store.session(session).await?.ok_or_else(|| EngineError::SessionNotFound(session.clone()))
    }

    pub async fn sessions(&self, mut query: SessionQuery) -> Result<SessionPage, EngineError> {
        check_limit(query.limit)?;
        query.cwd = query.cwd.map(directories::as_stored);
        Ok(self.shared.store.sessions(&query).await?)
    }

    pub async fn update_session(&self, session: &SessionId, mut change: UpdateSession) -> Result<Session, EngineError> {
        check_title(change.title.as_deref())?;
        if let Some(agent) = &change.agent_name {
            self.agent_of(Some(agent))?;
        }
        if let Some(model) = &change.model {
            change.model = Some(self.model_of(Some(model)).await?);
        }
        if let Some(wanted) = change.additional_directories.take() {
            let Session { cwd, additional_directories: known, .. } = self.session(session).await?;
            change.additional_directories = Some(directories::further(&self.shared.config(), &cwd, wanted, &known)?);
        }
        self.ask(session, Input::Update { change, by: self.caller.by() }).await?;
        self.session(session).await
    }

    /// Takes a sealed session up again; the answer says whether it stayed so. One that is not sealed is left as it is.
    pub async fn unseal_session(&self, session: &SessionId) -> Result<Session, EngineError> {
        self.shared.check_ready()?;
        if self.session(session).await?.sealed.is_some() {
            seal::unseal(&self.shared, session, self.caller.by()).await?;
            tracing::info!(session.id = %session, by = %self.caller.name, "session unsealed");
            match self.shared.look(session, |_| ()).await {
                // What made it so is still there.
                Ok(()) | Err(EngineError::Sealed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.session(session).await
    }

    /// Cancels what runs, then removes the session and its log.
    pub async fn delete_session(&self, session: &SessionId) -> Result<(), EngineError> {
        let by = self.caller.by();
        match self.shared.ask(session, |reply| Request::Delete { by: by.clone(), reply }).await {
            Err(EngineError::Sealed { .. }) => seal::delete(&self.shared, session, by).await?,
            asked => asked?,
        }
        let outputs = self.shared.output_dir(session);
        // Most sessions have none.
        drop(tokio::fs::remove_dir_all(outputs).await);
        self.shared.mcp.forget(session).await;
        Ok(())
    }

    pub async fn session_counts(&self) -> Result<SessionCounts, EngineError> {
        let total = self.shared.store.session_count().await?;
        let (busy, idle) = self.shared.counts();
        Ok(SessionCounts { total, busy, idle, max: self.shared.config().limits.live_sessions as u64 })
    }

    /// What model calls took and cost, of all sessions.
    pub async fn usage(&self, query: UsageQuery) -> Result<UsageReport, EngineError> {
        if let Some(field) = query.wrong_field() {
            return Err(EngineError::Invalid { field, reason: "a day is written as YYYY-MM-DD".to_owned() });
        }
        Ok(self.shared.store.usage(&query).await?)
    }

    /// A client has closed the session: where nobody watches it and nothing runs, what it holds is given back now.
    pub fn rest(&self, session: &SessionId) {
        self.shared.rest(session);
    }

    /// Open cursors, by session.
    #[must_use]
    pub fn watchers(&self) -> BTreeMap<SessionId, u64> {
        self.shared.watchers()
    }
}
