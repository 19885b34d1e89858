//! Who asks.

use std::sync::Arc;

/// Who asks. The name stands on the log as `sender` or `by`.
#[derive(Debug, Clone)]
pub struct Caller {
    pub name: Arc<str>,
}

impl Caller {
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into() }
    }

    pub(crate) fn by(&self) -> Option<String> {
        Some(self.name.to_string())
    }
}
