//! May a call run? Mode, rules and remembered answers, weighed for one call.

mod paths;
mod pattern;
mod subject;

use std::path::{Path, PathBuf};

use serde_json::Value;
use wharf_protocol::permission::Grant;
use wharf_protocol::tool::ToolSource;
use wharf_protocol::{Mode, Rule, RuleAction, Seen, ToolKind, ToolSpec};

use crate::describe::{definition, is_path_subject, path_arguments};
use crate::seen::is_file_tool;

pub use paths::PathRules;
use pattern::names_tool;
use subject::Subject;

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

/// What is weighed: a call's subjects as they were written, and what it would touch.
struct Case<'a> {
    spec: &'a ToolSpec,
    subjects: Vec<Subject>,
    /// Symbolic links followed; and the paths in the arguments of a tool that says nothing of what it is about.
    touched: Vec<Subject>,
    seen: Option<&'a Seen>,
}

impl Policy<'_> {
    /// A rule that denies wins over everything; then an answer that was to be remembered; then plan mode over what is not a
    /// read; then rules that ask, rules that allow, and at last the mode. `seen` is what the call would touch, where it was
    /// looked at.
    pub(crate) fn judge(
        &self,
        spec: &ToolSpec,
        arguments: &Value,
        subjects: &[String],
        seen: Option<&Seen>,
    ) -> Verdict {
        let case = self.case(spec, arguments, subjects, seen);
        if let Some(rule) = self.rule(RuleAction::Deny, &case) {
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
        if let Some(rule) = self.rule(RuleAction::Ask, &case) {
            return Verdict::Ask(rule);
        }
        if let Some(rule) = self.rule(RuleAction::Allow, &case) {
            return Verdict::Allow(rule);
        }
        self.by_mode(&case)
    }

    fn case<'a>(&self, spec: &'a ToolSpec, arguments: &Value, subjects: &[String], seen: Option<&'a Seen>) -> Case<'a> {
        let of_text = |text: &String| Subject::new(spec, text, self.cwd, self.further);
        let touched = if is_file_tool(spec) {
            seen.map(|seen| seen.paths.iter().map(|path| Subject::seen(path, self.cwd)).collect()).unwrap_or_default()
        } else if spec.subject.is_none() && spec.source != ToolSource::Builtin {
            path_arguments(arguments).iter().map(|path| Subject::path(path, self.cwd)).collect()
        } else {
            Vec::new()
        };
        Case { spec, subjects: subjects.iter().map(of_text).collect(), touched, seen }
    }

    fn by_mode(&self, case: &Case) -> Verdict {
        let spec = case.spec;
        let mut reason = format!("mode {}", self.mode);
        let is_edit = matches!(spec.kind, ToolKind::Edit | ToolKind::Delete | ToolKind::Move);
        let guarded = case.seen.and_then(|seen| seen.guarded.first());
        let runs = spec.read_only
            || match self.mode {
                Mode::Full => true,
                Mode::AutoEdit => {
                    is_edit && guarded.is_none() && !case.subjects.iter().any(|subject| subject.is_outside)
                }
                Mode::Plan | Mode::Ask => false,
            };
        if runs {
            return Verdict::Allow(reason);
        }
        // The asked should know what is special about it.
        if let Some(guarded) = guarded {
            reason.push_str(&format!(", guarded file {}: {}", guarded.path, guarded.why));
        }
        if let Some(foreign) = case.seen.and_then(|seen| seen.foreign.as_ref()) {
            reason.push_str(&format!(", {foreign}"));
        }
        Verdict::Ask(reason)
    }

    /// A remembered answer holds for the same tool, described as it was then, with the same arguments in the same directory, and for nothing else.
    fn grant(&self, spec: &ToolSpec, arguments: &Value) -> Option<&Grant> {
        let mut named = self
            .grants
            .iter()
            .filter(|grant| grant.tool_name == spec.name && grant.cwd == self.cwd && grant.arguments == *arguments)
            .peekable();
        named.peek()?;
        let definition = definition(spec);
        // A refusal holds whatever the tool calls itself by now.
        named.find(|grant| !grant.allowed || grant.definition == definition)
    }

    /// The first rule of this action that matches, in words.
    fn rule(&self, action: RuleAction, case: &Case) -> Option<String> {
        self.rules.iter().find(|rule| rule.action == action && case.matches(rule)).map(in_words)
    }
}

fn in_words(rule: &Rule) -> String {
    let name = match rule.action {
        RuleAction::Allow => "allow",
        RuleAction::Ask => "ask",
        RuleAction::Deny => "deny",
    };
    match &rule.pattern {
        Some(pattern) => format!("rule {name} {} `{pattern}`", rule.tool),
        None => format!("rule {name} {}", rule.tool),
    }
}

fn deny(reason: String, advice: &'static str) -> Verdict {
    Verdict::Deny { reason, advice }
}

fn remembered(option: &str, grant: &Grant) -> String {
    format!("{option} by {}, remembered", grant.by.as_deref().unwrap_or("a client"))
}

impl Case<'_> {
    /// A rule that allows has to cover everything that the call is about and touches; one that asks or denies, any of it.
    fn matches(&self, rule: &Rule) -> bool {
        let names = names_tool(&rule.tool, &self.spec.name);
        let pattern = rule.pattern.as_deref().map(str::trim).filter(|pattern| *pattern != "*");
        if rule.action == RuleAction::Allow {
            return names && pattern.is_none_or(|pattern| self.is_allowed_by(pattern));
        }
        // What is typed into a command is run by it: what a rule keeps from the shell is not typed into one either.
        let types = self.spec.name == COMMAND_INPUT && rule.tool == SHELL;
        let Some(pattern) = pattern else { return names || types };
        if (names || types) && self.subjects.iter().chain(&self.touched).any(|subject| subject.is_touched_by(pattern)) {
            return true;
        }
        paths::concerns(rule, self.spec)
            && self.subjects.iter().chain(&self.touched).any(|subject| subject.is_path_touched_by(pattern))
    }

    fn is_allowed_by(&self, pattern: &str) -> bool {
        let is_path = is_path_subject(self.spec);
        let is_foreign = self.seen.is_some_and(|seen| seen.foreign.is_some());
        let guarded = self.seen.map(|seen| seen.guarded.as_slice()).unwrap_or_default();
        let lower = pattern.to_lowercase();
        !self.subjects.is_empty()
            && !is_foreign
            && self.subjects.iter().all(|subject| subject.is_allowed_by(pattern))
            && (!is_path || self.touched.iter().all(|path| path.is_allowed_by(pattern)))
            // A `*` does not reach what another program runs or trusts.
            && guarded.iter().all(|guarded| lower.contains(&guarded.name))
    }
}

#[cfg(test)]
mod tests;
