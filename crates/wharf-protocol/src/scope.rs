//! What somebody may do: scopes, and sets of them.

use std::str::FromStr;

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

#[cfg(test)]
mod tests;
