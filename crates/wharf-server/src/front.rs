//! What every request passes: guard, authentication, rate, scope, then its handler; and what every answer gets.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL,
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use wharf_protocol::{ErrorCode, SessionId};

use crate::app::App;
use crate::auth;
use crate::catalogue::{Facts, Needs};
use crate::connection::Peer;
use crate::error::{self, Failure, Result};
use crate::gate::Credential;
use crate::guard;
use crate::limit::Addresses;
use crate::random::random_id;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) async fn front(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let request_id = request_id(&head.headers);
    let facts = app.catalogue.find(&head.method, &head.extensions).copied();
    let mut origin = None;
    let response = match admit(&app, &mut head, facts, &mut origin).await {
        Ok(Some(preflight)) => preflight,
        Ok(None) => run(next, Request::from_parts(head, body), &request_id).await,
        Err(failure) => failure.into_response(),
    };
    app.metrics.count_request(facts.map(|facts| facts.index), response.status());
    finish(error::render(response, &request_id), request_id, origin)
}

/// Whether the request may go to its handler. A preflight is answered here.
async fn admit(
    app: &App,
    head: &mut Parts,
    facts: Option<Facts>,
    origin: &mut Option<HeaderValue>,
) -> Result<Option<Response>> {
    if let guard::From::Listed(listed) = app.guard.check(&head.uri, &head.headers)? {
        *origin = Some(listed);
        if head.method == Method::OPTIONS && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return Ok(Some(preflight()));
        }
    }
    let now = Instant::now();
    let is_public = facts.is_some_and(|facts| facts.needs == Needs::Nothing);
    // Before any bucket of an address: whoever shows a right key is counted by it, also where none is needed, and a flood of
    // wrong ones from the same address (a proxy's, or 127.0.0.1) keeps nobody out.
    let principal = match app.gate.identify(credential(head, facts), now).await {
        Ok(principal) => principal,
        Err(error) => {
            let has_guessed = auth::shows_key(&head.headers);
            let table = if is_public && !has_guessed { &app.visitors } else { &app.failures };
            limit_address(table, head, now)?;
            return if is_public { Ok(None) } else { Err(error.into()) };
        }
    };
    if let Some(peer) = head.extensions.get::<Peer>() {
        peer.known();
    }
    principal.bucket.take(now).map_err(Failure::rate_limited)?;
    if let Some(Needs::Scope(scope)) = facts.map(|facts| facts.needs) {
        app.gate.allow(&principal, scope, session_of(head).as_ref()).await?;
    }
    head.extensions.insert(principal);
    Ok(None)
}

fn credential(head: &Parts, facts: Option<Facts>) -> Credential<'_> {
    match ticket_of(&head.uri).filter(|_| facts.is_some_and(|facts| facts.takes_ticket)) {
        Some(ticket) => Credential::Ticket(ticket),
        None => Credential::Headers(&head.headers),
    }
}

/// The session that a request is about, by its path.
fn session_of(head: &Parts) -> Option<SessionId> {
    let pattern = head.extensions.get::<MatchedPath>()?.as_str().split('/');
    let (_, text) = pattern.zip(head.uri.path().split('/')).find(|(name, _)| *name == "{session_id}")?;
    text.parse().ok()
}

/// Tickets are hexadecimal: nothing in them needs decoding.
fn ticket_of(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("ticket="))
}

fn limit_address(table: &Addresses, head: &Parts, now: Instant) -> Result<()> {
    match head.extensions.get::<Peer>().and_then(|peer| peer.address) {
        Some(address) => table.take(address, now).map_err(Failure::rate_limited),
        // Whoever has none was let in by the owner of a socket, not by a network.
        None => Ok(()),
    }
}

/// A handler that panics costs its own request only.
async fn run(next: Next, request: Request, request_id: &str) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(request.id = request_id, "a request handler panicked");
            Failure::new(ErrorCode::InternalError, "internal error").into_response()
        }
    }
}

/// The caller's own id, where it is short and plain.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|text| {
        (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':'))
    });
    given.map_or_else(random_id, ToOwned::to_owned)
}

fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PATCH, DELETE"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "authorization, content-type, idempotency-key, last-event-id, prefer, x-api-key, x-request-id",
        ),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

fn finish(mut response: Response, request_id: String, origin: Option<HeaderValue>) -> Response {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    match origin {
        Some(origin) => {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("retry-after, x-request-id, x-session-id"),
            );
            headers.insert(VARY, HeaderValue::from_static("origin"));
        }
        None => {
            headers.insert(
                HeaderName::from_static("cross-origin-resource-policy"),
                HeaderValue::from_static("same-origin"),
            );
        }
    }
    response
}

#[cfg(test)]
mod tests;
