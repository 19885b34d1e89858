//! Rules about paths, for whoever opens files: looked at again when a file is used, and for each entry of a search.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_protocol::{Rule, RuleAction, SeenPath, ToolSpec};

use super::in_words;
use super::pattern::{is_match, names_tool};
use crate::seen::is_file_tool;

/// Who shows a file's content shows what a rule keeps from this tool.
pub(super) const READS: &str = "read_file";

/// What a rule keeps from one of them is kept from all: they write the same files.
pub(super) const WRITES: [&str; 3] = ["edit_file", "write_file", "apply_patch"];

/// Whether a rule with a pattern that asks or denies is about the paths of calls of a tool.
pub(super) fn concerns(rule: &Rule, spec: &ToolSpec) -> bool {
    let names = |tool: &str| names_tool(&rule.tool, tool);
    if !is_file_tool(spec) {
        return names(&spec.name);
    }
    names(&spec.name) || names(READS) || (WRITES.contains(&spec.name.as_str()) && WRITES.into_iter().any(names))
}

/// The rules that keep files from the calls of one tool in one session.
#[derive(Debug, Clone)]
pub struct PathRules {
    rules: Arc<[Rule]>,
    spec: Arc<ToolSpec>,
    cwd: PathBuf,
    /// Rules that ask have been answered for this call.
    is_approved: bool,
}

impl PathRules {
    #[must_use]
    pub fn new(rules: Arc<[Rule]>, spec: Arc<ToolSpec>, cwd: &Path, is_approved: bool) -> Self {
        Self { rules, spec, cwd: cwd.to_path_buf(), is_approved }
    }

    /// No path is kept from the calls, so none has to be looked at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keeping(false).next().is_none()
    }

    /// The rule that denies this file to the call, in words.
    #[must_use]
    pub fn denied(&self, path: &SeenPath) -> Option<String> {
        self.kept(path, true)
    }

    /// The rule that keeps this file out of a search or listing that does not name it: one that denies, or one that asks and was not
    /// answered for this call.
    #[must_use]
    pub fn hidden(&self, path: &SeenPath) -> Option<String> {
        self.kept(path, self.is_approved)
    }

    fn kept(&self, path: &SeenPath, only_denied: bool) -> Option<String> {
        let mut keeping = self.keeping(only_denied).peekable();
        keeping.peek()?;
        let forms = path.forms(&self.cwd);
        let found = keeping.find(|(_, pattern)| forms.iter().any(|form| is_match(pattern, form)));
        found.map(|(rule, _)| in_words(rule))
    }

    fn keeping(&self, only_denied: bool) -> impl Iterator<Item = (&Rule, &str)> {
        let is_of_action = move |rule: &Rule| match rule.action {
            RuleAction::Deny => true,
            RuleAction::Ask => !only_denied,
            RuleAction::Allow => false,
        };
        self.rules.iter().filter(move |rule| is_of_action(rule)).filter_map(|rule| {
            let pattern = rule.pattern.as_deref().map(str::trim).filter(|pattern| *pattern != "*")?;
            (is_file_tool(&self.spec) && concerns(rule, &self.spec)).then_some((rule, pattern))
        })
    }
}
