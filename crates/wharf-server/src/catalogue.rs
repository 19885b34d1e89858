//! What has to be known of a request's address before its handler runs.

use std::collections::HashMap;

use axum::extract::MatchedPath;
use http::{Extensions, Method};
use wharf_protocol::Scope;

/// What it takes to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: everybody that the guard lets pass may.
    Nothing,
    /// A key, any.
    Key,
    /// A key with this scope.
    Scope(Scope),
}

/// One method of one path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// Its row in the metrics.
    pub(crate) index: usize,
    pub(crate) needs: Needs,
    /// A ticket stands for the key.
    pub(crate) takes_ticket: bool,
}

/// Everything that is served, by path and method.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    by_path: HashMap<&'static str, Vec<(Method, Facts)>>,
    /// Method and path of each index.
    pub(crate) names: Vec<(String, String)>,
}

impl Catalogue {
    pub(crate) fn add(&mut self, method: Method, path: &'static str, facts: impl FnOnce(usize) -> Facts) {
        let facts = facts(self.names.len());
        self.names.push((method.to_string(), path.to_owned()));
        self.by_path.entry(path).or_default().push((method, facts));
    }

    /// What a request matched, by what the router left in its extensions.
    pub(crate) fn find(&self, method: &Method, extensions: &Extensions) -> Option<&Facts> {
        let path = extensions.get::<MatchedPath>()?;
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let methods = self.by_path.get(path.as_str())?;
        methods.iter().find(|(known, _)| known == method).map(|(_, facts)| facts)
    }
}
