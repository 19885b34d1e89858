//! The code of each event type in the file. Released codes never change; chunks have 100 and above, which an index relies on.

use wharf_protocol::EventKind;

pub(super) fn code(kind: EventKind) -> i64 {
    match kind {
        EventKind::SessionCreated => 1,
        EventKind::SessionUpdated => 2,
        EventKind::SessionDeleted => 3,
        EventKind::SessionCleared => 4,
        EventKind::SessionStatusChanged => 5,
        EventKind::SessionRecovered => 6,
        EventKind::SessionSealed => 7,
        EventKind::SessionUnsealed => 8,
        EventKind::PromptReceived => 10,
        EventKind::PromptQueued => 11,
        EventKind::PromptStarted => 12,
        EventKind::PromptRejected => 13,
        EventKind::PromptWithdrawn => 14,
        EventKind::TurnStarted => 20,
        EventKind::TurnCancelRequested => 21,
        EventKind::TurnResumed => 22,
        EventKind::TurnCompleted => 23,
        EventKind::TurnCancelled => 24,
        EventKind::TurnFailed => 25,
        EventKind::MessageComplete => 30,
        EventKind::MessageError => 31,
        EventKind::AgentIdle => 40,
        EventKind::ToolCallStart => 50,
        EventKind::ToolCallComplete => 51,
        EventKind::ToolCallError => 52,
        EventKind::CommandStarted => 53,
        EventKind::ToolCallResumed => 55,
        EventKind::CommandEnded => 54,
        EventKind::PermissionRequested => 60,
        EventKind::PermissionResolved => 61,
        EventKind::PlanUpdated => 70,
        EventKind::UsageUpdated => 71,
        EventKind::ContextCompacted => 72,
        EventKind::ModelRetrying => 73,
        EventKind::ContextCompacting => 74,
        EventKind::ContextCompactionFailed => 75,
        EventKind::ContextNoted => 76,
        EventKind::MessageStart => 100,
        EventKind::MessageChunk => 101,
        EventKind::AgentThinking => 102,
        EventKind::ToolCallProgress => 103,
    }
}

pub(super) fn from_code(found: i64) -> Option<EventKind> {
    EventKind::ALL.iter().copied().find(|kind| code(*kind) == found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_names_one_type_and_chunks_are_apart() {
        for kind in EventKind::ALL {
            assert_eq!(from_code(code(*kind)), Some(*kind));
            assert_eq!(code(*kind) >= 100, kind.is_chunk(), "{kind}");
        }
        assert_eq!(from_code(99), None);
    }
}
