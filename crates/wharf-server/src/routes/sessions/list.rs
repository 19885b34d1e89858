//! `GET /sessions`

use axum::Json;
use axum::extract::State;
use wharf_protocol::ErrorCode;
use wharf_protocol::rest::{SessionPage, SessionQuery};

use crate::app::App;
use crate::auth::Scope;
use crate::error::Result;
use crate::extract::{QueryOf, page_limit};
use crate::route::Operation;

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

async fn list(State(app): State<App>, QueryOf(mut query): QueryOf<SessionQuery>) -> Result<Json<SessionPage>> {
    query.limit = Some(page_limit(query.limit, DEFAULT_LIMIT, MOST)?);
    Ok(Json(app.engine.sessions(query).await?))
}
