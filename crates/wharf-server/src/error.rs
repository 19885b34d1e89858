//! The one place where an error becomes an HTTP answer.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use wharf_engine::EngineError;
use wharf_protocol::{ApiError, ErrorCode};

/// What a handler answers when it cannot do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Box<ApiError>,
    retry_after: Option<Duration>,
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        ApiError::new(code, error).into()
    }

    /// A field, parameter or header of the request that is not acceptable.
    pub(crate) fn invalid(field: &str, reason: impl std::fmt::Display) -> Self {
        let reason = reason.to_string();
        ApiError::new(ErrorCode::ValidationError, format!("{field}: {reason}"))
            .with_details(serde_json::json!({ "field": field, "reason": reason }))
            .into()
    }

    pub(crate) fn rate_limited(wait: Duration) -> Self {
        let error = ApiError::new(ErrorCode::RateLimited, "too many requests");
        Self { error: Box::new(error), retry_after: Some(wait) }
    }

    pub(crate) fn into_api(self) -> ApiError {
        *self.error
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let retry_after = match error.code {
            ErrorCode::QueueFull | ErrorCode::MaxSessionsReached | ErrorCode::RateLimited => Some(1),
            ErrorCode::Unavailable | ErrorCode::StorageUnavailable => Some(5),
            _ => None,
        };
        Self { error: Box::new(error), retry_after: retry_after.map(Duration::from_secs) }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let api = error.to_api();
        if api.code.status() == 500 {
            tracing::error!(%error, "a request failed inside the engine");
        }
        api.into()
    }
}

impl IntoResponse for Failure {
    /// Without its body: [`render`] writes that, once the request's id is known.
    fn into_response(self) -> Response {
        let mut response = status_of(self.error.code).into_response();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.error.code == ErrorCode::Unauthorized {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(*self.error);
        response
    }
}

fn status_of(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Gives an error its body. Answers that are no errors pass unchanged.
pub(crate) fn render(mut response: Response, request_id: &str) -> Response {
    let status = response.status();
    let known = response.extensions_mut().remove::<ApiError>();
    let is_error = status.is_client_error() || status.is_server_error();
    // A handler's own JSON stays: `/health` answers 503 with what it always answers.
    let has_body = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    if !is_error || (known.is_none() && has_body) {
        return response;
    }
    let mut error = known.unwrap_or_else(|| unnamed(status));
    error.request_id = Some(request_id.to_owned());
    let body = serde_json::to_vec(&error).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().remove(http::header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
    response
}

/// What the router or a library refused by itself.
fn unnamed(status: StatusCode) -> ApiError {
    let (code, text) = match status.as_u16() {
        401 => (ErrorCode::Unauthorized, "a key is needed"),
        403 => (ErrorCode::Forbidden, "not allowed"),
        404 => (ErrorCode::NotFound, "there is nothing at this address"),
        405 => (ErrorCode::MethodNotAllowed, "this address does not take that method; Allow names those that it takes"),
        406 => (ErrorCode::NotAcceptable, "none of the accepted formats can be given"),
        413 => (ErrorCode::PayloadTooLarge, "the body is too large"),
        415 => (ErrorCode::UnsupportedMediaType, "the body must be application/json"),
        400..500 => (ErrorCode::BadRequest, "the request cannot be understood"),
        503 => (ErrorCode::Unavailable, "the server is not ready"),
        _ => (ErrorCode::InternalError, "internal error"),
    };
    ApiError::new(code, text)
}
