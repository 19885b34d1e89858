//! `GET /docs`: a page that shows the OpenAPI document and tries its operations. It needs no network but this server.

use axum::response::IntoResponse;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::route::Operation;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

pub(super) fn operations() -> Vec<Operation> {
    let about = |operation: Operation| operation.about("docs", "The documentation page").public();
    vec![
        about(Operation::get("getDocs", "/docs", page)).answers_text(200, "The page.", "text/html"),
        about(Operation::get("getDocsScript", "/docs/docs.js", script)).answers_text(
            200,
            "Its script.",
            "text/javascript",
        ),
        about(Operation::get("getDocsStyle", "/docs/docs.css", style)).answers_text(200, "Its style.", "text/css"),
    ]
}

async fn page() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    (headers, include_str!("../docs/index.html"))
}

async fn script() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("../docs/docs.js"))
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../docs/docs.css"))
}
