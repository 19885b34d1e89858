//! What a call may do next: decided by the policy, on what it would touch where that is looked at first.

use std::sync::Arc;

use wharf_protocol::CallId;
use wharf_protocol::Seen;
use wharf_protocol::ToolSpec;
use wharf_protocol::event::{CallErrorReason, Decision};

use crate::core::Core;
use crate::describe;
use crate::outcome::Effect;
use crate::permissions::decision_of;
use crate::policy::{PathRules, Policy, Verdict, Why};
use crate::seen::{is_file_tool, is_looked_at, is_previewed};
use crate::state::{Call, CallEnd, CallStage, Looking, Proposal, Refusal, not_an_object};

/// What a call may do next.
pub(super) enum Ruling {
    Run(Decision),
    Wait,
    /// It has to be known first what it would touch, or what it would change.
    Look {
        preview: bool,
    },
    Ask(Why),
    Close(CallEnd),
}

impl Core {
    pub(super) fn rule_on(&self, call: &Call) -> Ruling {
        let Call { proposal, stage, .. } = call;
        match stage {
            CallStage::Asked(_) | CallStage::Begun { .. } => Ruling::Wait,
            CallStage::Answered(resolved) => match (decision_of(resolved), self.tool(&proposal.tool_name)) {
                (Ok(_), None) => Ruling::Close(self.unknown_tool(&proposal.tool_name)),
                (Ok(_), Some(spec)) if !is_as_shown(call, &spec) => Ruling::Close(CallEnd::new(
                    CallErrorReason::Failed,
                    "the tool's description was changed while the question was open, so it did not run. Look at the tool and call it again",
                )),
                (Ok(decision), Some(_)) => Ruling::Run(decision),
                (Err(refusal), _) => Ruling::Close(self.told_of_repeats(proposal, refusal).into()),
            },
            CallStage::Proposed => self.rule_on_proposed(call),
        }
    }

    fn rule_on_proposed(&self, call: &Call) -> Ruling {
        let proposal = &call.proposal;
        let Some(spec) = self.tool(&proposal.tool_name) else {
            return Ruling::Close(self.unknown_tool(&proposal.tool_name));
        };
        if !proposal.arguments.is_object() {
            return Ruling::Close(not_an_object(&proposal.arguments.to_string()));
        }
        if call.looking.is_some()
            || (self.config.looks_at_calls && is_file_tool(&spec) && self.has_change_before(proposal))
        {
            return Ruling::Wait;
        }
        if self.config.looks_at_calls && is_looked_at(&spec) && call.seen.is_none() {
            return Ruling::Look { preview: false };
        }
        let repeats = self.turn.as_ref().map(|turn| &turn.repeats);
        if repeats.is_some_and(|repeats| repeats.is_stuck && proposal.turn_id.is_some()) {
            let reason = "repeats, and was refused".to_owned();
            let told = "not run: it repeats what was refused".to_owned();
            return Ruling::Close(
                Refusal { decision: Decision { allowed: false, reason, permission_id: None }, told }.into(),
            );
        }
        let repeats = repeats.filter(|repeats| repeats.is_due(proposal)).map(|repeats| repeats.reason());
        let subjects = self.subjects(&spec, &proposal.arguments);
        let verdict = self.policy().judge(&spec, &proposal.arguments, &subjects, call.seen.as_ref());
        // Whatever allowed it did not mean this.
        let verdict = match (verdict, repeats) {
            (Verdict::Allow(reason), Some(repeats)) => {
                Verdict::Ask(Why { reason: format!("{reason}; {repeats}"), rule: None })
            }
            (Verdict::Ask(why), Some(repeats)) => {
                Verdict::Ask(Why { reason: format!("{}; {repeats}", why.reason), ..why })
            }
            (verdict, _) => verdict,
        };
        match verdict {
            Verdict::Allow(reason) => Ruling::Run(Decision { allowed: true, reason, permission_id: None }),
            Verdict::Ask(_) if is_previewed(&spec) && call.seen.as_ref().is_some_and(|seen| seen.preview.is_none()) => {
                Ruling::Look { preview: true }
            }
            Verdict::Ask(why) => Ruling::Ask(why),
            Verdict::Deny { reason, advice } => {
                let told = format!("not allowed ({reason}); it did not run. {advice}");
                let decision = Decision { allowed: false, reason, permission_id: None };
                Ruling::Close(Refusal { decision, told }.into())
            }
        }
    }

    pub(crate) fn policy(&self) -> Policy<'_> {
        Policy {
            mode: self.session.mode,
            rules: &self.config.rules,
            grants: &self.permissions.grants,
            cwd: &self.session.cwd,
            further: &self.session.additional_directories,
        }
    }

    /// A question about a repetition is not answered by another mode.
    fn told_of_repeats(&self, proposal: &Proposal, refusal: Refusal) -> Refusal {
        let asked = self.turn.as_ref().is_some_and(|turn| turn.repeats.was_asked(&proposal.call_id));
        if !asked {
            return refusal;
        }
        let why = if refusal.told.starts_with("nobody") { "nobody allowed it in time" } else { refusal.told.as_str() };
        let told = format!(
            "this call has given the same result again and again, so the user was asked whether to repeat it: {why}. Do not \
             call it again; try something else, or answer with what you know."
        );
        Refusal { told, ..refusal }
    }

    /// A call of the same reply that may change files is not over: what this one touches is not known before.
    fn has_change_before(&self, proposal: &Proposal) -> bool {
        let of_turn = |call: &&Call| call.proposal.turn_id.is_some();
        proposal.turn_id.is_some()
            && self
                .calls
                .iter()
                .filter(of_turn)
                .take_while(|call| call.proposal.call_id != proposal.call_id)
                .any(|call| !self.is_read(call))
    }

    pub(super) fn look_at(&mut self, call_id: &CallId, preview: bool) {
        let Some(call) = self.call_mut(call_id) else { return };
        call.looking = Some(Looking { preview });
        let Proposal { call_id, tool_name, arguments, .. } = call.proposal.clone();
        self.effects.push(Effect::LookAtCall { call_id, tool_name, arguments, preview });
    }

    /// A call that was closed meanwhile is not decided any more.
    pub(crate) fn call_seen(&mut self, call_id: &CallId, seen: Seen) {
        let Some(call) = self.call_mut(call_id) else { return };
        let Some(Looking { preview }) = call.looking.take() else { return };
        let mut seen = seen;
        if preview {
            // Whatever came of it, it is not looked for again.
            seen.preview.get_or_insert_default();
        }
        call.seen = Some(seen);
    }

    /// The rules that keep files from a call of this tool; `is_approved`: a person has said yes to it.
    #[must_use]
    pub fn path_rules(&self, spec: Arc<ToolSpec>, is_approved: bool) -> PathRules {
        PathRules::new(Arc::clone(&self.config.rules), spec, &self.session.cwd, is_approved)
    }
}

/// The tool is described as it was when it was asked about.
fn is_as_shown(call: &Call, spec: &ToolSpec) -> bool {
    call.asked.as_ref().is_none_or(|asked| asked.definition == describe::definition(spec))
}
