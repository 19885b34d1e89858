//! Laws: arbitrary logs, cut, dropped, repeated and thinned out.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::transcript::{Change, Entry, EntryBody, Excerpt, Transcript};
use crate::{Event, EventKind};

/// Events in any order, also in orders that no server writes; few ids, so that they meet.
fn any_log() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((any_payload(), 0..4_u8), 0..60).prop_map(|steps| {
        let mut log = Vec::new();
        for (at, ((kind, payload), turn)) in steps.into_iter().enumerate() {
            log.push(event(at as u64 + 1, kind, turn, payload));
        }
        log
    })
}

fn event(seq: u64, kind: &str, turn: u8, payload: Value) -> Event {
    let mut event = json!({
        "seq": seq, "type": kind, "session_id": "s", "timestamp": crate::Timestamp(1_800_000_000_000 + seq as i64 * 100),
        "payload": payload,
    });
    if turn > 0 {
        event["turn_id"] = json!(format!("t{turn}"));
    }
    serde_json::from_value(event).unwrap_or_else(|error| panic!("{kind}: {error}"))
}

fn any_payload() -> impl Strategy<Value = (&'static str, Value)> {
    let id = || (0..3_u8).prop_map(|id| format!("i{id}"));
    let text = || prop_oneof![20 => "[a-zü\n]{0,12}", 1 => Just("x".repeat(40 << 10)), 1 => Just("ü".repeat(35 << 10))];
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 });
    let (usage1, usage2) = (usage.clone(), usage.clone());
    let message = |kind: &'static str, extra: Value| {
        (id(), text(), text(), prop::collection::vec(id(), 0..3)).prop_map(move |(id, text, reasoning, calls)| {
            let calls: Vec<Value> =
                calls.iter().map(|call| json!({ "call_id": call, "tool_name": "bash", "arguments": {} })).collect();
            let mut payload = json!({
                "message_id": id, "role": "assistant", "content": text, "done": true, "reasoning": reasoning,
                "tool_calls": calls,
            });
            payload.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            (kind, payload)
        })
    };
    let texts = prop_oneof![
        (id(), text(), 0..20_u64).prop_map(|(id, text, offset)| {
            (
                "message.chunk",
                json!({ "message_id": id, "role": "assistant", "offset": offset, "content": text, "done": false }),
            )
        }),
        (id(), text(), 0..20_u64).prop_map(|(id, text, offset)| {
            ("agent.thinking", json!({ "message_id": id, "offset": offset, "content": text }))
        }),
        message("message.complete", json!({ "stop_reason": "end_turn", "model": "m/m" })),
        message("message.error", json!({ "error": "cancelled" })),
        message("message.error", json!({ "error": "broken", "defect": "empty" })),
    ];
    let prompts = prop_oneof![
        (id(), text(), prop::sample::select(vec!["queue", "steer", "interrupt"])).prop_map(|(id, text, strategy)| {
            ("prompt.received", json!({
                "message_id": id, "content": text, "priority": "normal", "conflict_strategy": strategy, "body_hash": "",
            }))
        }),
        id().prop_map(|id| ("prompt.queued", json!({ "message_id": id, "position": 1, "priority": "high" }))),
        id().prop_map(|id| ("prompt.started", json!({ "message_id": id }))),
        id().prop_map(|id| ("prompt.withdrawn", json!({ "message_id": id, "reason": "r" }))),
    ];
    let turns = prop_oneof![
        id().prop_map(|id| ("turn.started", json!({ "message_id": id, "model": "m/m", "agent_name": "a" }))),
        Just(("turn.cancel_requested", json!({ "force": false }))),
        Just(("turn.resumed", json!({ "reason": "r", "attempt": 1 }))),
        Just((
            "turn.completed",
            json!({ "stop_reason": "end_turn", "response": "", "usage": usage1, "duration_ms": 1 })
        )),
        Just((
            "turn.cancelled",
            json!({ "stop_reason": "cancelled", "response": "", "usage": usage2, "duration_ms": 1 })
        )),
    ];
    let calls = prop_oneof![
        id().prop_map(|id| ("tool.call_start", json!({
            "call_id": id, "tool_name": "bash", "arguments": {}, "kind": "execute", "title": "t", "read_only": false,
            "decision": { "allowed": true, "reason": "r" },
        }))),
        id().prop_map(|id| ("tool.call_resumed", json!({ "call_id": id, "tool_name": "bash", "attempt": 2 }))),
        (id(), text(), 0..20_u64).prop_map(|(id, text, offset)| {
            ("tool.call_progress", json!({ "call_id": id, "offset": offset, "content": text }))
        }),
        (id(), text()).prop_map(|(id, text)| ("tool.call_complete", json!({
            "call_id": id, "tool_name": "bash", "result": text, "duration_ms": 1,
            "diffs": [{ "path": "a", "patch": text }],
        }))),
        (id(), text()).prop_map(|(id, text)| ("tool.call_error", json!({
            "call_id": id, "tool_name": "bash", "error": text, "reason": "failed", "duration_ms": 1,
        }))),
    ];
    let others = prop_oneof![
        (id(), id()).prop_map(|(id, call)| ("permission.requested", json!({
            "permission_id": id, "call_id": call, "tool_name": "bash", "arguments": {}, "cwd": "/w", "question": "q",
            "options": ["allow_once"], "expires_at": "2026-11-20T12:00:00.000Z", "preview": { "paths": ["/w/a"] },
        }))),
        (id(), id()).prop_map(|(id, call)| ("permission.resolved", json!({
            "permission_id": id, "call_id": call, "option": "allow_once", "remembered": false,
        }))),
        (id(), id()).prop_map(|(id, call)| ("command.started", json!({
            "command_id": id, "call_id": call, "command": "c", "directory": "/w", "timeout_ms": 1, "output_max_bytes": 1,
        }))),
        id().prop_map(|id| ("command.ended", json!({
            "command_id": id, "status": "exited", "duration_ms": 1, "output_bytes": 0,
        }))),
        prop::sample::select(vec!["pending", "in_progress", "completed"]).prop_map(|status| {
            ("plan.updated", json!({ "entries": [{ "content": "a", "status": status }, { "content": "b" }] }))
        }),
        Just(("usage.updated", json!({ "turn": usage, "session": usage, "context_tokens": 1 }))),
        Just(("session.updated", json!({ "mode": "full" }))),
        Just(("model.retrying", json!({ "attempt": 1, "max_attempts": 2, "delay_ms": 1, "error": "e" }))),
    ];
    prop_oneof![6 => texts, 2 => prompts, 2 => turns, 6 => calls, 4 => others, 1 => Just(("session.cleared", json!({})))]
}

fn fold(log: &[Event]) -> Transcript {
    let mut transcript = Transcript::new();
    for event in log {
        transcript.apply(event);
    }
    transcript
}

/// A log as a server writes it: messages by pieces, calls with output, everything closed; other things happen between the pieces.
fn closed_log() -> impl Strategy<Value = Vec<Event>> {
    let between = (0..5_u8).prop_map(|what| match what {
        0 => Some(("model.retrying", json!({ "attempt": 1, "max_attempts": 2, "delay_ms": 1, "error": "e" }))),
        1 => Some(("session.updated", json!({ "mode": "full" }))),
        2 => Some(("plan.updated", json!({ "entries": [{ "content": "a" }] }))),
        _ => None,
    });
    let piece = ("[a-zü]{1,6}", between);
    let message = (prop::collection::vec(piece.clone(), 0..4), prop::collection::vec(piece.clone(), 0..4), 0..3_usize);
    let output = prop::collection::vec(piece, 0..4);
    prop::collection::vec((message, output, any::<bool>()), 1..5).prop_map(|steps| {
        let mut log = Vec::new();
        let mut push = |kind: &str, payload: Value| {
            let seq = log.len() as u64 + 1;
            log.push(event(seq, kind, 1, payload));
        };
        push("turn.started", json!({ "message_id": "p", "model": "m/m", "agent_name": "a" }));
        for (at, ((reasoning, text, calls), output, fails)) in steps.into_iter().enumerate() {
            let id = format!("m{at}");
            push("message.start", json!({ "message_id": id, "role": "assistant" }));
            let (mut thought, mut said) = (String::new(), String::new());
            for (piece, between) in reasoning {
                push("agent.thinking", json!({ "message_id": id, "offset": thought.len(), "content": piece }));
                thought.push_str(&piece);
                between.into_iter().for_each(|(kind, payload)| push(kind, payload));
            }
            for (piece, between) in text {
                let chunk = json!({
                    "message_id": id, "role": "assistant", "offset": said.len(), "content": piece, "done": false,
                });
                push("message.chunk", chunk);
                said.push_str(&piece);
                between.into_iter().for_each(|(kind, payload)| push(kind, payload));
            }
            let ids: Vec<String> = (0..calls).map(|call| format!("c{at}-{call}")).collect();
            let requests: Vec<Value> =
                ids.iter().map(|id| json!({ "call_id": id, "tool_name": "bash", "arguments": {} })).collect();
            push(
                "message.complete",
                json!({
                    "message_id": id, "role": "assistant", "content": said, "done": true, "reasoning": thought,
                    "tool_calls": requests, "stop_reason": "end_turn", "model": "m/m",
                }),
            );
            for id in &ids {
                push(
                    "tool.call_start",
                    json!({
                        "call_id": id, "tool_name": "bash", "arguments": {}, "kind": "execute", "title": "t",
                        "read_only": false, "decision": { "allowed": true, "reason": "r" },
                    }),
                );
            }
            let mut put_out = String::new();
            for (piece, between) in output {
                for id in &ids {
                    push("tool.call_progress", json!({ "call_id": id, "offset": put_out.len(), "content": piece }));
                }
                put_out.push_str(&piece);
                between.into_iter().for_each(|(kind, payload)| push(kind, payload));
            }
            for id in &ids {
                if fails {
                    push(
                        "tool.call_error",
                        json!({
                            "call_id": id, "tool_name": "bash", "error": "e", "reason": "failed", "output": put_out,
                            "duration_ms": 1,
                        }),
                    );
                } else {
                    push(
                        "tool.call_complete",
                        json!({
                            "call_id": id, "tool_name": "bash", "result": put_out, "duration_ms": 1,
                        }),
                    );
                }
            }
        }
        let usage = json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 });
        push("turn.completed", json!({ "stop_reason": "end_turn", "response": "", "usage": usage, "duration_ms": 1 }));
        log
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_state_that_was_written_down_anywhere_goes_on_the_same(log in any_log(), at in any::<prop::sample::Index>()) {
        let at = at.index(log.len() + 1);
        let json = serde_json::to_string(&fold(&log[..at])).unwrap();
        let mut transcript: Transcript = serde_json::from_str(&json).unwrap();
        for event in &log[at..] {
            transcript.apply(event);
        }
        prop_assert_eq!(transcript, fold(&log));
    }

    #[test]
    fn dropping_old_entries_changes_no_newer_ones(log in any_log(), kept in prop::collection::vec(0..6_usize, 60)) {
        let whole = fold(&log);
        let mut transcript = Transcript::new();
        for (event, kept) in log.iter().zip(kept) {
            transcript.apply(event);
            transcript.keep(kept);
        }
        prop_assert_eq!(transcript.dropped + transcript.entries.len() as u64, whole.entries.len() as u64);
        // In order, all that are open among them, and nothing that is not there.
        let mut rest = whole.entries.iter();
        for entry in &transcript.entries {
            prop_assert!(rest.any(|other| other == entry), "{:?}", entry);
        }
        let (open, all_open): (Vec<&Entry>, Vec<&Entry>) = (transcript.open().collect(), whole.open().collect());
        prop_assert_eq!(open, all_open);
        let (entries, dropped) = (transcript.entries.clone(), transcript.dropped);
        prop_assert_eq!(Transcript { entries, dropped, ..whole }, transcript);
    }

    #[test]
    fn an_event_that_comes_again_changes_nothing(log in any_log()) {
        let mut transcript = Transcript::new();
        for event in &log {
            transcript.apply(event);
            let before = transcript.clone();
            prop_assert_eq!(transcript.apply(event), Vec::new());
            prop_assert_eq!(&transcript, &before);
        }
    }

    #[test]
    fn pieces_that_retention_dropped_make_no_difference(log in closed_log()) {
        let thin: Vec<Event> = log.iter().filter(|event| !event.kind().is_chunk()).cloned().collect();
        prop_assert_eq!(fold(&thin), fold(&log));
        prop_assert!(log.iter().any(|event| event.kind() == EventKind::TurnCompleted));
    }

    #[test]
    fn what_is_told_of_a_text_is_the_text(log in closed_log()) {
        let mut transcript = Transcript::new();
        let mut told = std::collections::BTreeMap::<String, String>::new();
        for event in &log {
            for change in transcript.apply(event) {
                if let Change::Text(at, text) = change {
                    let name = match &transcript.entries[at].body {
                        EntryBody::Message(message) => format!("text {}", message.message_id),
                        EntryBody::Reasoning(reasoning) => format!("reasoning {}", reasoning.message_id),
                        _ => continue,
                    };
                    told.entry(name).or_default().push_str(text);
                }
            }
        }
        for entry in &transcript.entries {
            let (name, text) = match &entry.body {
                EntryBody::Message(message) => (format!("text {}", message.message_id), &message.text),
                EntryBody::Reasoning(reasoning) => (format!("reasoning {}", reasoning.message_id), &reasoning.text),
                _ => continue,
            };
            prop_assert_eq!(told.remove(&name).unwrap_or_default(), text.text());
        }
        prop_assert_eq!(told.len(), 0);
    }

    #[test]
    fn entries_stand_in_the_order_of_their_seqs(log in any_log()) {
        let transcript = fold(&log);
        prop_assert!(transcript.entries.iter().is_sorted_by_key(|entry| entry.seq));
    }

    #[test]
    fn an_excerpt_of_pieces_is_the_excerpt_of_the_whole(pieces in prop::collection::vec("[a-zü🦀]{0,9}", 0..12), max in 8..40_usize) {
        let whole = pieces.concat();
        let mut grown = Excerpt::default();
        let mut offset = 0;
        for piece in &pieces {
            grown.extend(offset, piece, max);
            offset += piece.len() as u64;
        }
        prop_assert_eq!(grown, Excerpt::new(&whole, max));
    }
}
