//! `GET /usage`: what models took and cost.

use axum::{Extension, Json};
use wharf_protocol::rest::{UsageQuery, UsageReport};
use wharf_protocol::{ErrorCode, Scope};

use crate::error::Result;
use crate::extract::QueryOf;
use crate::route::Operation;
use crate::routes::Asker;

pub(super) fn operation() -> Operation {
    Operation::get("getUsage", "/api/v1/usage", usage)
        .about("models", "Tokens and money that models took, by day, model or workspace")
        .scope(Scope::SessionsRead)
        .query::<UsageQuery>()
        .answers::<UsageReport>(200, "The sums; what is not known to cost something is counted apart.")
        .fails(&[ErrorCode::ValidationError])
}

async fn usage(Extension(principal): Asker, QueryOf(query): QueryOf<UsageQuery>) -> Result<Json<UsageReport>> {
    Ok(Json(principal.access.usage(query).await?))
}
