//! Requests about sessions that need none attached.

use agent_client_protocol_schema::v1 as acp;
use serde_json::{Value, json};
use wharf_engine::EngineError;
use wharf_protocol::rest::{ForkSession, SessionQuery};
use wharf_protocol::{Seq, Session, SessionId};

use super::{Context, check_cwd};
use crate::acp::rpc::RpcError;

/// Sessions on one page of a list.
const LIST_PAGE: usize = 100;

pub(super) async fn list(
    context: &Context,
    request: acp::ListSessionsRequest,
) -> Result<acp::ListSessionsResponse, RpcError> {
    if let Some(cwd) = &request.cwd {
        check_cwd(cwd)?;
    }
    let acp::ListSessionsRequest { cwd, cursor, .. } = request;
    let query = SessionQuery { limit: Some(LIST_PAGE), cursor, cwd, ..SessionQuery::default() };
    let page = context.principal.access.sessions(query).await?;
    let sessions = page.sessions.iter().map(session_info).collect();
    Ok(acp::ListSessionsResponse::new(sessions).next_cursor(page.next_cursor))
}

fn session_info(session: &Session) -> acp::SessionInfo {
    acp::SessionInfo::new(acp::SessionId::new(session.id.as_str()), session.cwd.clone())
        .additional_directories(session.additional_directories.clone())
        .title(session.title.clone())
        .updated_at(session.updated_at.to_string())
}

/// Deleting what is not there succeeds.
pub(super) async fn delete(context: &Context, session: &str) -> Result<Value, RpcError> {
    let Ok(session) = session.parse::<SessionId>() else { return Ok(json!({})) };
    match context.principal.access.delete_session(&session).await {
        Ok(()) | Err(EngineError::SessionNotFound(_)) => Ok(json!({})),
        Err(error) => Err(error.into()),
    }
}

/// The new session's id. Nothing of it is attached: the client loads or resumes it like any other.
pub(super) async fn fork(context: &Context, source: &SessionId, at_seq: Option<Seq>) -> Result<Value, RpcError> {
    let fork = ForkSession { at_seq, ..ForkSession::default() };
    let forked = context.principal.access.fork_session(source, fork).await?;
    Ok(json!({ "sessionId": forked.id }))
}
