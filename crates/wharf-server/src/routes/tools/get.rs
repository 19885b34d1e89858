//! `GET /tools/{name}`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use wharf_protocol::{ErrorCode, ToolSpec};

use crate::app::App;
use crate::error::{Failure, Result};
use crate::extract::Params;
use crate::route::Operation;

#[derive(Debug, Deserialize)]
struct Path {
    name: String,
}

pub(super) fn operation() -> Operation {
    Operation::get("getTool", "/api/v1/tools/{name}", get)
        .about("tools", "One tool")
        .param::<String>("name")
        .answers::<ToolSpec>(200, "The tool.")
        .fails(&[ErrorCode::ToolNotFound])
}

async fn get(State(app): State<App>, Params(path): Params<Path>) -> Result<Json<ToolSpec>> {
    let tools = app.engine.tools();
    let spec = tools.iter().find(|spec| spec.name == path.name);
    spec.map(|spec| Json(ToolSpec::clone(spec)))
        .ok_or_else(|| Failure::new(ErrorCode::ToolNotFound, "there is no tool of that name"))
}
