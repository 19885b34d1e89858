//! `GET /agents`

use axum::Json;
use axum::extract::State;
use wharf_protocol::rest::AgentList;

use crate::app::App;
use crate::route::Operation;

pub(super) fn operation() -> Operation {
    Operation::get("listAgents", "/api/v1/agents", list)
        .about("agents", "The agents; the first is what a new session gets")
        .answers::<AgentList>(200, "All of them.")
}

async fn list(State(app): State<App>) -> Json<AgentList> {
    Json(AgentList { agents: app.engine.agents().to_vec() })
}
