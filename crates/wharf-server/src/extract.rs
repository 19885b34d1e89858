//! What a handler takes from a request, with errors that name what is wrong.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use axum::body::{Body, HttpBody};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use wharf_foreign::text::without_mark;
use wharf_protocol::{ApiError, ErrorCode};

use crate::app::App;
use crate::budget::{Full, Hold};
use crate::error::Failure;

/// The variable parts of the path.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let raw = RawPathParams::from_request_parts(parts, app).await.map_err(|error| match error {
            RawPathParamsRejection::InvalidUtf8InPathParam(error) => {
                // The name stands between backticks.
                let text = error.body_text();
                Failure::invalid(text.split('`').nth(1).unwrap_or("path"), "must be UTF-8")
            }
            other => Failure::invalid("path", other.body_text()),
        })?;
        let values: MapDeserializer<'_, _, serde::de::value::Error> = MapDeserializer::new(raw.iter());
        serde_path_to_error::deserialize(values).map(Self).map_err(|error| {
            let field = error.path().to_string();
            Failure::invalid(&field, error.into_inner())
        })
    }
}

/// The query.
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for QueryOf<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        let query = without_empty(parts.uri.query().unwrap_or_default());
        let uri = http::Uri::builder().path_and_query(format!("/?{query}")).build();
        match Query::<T>::try_from_uri(uri.as_ref().unwrap_or(&parts.uri)) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => {
                let text = error.body_text();
                let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
                Err(match text.split_once(": ") {
                    Some((field, reason)) => Failure::invalid(field, reason),
                    None => Failure::invalid("query", text),
                })
            }
        }
    }
}

/// The query without the parameters that have no value: `?after=` is what a client writes whose cursor is empty, and means the same
/// as leaving it out.
fn without_empty(query: &str) -> String {
    let has_value = |pair: &&str| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty());
    query.split('&').filter(has_value).collect::<Vec<_>>().join("&")
}

/// A JSON body that has to be there.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let declared = is_json(&parts.headers);
        // Judged before the body is read: what would be refused anyway need not be sent.
        if !declared && parts.headers.contains_key(CONTENT_TYPE) {
            return Err(not_json());
        }
        let (bytes, _held) = read(body, app).await?;
        if bytes.is_empty() {
            return Err(Failure::new(ErrorCode::InvalidJson, "a JSON body is needed"));
        }
        if !declared {
            return Err(not_json());
        }
        parse_object(&bytes).map(Self).map_err(Failure::from)
    }
}

/// A JSON body that may be left out.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<App> for OptionalBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let (bytes, _held) = read(body, app).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if !is_json(&parts.headers) {
            return Err(not_json());
        }
        parse_object(&bytes).map(Self).map_err(Failure::from)
    }
}

fn not_json() -> Failure {
    Failure::new(ErrorCode::UnsupportedMediaType, "the body must be sent with `Content-Type: application/json`")
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(text) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The body without a byte-order mark, and the room that it takes up until something is made of it.
async fn read(body: Body, app: &App) -> Result<(Bytes, Hold), Failure> {
    let limit = app.config.limits.body_bytes;
    let too_large = || Failure::new(ErrorCode::PayloadTooLarge, format!("a body may have {limit} bytes"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let held = app.budget.hold();
    let collected = tokio::time::timeout(app.config.timeouts.body, collect(Limited::new(body, limit), &held)).await;
    match collected {
        Ok(Ok(body)) => {
            let mark = body.len() - without_mark(&body).len();
            Ok((body.slice(mark..), held))
        }
        Ok(Err(Unread::Error(error))) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(Unread::Error(_))) => Err(Failure::new(ErrorCode::BadRequest, "the body ended early")),
        Ok(Err(Unread::Full)) => {
            app.metrics.over_budget.fetch_add(1, Ordering::Relaxed);
            Err(no_room())
        }
        Err(_) => Err(Failure::new(ErrorCode::BadRequest, "the body came too slowly")),
    }
}

/// Why a body was not read.
enum Unread {
    Error(axum::BoxError),
    Full,
}

async fn collect(mut body: Limited<Body>, held: &Hold) -> Result<Bytes, Unread> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers hold nothing that anybody reads.
        let Ok(piece) = frame.map_err(Unread::Error)?.into_data() else { continue };
        held.grow(piece.len()).map_err(|Full| Unread::Full)?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The budget of bytes in flight is used up; see [`crate::budget`].
pub(crate) fn no_room() -> Failure {
    ApiError::new(
        ErrorCode::Unavailable,
        "the server holds as many unfinished requests as it may; try again in a moment",
    )
    .into()
}

/// Reads a JSON object from outside. A list would pass for a struct otherwise: serde takes its items for the fields.
pub(crate) fn parse_object<T: DeserializeOwned>(json: &[u8]) -> Result<T, ApiError> {
    let json = without_mark(json);
    if json.trim_ascii_start().first() == Some(&b'{') {
        return parse(json);
    }
    parse::<IgnoredAny>(json)?;
    let reason = "must be an object";
    Err(ApiError::new(ErrorCode::ValidationError, format!("body: {reason}"))
        .with_details(serde_json::json!({ "field": "body", "reason": reason })))
}

/// Reads JSON from outside: a text that is not JSON, and JSON that is not what is asked for, are told apart.
fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            Category::Data => {
                let mut reason = error.to_string();
                if let Some(at) = reason.rfind(" at line ") {
                    reason.truncate(at);
                }
                if reason.contains("untagged enum PromptContent") {
                    "must be a string or a list of content blocks".clone_into(&mut reason);
                }
                let field = if path == "." { "body".to_owned() } else { path };
                ApiError::new(ErrorCode::ValidationError, format!("{field}: {reason}"))
                    .with_details(serde_json::json!({ "field": field, "reason": reason }))
            }
            Category::Io | Category::Syntax | Category::Eof => syntax(&error),
        }
    })?;
    deserializer.end().map_err(|error| syntax(&error))?;
    Ok(value)
}

fn syntax(error: &serde_json::Error) -> ApiError {
    ApiError::new(ErrorCode::InvalidJson, format!("not JSON: {error}"))
        .with_details(serde_json::json!({ "line": error.line(), "column": error.column() }))
}

/// The value of a header that may be there once.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Failure> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text.trim())),
        (Some(Ok(_)), Some(_)) => Err(Failure::invalid(name, "is there more than once")),
        (Some(Err(_)), _) => Err(Failure::invalid(name, "must be visible ASCII")),
    }
}

/// The text of a header that the IETF's draft calls a structured field's string: in quotes, with `\` before quotes and backslashes
/// in it. A text without quotes stands for itself.
pub(crate) fn unquoted(value: &str) -> Result<Cow<'_, str>, &'static str> {
    let Some(rest) = value.strip_prefix('"') else { return Ok(Cow::Borrowed(value)) };
    let mut text = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next() {
            // Parameters may follow; none is known here.
            Some('"') => match chars.as_str().trim_start() {
                rest if rest.is_empty() || rest.starts_with(';') => return Ok(Cow::Owned(text)),
                _ => return Err("has something behind its closing quote"),
            },
            Some('\\') => match chars.next() {
                Some(escaped @ ('"' | '\\')) => text.push(escaped),
                _ => return Err("has a backslash that stands before neither a quote nor a backslash"),
            },
            Some(c) => text.push(c),
            None => return Err("has no closing quote"),
        }
    }
}

/// Whether `Accept` asks for a media type by name. `*/*` asks for nothing in particular.
pub(crate) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    headers.get_all(http::header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(media_type));
            named && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
    })
}

/// A page size.
pub(crate) fn page_limit(limit: Option<usize>, default: usize, most: usize) -> Result<usize, Failure> {
    match limit {
        None => Ok(default.min(most)),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(Failure::invalid("limit", format!("must be from 1 to {most}"))),
    }
}

#[cfg(test)]
mod tests;
