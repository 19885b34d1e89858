//! `GET /tools`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use wharf_protocol::ToolSpec;
use wharf_protocol::rest::ToolList;

use crate::app::App;
use crate::route::Operation;

pub(super) fn operation() -> Operation {
    Operation::get("listTools", "/api/v1/tools", list)
        .about("tools", "The tools, with the schemas of their arguments")
        .answers::<ToolList>(200, "All of them.")
}

async fn list(State(app): State<App>) -> Json<ToolList> {
    let tools: Vec<ToolSpec> = app.engine.tools().iter().map(|spec| Arc::unwrap_or_clone(Arc::clone(spec))).collect();
    Json(ToolList { total: tools.len(), tools })
}
