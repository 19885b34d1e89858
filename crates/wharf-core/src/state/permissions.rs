//! A session's questions: open ones, answered ones, and the answers that are remembered.

use std::collections::VecDeque;

use wharf_failpoints::mistake;
use wharf_protocol::event::{PermissionRequested, PermissionResolved};
use wharf_protocol::permission::{Grant, Resolution};
use wharf_protocol::{Event, Permission, PermissionId, TurnId};

/// So many answered questions are known, to tell a second answer who gave the first.
const REMEMBERED_RESOLUTIONS: usize = 256;

/// So many answers are remembered; beyond it the oldest is forgotten, and its call asked for again.
const MAX_GRANTS: usize = 1_024;

/// A session's questions.
#[derive(Debug, Default)]
pub(crate) struct Permissions {
    /// Oldest first.
    pub(crate) open: Vec<Permission>,
    resolved: VecDeque<Resolved>,
    pub(crate) grants: Vec<Grant>,
}

#[derive(Debug)]
pub(crate) struct Resolved {
    permission_id: PermissionId,
    pub(crate) resolution: Resolution,
    pub(crate) by: Option<String>,
}

impl Permissions {
    pub(crate) fn requested(&mut self, event: &Event, requested: &PermissionRequested) {
        self.open.push(Permission {
            permission_id: requested.permission_id.clone(),
            session_id: event.session_id.clone(),
            turn_id: event.turn_id.clone(),
            call_id: requested.call_id.clone(),
            tool_name: requested.tool_name.clone(),
            arguments: requested.arguments.clone(),
            cwd: requested.cwd.clone(),
            question: requested.question.clone(),
            why: requested.why.clone(),
            rule: requested.rule.clone(),
            preview: requested.preview.clone(),
            definition: requested.definition.clone(),
            options: requested.options.clone(),
            requested_at: event.timestamp,
            expires_at: requested.expires_at,
        });
    }

    pub(crate) fn resolved(&mut self, resolved: &PermissionResolved) {
        let at = self.open.iter().position(|open| open.permission_id == resolved.permission_id);
        let Some(permission) = at.map(|at| self.open.remove(at)) else { return };
        if mistake("answer_twice") {
            self.open.push(permission);
            return;
        }
        if resolved.remembered {
            self.remember(&permission, resolved);
        }
        self.resolved.push_back(Resolved {
            permission_id: permission.permission_id,
            resolution: resolved.option,
            by: resolved.by.clone(),
        });
        if self.resolved.len() > REMEMBERED_RESOLUTIONS {
            self.resolved.pop_front();
        }
    }

    fn remember(&mut self, permission: &Permission, resolved: &PermissionResolved) {
        let Permission { tool_name, arguments, cwd, definition, .. } = permission.clone();
        // Of two answers to the same question the later one holds.
        self.grants.retain(|g| !(g.tool_name == tool_name && g.arguments == arguments && g.cwd == cwd));
        if self.grants.len() >= MAX_GRANTS {
            self.grants.remove(0);
        }
        let allowed = matches!(resolved.option, Resolution::AllowOnce | Resolution::AllowAlways);
        self.grants.push(Grant { tool_name, arguments, cwd, definition, allowed, by: resolved.by.clone() });
    }

    pub(crate) fn find(&self, id: &PermissionId) -> Option<&Permission> {
        self.open.iter().find(|permission| permission.permission_id == *id)
    }

    pub(crate) fn find_resolved(&self, id: &PermissionId) -> Option<&Resolved> {
        self.resolved.iter().find(|resolved| resolved.permission_id == *id)
    }

    pub(crate) fn any_of(&self, turn_id: &TurnId) -> bool {
        self.open.iter().any(|permission| permission.turn_id.as_ref() == Some(turn_id))
    }
}
