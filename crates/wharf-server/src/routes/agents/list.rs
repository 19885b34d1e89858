//! `GET /agents`

use axum::{Extension, Json};
use wharf_protocol::rest::AgentList;

use crate::route::Operation;
use crate::routes::Asker;

pub(super) fn operation() -> Operation {
    Operation::get("listAgents", "/api/v1/agents", list)
        .about("agents", "The agents; the first is what a new session gets")
        .answers::<AgentList>(200, "All of them.")
}

async fn list(Extension(principal): Asker) -> Json<AgentList> {
    Json(AgentList { agents: principal.access.agents().to_vec() })
}
