//! How servers say that a request is too long, and what their sentences tell of the window. All in lower case.

/// Codes that say it alone.
pub(super) const CODES: &[&str] =
    &["context_length_exceeded", "exceed_context_size", "request_too_large", "contextwindowexceeded", "1261"];

/// Words of errors that heal by waiting, or are about something else.
pub(super) const THROTTLES: &[&str] =
    &["rate limit", "too many requests", "per minute", "please wait", "quota", "invalid 'user'"];

pub(super) const FRAGMENTS: &[&str] = &[
    "context_length_exceeded",
    "exceed_context_size",
    "contextwindowexceeded",
    "context length",
    "context size",
    "context window",
    "context limit",
    "maximum context",
    "prompt is too long",
    "prompt too long",
    "too many tokens",
    "input is too long",
    "too large to process",
    "reduce the length of the messages",
    "exceeds max length",
    "range of input length",
    "input length of",
    "maximum prompt length",
    "token limit: ",
    "keep the first",
    "tokens exceed the configured limit",
    "prompt token count of",
    "token count exceeds",
    "maximum number of tokens allowed",
    "exceed model maximum",
    "request payload size exceeds",
    "current length is",
    "`max_new_tokens` must be <=",
];

/// What stands right before the model's window.
const LIMIT: &[&str] = &[
    "context length is ",
    "context length of only ",
    "context length of ",
    "context length (",
    "context size (",
    "context size is ",
    "prompt length is ",
    "configured limit of ",
    "the limit of ",
    "token limit: ",
    "limit is ",
    "limit ",
    "input length of ",
    "input length should be [1, ",
    "allowed (",
    "maximum (",
    "model with ",
    "n_ctx: ",
    "<= ",
    " > ",
];

/// What stands right before the size of the request.
const ASKED: &[&str] = &[
    "resulted in ",
    "requested about ",
    "requested: ",
    "requested ",
    "your request has ",
    "request contains ",
    "prompt contains ",
    "prompt has ",
    "prompt is too long: ",
    "context limit: ",
    "token count of ",
    "token count (",
    "prompt tokens (",
    "request (",
    "input (",
    "input length ",
    "n_keep: ",
    "keep the first ",
    "current length is ",
];

/// The window and the size of the request, in tokens, as far as the sentence names them.
pub(super) fn numbers(text: &str) -> (Option<u64>, Option<u64>) {
    (after(text, LIMIT), after(text, ASKED))
}

/// The number after the first of the phrases that one follows.
fn after(text: &str, phrases: &[&str]) -> Option<u64> {
    phrases.iter().find_map(|phrase| text.match_indices(phrase).find_map(|(at, _)| number(&text[at + phrase.len()..])))
}

/// `8192`, `8,192` or `8_192`.
fn number(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ',' && c != '_').unwrap_or(text.len());
    let digits: String = text[..end].chars().filter(char::is_ascii_digit).take(20).collect();
    digits.parse().ok()
}
