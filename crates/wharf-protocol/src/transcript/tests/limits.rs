//! Everything has a limit, and what is over it is counted.

use serde_json::{Value, json};

use crate::event::UnknownEvent;
use crate::transcript::{
    ARGUMENTS_MAX_BYTES, ENTRIES_MAX, EntryBody, Excerpt, LINE_MAX_BYTES, MESSAGE_MAX_BYTES, Notice, PATCHES_MAX_BYTES,
    Transcript, WAITING_MAX,
};
use crate::{Event, Seq};

fn event(seq: u64, kind: &str, payload: Value) -> Event {
    let event = json!({
        "seq": seq, "type": kind, "session_id": "s", "turn_id": format!("t{seq}"),
        "timestamp": "2026-11-20T12:00:00.000Z", "payload": payload,
    });
    serde_json::from_value(event).unwrap()
}

fn idle_notice(seq: u64, name: &str) -> UnknownEvent {
    UnknownEvent {
        seq: Seq(seq),
        r#type: name.to_owned(),
        turn_id: None,
        timestamp: crate::Timestamp(0),
        json: String::new(),
    }
}

fn call(seq: u64, id: &str) -> Event {
    let request =
        json!({ "call_id": id, "tool_name": "bash", "arguments": { "command": "x".repeat(ARGUMENTS_MAX_BYTES) } });
    let message = json!({
        "message_id": format!("m{id}"), "role": "assistant", "content": "", "done": true, "tool_calls": [request],
        "stop_reason": "end_turn", "model": "m/m",
    });
    event(seq, "message.complete", message)
}

#[test]
fn old_entries_make_room_and_open_ones_stay() {
    let mut transcript = Transcript::new();
    transcript.apply(&call(1, "c"));
    for seq in 2..=ENTRIES_MAX as u64 + 10 {
        transcript.apply_unknown(&idle_notice(seq, "x"));
    }
    assert_eq!((transcript.entries.len(), transcript.dropped), (ENTRIES_MAX + 1, 9));
    assert!(transcript.open_call(&"c".parse().unwrap()).is_some());
    transcript.keep(3);
    let seqs: Vec<u64> = transcript.entries.iter().map(|entry| entry.seq.0).collect();
    assert_eq!(seqs, [1, ENTRIES_MAX as u64 + 9, ENTRIES_MAX as u64 + 10]);
    transcript.keep(0);
    assert_eq!(transcript.entries.len(), 1);
}

#[test]
fn where_all_are_open_the_oldest_is_forgotten() {
    let mut transcript = Transcript::new();
    for seq in 1..=ENTRIES_MAX as u64 + 5 {
        transcript.apply(&call(seq, &format!("c{seq}")));
    }
    assert_eq!((transcript.entries.len(), transcript.dropped), (ENTRIES_MAX + 1, 4));
    assert!(transcript.open_call(&"c4".parse().unwrap()).is_none());
    assert!(transcript.open_call(&"c5".parse().unwrap()).is_some());
}

#[test]
fn long_texts_are_cut_and_counted() {
    let mut transcript = Transcript::new();
    transcript.apply(&call(1, "c"));
    let EntryBody::Call(call) = &transcript.entries[0].body else { panic!() };
    assert_eq!((&call.arguments, call.arguments_omitted), (&None, ARGUMENTS_MAX_BYTES as u64 + 14));
    let patch = format!("+{}\n", "y".repeat(PATCHES_MAX_BYTES - 10));
    let diff = json!({ "path": "p", "patch": patch });
    let done =
        json!({ "call_id": "c", "tool_name": "bash", "result": "", "diffs": [diff, diff, diff], "duration_ms": 1 });
    transcript.apply(&event(2, "tool.call_complete", done));
    let EntryBody::Call(call) = &transcript.entries[0].body else { panic!() };
    let kept: Vec<u64> = call.diffs.iter().map(|diff| diff.patch.len() - diff.patch.omitted()).collect();
    assert_eq!(kept, [PATCHES_MAX_BYTES as u64 - 8, 8, 0]);
    assert!(call.diffs.iter().all(|diff| (diff.added, diff.removed) == (1, 0)));
    transcript.apply_unknown(&idle_notice(3, &"ü".repeat(LINE_MAX_BYTES)));
    let EntryBody::Notice(Notice::UnknownEvent { r#type }) = &transcript.entries[1].body else { panic!() };
    assert_eq!(*r#type, "ü".repeat(LINE_MAX_BYTES / 2) + "…");
}

#[test]
fn what_is_unknown_is_taken_once_and_not_late() {
    let usage = json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 });
    let end = json!({ "stop_reason": "end_turn", "response": "", "usage": usage, "duration_ms": 1 });
    let mut transcript = Transcript::new();
    transcript.apply_unknown(&idle_notice(1, "x"));
    transcript.apply_unknown(&idle_notice(1, "x"));
    transcript.apply(&event(2, "turn.completed", end));
    let late = UnknownEvent { turn_id: transcript.ended_turn.clone(), ..idle_notice(3, "x") };
    assert_eq!(transcript.apply_unknown(&late), Vec::new());
    assert_eq!((transcript.entries.len(), transcript.last_seq), (2, Seq(3)));
}

#[test]
fn prompts_that_would_go_last_are_left_out() {
    let mut transcript = Transcript::new();
    for seq in 1..=WAITING_MAX as u64 + 3 {
        let prompt = json!({
            "message_id": format!("p{seq}"), "content": "x", "priority": "normal", "conflict_strategy": "queue", "body_hash": "",
        });
        transcript.apply(&event(seq, "prompt.received", prompt));
    }
    assert_eq!(transcript.waiting.len(), WAITING_MAX);
    assert_eq!(transcript.waiting[WAITING_MAX - 1].seq, Seq(WAITING_MAX as u64));
}

#[test]
fn an_excerpt_is_whole_or_head_and_tail() {
    let whole = Excerpt::new("0123456789", 10);
    assert_eq!((whole.text(), serde_json::to_value(&whole).unwrap()), ("0123456789".into(), json!("0123456789")));
    let cut = Excerpt::new("0123456789ab", 10);
    assert_eq!(serde_json::to_value(&cut).unwrap(), json!({ "head": "01234", "omitted": 2, "tail": "789ab" }));
    assert_eq!((cut.len(), cut.omitted(), cut.text()), (12, 2, "01234\n[2 bytes left out]\n789ab".into()));
    // A character is never cut.
    let cut = Excerpt::new("üüüüüü", 10);
    assert_eq!(serde_json::to_value(&cut).unwrap(), json!({ "head": "üü", "omitted": 4, "tail": "üü" }));
    assert_eq!(whole.ending(3), "789");
    assert_eq!(Excerpt::new(&"z".repeat(2 * MESSAGE_MAX_BYTES), MESSAGE_MAX_BYTES).ending(4), "zzzz");
}

#[test]
fn what_is_missing_in_a_growing_text_is_counted() {
    let mut text = Excerpt::default();
    assert_eq!(text.extend(0, "abc", 10), "abc");
    assert_eq!(text.extend(1, "bcd", 10), "d");
    assert_eq!(text.extend(0, "ab", 10), "");
    assert_eq!(text.extend(6, "gh", 10), "gh");
    assert_eq!(serde_json::to_value(&text).unwrap(), json!({ "head": "abcd", "omitted": 2, "tail": "gh" }));
    assert_eq!(text.extend(10, "kl", 10), "kl");
    assert_eq!(serde_json::to_value(&text).unwrap(), json!({ "head": "abcd", "omitted": 6, "tail": "kl" }));
    assert_eq!(text.ending(100), "abcd\n[6 bytes left out]\nkl");
}
