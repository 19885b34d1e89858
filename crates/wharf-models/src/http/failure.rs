//! What a provider's refusal means: an error body, in whichever of the many shapes, to one kind and one line of text.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;
use wharf_foreign::json::{self, DEPTH_MAX};
use wharf_foreign::nesting::Bounds;
use wharf_protocol::model::{ModelError, ModelErrorKind};

mod overflow;

/// What the body of a refusal may measure to be read as JSON; a longer or deeper one is shown as text, cut short.
const BODY_BOUNDS: Bounds = Bounds { length: 1 << 20, depth: DEPTH_MAX };

/// Longest message, in characters.
pub(crate) const MAX_MESSAGE_CHARS: usize = 500;

/// A key must be found before a message is shortened, so that no half of it stays.
const MAX_UNREDACTED_CHARS: usize = 8 * MAX_MESSAGE_CHARS;

/// Longest excerpt of something that could not be read, in characters.
const MAX_EXCERPT_CHARS: usize = 120;

/// Longest wait that a provider's wish is passed on as.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer whose status is not a success.
pub(crate) fn from_response(status: u16, headers: &HeaderMap, body: &[u8], secret: Option<&str>) -> ModelError {
    let report = Report::read(body);
    let said = match &report.message {
        Some(message) => format!("{message} (HTTP {status})"),
        None => format!("HTTP {status}"),
    };
    ModelError {
        kind: kind_of_status(status, &report),
        message: one_line(&redact(&said, secret), MAX_MESSAGE_CHARS),
        retry_after_ms: retry_after_ms(headers, Timestamp::now()).or(report.retry_after_ms),
    }
}

/// An error object inside a stream that began well.
pub(crate) fn in_stream(error: &str) -> ModelError {
    let report = Report::read(error.as_bytes());
    let message = report.message.as_deref().unwrap_or("the provider broke the reply off");
    ModelError { kind: kind_in_stream(&report), message: one_line(message, MAX_UNREDACTED_CHARS), retry_after_ms: None }
}

/// An answer with status 200 that is neither a stream nor a reply.
pub(crate) fn not_a_stream(body: &[u8]) -> ModelError {
    let said = Report::read(body).message.unwrap_or_else(|| excerpt(body));
    ModelError {
        kind: ModelErrorKind::BadReply,
        message: one_line(&format!("the answer is not a model's reply: {said}"), MAX_UNREDACTED_CHARS),
        retry_after_ms: None,
    }
}

/// The same error at its final length and without the key, should a provider have echoed it.
pub(crate) fn redacted(mut error: ModelError, secret: Option<&str>) -> ModelError {
    error.message = one_line(&redact(&error.message, secret), MAX_MESSAGE_CHARS);
    error
}

/// The start of something unreadable, for a message.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(4 * MAX_EXCERPT_CHARS)];
    one_line(&String::from_utf8_lossy(start), MAX_EXCERPT_CHARS)
}

/// An error with its causes, without the URL.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    // The innermost cause says it best ("connection refused"); the ones around it repeat it.
    let text =
        causes.pop().unwrap_or_else(|| if error.is_timeout() { "timed out".to_owned() } else { "failed".to_owned() });
    one_line(&text, MAX_MESSAGE_CHARS)
}

/// Why a proxy opens no way to the server, where that is what failed and asking again is of no use.
pub(crate) fn tunnel(error: &reqwest::Error) -> Option<&'static str> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        // The library's own words: it shows no other sign of it.
        match cause.to_string().strip_prefix("tunnel error: ") {
            Some("proxy authorization required") => return Some("it wants a user and a password"),
            Some("unsuccessful") => return Some("it does not let the connection through"),
            _ => next = cause.source(),
        }
    }
    None
}

/// The provider's wish, in milliseconds: `retry-after-ms`, or `Retry-After` in seconds or as a date.
pub(crate) fn retry_after_ms(headers: &HeaderMap, now: Timestamp) -> Option<u64> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let seconds = |value: f64| Duration::try_from_secs_f64(value).unwrap_or_default();
    let wait = if let Some(ms) = text("retry-after-ms").and_then(|value| value.parse::<f64>().ok()) {
        seconds(ms / 1_000.0)
    } else {
        let value = text(RETRY_AFTER.as_str())?;
        match value.parse::<f64>() {
            Ok(value) => seconds(value),
            Err(_) => {
                let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
                Duration::try_from(date.duration_since(now)).unwrap_or_default()
            }
        }
    };
    u64::try_from(wait.min(MAX_RETRY_AFTER).as_millis()).ok()
}

/// What can be found out from an error body.
#[derive(Debug, Default)]
struct Report {
    message: Option<String>,
    /// Codes, types and statuses, in lower case, separated by spaces.
    codes: String,
    /// A code that is an HTTP status.
    status: Option<u16>,
    /// The model's window and what was asked for, in tokens, where fields say so.
    limit: Option<u64>,
    asked: Option<u64>,
    /// The wish where the body tells it: Gemini's `retryDelay`, seconds and an `s`.
    retry_after_ms: Option<u64>,
    /// There was no body.
    is_empty: bool,
}

impl Report {
    fn read(body: &[u8]) -> Self {
        match json::from_slice::<Value>(body, BODY_BOUNDS) {
            Ok(value) => Self::of(&value),
            Err(_) => {
                let is_empty = body.trim_ascii().is_empty();
                Self { message: plain_text(body), is_empty, ..Self::default() }
            }
        }
    }

    /// Goes down to where the message is: `{"error": {...}}`, `[{...}]`, `{"detail": ...}`, a bare string.
    fn of(value: &Value) -> Self {
        let mut report = Self::default();
        report.collect(value, 0);
        report
    }

    fn collect(&mut self, value: &Value, depth: usize) {
        if depth > 6 {
            return;
        }
        match value {
            Value::String(text) if self.message.is_none() && !text.trim().is_empty() => {
                // OpenRouter hands on the upstream's body as text.
                match json::from_slice::<Value>(text.as_bytes(), BODY_BOUNDS) {
                    Ok(inner @ (Value::Object(_) | Value::Array(_))) => self.collect(&inner, depth + 1),
                    _ => self.message = Some(text.clone()),
                }
            }
            Value::Array(list) => list.iter().take(4).for_each(|value| self.collect(value, depth + 1)),
            Value::Object(object) => {
                let tokens = |key: &str| object.get(key).and_then(Value::as_u64);
                self.limit = self.limit.or(tokens("n_ctx"));
                self.asked = self.asked.or(tokens("n_prompt_tokens"));
                let delay = object.get("retryDelay").and_then(Value::as_str).and_then(|delay| delay.strip_suffix('s'));
                self.retry_after_ms = self.retry_after_ms.or_else(|| {
                    let wait = Duration::try_from_secs_f64(delay?.parse().ok()?).ok()?;
                    u64::try_from(wait.min(MAX_RETRY_AFTER).as_millis()).ok()
                });
                for key in ["code", "type", "status", "reason"] {
                    self.collect_code(object.get(key));
                }
                for key in ["error", "message", "detail", "details", "msg", "errors", "error_description"] {
                    if let Some(value) = object.get(key) {
                        self.collect(value, depth + 1);
                    }
                }
                if let Some(raw) = object.get("metadata").and_then(|metadata| metadata.get("raw")) {
                    self.collect_upstream(raw, depth);
                }
            }
            _ => {}
        }
    }

    fn collect_code(&mut self, code: Option<&Value>) {
        match code {
            Some(Value::String(code)) => {
                self.codes.push_str(&code.to_ascii_lowercase());
                self.codes.push(' ');
                if let Ok(status @ 400..=599) = code.parse() {
                    self.status = Some(status);
                }
            }
            Some(Value::Number(code)) => {
                self.codes.push_str(&format!("{code} "));
                if let Some(status @ 400..=599) = code.as_u64().and_then(|code| u16::try_from(code).ok()) {
                    self.status = Some(status);
                }
            }
            _ => {}
        }
    }

    /// A router's own message ("Provider returned error") says less than the one it wraps.
    fn collect_upstream(&mut self, raw: &Value, depth: usize) {
        let own = self.message.take();
        self.collect(raw, depth + 1);
        self.message = match (own, self.message.take()) {
            (Some(own), Some(upstream)) if own != upstream => Some(format!("{own}: {upstream}")),
            (own, upstream) => own.or(upstream),
        };
    }

    fn says(&self, words: &[&str]) -> bool {
        let message = self.message.as_deref().unwrap_or_default().to_lowercase();
        words.iter().any(|word| self.codes.contains(word) || message.contains(word))
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| self.codes.contains(code))
    }

    /// Whether a request was refused for its length. Throttles speak of tokens, too.
    fn is_overflow(&self, status: Option<u16>) -> bool {
        let is_throttle = status != Some(413) && self.says(overflow::THROTTLES);
        self.has_code(overflow::CODES) || (!is_throttle && self.says(overflow::FRAGMENTS))
    }

    fn overflow(&self) -> ModelErrorKind {
        let said = overflow::numbers(&self.message.as_deref().unwrap_or_default().to_lowercase());
        let (limit, asked) = (self.limit.or(said.0), self.asked.or(said.1));
        // A request that is smaller than the window was not counted in full.
        ModelErrorKind::ContextOverflow { limit, asked: asked.filter(|asked| limit.is_none_or(|limit| *asked > limit)) }
    }

    /// Whether it is the model that is not there, and not what the request says.
    fn is_unknown_model(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default().to_lowercase();
        let is_missing = ["not found", "does not exist", "not exist", "end of its life"];
        self.has_code(&["model_not_found", "invalid_model"])
            || (self.has_code(&["not_found_error"]) && message.starts_with("model:"))
            || (message.contains("model") && is_missing.iter().any(|words| message.contains(words)))
            || ["invalid model", "is not a valid model", "unknown model", "supported api model names are"]
                .iter()
                .any(|words| message.contains(words))
    }

    /// Whether nothing of an API is there at all: what web servers say of a path that they do not know.
    fn is_no_api(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default().to_lowercase();
        message.is_empty()
            || message.trim_end_matches('.') == "not found"
            || ["404", "no such path", "cannot post", "no route", "resource not found"]
                .iter()
                .any(|words| message.contains(words))
    }

    fn is_key_refused(&self) -> bool {
        self.has_code(&["invalid_api_key", "api_key_invalid", "authentication_error", "permission_denied"])
            || self.says(&["incorrect api key", "invalid api key", "api key not valid", "api key is invalid"])
    }

    /// Money, not pace: the same request does not succeed later by itself.
    fn is_out_of_credit(&self) -> bool {
        self.has_code(&[
            "insufficient_quota",
            "billing",
            "insufficient_balance",
            "insufficient_credits",
            "spend_limit_reached",
        ]) || self.says(&[
            "insufficient balance",
            "insufficient credit",
            "extra usage is required",
            "exceeded your current quota, please check your plan and billing",
        ])
    }

    /// The prompt itself is what the provider does not take.
    fn is_never_answered(&self) -> bool {
        self.has_code(&["invalid_prompt", "content_policy", "invalid_image", "invalid_base64_image", "image_too_"])
    }

    /// Local servers answer 500 to requests that they will never take.
    fn is_never_taken(&self) -> bool {
        self.says(&["not supported", "requires --jinja", "cannot use both", "cannot make get request"])
    }
}

fn kind_of_status(status: u16, report: &Report) -> ModelErrorKind {
    match status {
        401 | 403 => ModelErrorKind::Unauthorized,
        402 => ModelErrorKind::Refused,
        429 if report.is_out_of_credit() => ModelErrorKind::Refused,
        425 | 429 => ModelErrorKind::RateLimited,
        408 => ModelErrorKind::Timeout,
        409 | 498 => ModelErrorKind::Overloaded,
        413 => report.overflow(),
        // One provider refuses what is too long without a word.
        400 if report.is_empty => report.overflow(),
        501 => ModelErrorKind::Refused,
        400..=499 if report.is_overflow(Some(status)) => report.overflow(),
        400..=499 if report.is_key_refused() => ModelErrorKind::Unauthorized,
        400 | 404 if report.is_unknown_model() => ModelErrorKind::NoSuchModel,
        404 | 405 if report.is_no_api() => ModelErrorKind::NoApi,
        500..=599 if report.is_overflow(Some(status)) => report.overflow(),
        500..=599 if report.is_never_taken() => ModelErrorKind::Refused,
        500..=599 => ModelErrorKind::Overloaded,
        _ => ModelErrorKind::Refused,
    }
}

fn kind_in_stream(report: &Report) -> ModelErrorKind {
    if report.is_overflow(report.status) {
        report.overflow()
    } else if report.is_out_of_credit() || report.status == Some(402) || report.is_never_answered() {
        ModelErrorKind::Refused
    } else if report.status == Some(429) || report.has_code(&["rate_limit"]) {
        ModelErrorKind::RateLimited
    } else if matches!(report.status, Some(502..=504 | 529)) || report.has_code(&["overloaded"]) {
        ModelErrorKind::Overloaded
    } else if matches!(report.status, Some(401 | 403)) || report.is_key_refused() {
        ModelErrorKind::Unauthorized
    } else {
        ModelErrorKind::BadReply
    }
}

/// The words of an error page, or of a bare text.
fn plain_text(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(64 << 10)]);
    let text = text.trim();
    let words = if text.starts_with('<') {
        let lower = text.to_ascii_lowercase();
        let start = lower.find("<title>").map(|at| at + "<title>".len())?;
        let end = lower[start..].find("</title>")? + start;
        text[start..end].trim()
    } else {
        text
    };
    (!words.is_empty()).then(|| words.to_owned())
}

fn one_line(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    for (at, c) in text.split_whitespace().flat_map(|word| word.chars().chain([' '])).enumerate() {
        if at >= max_chars {
            line.truncate(line.trim_end().len());
            line.push('…');
            return line;
        }
        line.push(if c.is_control() { '?' } else { c });
    }
    line.truncate(line.trim_end().len());
    line
}

fn redact(text: &str, secret: Option<&str>) -> String {
    match secret {
        // A few letters would be found in ordinary words.
        Some(secret) if secret.len() >= 6 => text.replace(secret, "***"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
