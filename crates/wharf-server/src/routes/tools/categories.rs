//! `GET /tools/categories`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use wharf_protocol::rest::ToolCategories;

use crate::app::App;
use crate::route::Operation;

pub(super) fn operation() -> Operation {
    Operation::get("listToolCategories", "/api/v1/tools/categories", categories)
        .about("tools", "The tools' names, by category")
        .answers::<ToolCategories>(200, "All of them.")
}

async fn categories(State(app): State<App>) -> Json<ToolCategories> {
    let mut categories: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for spec in app.engine.tools().iter() {
        categories.entry(spec.category.clone()).or_default().push(spec.name.clone());
    }
    Json(ToolCategories { categories })
}
