//! `GET /sessions/{session_id}/context`

use axum::{Extension, Json};
use wharf_protocol::context::{Context, ContextQuery};
use wharf_protocol::{Scope, SessionId};

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::{Params, QueryOf};
use crate::route::Operation;
use crate::routes::{Asker, InSession};

pub(super) fn operation() -> Operation {
    Operation::get("getContext", "/api/v1/sessions/{session_id}/context", context)
        .about("messages", "What the model would be sent now, and what each part costs")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .query::<ContextQuery>()
        .answers::<Context>(200, "The next request, part by part, in tokens.")
        .fails(&CHANGE_FAILS)
}

async fn context(
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    QueryOf(query): QueryOf<ContextQuery>,
) -> Result<Json<Context>> {
    Ok(Json(principal.access.context(&path.session_id, query).await?))
}
