//! Which session a permission belongs to, for clients that name only the permission.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use wharf_protocol::{PermissionId, SessionId};

/// Permissions that are remembered, open and answered ones; the oldest are forgotten first. An answer to a forgotten one has to
/// name its session.
const REMEMBERED: usize = 16_384;

#[derive(Debug, Default)]
pub(crate) struct PermissionIndex(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    sessions: HashMap<PermissionId, SessionId>,
    order: VecDeque<PermissionId>,
}

impl PermissionIndex {
    pub(crate) fn add(&self, permission: &PermissionId, session: &SessionId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.sessions.insert(permission.clone(), session.clone()).is_some() {
            return;
        }
        known.order.push_back(permission.clone());
        if known.order.len() > REMEMBERED
            && let Some(oldest) = known.order.pop_front()
        {
            known.sessions.remove(&oldest);
        }
    }

    pub(crate) fn session(&self, permission: &PermissionId) -> Option<SessionId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sessions.get(permission).cloned()
    }
}
