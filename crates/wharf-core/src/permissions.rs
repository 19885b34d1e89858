//! Questions whether a call may run: asked, answered once, remembered where the answer says so.

use serde_json::Value;
use wharf_foreign::visible;
use wharf_protocol::event::{Decision, PermissionRequested, PermissionResolved};
use wharf_protocol::permission::{DecidingRule, Preview, Resolution};
use wharf_protocol::{Permission, PermissionId, PermissionOption, Seen, ToolSpec};

use crate::core::Core;
use crate::describe;
use crate::outcome::{Answer, Rejected};
use crate::policy::Why;
use crate::state::{Proposal, Refusal};

/// A longer reason is cut.
const WHY_MAX_BYTES: usize = 1_024;

/// How a question was closed.
struct Closing {
    resolution: Resolution,
    by: Option<String>,
    remembered: bool,
    message: Option<String>,
}

impl Closing {
    fn without_answer(resolution: Resolution) -> Self {
        Self { resolution, by: None, remembered: false, message: None }
    }
}

impl Core {
    /// `seen` is what the call would touch and change, where it was looked at.
    pub(crate) fn ask_permission(&mut self, proposal: &Proposal, why: Why, seen: Option<Seen>) {
        let Some(spec) = self.tool(&proposal.tool_name) else { return };
        let subjects = self.subjects(&spec, &proposal.arguments);
        let question = describe::question(&spec, &subjects, &proposal.arguments, &self.session.cwd, &why.reason);
        let wait_ms = match self.answerers {
            0 => self.config.unattended_permission_timeout_ms,
            _ => self.config.permission_timeout_ms,
        };
        let requested = PermissionRequested {
            permission_id: self.ids.permission(),
            call_id: proposal.call_id.clone(),
            tool_name: proposal.tool_name.clone(),
            arguments: proposal.arguments.clone(),
            cwd: self.session.cwd.clone(),
            question,
            why: visible::line(&why.reason, WHY_MAX_BYTES),
            rule: why.rule.as_ref().map(|rule| Box::new(DecidingRule::from(rule))),
            preview: self.preview(&spec, &proposal.arguments, &subjects, seen),
            definition: describe::definition(&spec),
            options: PermissionOption::ALL.to_vec(),
            expires_at: self.now.after_ms(wait_ms),
        };
        self.emit(proposal.turn_id.clone(), requested);
    }

    /// What the asked should see, and what their approval holds for.
    fn preview(&self, spec: &ToolSpec, arguments: &Value, subjects: &[String], seen: Option<Seen>) -> Option<Preview> {
        let planned = self.policy().planned(spec, arguments, subjects, seen.as_ref());
        let Some(seen) = seen else { return planned };
        let paths = seen.paths.into_iter().map(|path| path.absolute).collect();
        if let Some(planned) = planned {
            return Some(Preview { paths, ..planned });
        }
        let further = &self.session.additional_directories;
        let paths_outside = describe::paths_outside(spec, subjects, &self.session.cwd, further);
        Some(Preview { paths, paths_outside, ..seen.preview.unwrap_or_default() })
    }

    pub(crate) fn answer(
        &mut self,
        permission_id: PermissionId,
        option: PermissionOption,
        by: Option<String>,
        message: Option<String>,
    ) -> Result<Answer, Rejected> {
        // The time may be up although nobody has said so yet.
        if self.permissions.find(&permission_id).is_some_and(|open| open.expires_at <= self.now) {
            self.close_permission(&permission_id, Closing::without_answer(Resolution::TimedOut));
        }
        if let Some(resolved) = self.permissions.find_resolved(&permission_id) {
            let (resolution, by) = (resolved.resolution, resolved.by.clone());
            return Err(Rejected::AlreadyResolved { permission_id, resolution, by });
        }
        if self.permissions.find(&permission_id).is_none() {
            return Err(Rejected::UnknownPermission { permission_id });
        }
        let closing = Closing { resolution: option.into(), by, remembered: option.is_remembered(), message };
        self.close_permission(&permission_id, closing);
        Ok(Answer::Done)
    }

    /// Closes an open question; what becomes of the call is for `advance` to say.
    fn close_permission(&mut self, permission_id: &PermissionId, closing: Closing) {
        let Some(permission) = self.permissions.find(permission_id) else { return };
        let turn_id = permission.turn_id.clone();
        let Closing { resolution, by, remembered, message } = closing;
        let resolved = PermissionResolved {
            permission_id: permission_id.clone(),
            call_id: permission.call_id.clone(),
            option: resolution,
            by,
            remembered,
            message,
        };
        self.emit(turn_id, resolved);
    }

    pub(crate) fn cancel_permission(&mut self, permission_id: &PermissionId) {
        self.close_permission(permission_id, Closing::without_answer(Resolution::Cancelled));
    }

    pub(crate) fn expire_permissions(&mut self) {
        let is_due = |permission: &&Permission| permission.expires_at <= self.now;
        let due = self.permissions.open.iter().filter(is_due).map(|p| p.permission_id.clone());
        for permission_id in due.collect::<Vec<_>>() {
            self.close_permission(&permission_id, Closing::without_answer(Resolution::TimedOut));
        }
    }
}

/// What an answered question means for its call.
pub(crate) fn decision_of(resolved: &PermissionResolved) -> Result<Decision, Refusal> {
    let who = visible::line(resolved.by.as_deref().unwrap_or("a client"), 200);
    let permission_id = Some(resolved.permission_id.clone());
    let decision = |allowed, reason| Decision { allowed, reason, permission_id };
    match resolved.option {
        Resolution::AllowOnce => Ok(decision(true, format!("allow_once by {who}"))),
        Resolution::AllowAlways => Ok(decision(true, format!("allow_always by {who}"))),
        Resolution::RejectOnce => Err(refused(decision(false, format!("reject_once by {who}")), resolved)),
        Resolution::RejectAlways => Err(refused(decision(false, format!("reject_always by {who}")), resolved)),
        Resolution::TimedOut => Err(Refusal {
            decision: decision(false, "nobody answered in time".to_owned()),
            told: "nobody answered in time whether this call may run, so it did not. The user can allow it by \
                   starting with `--permission auto-edit` or `--permission full`, by a rule, or by attaching a client \
                   and answering."
                .to_owned(),
        }),
        Resolution::Cancelled => Err(Refusal {
            decision: decision(false, "cancelled".to_owned()),
            told: "cancelled before it began".to_owned(),
        }),
    }
}

fn refused(decision: Decision, resolved: &PermissionResolved) -> Refusal {
    let who = visible::line(resolved.by.as_deref().unwrap_or("a client"), 200);
    let told = match resolved.message.as_deref().map(str::trim) {
        None | Some("") => format!("{who} refused this call; it did not run"),
        Some(message) => format!("{who} refused this call; it did not run: {message}"),
    };
    Refusal { decision, told }
}
