//! `GET /agents/{name}` and `GET /agents/{name}/spec`

use axum::{Extension, Json};
use serde::Deserialize;
use wharf_protocol::{Agent, ErrorCode};

use crate::error::{Failure, Result};
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::Asker;

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

async fn get(Extension(principal): Asker, Params(path): Params<Path>) -> Result<Json<Agent>> {
    let agent = principal.access.agents().iter().find(|agent| agent.name == path.name).cloned();
    agent.map(Json).ok_or_else(|| Failure::new(ErrorCode::AgentNotFound, "there is no agent of that name"))
}
