//! What is true of every log, once the run is over.

use std::collections::{BTreeMap, BTreeSet};

use wharf_protocol::{CallId, Event, EventBody, EventKind, Message, MessageId, PermissionId, Role, Seq, TurnId};

use super::ops::Run;
use crate::Effect;

pub(crate) fn check_laws(run: &Run) {
    let log = &run.bench.log;
    turns_end_once(log);
    prompts_end_once(run);
    calls_have_one_outcome(log);
    calls_run_in_order(log);
    cancelled_turns_start_nothing(run);
    texts_are_whole(run);
    permissions_are_resolved_once(log);
    for (_, effect) in &run.bench.effects {
        if let Effect::CallModel { messages, .. } | Effect::AskSummary { messages, .. } = effect {
            shown_is_valid(&messages.iter().map(AsRef::as_ref).collect::<Vec<_>>());
        }
    }
    only_reads_run_twice(run);
    compactions_end_once(log);
    let session = run.bench.core.session();
    assert!(!session.status.is_busy(), "busy with nothing");
    assert_eq!(session.queued_count, 0);
    assert_eq!(run.bench.core.permissions(), []);
    assert_eq!(run.bench.core.next_deadline(), None);
}

/// One turn at a time, each with one end, and nothing of it after that.
fn turns_end_once(log: &[Event]) {
    let mut open: Option<&TurnId> = None;
    let mut ended = BTreeSet::new();
    for event in log {
        let Some(turn_id) = &event.turn_id else { continue };
        assert!(!ended.contains(turn_id), "{} after the end of {turn_id}", event.kind());
        match event.kind() {
            EventKind::TurnStarted => assert_eq!(open.replace(turn_id), None, "two turns at once"),
            kind if kind.ends_turn() => {
                assert_eq!(open.take(), Some(turn_id), "the end of a turn that does not run");
                ended.insert(turn_id);
            }
            EventKind::PromptReceived | EventKind::PromptQueued | EventKind::PromptStarted => {}
            EventKind::PromptWithdrawn => {}
            kind => assert_eq!(open, Some(turn_id), "{kind} of a turn that does not run"),
        }
    }
    assert_eq!(open, None, "a turn without an end");
}

fn prompts_end_once(run: &Run) {
    let mut received: BTreeMap<&MessageId, u32> = BTreeMap::new();
    let mut ends: BTreeMap<&MessageId, u32> = BTreeMap::new();
    for event in &run.bench.log {
        match &event.body {
            EventBody::PromptReceived(e) => *received.entry(&e.message_id).or_default() += 1,
            // Its turn ends once; see `turns_end_once`.
            EventBody::PromptStarted(e) => *ends.entry(&e.message_id).or_default() += 1,
            EventBody::PromptWithdrawn(e) => *ends.entry(&e.message_id).or_default() += 1,
            _ => {}
        }
    }
    assert_eq!(received.len(), run.accepted.len());
    for message_id in run.accepted.keys() {
        assert_eq!(received.get(message_id), Some(&1), "{message_id} accepted");
        assert_eq!(ends.get(message_id), Some(&1), "{message_id} ended");
    }
}

fn calls_have_one_outcome(log: &[Event]) {
    let mut asked: BTreeSet<&CallId> = BTreeSet::new();
    let mut started: BTreeSet<&CallId> = BTreeSet::new();
    let mut ended: BTreeSet<&CallId> = BTreeSet::new();
    for event in log {
        match &event.body {
            EventBody::MessageComplete(e) => {
                assert!(e.tool_calls.iter().all(|call| asked.insert(&call.call_id)), "a call id was used twice");
            }
            EventBody::ToolCallStart(e) => {
                assert!(e.decision.allowed);
                assert!(started.insert(&e.call_id), "started twice");
                assert!(!ended.contains(&e.call_id), "started after its end");
                assert!(event.turn_id.is_none() || asked.contains(&e.call_id));
            }
            EventBody::ToolCallComplete(e) => {
                assert!(started.contains(&e.call_id), "ended without a start");
                assert!(ended.insert(&e.call_id), "two outcomes");
            }
            EventBody::ToolCallError(e) => assert!(ended.insert(&e.call_id), "two outcomes"),
            kind if kind.kind().ends_turn() => {
                assert!(asked.is_subset(&ended), "a turn ended with an open call");
            }
            _ => {}
        }
    }
    assert!(asked.is_subset(&ended) && started.is_subset(&ended), "a call without an outcome");
}

/// In a turn, what is no read runs alone.
fn calls_run_in_order(log: &[Event]) {
    let mut open: BTreeMap<&CallId, bool> = BTreeMap::new();
    for event in log.iter().filter(|event| event.turn_id.is_some()) {
        match &event.body {
            EventBody::ToolCallStart(e) => {
                let beside = if e.read_only { open.values().all(|read| *read) } else { open.is_empty() };
                assert!(beside, "began beside others");
                open.insert(&e.call_id, e.read_only);
            }
            EventBody::ToolCallComplete(e) => {
                open.remove(&e.call_id);
            }
            EventBody::ToolCallError(e) => {
                open.remove(&e.call_id);
            }
            _ => {}
        }
    }
}

/// After its `turn.cancel_requested` nothing of a turn starts, neither on the log nor in the engine.
fn cancelled_turns_start_nothing(run: &Run) {
    let log = &run.bench.log;
    let mut cancelled: BTreeMap<&TurnId, Seq> = BTreeMap::new();
    let mut turn_of: BTreeMap<&CallId, &TurnId> = BTreeMap::new();
    for event in log {
        let Some(turn_id) = &event.turn_id else { continue };
        let is_cancelled = cancelled.contains_key(turn_id);
        match &event.body {
            EventBody::TurnCancelRequested(_) => {
                assert!(cancelled.insert(turn_id, event.seq).is_none(), "cancelled twice");
            }
            EventBody::ToolCallStart(e) => {
                turn_of.insert(&e.call_id, turn_id);
                assert!(!is_cancelled, "a call began after the cancel");
            }
            EventBody::PromptStarted(_)
            | EventBody::PermissionRequested(_)
            | EventBody::ModelRetrying(_)
            | EventBody::MessageChunk(_)
            | EventBody::MessageComplete(_)
            | EventBody::TurnCompleted(_)
            | EventBody::TurnFailed(_)
            | EventBody::TurnResumed(_) => assert!(!is_cancelled, "{} after the cancel", event.kind()),
            _ => {}
        }
    }
    for (seq, effect) in &run.bench.effects {
        let turn_id = match effect {
            Effect::CallModel { turn_id, .. } | Effect::AskSummary { turn_id: Some(turn_id), .. } => Some(turn_id),
            Effect::AskSummary { turn_id: None, .. } | Effect::AskTitle { .. } => None,
            Effect::RunCall { call_id, .. } => turn_of.get(call_id).copied(),
            Effect::StopModel { .. }
            | Effect::LookAtCall { .. }
            | Effect::StopCall { .. }
            | Effect::StartCommand { .. }
            | Effect::StopCommand { .. }
            | Effect::Truncate { .. }
            | Effect::Delete => None,
        };
        let since = turn_id.and_then(|turn_id| cancelled.get(turn_id));
        assert!(since.is_none_or(|since| seq < since), "{effect:?} after the cancel");
    }
}

/// One at a time, each with one end; a repeated beginning is that of a server that took it up. Between them no turn begins, and the model
/// is asked for nothing else.
fn compactions_end_once(log: &[Event]) {
    let mut open: Option<&Event> = None;
    for event in log {
        match &event.body {
            EventBody::ContextCompacting(e) => {
                assert_eq!(open.is_some(), e.attempt > 1, "{event:?}");
                assert!(open.is_none_or(|open| open.turn_id == event.turn_id), "{event:?}");
                open = Some(event);
            }
            EventBody::ContextCompacted(_) => {
                assert!(open.take().is_none_or(|open| open.turn_id == event.turn_id), "{event:?}");
            }
            EventBody::ContextCompactionFailed(_) => {
                assert_eq!(open.take().map(|open| &open.turn_id), Some(&event.turn_id), "an end without a beginning");
            }
            EventBody::TurnStarted(_) | EventBody::MessageStart(_) => assert_eq!(open, None, "{event:?}"),
            kind if kind.kind().ends_turn() => assert_eq!(open, None, "a turn ended with an open compaction"),
            _ => {}
        }
    }
    assert_eq!(open, None, "a compaction without an end");
}

/// Chunks join without gaps into the text of the message's end, and what was begun has an end.
fn texts_are_whole(run: &Run) {
    let mut texts: BTreeMap<&MessageId, (String, String)> = BTreeMap::new();
    let mut open: BTreeSet<&MessageId> = BTreeSet::new();
    for event in &run.bench.log {
        match &event.body {
            EventBody::MessageStart(e) => assert!(open.insert(&e.message_id), "started twice"),
            EventBody::MessageChunk(e) => {
                assert!(open.contains(&e.message_id), "a chunk before the start");
                let (text, _) = texts.entry(&e.message_id).or_default();
                assert_eq!(e.offset, text.len() as u64);
                text.push_str(&e.content);
            }
            EventBody::AgentThinking(e) => {
                let (_, reasoning) = texts.entry(&e.message_id).or_default();
                assert_eq!(e.offset, reasoning.len() as u64);
                reasoning.push_str(&e.content);
            }
            EventBody::MessageComplete(e) => {
                assert!(open.remove(&e.message_id), "ended without a start");
                let (text, reasoning) = texts.remove(&e.message_id).unwrap_or_default();
                assert_eq!((&e.content, &e.reasoning), (&text, &reasoning));
            }
            EventBody::MessageError(e) => {
                open.remove(&e.message_id);
                let (text, reasoning) = texts.remove(&e.message_id).unwrap_or_default();
                if !run.bench.lost_chunks {
                    assert_eq!((&e.content, &e.reasoning), (&text, &reasoning));
                }
            }
            _ => {}
        }
    }
    assert!(run.bench.lost_chunks || (open.is_empty() && texts.is_empty()), "a message without an end");
}

fn permissions_are_resolved_once(log: &[Event]) {
    let mut open: BTreeSet<&PermissionId> = BTreeSet::new();
    let mut all: BTreeSet<&PermissionId> = BTreeSet::new();
    for event in log {
        match &event.body {
            EventBody::PermissionRequested(e) => {
                assert!(all.insert(&e.permission_id) && open.insert(&e.permission_id));
            }
            EventBody::PermissionResolved(e) => assert!(open.remove(&e.permission_id), "resolved twice"),
            _ => {}
        }
    }
    assert_eq!(open, BTreeSet::new(), "a question without an end");
}

/// Each call is followed by its one result, no reply by a reply, and the last word is not the agent's.
fn shown_is_valid(messages: &[&Message]) {
    let mut at = 0;
    let mut previous = None;
    while let Some(message) = messages.get(at) {
        at += 1;
        assert!(!message.content.is_empty() || !message.tool_calls.is_empty(), "an empty message");
        match message.role {
            Role::Tool => panic!("a result without its call"),
            Role::User => {}
            Role::Assistant => assert!(previous.is_some() && previous != Some(Role::Assistant), "a reply to nothing"),
        }
        previous = Some(message.role);
        for call in &message.tool_calls {
            let result = messages.get(at).expect("a call without its result");
            assert_eq!((result.role, result.call_id.as_ref()), (Role::Tool, Some(&call.call_id)));
            previous = Some(Role::Tool);
            at += 1;
        }
    }
    assert!(matches!(previous, Some(Role::User | Role::Tool)), "nothing to answer");
}

fn only_reads_run_twice(run: &Run) {
    let reads: BTreeSet<&CallId> = run
        .bench
        .log
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::ToolCallStart(e) if e.read_only => Some(&e.call_id),
            _ => None,
        })
        .collect();
    let mut ran: BTreeMap<&CallId, u32> = BTreeMap::new();
    for (_, effect) in &run.bench.effects {
        if let Effect::RunCall { call_id, alone, .. } = effect {
            let runs = ran.entry(call_id).or_default();
            *runs += 1;
            assert!(*runs == 1 || reads.contains(call_id), "{call_id} ran twice");
            assert!(*runs <= 2, "{call_id} ran a third time");
            assert_eq!(*alone, *runs == 2, "{call_id}");
        }
    }
}
