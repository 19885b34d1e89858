//! `GET /agents/{name}` and `GET /agents/{name}/spec`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use wharf_protocol::{Agent, ErrorCode};

use crate::app::App;
use crate::error::{Failure, Result};
use crate::extract::Params;
use crate::route::Operation;

#[derive(Debug, Deserialize)]
struct Path {
    name: String,
}

pub(super) fn operation(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::get(id, path, get)
        .about("agents", summary)
        .param::<String>("name")
        .answers::<Agent>(200, "The agent.")
        .fails(&[ErrorCode::AgentNotFound])
}

async fn get(State(app): State<App>, Params(path): Params<Path>) -> Result<Json<Agent>> {
    let agent = app.engine.agents().iter().find(|agent| agent.name == path.name).cloned();
    agent.map(Json).ok_or_else(|| Failure::new(ErrorCode::AgentNotFound, "there is no agent of that name"))
}
