//! The fields of server-sent events, as servers write them.

/// One line of a stream, without its line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    /// The event ends.
    End,
    Data(&'a [u8]),
    /// The name of the event.
    Event(&'a [u8]),
    /// Not of the standard: llama.cpp ends a stream that fails with it.
    Error(&'a [u8]),
    /// A comment, an id, a time to wait: nothing of the reply.
    Nothing,
    /// No field at all: a body in place of a stream, or the rest of a line that was broken.
    Stray(&'a [u8]),
}

impl<'a> Field<'a> {
    pub(crate) fn of(line: &'a [u8]) -> Self {
        if line.is_empty() {
            return Self::End;
        }
        let value = |name: &str| {
            let rest = line.strip_prefix(name.as_bytes())?;
            match rest.strip_prefix(b":") {
                Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
                None => rest.is_empty().then_some(rest),
            }
        };
        if let Some(data) = value("data") {
            Self::Data(data)
        } else if let Some(name) = value("event") {
            Self::Event(name)
        } else if let Some(error) = value("error").filter(|error| !error.is_empty()) {
            Self::Error(error)
        } else if line[0] == b':' || value("id").is_some() || value("retry").is_some() {
            Self::Nothing
        } else {
            Self::Stray(line)
        }
    }
}

/// Whether a payload is a sign of life and nothing else: a bare word, as proxies send it.
pub(crate) fn is_keep_alive(data: &[u8]) -> bool {
    const WORDS: [&str; 8] = ["ping", "pong", "[ping]", "heartbeat", "keepalive", "keep-alive", "keep_alive", "ok"];
    WORDS.iter().any(|word| data.eq_ignore_ascii_case(word.as_bytes()))
}
