//! How a client shows who it is.

use std::fmt;

/// A bearer key. Its text never shows in `Debug`, errors or URLs.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// A text that cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is 1 to 512 visible ASCII characters")]
pub struct InvalidKey;

/// Longest key, in bytes.
const KEY_MAX_LEN: usize = 512;

impl ApiKey {
    /// Reads a key; white space around it (a file's last line end) is left out.
    pub fn new(text: &str) -> Result<Self, InvalidKey> {
        let text = text.trim();
        let valid = (1..=KEY_MAX_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidKey) }
    }

    /// The key itself, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(redacted)")
    }
}

/// What is sent with each request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// Nothing: for a server that was started without authentication.
    #[default]
    None,
    /// `Authorization: Bearer KEY`
    Key(ApiKey),
}
