//! How callers prove who they are: named keys, each with scopes.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use wharf_protocol::{ApiError, ErrorCode, Scopes};

/// How callers prove who they are.
#[derive(Debug, Clone)]
pub enum Auth {
    Keys(Vec<Key>),
    /// Everybody who can connect may do everything. On loopback only.
    None,
}

/// A key: its secret is known by its hash alone.
#[derive(Clone)]
pub struct Key {
    /// Appears on the log as the sender of what is asked with it.
    pub name: String,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    pub scopes: Scopes,
}

impl Key {
    #[must_use]
    pub fn from_secret(name: impl Into<String>, secret: &str, scopes: Scopes) -> Self {
        Self { name: name.into(), hash: Sha256::digest(secret.as_bytes()).into(), scopes }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

/// The known keys, by the hash of their secret, and whose they are.
pub(crate) struct Keys<T>(Vec<([u8; 32], T)>);

impl<T> Keys<T> {
    pub(crate) fn new(keys: impl IntoIterator<Item = ([u8; 32], T)>) -> Self {
        Self(keys.into_iter().collect())
    }

    /// Whose the key is that a request shows.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Result<&T, ApiError> {
        let Some(secret) = secret(headers) else {
            return Err(ApiError::new(
                ErrorCode::Unauthorized,
                "a key is needed: send `Authorization: Bearer KEY` or `X-API-Key: KEY`",
            ));
        };
        let hash: [u8; 32] = Sha256::digest(secret).into();
        // Every key is compared, so that the time tells nothing about which one was near.
        let mut found = None;
        for (known, owner) in &self.0 {
            if bool::from(known.ct_eq(&hash)) {
                found = Some(owner);
            }
        }
        found.ok_or_else(|| ApiError::new(ErrorCode::Unauthorized, "the key is not known"))
    }
}

/// Whether a request holds anything that could be a key, right or wrong.
pub(crate) fn shows_key(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key("x-api-key")
}

fn secret(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (scheme, secret) = value.as_bytes().split_at_checked(7)?;
        return scheme.eq_ignore_ascii_case(b"bearer ").then(|| secret.trim_ascii());
    }
    headers.get("x-api-key").map(|value| value.as_bytes().trim_ascii())
}

#[cfg(test)]
mod tests;
