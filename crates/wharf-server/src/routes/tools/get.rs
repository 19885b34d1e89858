//! `GET /tools/{name}`

use axum::{Extension, Json};
use serde::Deserialize;
use wharf_protocol::{ErrorCode, ToolSpec};

use crate::error::{Failure, Result};
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::Asker;

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

async fn get(Extension(principal): Asker, Params(path): Params<Path>) -> Result<Json<ToolSpec>> {
    let tools = principal.access.tools();
    let spec = tools.iter().find(|spec| spec.name == path.name);
    spec.map(|spec| Json(ToolSpec::clone(spec)))
        .ok_or_else(|| Failure::new(ErrorCode::ToolNotFound, "there is no tool of that name"))
}
