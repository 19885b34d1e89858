//! Sessions: what there is, what was said in them, and their open questions.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::ACCEPT;
use wharf_protocol::context::{Context, ContextQuery};
use wharf_protocol::export::MEDIA_TYPE;
use wharf_protocol::rest::{
    AnswerPermission, CompactAnswer, CompactSession, CreateSession, ForkSession, ImportSession, MessagePage,
    MessageQuery, MessagesCleared, PermissionAnswered, Permissions, SessionDeletedBody, SessionPage, SessionQuery,
    Timeline, TurnPage, UpdateSession,
};
use wharf_protocol::{PermissionId, Seq, Session, SessionId, Turn, TurnId};

use super::Client;
use crate::backend::Backend;
#[cfg(feature = "embedded")]
use crate::embedded::told;
use crate::remote::Transport;
use crate::{ClientError, ids};

/// How long a server may take to copy a session.
const COPY_TIMEOUT: Duration = Duration::from_secs(300);

/// A session's export, piece by piece.
pub struct Exported(Source);

enum Source {
    Remote {
        response: reqwest::Response,
        idle: Duration,
        target: String,
    },
    #[cfg(feature = "embedded")]
    Embedded {
        head: Option<Vec<u8>>,
        events: wharf_engine::Export,
    },
}

impl Exported {
    /// The next bytes; none after the last one. An error means that what came is not all of it.
    pub async fn next(&mut self) -> Result<Vec<u8>, ClientError> {
        match &mut self.0 {
            Source::Remote { response, idle, target } => {
                let chunk = tokio::time::timeout(*idle, response.chunk()).await;
                let chunk = chunk.map_err(|_| ClientError::Timeout { what: "the export", after: *idle })?;
                let chunk = chunk.map_err(|error| ClientError::Connection {
                    target: target.clone(),
                    reason: error.without_url().to_string(),
                })?;
                Ok(chunk.map(|bytes| bytes.to_vec()).unwrap_or_default())
            }
            #[cfg(feature = "embedded")]
            Source::Embedded { head, events } => {
                if let Some(line) = head.take() {
                    return Ok(line);
                }
                let mut lines = Vec::new();
                for event in events.next().await.map_err(told)? {
                    lines.extend_from_slice(&event.json);
                    lines.push(b'\n');
                }
                Ok(lines)
            }
        }
    }
}

/// How a permission's answer travels, spelled as the query or path has it.
fn word<T: serde::Serialize>(value: T) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

impl Client {
    /// Makes a session. The id is made here where none is given, so that a lost answer does not make a second one.
    pub async fn create_session(&self, mut body: CreateSession) -> Result<Session, ClientError> {
        let is_ours = body.session_id.is_none();
        let id = body.session_id.get_or_insert_with(ids::session_id).clone();
        match &self.backend {
            Backend::Remote(remote) => {
                let mut request = remote.http.request(Method::POST, &["sessions"]).json(&body)?;
                if is_ours {
                    request = request.repeatable();
                }
                let (answer, attempts) = remote.http.fetch_counted(request).await;
                match answer {
                    // The first attempt made it; only its answer was lost.
                    Err(ClientError::AlreadyExists { .. }) if is_ours && attempts > 1 => self.session(&id).await,
                    other => other,
                }
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.create_session(body).await.map_err(told),
        }
    }

    pub async fn session(&self, session: &SessionId) -> Result<Session, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => remote.http.fetch(remote.http.get(&["sessions", session.as_str()])).await,
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.session(session).await.map_err(told),
        }
    }

    /// A page of sessions, newest change first.
    pub async fn sessions(&self, query: SessionQuery) -> Result<SessionPage, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let SessionQuery { limit, cursor, cwd, status, q, archived } = query;
                let request = remote
                    .http
                    .get(&["sessions"])
                    .query("limit", limit)
                    .query("cursor", cursor)
                    .query("cwd", cwd.map(|path| path.display().to_string()))
                    .query("status", status.and_then(word))
                    .query("q", q)
                    .query("archived", archived);
                remote.http.fetch(request).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.sessions(query).await.map_err(told),
        }
    }

    pub async fn update_session(&self, session: &SessionId, body: UpdateSession) -> Result<Session, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.request(Method::PATCH, &["sessions", session.as_str()]).json(&body)?;
                remote.http.fetch(request).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.update_session(session, body).await.map_err(told),
        }
    }

    pub async fn delete_session(&self, session: &SessionId) -> Result<(), ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.request(Method::DELETE, &["sessions", session.as_str()]);
                remote.http.fetch::<SessionDeletedBody>(request).await.map(|_| ())
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.delete_session(session).await.map_err(told),
        }
    }

    pub async fn turn(&self, session: &SessionId, turn: &TurnId) -> Result<Turn, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                remote.http.fetch(remote.http.get(&["sessions", session.as_str(), "turns", turn.as_str()])).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.turn(session, turn).await.map_err(told),
        }
    }

    /// A page of turns, newest first; `cursor` is the `next_cursor` of the page before.
    pub async fn turns(
        &self,
        session: &SessionId,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<TurnPage, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.get(&["sessions", session.as_str(), "turns"]);
                remote.http.fetch(request.query("cursor", cursor).query("limit", limit)).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.turns(session, cursor, limit).await,
        }
    }

    /// A page of the conversation; with neither cursor the newest.
    pub async fn messages(&self, session: &SessionId, query: MessageQuery) -> Result<MessagePage, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let MessageQuery { limit, before, after } = query;
                let request = remote.http.get(&["sessions", session.as_str(), "messages"]);
                remote.http.fetch(request.query("limit", limit).query("before", before).query("after", after)).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.messages(session, query).await.map_err(told),
        }
    }

    /// Takes a sealed session up again; `sealed` of the answer says whether it stayed so.
    pub async fn unseal_session(&self, session: &SessionId) -> Result<Session, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                remote.http.fetch(remote.http.request(Method::POST, &["sessions", session.as_str(), "unseal"])).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.unseal_session(session).await.map_err(told),
        }
    }

    /// Copies a session, with its conversation up to an event. The id is made here where none is given, so that a lost answer
    /// does not make a second copy.
    pub async fn fork_session(&self, session: &SessionId, mut body: ForkSession) -> Result<Session, ClientError> {
        let is_ours = body.session_id.is_none();
        let id = body.session_id.get_or_insert_with(ids::session_id).clone();
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.request(Method::POST, &["sessions", session.as_str(), "fork"]);
                let request = request.json(&body)?.timeout(COPY_TIMEOUT);
                let request = if is_ours { request.repeatable() } else { request };
                let (answer, attempts) = remote.http.fetch_counted(request).await;
                match answer {
                    // The first attempt made it; only its answer was lost.
                    Err(ClientError::AlreadyExists { .. }) if is_ours && attempts > 1 => self.session(&id).await,
                    other => other,
                }
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.fork_session(session, body).await.map_err(told),
        }
    }

    /// A session's log as lines: one that describes it, then one event a line. Give it to [`Client::import_session`].
    pub async fn export_session(&self, session: &SessionId) -> Result<Exported, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.get(&["sessions", session.as_str(), "export"]);
                let request = request.header(ACCEPT, "application/x-ndjson");
                let response = remote.http.open(&request).await?;
                let (idle, target) = (remote.http.timeouts.stream_idle, remote.http.base().to_owned());
                Ok(Exported(Source::Remote { response, idle, target }))
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => {
                let (head, events) = embedded.access.export_session(session).await.map_err(told)?;
                let mut line = serde_json::to_vec(&head).map_err(|error| ClientError::Protocol(error.to_string()))?;
                line.push(b'\n');
                Ok(Exported(Source::Embedded { head: Some(line), events }))
            }
        }
    }

    /// Makes a session of what [`Client::export_session`] gave.
    pub async fn import_session(&self, lines: Vec<u8>, wanted: ImportSession) -> Result<Session, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let ImportSession { session_id, cwd, agent_name, model, title } = wanted;
                let request = remote
                    .http
                    .request(Method::POST, &["sessions", "import"])
                    .query("session_id", session_id)
                    .query("cwd", cwd.map(|path| path.display().to_string()))
                    .query("agent_name", agent_name)
                    .query("model", model)
                    .query("title", title)
                    .bytes(lines, MEDIA_TYPE)
                    .timeout(COPY_TIMEOUT);
                remote.http.fetch(request).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => {
                let mut import = embedded.access.import_session(wanted).map_err(told)?;
                for line in lines.split(|byte| *byte == b'\n') {
                    import.line(line).await.map_err(told)?;
                }
                import.finish().await.map_err(told)
            }
        }
    }

    /// Clears the conversation: the model starts afresh.
    pub async fn clear(&self, session: &SessionId) -> Result<(), ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.request(Method::DELETE, &["sessions", session.as_str(), "messages"]);
                remote.http.fetch::<MessagesCleared>(request).await.map(|_| ())
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.clear_messages(session).await.map_err(told),
        }
    }

    /// Has the model sum up what was said. What comes of it is an event after the answer's seq.
    pub async fn compact(&self, session: &SessionId, wanted: CompactSession) -> Result<CompactAnswer, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                if remote.transport == Transport::WebSocket {
                    return remote.compact_over_socket(session, wanted).await;
                }
                let request = remote.http.request(Method::POST, &["sessions", session.as_str(), "compact"]);
                remote.http.fetch(request.json(&wanted)?).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.compact(session, wanted).await.map_err(told),
        }
    }

    /// What the model would be sent now, and what each part costs.
    pub async fn context(&self, session: &SessionId, query: ContextQuery) -> Result<Context, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.get(&["sessions", session.as_str(), "context"]);
                remote.http.fetch(request.query("full", query.full.then_some(true))).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.context(session, query).await.map_err(told),
        }
    }

    /// What happened when, how long it took, how many tokens; never content.
    pub async fn timeline(
        &self,
        session: &SessionId,
        after: Option<Seq>,
        limit: Option<usize>,
    ) -> Result<Timeline, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.get(&["sessions", session.as_str(), "timeline"]);
                remote.http.fetch(request.query("after", after).query("limit", limit)).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded
                .access
                .timeline(session, after, limit.unwrap_or(embedded.engine.config().limits.events_page))
                .await
                .map_err(told),
        }
    }

    /// The session's open questions.
    pub async fn permissions(&self, session: &SessionId) -> Result<Permissions, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                remote.http.fetch(remote.http.get(&["sessions", session.as_str(), "permissions"])).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.permissions(session).await.map_err(told),
        }
    }

    /// Answers a question. The first answer wins; a later one is told who was first. Repeating a lost answer is safe.
    pub async fn answer(
        &self,
        permission: &PermissionId,
        answer: AnswerPermission,
    ) -> Result<PermissionAnswered, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let option = answer.option;
                if remote.transport == Transport::WebSocket {
                    return remote.answer_over_socket(permission, answer).await;
                }
                let request = remote.http.request(Method::POST, &["permissions", permission.as_str()]);
                let (answered, attempts) = remote.http.fetch_counted(request.json(&answer)?.repeatable()).await;
                match answered {
                    Err(ClientError::AlreadyResolved { option: Some(first), .. })
                        if attempts > 1 && first == option.into() =>
                    {
                        Ok(PermissionAnswered {
                            status: "resolved".to_owned(),
                            permission_id: permission.clone(),
                            option,
                        })
                    }
                    other => other,
                }
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.answer(None, permission, answer).await.map_err(told),
        }
    }
}
