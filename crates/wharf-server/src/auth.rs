//! Who asks, and what they may do: named keys with scopes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use wharf_engine::Caller;
use wharf_protocol::rest::Limits;
use wharf_protocol::{ApiError, ErrorCode};

use crate::limit::Bucket;

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

/// One right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    SessionsRead,
    SessionsWrite,
    PermissionsAnswer,
    ToolsExecute,
    /// Who is connected, and the server's metrics.
    Admin,
}

impl Scope {
    pub const ALL: [Scope; 5] =
        [Self::SessionsRead, Self::SessionsWrite, Self::PermissionsAnswer, Self::ToolsExecute, Self::Admin];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SessionsRead => "sessions:read",
            Self::SessionsWrite => "sessions:write",
            Self::PermissionsAnswer => "permissions:answer",
            Self::ToolsExecute => "tools:execute",
            Self::Admin => "admin",
        }
    }
}

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

/// A text that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope {0:?}: use *, sessions:read, sessions:write, permissions:answer, tools:execute or admin")]
pub struct UnknownScope(pub String);

impl Scopes {
    /// Every right, also those that come later: `*`.
    pub const ALL: Scopes = Scopes(u8::MAX);

    #[must_use]
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | (1 << scope as u8)))
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;

    /// Names with spaces or commas between them; `*` is all.
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let mut set = Scopes::default();
        for name in text.split([' ', ',']).filter(|name| !name.is_empty()) {
            if name == "*" {
                return Ok(Self::ALL);
            }
            let scope = Scope::ALL.into_iter().find(|scope| scope.as_str() == name);
            set.0 |= 1 << scope.ok_or_else(|| UnknownScope(name.to_owned()))? as u8;
        }
        Ok(set)
    }
}

/// Somebody who may call.
#[derive(Debug)]
pub(crate) struct Principal {
    pub(crate) caller: Caller,
    pub(crate) scopes: Scopes,
    pub(crate) bucket: Bucket,
}

impl Principal {
    pub(crate) fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scopes.contains(scope) {
            return Ok(());
        }
        let name = scope.as_str();
        Err(ApiError::new(ErrorCode::Forbidden, format!("the key lacks the scope {name}"))
            .with_details(serde_json::json!({ "scope": name })))
    }

    /// Whether a stream of this caller counts as somebody who may answer a permission.
    pub(crate) fn may_answer(&self, wanted: bool) -> bool {
        wanted && self.scopes.contains(Scope::PermissionsAnswer)
    }
}

/// The known keys.
#[derive(Debug)]
pub(crate) enum Gate {
    Keys(Vec<([u8; 32], Arc<Principal>)>),
    Open(Arc<Principal>),
}

impl Gate {
    pub(crate) fn new(auth: &Auth, limits: &Limits) -> Self {
        let principal =
            |name: &str, scopes| Arc::new(Principal { caller: Caller::new(name), scopes, bucket: Bucket::new(limits) });
        match auth {
            Auth::Keys(keys) => {
                Self::Keys(keys.iter().map(|key| (key.hash, principal(&key.name, key.scopes))).collect())
            }
            Auth::None => Self::Open(principal("local", Scopes::ALL)),
        }
    }

    /// Whose request this is.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Arc<Principal>, ApiError> {
        let keys = match self {
            Self::Open(principal) => return Ok(Arc::clone(principal)),
            Self::Keys(keys) => keys,
        };
        let Some(secret) = secret(headers) else {
            return Err(ApiError::new(
                ErrorCode::Unauthorized,
                "a key is needed: send `Authorization: Bearer KEY` or `X-API-Key: KEY`",
            ));
        };
        let hash: [u8; 32] = Sha256::digest(secret).into();
        // Every key is compared, so that the time tells nothing about which one was near.
        let mut found = None;
        for (known, principal) in keys {
            if bool::from(known.ct_eq(&hash)) {
                found = Some(principal);
            }
        }
        found.cloned().ok_or_else(|| ApiError::new(ErrorCode::Unauthorized, "the key is not known"))
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
