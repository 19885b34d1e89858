//! `GET /openapi.json`: the document of this API.

use std::sync::OnceLock;

use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::CONTENT_TYPE;

use crate::openapi::document;
use crate::route::Operation;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("getOpenApiAtRoot", "/openapi.json", openapi).about("schemas", "This document").answers_text(
            200,
            "OpenAPI 3.1.",
            "application/json",
        ),
        Operation::get("getOpenApi", "/api/v1/openapi.json", openapi).about("schemas", "This document").answers_text(
            200,
            "OpenAPI 3.1.",
            "application/json",
        ),
    ]
}

/// Made when first asked for: most servers never are.
async fn openapi() -> impl IntoResponse {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| document(&super::operations()).to_string().into());
    ([(CONTENT_TYPE, "application/json")], document.clone())
}
