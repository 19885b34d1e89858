//! `GET /sessions/{session_id}/messages` and `/history`

use axum::{Extension, Json};
use wharf_protocol::rest::{MessagePage, MessageQuery};
use wharf_protocol::{ErrorCode, SessionId};

use crate::error::Result;
use crate::extract::{Params, QueryOf, page_limit};
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

const DEFAULT_LIMIT: usize = 100;
const MOST: usize = 1_000;

pub(super) fn operation(path: &'static str, id: &'static str) -> Operation {
    Operation::get(id, path, messages)
        .about("messages", "The conversation, newest page first")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .query::<MessageQuery>()
        .answers::<MessagePage>(200, "A page of it, oldest message first.")
        .fails(&[ErrorCode::SessionNotFound, ErrorCode::CursorExpired])
}

async fn messages(
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    QueryOf(mut query): QueryOf<MessageQuery>,
) -> Result<Json<MessagePage>> {
    query.limit = Some(page_limit(query.limit, DEFAULT_LIMIT, MOST)?);
    Ok(Json(principal.access.messages(&path.session_id, query).await?))
}
