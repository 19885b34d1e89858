//! `GET /sessions`

use axum::{Extension, Json};
use wharf_protocol::ErrorCode;
use wharf_protocol::rest::{SessionPage, SessionQuery};

use crate::error::Result;
use crate::extract::{QueryOf, page_limit};
use crate::route::Operation;
use crate::routes::Asker;
use wharf_protocol::Scope;

const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 1_000;

pub(super) fn operation() -> Operation {
    Operation::get("listSessions", "/api/v1/sessions", list)
        .about("sessions", "Sessions, newest change first")
        .scope(Scope::SessionsRead)
        .query::<SessionQuery>()
        .answers::<SessionPage>(200, "A page of them.")
        .fails(&[ErrorCode::ValidationError])
}

async fn list(Extension(principal): Asker, QueryOf(mut query): QueryOf<SessionQuery>) -> Result<Json<SessionPage>> {
    query.limit = Some(page_limit(query.limit, DEFAULT_LIMIT, MOST)?);
    Ok(Json(principal.access.sessions(query).await?))
}
