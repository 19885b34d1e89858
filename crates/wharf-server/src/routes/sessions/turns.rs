//! `GET /sessions/{session_id}/turns`

use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::rest::TurnPage;
use wharf_protocol::{ErrorCode, Seq, SessionId};

use crate::error::Result;
use crate::extract::{Params, QueryOf, page_limit};
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 1_000;

#[derive(Debug, Deserialize, JsonSchema)]
struct TurnQuery {
    /// 1 to 1,000; 50 where absent.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<Seq>,
}

pub(super) fn operation() -> Operation {
    Operation::get("listTurns", "/api/v1/sessions/{session_id}/turns", turns)
        .about("turns", "A session's turns, newest first")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .query::<TurnQuery>()
        .answers::<TurnPage>(200, "A page of them.")
        .fails(&[ErrorCode::SessionNotFound])
}

async fn turns(
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    QueryOf(query): QueryOf<TurnQuery>,
) -> Result<Json<TurnPage>> {
    let limit = page_limit(query.limit, DEFAULT_LIMIT, MOST)?;
    Ok(Json(principal.access.turns(&path.session_id, query.cursor, limit).await?))
}
