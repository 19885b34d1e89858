//! `GET /tools/categories`

use std::collections::BTreeMap;

use axum::{Extension, Json};
use wharf_protocol::rest::ToolCategories;

use crate::route::Operation;
use crate::routes::Asker;

pub(super) fn operation() -> Operation {
    Operation::get("listToolCategories", "/api/v1/tools/categories", categories)
        .about("tools", "The tools' names, by category")
        .answers::<ToolCategories>(200, "All of them.")
}

async fn categories(Extension(principal): Asker) -> Json<ToolCategories> {
    let mut categories: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for spec in principal.access.tools().iter() {
        categories.entry(spec.category.clone()).or_default().push(spec.name.clone());
    }
    Json(ToolCategories { categories })
}
