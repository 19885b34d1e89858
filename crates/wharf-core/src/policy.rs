//! May a call run? Mode, rules and remembered answers, weighed for one call.

mod paths;
mod pattern;
mod script;
mod subject;
mod table;

use std::path::{Path, PathBuf};

use serde_json::Value;
use wharf_protocol::permission::{Grant, Preview};
use wharf_protocol::tool::ToolSource;
use wharf_protocol::{Mode, Rule, RuleAction, Seen, ToolKind, ToolSpec};

use crate::describe::{definition, is_path_subject, path_arguments};
use crate::seen::is_file_tool;

pub use paths::PathRules;
use pattern::names_tool;
use script::{Allowing, Reason, Script};
use subject::Subject;
use table::{Action, Answer};

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
    Ask(Why),
    Deny {
        reason: String,
        /// What the model should make of it.
        advice: &'static str,
    },
}

/// Why a call is asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Why {
    /// In words.
    pub(crate) reason: String,
    /// The rule that says so; else it is the mode.
    pub(crate) rule: Option<Rule>,
}

/// What is weighed: a call's subjects as they were written, and what it would touch.
struct Case<'a> {
    spec: &'a ToolSpec,
    subjects: Vec<Subject>,
    /// Symbolic links followed; and the paths in the arguments of a tool that says nothing of what it is about.
    touched: Vec<Subject>,
    seen: Option<&'a Seen>,
    /// Of a shell command: what it would run.
    script: Option<Script<'a>>,
}

impl Policy<'_> {
    /// A rule that denies, or may deny what cannot be read of a command, wins over everything; then an answer that was to be remembered; then plan mode over what is not a
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
            return deny(in_words(rule), "Do it another way, or say what is missing.");
        }
        if let Some((rule, doubt)) = self.rule_unread(RuleAction::Deny, &case) {
            return deny(
                format!("{}, which may cover what cannot be read of it: {doubt}", in_words(rule)),
                "Write each command out, or do it another way.",
            );
        }
        let grant = self.grant(spec, arguments);
        if let Some(grant) = grant.filter(|grant| !grant.allowed) {
            return deny(remembered("reject_always", grant), "Do not ask for it again.");
        }
        let weighed = self.weighed(&case);
        let only_reads = matches!(weighed, Some(Allowed { only_reads: true, .. }));
        let is_read =
            spec.read_only || (only_reads && table::without_sandbox(self.mode, Action::ReadingCommand) == Answer::Runs);
        if self.mode == Mode::Plan && !is_read {
            return deny(
                "plan mode is on: only reads run".to_owned(),
                "Plan mode is on: go on with reads, and describe in your answer what you would change.",
            );
        }
        if let Some(grant) = grant {
            return Verdict::Allow(remembered("allow_always", grant));
        }
        if let Some(rule) = self.rule(RuleAction::Ask, &case) {
            return Verdict::Ask(Why { reason: in_words(rule), rule: Some(rule.clone()) });
        }
        if let Some((rule, doubt)) = self.rule_unread(RuleAction::Ask, &case).or_else(|| self.rule_in_doubt(&case)) {
            let reason = format!("{}, which may cover a part of it: {doubt}", in_words(rule));
            return Verdict::Ask(Why { reason, rule: Some(rule.clone()) });
        }
        if self.mode != Mode::Plan {
            if let Some(rule) = self.rule(RuleAction::Allow, &case) {
                return Verdict::Allow(in_words(rule));
            }
            if let Some(Allowed { reason, only_reads: false }) = weighed {
                return Verdict::Allow(reason);
            }
        }
        self.by_mode(&case, only_reads)
    }

    /// A shell command of which each part may run: by rules, or because it only reads.
    fn weighed(&self, case: &Case) -> Option<Allowed> {
        let script = case.script.as_ref()?;
        let (weighed, problem) = script.weigh(&self.allowing(case.spec));
        if problem.is_some() || weighed.is_empty() {
            return None;
        }
        let reasons = weighed.into_iter().collect::<Result<Vec<_>, _>>().ok()?;
        let mut rules: Vec<String> = Vec::new();
        for reason in &reasons {
            if let Reason::Rule(rule) = reason
                && !rules.contains(rule)
            {
                rules.push(rule.clone());
            }
        }
        let only_reads = rules.is_empty() && reasons.contains(&Reason::OnlyReads) && !script.writes();
        if !only_reads && rules.is_empty() {
            // A redirection into a file that may be written, and nothing but reads beside it.
            rules.push(format!("mode {}", self.mode));
        }
        Some(Allowed { reason: rules.join(", "), only_reads })
    }

    fn allowing<'p>(&'p self, spec: &'p ToolSpec) -> Allowing<'p> {
        Allowing { rules: self.rules, spec, mode: self.mode }
    }

    /// What a question shows of a shell command.
    pub(crate) fn planned(
        &self,
        spec: &ToolSpec,
        arguments: &Value,
        subjects: &[String],
        seen: Option<&Seen>,
    ) -> Option<Preview> {
        let case = self.case(spec, arguments, subjects, seen);
        let script = case.script?;
        let (weighed, not_understood) = script.weigh(&self.allowing(spec));
        Some(Preview {
            commands: script.planned(&weighed),
            paths_outside: script.paths_outside(self.further),
            not_understood,
            ..Preview::default()
        })
    }

    /// A rule about commands that may cover one that is not read, or that is known only when it runs; and why it is not.
    fn rule_unread(&self, action: RuleAction, case: &Case) -> Option<(&Rule, String)> {
        let script = case.script.as_ref()?;
        self.rules.iter().filter(|rule| rule.action == action).find_map(|rule| {
            let is_about = names_tool(&rule.tool, &case.spec.name) || case.types_for(rule);
            let doubt = script.may_be_touched_by(pattern_of(rule)?).filter(|_| is_about)?;
            Some((rule, doubt))
        })
    }

    /// A rule that asks or denies and may be about the call in another way.
    fn rule_in_doubt(&self, case: &Case) -> Option<(&Rule, String)> {
        let script = case.script.as_ref()?;
        self.rules.iter().filter(|rule| rule.action != RuleAction::Allow).find_map(|rule| {
            let doubt = script.may_concern(rule, pattern_of(rule)?, case.spec)?;
            Some((rule, doubt))
        })
    }

    fn case<'a>(
        &'a self,
        spec: &'a ToolSpec,
        arguments: &Value,
        subjects: &[String],
        seen: Option<&'a Seen>,
    ) -> Case<'a> {
        let of_text = |text: &String| Subject::new(spec, text, self.cwd, self.further);
        let touched = if is_file_tool(spec) {
            seen.map(|seen| seen.paths.iter().map(|path| Subject::seen(path, self.cwd)).collect()).unwrap_or_default()
        } else if spec.subject.is_none() && spec.source != ToolSource::Builtin {
            path_arguments(arguments).iter().map(|path| Subject::path(path, self.cwd)).collect()
        } else {
            Vec::new()
        };
        let script = match subjects {
            [text] if spec.kind == ToolKind::Execute => Some(Script::new(text, seen, self.cwd)),
            _ => None,
        };
        Case { spec, subjects: subjects.iter().map(of_text).collect(), touched, seen, script }
    }

    fn by_mode(&self, case: &Case, only_reads: bool) -> Verdict {
        let spec = case.spec;
        let mut reason = format!("mode {}", self.mode);
        let is_edit = matches!(spec.kind, ToolKind::Edit | ToolKind::Delete | ToolKind::Move);
        let guarded = case.seen.and_then(|seen| seen.guarded.first());
        let action = if spec.read_only {
            Action::Read
        } else if only_reads {
            Action::ReadingCommand
        } else if is_edit && guarded.is_none() && !case.subjects.iter().any(|subject| subject.is_outside) {
            Action::Edit
        } else if is_edit {
            Action::GuardedEdit
        } else {
            Action::Command
        };
        let runs = table::without_sandbox(self.mode, action) == Answer::Runs;
        if runs {
            if action == Action::ReadingCommand && self.mode != Mode::Full {
                reason.push_str(", it only reads");
            }
            return Verdict::Allow(reason);
        }
        // The asked should know what is special about it.
        if let Some(guarded) = guarded {
            reason.push_str(&format!(", guarded file {}: {}", guarded.path, guarded.why));
        }
        if let Some(foreign) = case.seen.and_then(|seen| seen.foreign.as_ref()) {
            reason.push_str(&format!(", {foreign}"));
        }
        Verdict::Ask(Why { reason, rule: None })
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

    /// The first rule of this action that matches.
    fn rule(&self, action: RuleAction, case: &Case) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.action == action && case.matches(rule))
    }
}

/// A shell command that may run.
struct Allowed {
    reason: String,
    /// No rule was needed.
    only_reads: bool,
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

/// A pattern that does not cover everything.
fn pattern_of(rule: &Rule) -> Option<&str> {
    rule.pattern.as_deref().map(str::trim).filter(|pattern| *pattern != "*")
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
        let pattern = pattern_of(rule);
        if rule.action == RuleAction::Allow {
            return names && pattern.is_none_or(|pattern| self.is_allowed_by(pattern));
        }
        let types = self.types_for(rule);
        let Some(pattern) = pattern else { return names || types };
        if (names || types) && self.is_touched_by(pattern) {
            return true;
        }
        if self.script.as_ref().is_some_and(|script| script.is_path_touched_by(rule, pattern, self.spec)) {
            return true;
        }
        paths::concerns(rule, self.spec)
            && self.subjects.iter().chain(&self.touched).any(|subject| subject.is_path_touched_by(pattern))
    }

    /// What is typed into a command is run by it: what a rule keeps from the shell is not typed into one either.
    fn types_for(&self, rule: &Rule) -> bool {
        self.spec.name == COMMAND_INPUT && rule.tool == SHELL
    }

    fn is_touched_by(&self, pattern: &str) -> bool {
        let mut subjects = self.subjects.iter().chain(&self.touched);
        subjects.any(|subject| subject.is_touched_by(pattern))
            || self.script.as_ref().is_some_and(|script| {
                script.is_touched_by(pattern)
                    || (script.reading.doubt.is_some()
                        && self.subjects.iter().any(|subject| subject.is_roughly_touched_by(pattern)))
            })
    }

    fn is_allowed_by(&self, pattern: &str) -> bool {
        // Each of its commands is weighed by itself.
        if self.script.is_some() {
            return false;
        }
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
