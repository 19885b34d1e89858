//! Sessions: what there is, what was said in them, and their open questions.

use reqwest::Method;
use wharf_protocol::rest::{
    AnswerPermission, CreateSession, MessagePage, MessageQuery, MessagesCleared, PermissionAnswered, Permissions,
    SessionDeletedBody, SessionPage, SessionQuery, Timeline, TurnPage, UpdateSession,
};
use wharf_protocol::{PermissionId, Seq, Session, SessionId, Turn, TurnId};

use super::{Backend, Client};
#[cfg(feature = "embedded")]
use crate::embedded::told;
use crate::remote::Transport;
use crate::{ClientError, ids};

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
            Backend::Embedded(embedded) => embedded.engine.create_session(body, &embedded.caller).await.map_err(told),
        }
    }

    pub async fn session(&self, session: &SessionId) -> Result<Session, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => remote.http.fetch(remote.http.get(&["sessions", session.as_str()])).await,
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.engine.session(session).await.map_err(told),
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
            Backend::Embedded(embedded) => embedded.engine.sessions(query).await.map_err(told),
        }
    }

    pub async fn update_session(&self, session: &SessionId, body: UpdateSession) -> Result<Session, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.request(Method::PATCH, &["sessions", session.as_str()]).json(&body)?;
                remote.http.fetch(request).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => {
                embedded.engine.update_session(session, body, &embedded.caller).await.map_err(told)
            }
        }
    }

    pub async fn delete_session(&self, session: &SessionId) -> Result<(), ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.request(Method::DELETE, &["sessions", session.as_str()]);
                remote.http.fetch::<SessionDeletedBody>(request).await.map(|_| ())
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => {
                embedded.engine.delete_session(session, &embedded.caller).await.map_err(told)
            }
        }
    }

    pub async fn turn(&self, session: &SessionId, turn: &TurnId) -> Result<Turn, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                remote.http.fetch(remote.http.get(&["sessions", session.as_str(), "turns", turn.as_str()])).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.engine.turn(session, turn).await.map_err(told),
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
            Backend::Embedded(embedded) => embedded.engine.messages(session, query).await.map_err(told),
        }
    }

    /// Takes a sealed session up again; `sealed` of the answer says whether it stayed so.
    pub async fn unseal_session(&self, session: &SessionId) -> Result<Session, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                remote.http.fetch(remote.http.request(Method::POST, &["sessions", session.as_str(), "unseal"])).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => {
                embedded.engine.unseal_session(session, &embedded.caller).await.map_err(told)
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
            Backend::Embedded(embedded) => {
                embedded.engine.clear_messages(session, &embedded.caller).await.map_err(told)
            }
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
                .engine
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
            Backend::Embedded(embedded) => embedded.engine.permissions(session).await.map_err(told),
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
            Backend::Embedded(embedded) => {
                embedded.engine.answer(None, permission, answer, &embedded.caller).await.map_err(told)
            }
        }
    }
}
