//! Who asks.

use std::sync::Arc;

use wharf_protocol::Scopes;

/// Somebody who uses the engine: who that is, and what they may do.
///
/// Transports decide with the scopes before they ask; the engine puts the name on the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Stands on the log as `sender` or `by`.
    pub name: Arc<str>,
    pub scopes: Scopes,
}

impl Caller {
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, scopes: Scopes) -> Self {
        Self { name: name.into(), scopes }
    }

    /// Whoever runs the engine: nothing is forbidden to them.
    #[must_use]
    pub fn owner(name: impl Into<Arc<str>>) -> Self {
        Self::new(name, Scopes::ALL)
    }

    pub(crate) fn by(&self) -> Option<String> {
        Some(self.name.to_string())
    }
}
