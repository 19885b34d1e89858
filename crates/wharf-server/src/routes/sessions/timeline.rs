//! `GET /sessions/{session_id}/timeline`: what happened when, never what was said.

use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::rest::Timeline;
use wharf_protocol::{ErrorCode, Seq, SessionId};

use crate::error::Result;
use crate::extract::{Params, QueryOf, page_limit};
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

const DEFAULT_LIMIT: usize = 100;
const MOST: usize = 1_000;

#[derive(Debug, Deserialize, JsonSchema)]
struct TimelineQuery {
    /// Entries after this seq. Absent: from the first event.
    after: Option<Seq>,
    /// 1 to 1,000; 100 where absent.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
}

pub(super) fn operation() -> Operation {
    Operation::get("getTimeline", "/api/v1/sessions/{session_id}/timeline", timeline)
        .about("events", "What happened when, how long it took, how many tokens")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .query::<TimelineQuery>()
        .answers::<Timeline>(200, "A page of it.")
        .fails(&[ErrorCode::SessionNotFound, ErrorCode::CursorAhead, ErrorCode::CursorExpired])
}

async fn timeline(
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    QueryOf(query): QueryOf<TimelineQuery>,
) -> Result<Json<Timeline>> {
    let limit = page_limit(query.limit, DEFAULT_LIMIT, MOST)?;
    Ok(Json(principal.access.timeline(&path.session_id, query.after, limit).await?))
}
