//! May a call run? Mode, rules and remembered answers, weighed for one call.

use std::path::{Path, PathBuf};

use serde_json::Value;
use wharf_protocol::permission::Grant;
use wharf_protocol::{Mode, Rule, RuleAction, ToolKind, ToolSpec};

use crate::describe::{is_path_subject, normalize};

/// What a shell starts another command with, or writes a file with.
const SHELL_OPERATORS: [&str; 7] = [";", "&", "|", "`", "$(", "\n", ">"];

/// The tool that runs commands, and the one that writes to their input.
const SHELL: &str = "bash";
const COMMAND_INPUT: &str = "command_input";

/// What decides about calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy<'a> {
    pub(crate) mode: Mode,
    pub(crate) rules: &'a [Rule],
    pub(crate) grants: &'a [Grant],
    pub(crate) cwd: &'a Path,
    /// The session's directories beside it.
    pub(crate) further: &'a [PathBuf],
}

/// A decision and its reason, in words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    Allow(String),
    Ask(String),
    Deny {
        reason: String,
        /// What the model should make of it.
        advice: &'static str,
    },
}

impl Policy<'_> {
    /// A rule that denies wins over everything; then an answer that was to be remembered; then plan mode over what is not a
    /// read; then rules that ask, rules that allow, and at last the mode.
    pub(crate) fn judge(&self, spec: &ToolSpec, arguments: &Value, subjects: &[String]) -> Verdict {
        let subjects: Vec<Subject> =
            subjects.iter().map(|text| Subject::new(spec, text, self.cwd, self.further)).collect();
        if let Some(rule) = self.rule(RuleAction::Deny, spec, &subjects) {
            return deny(rule, "Do it another way, or say what is missing.");
        }
        let grant = self.grant(spec, arguments);
        if let Some(grant) = grant.filter(|grant| !grant.allowed) {
            return deny(remembered("reject_always", grant), "Do not ask for it again.");
        }
        if self.mode == Mode::Plan && !spec.read_only {
            return deny(
                "plan mode is on: only reads run".to_owned(),
                "Plan mode is on: go on with reads, and describe in your answer what you would change.",
            );
        }
        if let Some(grant) = grant {
            return Verdict::Allow(remembered("allow_always", grant));
        }
        if let Some(rule) = self.rule(RuleAction::Ask, spec, &subjects) {
            return Verdict::Ask(rule);
        }
        if let Some(rule) = self.rule(RuleAction::Allow, spec, &subjects) {
            return Verdict::Allow(rule);
        }
        self.by_mode(spec, &subjects)
    }

    fn by_mode(&self, spec: &ToolSpec, subjects: &[Subject]) -> Verdict {
        let reason = format!("mode {}", self.mode);
        let is_edit = matches!(spec.kind, ToolKind::Edit | ToolKind::Delete | ToolKind::Move);
        let runs = spec.read_only
            || match self.mode {
                Mode::Full => true,
                Mode::AutoEdit => is_edit && !subjects.iter().any(|subject| subject.is_outside),
                Mode::Plan | Mode::Ask => false,
            };
        if runs { Verdict::Allow(reason) } else { Verdict::Ask(reason) }
    }

    /// A remembered answer holds for the same tool with the same arguments in the same directory, and for nothing else.
    fn grant(&self, spec: &ToolSpec, arguments: &Value) -> Option<&Grant> {
        self.grants
            .iter()
            .find(|grant| grant.tool_name == spec.name && grant.cwd == self.cwd && grant.arguments == *arguments)
    }

    /// The first rule of this action that matches, in words.
    fn rule(&self, action: RuleAction, spec: &ToolSpec, subjects: &[Subject]) -> Option<String> {
        let rule = self.rules.iter().find(|rule| rule.action == action && matches_call(rule, spec, subjects))?;
        let name = match action {
            RuleAction::Allow => "allow",
            RuleAction::Ask => "ask",
            RuleAction::Deny => "deny",
        };
        Some(match &rule.pattern {
            Some(pattern) => format!("rule {name} {} `{pattern}`", rule.tool),
            None => format!("rule {name} {}", rule.tool),
        })
    }
}

fn deny(reason: String, advice: &'static str) -> Verdict {
    Verdict::Deny { reason, advice }
}

fn remembered(option: &str, grant: &Grant) -> String {
    format!("{option} by {}, remembered", grant.by.as_deref().unwrap_or("a client"))
}

/// A rule that allows has to cover every subject of the call; one that asks or denies, any.
fn matches_call(rule: &Rule, spec: &ToolSpec, subjects: &[Subject]) -> bool {
    // What is typed into a command is run by it: what a rule keeps from the shell is not typed into one either.
    let types = spec.name == COMMAND_INPUT && rule.tool == SHELL && rule.action != RuleAction::Allow;
    if !names_tool(&rule.tool, &spec.name) && !types {
        return false;
    }
    match rule.pattern.as_deref().map(str::trim) {
        None | Some("*") => true,
        Some(pattern) if rule.action == RuleAction::Allow => {
            !subjects.is_empty() && subjects.iter().all(|subject| subject.is_allowed_by(pattern))
        }
        Some(pattern) => subjects.iter().any(|subject| subject.is_touched_by(pattern)),
    }
}

/// Whether a rule is about a tool: by its name, in which `*` stands for any text (`mcp__github__*`).
fn names_tool(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

/// The forms of one of a call's subjects that patterns are matched with.
struct Subject {
    kind: ToolKind,
    /// As the model wrote it, without the space around it.
    written: String,
    /// For paths: seen from the workspace, if inside it, and absolute; without `.` and `..`.
    paths: Vec<String>,
    /// A path that leads out of the session's directories, as far as text tells.
    is_outside: bool,
}

impl Subject {
    fn new(spec: &ToolSpec, text: &str, cwd: &Path, further: &[PathBuf]) -> Self {
        let written = text.trim().to_owned();
        let (mut paths, mut is_outside) = (Vec::new(), false);
        if is_path_subject(spec) {
            let absolute = normalize(cwd, &written);
            match absolute.strip_prefix(normalize(cwd, "")) {
                Ok(inside) => paths.push(inside.to_string_lossy().into_owned()),
                Err(_) => is_outside = !further.iter().any(|directory| absolute.starts_with(directory)),
            }
            paths.push(absolute.to_string_lossy().into_owned());
        }
        Self { kind: spec.kind, written, paths, is_outside }
    }

    /// Whether a pattern that allows covers the whole of it. `src/*` covers no `src/../../etc/passwd`, and `cargo *` no
    /// `cargo test; rm -rf /`. For commands this is a courtesy that keeps honest mistakes out: a shell has more ways to start a
    /// program than a pattern can know, and the sandbox is the boundary.
    fn is_allowed_by(&self, pattern: &str) -> bool {
        let written = &self.written;
        if !self.paths.is_empty() {
            return self.paths.iter().any(|path| is_match(pattern, path));
        }
        let adds_operator =
            || SHELL_OPERATORS.iter().any(|op| written.matches(op).count() > pattern.matches(op).count());
        is_match(pattern, written) && !(self.kind == ToolKind::Execute && adds_operator())
    }

    /// Whether a pattern that asks or denies covers any form or part of it.
    fn is_touched_by(&self, pattern: &str) -> bool {
        let written = &self.written;
        is_match(pattern, written)
            || self.paths.iter().any(|path| is_match(pattern, path))
            || (self.kind == ToolKind::Execute
                && written
                    .split([';', '&', '|', '\n', '`', '(', ')', '{', '}'])
                    .any(|part| is_match(pattern, part.trim())))
    }
}

/// Whether `pattern` covers the whole of `text`; `*` stands for any text, also none.
fn is_match(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests;
