//! `GET /tools`

use std::sync::Arc;

use axum::{Extension, Json};
use wharf_protocol::ToolSpec;
use wharf_protocol::rest::ToolList;

use crate::route::Operation;
use crate::routes::Asker;

pub(super) fn operation() -> Operation {
    Operation::get("listTools", "/api/v1/tools", list)
        .about("tools", "The tools, with the schemas of their arguments")
        .answers::<ToolList>(200, "All of them.")
}

async fn list(Extension(principal): Asker) -> Json<ToolList> {
    let tools: Vec<ToolSpec> =
        principal.access.tools().iter().map(|spec| Arc::unwrap_or_clone(Arc::clone(spec))).collect();
    Json(ToolList { total: tools.len(), tools })
}
