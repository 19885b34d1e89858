//! What a handler takes from a request, with errors that name what is wrong.

use axum::body::{Body, HttpBody};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use wharf_protocol::{ApiError, ErrorCode};

use crate::app::App;
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
        match Query::<T>::try_from_uri(&parts.uri) {
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
        let bytes = read(body, app).await?;
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
        let bytes = read(body, app).await?;
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

async fn read(body: Body, app: &App) -> Result<Bytes, Failure> {
    let limit = app.config.limits.body_bytes;
    let too_large = || Failure::new(ErrorCode::PayloadTooLarge, format!("a body may have {limit} bytes"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(app.config.timeouts.body, Limited::new(body, limit).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Failure::new(ErrorCode::BadRequest, "the body ended early")),
        Err(_) => Err(Failure::new(ErrorCode::BadRequest, "the body came too slowly")),
    }
}

/// Reads a JSON object from outside. A list would pass for a struct otherwise: serde takes its items for the fields.
pub(crate) fn parse_object<T: DeserializeOwned>(json: &[u8]) -> Result<T, ApiError> {
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

/// The id of the request, where its header gives none.
pub(crate) fn random_id() -> String {
    let mut bits = [0_u8; 12];
    if getrandom::fill(&mut bits).is_err() {
        // An id for logs only: the clock is as good.
        bits[..8].copy_from_slice(&wharf_protocol::Timestamp::now().0.to_be_bytes());
    }
    hex(&bits)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
