//! Pages and what they load: files that are part of the program and that anybody may read. They are no operations of the API and
//! stand in no document of it.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::Method;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::app::App;
use crate::catalogue::{Catalogue, Facts, Needs};

/// A page may load what comes from this server, and talk to it; nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// One file, and where it is served.
struct Asset {
    path: &'static str,
    media_type: &'static str,
    text: &'static str,
}

/// The documentation page: it shows the OpenAPI document and tries its operations, and needs no network but this server.
const ASSETS: [Asset; 3] = [
    Asset { path: "/docs", media_type: "text/html; charset=utf-8", text: include_str!("docs/index.html") },
    Asset { path: "/docs/docs.js", media_type: "text/javascript; charset=utf-8", text: include_str!("docs/docs.js") },
    Asset { path: "/docs/docs.css", media_type: "text/css; charset=utf-8", text: include_str!("docs/docs.css") },
];

/// Serves them beside what `router` serves.
pub(crate) fn add(mut router: Router<App>, catalogue: &mut Catalogue) -> Router<App> {
    for Asset { path, media_type, text } in ASSETS {
        catalogue.add(Method::GET, path, |index| Facts { index, needs: Needs::Nothing, takes_ticket: false });
        router = router.route(path, get(async move || answer(media_type, text)));
    }
    router
}

fn answer(media_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, media_type), (CONTENT_SECURITY_POLICY, POLICY)], text)
}
