//! Histories with one fault each, and which finding it is.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Evidence, Violation, check_syncs};
use crate::history::{Ack, Answer, Recorded, Seen, Stream};

/// Events of a turn in which a command ran after a question.
fn sound_log() -> Vec<Value> {
    let call =
        json!({ "call_id": "c", "tool_name": "bash", "arguments": { "command": "echo effect-1 >> effects.log" } });
    let bodies = [
        ("session.created", json!({})),
        ("prompt.received", json!({ "message_id": "p" })),
        ("turn.started", json!({ "message_id": "p" })),
        ("message.chunk", json!({ "message_id": "m", "offset": 0, "content": "grö" })),
        ("message.chunk", json!({ "message_id": "m", "offset": 4, "content": "ßer" })),
        ("message.complete", json!({ "message_id": "m", "content": "größer", "tool_calls": [call] })),
        ("permission.requested", json!({ "permission_id": "q" })),
        ("permission.resolved", json!({ "permission_id": "q" })),
        ("tool.call_start", json!({ "call_id": "c" })),
        ("tool.call_complete", json!({ "call_id": "c" })),
        ("turn.completed", json!({})),
    ];
    let numbered = bodies.into_iter().enumerate();
    numbered
        .map(|(at, (kind, payload))| {
            json!({ "seq": at + 1, "type": kind, "session_id": "s", "turn_id": "t", "timestamp": "now", "payload": payload })
        })
        .collect()
}

fn seen(events: &[Value]) -> Vec<Seen> {
    events.iter().filter_map(Seen::from_event).collect()
}

struct Case {
    log: Vec<Seen>,
    recorded: Recorded,
    effects: HashMap<String, usize>,
}

impl Case {
    fn sound() -> Self {
        let log = seen(&sound_log());
        let streams = vec![
            Stream { client: "sse", after: 0, events: log.clone() },
            Stream { client: "socket", after: 4, events: log[4..].to_vec() },
        ];
        let acks = vec![Ack { prompt: "p".to_owned(), turn: "t".to_owned() }];
        let answer = |client, status| Answer { permission: "q".to_owned(), client, status };
        let answers = vec![answer("sse", 200), answer("socket", 409)];
        let recorded = Recorded { acks, answers, streams, refusals: Vec::new() };
        Self { log, recorded, effects: HashMap::from([("effect-1".to_owned(), 1)]) }
    }

    /// The names of the checks that find something.
    fn findings(&self) -> Vec<&'static str> {
        let Self { log, recorded, effects } = self;
        let evidence = Evidence { session: "s", prompts: &["p".to_owned()], recorded, log, effects };
        let mut names: Vec<&str> = evidence.check().iter().map(|violation| violation.check).collect();
        names.dedup();
        names
    }

    /// The log and what clients saw without the events of one kind, numbered anew.
    fn without(kind: &str) -> Self {
        let mut events = sound_log();
        events.retain(|event| event["type"] != kind);
        Self::of(events)
    }

    /// The same with one event twice.
    fn twice(kind: &str) -> Self {
        let mut events = sound_log();
        let at = events.iter().position(|event| event["type"] == kind).unwrap();
        events.insert(at, events[at].clone());
        Self::of(events)
    }

    fn of(mut events: Vec<Value>) -> Self {
        for (at, event) in events.iter_mut().enumerate() {
            event["seq"] = json!(at + 1);
        }
        let mut case = Self::sound();
        case.log = seen(&events);
        case.recorded.streams = vec![Stream { client: "sse", after: 0, events: case.log.clone() }];
        case
    }
}

#[test]
fn a_sound_history_passes() {
    assert_eq!(Case::sound().findings(), Vec::<&str>::new());
}

#[test]
fn gaps_and_repeats_are_found() {
    let mut case = Case::sound();
    case.recorded.streams[0].events.remove(5);
    assert_eq!(case.findings(), ["no_gap"]);
    let mut case = Case::sound();
    case.recorded.streams[1].after = 5;
    assert_eq!(case.findings(), ["no_repeat"]);
    let mut case = Case::sound();
    case.recorded.streams[0].events.swap(5, 6);
    assert_eq!(case.findings(), ["no_gap", "no_repeat", "no_gap"]);
}

#[test]
fn a_seq_with_two_contents_is_found() {
    let mut case = Case::sound();
    case.recorded.streams[1].events[0].fields.insert("content".to_owned(), json!("another"));
    assert_eq!(case.findings(), ["one_content"]);
    let mut case = Case::sound();
    case.log.pop();
    assert_eq!(case.findings(), ["one_content", "ended"]);
}

#[test]
fn prompts_that_are_lost_or_doubled_are_found() {
    let mut case = Case::sound();
    case.recorded.acks.clear();
    assert_eq!(case.findings(), ["acknowledged"]);
    let mut case = Case::sound();
    case.recorded.acks[0].turn = "another".to_owned();
    assert_eq!(case.findings(), ["acknowledged", "ended"]);
    assert_eq!(Case::without("prompt.received").findings(), ["acknowledged"]);
    assert_eq!(Case::twice("prompt.received").findings(), ["acknowledged"]);
}

#[test]
fn turns_end_once() {
    assert_eq!(Case::without("turn.completed").findings(), ["ended"]);
    assert_eq!(Case::twice("turn.completed").findings(), ["one_end"]);
}

#[test]
fn permissions_are_answered_once() {
    assert_eq!(Case::without("permission.resolved").findings(), ["one_answer"]);
    assert_eq!(Case::twice("permission.resolved").findings(), ["one_answer"]);
    let mut case = Case::sound();
    case.recorded.answers[1].status = 200;
    assert_eq!(case.findings(), ["one_answer"]);
}

#[test]
fn texts_are_their_chunks() {
    let mut events = sound_log();
    events[4]["payload"]["content"] = json!("sser");
    assert_eq!(Case::of(events).findings(), ["whole_text"]);
    assert_eq!(Case::twice("message.chunk").findings(), ["whole_text"]);
}

#[test]
fn calls_have_one_outcome_and_one_effect() {
    assert_eq!(Case::twice("tool.call_complete").findings(), ["one_outcome"]);
    assert_eq!(Case::without("tool.call_complete").findings(), ["one_outcome"]);
    let mut case = Case::sound();
    case.effects.insert("effect-1".to_owned(), 2);
    assert_eq!(case.findings(), ["one_effect"]);
    case.effects.clear();
    assert_eq!(case.findings(), ["one_effect"], "it is said to have completed");
    let mut events = sound_log();
    events[9]["type"] = json!("tool.call_error");
    events[9]["payload"] = json!({ "call_id": "c", "reason": "denied" });
    assert_eq!(Case::of(events).findings(), ["one_effect"], "it was denied and has run");
}

#[test]
fn instructions_are_told_once() {
    let noted = |id: &str, change: &str| {
        let files = json!([{ "path": "/w/AGENTS.md", "change": change }]);
        ("context.noted", json!({ "message_id": id, "text": "x", "files": files }))
    };
    let of = |payloads: &[(&str, Value)]| {
        let mut events = sound_log();
        for (kind, payload) in payloads {
            events.push(json!({ "type": kind, "session_id": "s", "timestamp": "now", "payload": payload }));
        }
        Case::of(events).findings()
    };
    let sound: [&str; 0] = [];
    assert_eq!(of(&[noted("p", "new")]), sound);
    assert_eq!(of(&[noted("p", "new"), ("context.compacted", json!({})), noted("p", "new")]), sound);
    assert_eq!(of(&[noted("p", "new"), noted("p", "new")]), ["told_once"]);
    assert_eq!(of(&[noted("p", "changed")]), ["told_once"], "nobody changed it");
    assert_eq!(of(&[noted("nobody", "new")]), ["told_once"]);
}

#[test]
fn background_commands_have_one_end() {
    let started = json!({ "command_id": "k", "call_id": "c", "command": "echo effect-2 >> effects.log" });
    let ended = |status: &str| json!({ "command_id": "k", "status": status, "exit_code": 0 });
    let of = |payloads: &[(&str, Value)], effects: usize| {
        let mut events = sound_log();
        for (kind, payload) in payloads {
            events.push(json!({ "type": kind, "session_id": "s", "timestamp": "now", "payload": payload }));
        }
        let mut case = Case::of(events);
        case.effects.insert("effect-2".to_owned(), effects);
        case.findings()
    };
    let start = ("command.started", started);
    let sound: [&str; 0] = [];
    assert_eq!(of(&[start.clone(), ("command.ended", ended("exited"))], 1), sound);
    assert_eq!(of(&[start.clone(), ("command.ended", ended("interrupted"))], 0), sound);
    assert_eq!(of(std::slice::from_ref(&start), 1), ["one_command_end"]);
    let twice = [start.clone(), ("command.ended", ended("exited")), ("command.ended", ended("exited"))];
    assert_eq!(of(&twice, 1), ["one_command_end"]);
    assert_eq!(of(&[start.clone(), ("command.ended", ended("exited"))], 0), ["one_effect"]);
    assert_eq!(of(&[start, ("command.ended", ended("interrupted"))], 2), ["one_effect"]);
}

#[test]
fn acknowledgements_come_after_their_sync() {
    assert_eq!(
        check_syncs("1 commit 1\n1 sync 0\n1 acknowledge 1\n2 commit 1\n2 commit 2\n2 sync 0\n2 acknowledge 2\n"),
        []
    );
    let found = check_syncs("1 commit 1\n1 sync 0\n1 commit 2\n1 acknowledge 2\n");
    assert!(matches!(found[..], [Violation { check: "synced", .. }]), "{found:?}");
}

#[test]
fn frames_of_the_socket_say_the_same() {
    let event = json!({
        "seq": 3, "type": "tool.call_start", "session_id": "s", "turn_id": "t", "timestamp": "now",
        "payload": { "call_id": "c", "kind": "execute" },
    });
    let frame = json!({ "type": "event", "id": "", "timestamp": "now", "payload": {
        "kind": "tool_call", "event_type": "tool.call_start", "seq": 3, "session_id": "s", "turn_id": "t", "call_id": "c",
        "tool_kind": "execute",
    }});
    assert_eq!(Seen::from_frame(&frame), Seen::from_event(&event));
    assert_eq!(Seen::from_frame(&json!({ "type": "event", "payload": { "kind": "connected" } })), None);
}
