//! Events in, updates out: a log as a table, and everything that an editor is told of it.

use std::path::PathBuf;

use serde_json::{Value, json};
use wharf_protocol::{Mode, SessionId, Timestamp};

use super::*;

fn event(seq: u64, kind: &str, payload: Value) -> Event {
    let event = json!({
        "seq": seq, "type": kind, "session_id": "s", "turn_id": "t",
        "timestamp": "2026-11-20T12:00:00.000Z", "payload": payload,
    });
    serde_json::from_value(event).unwrap()
}

fn renderer(shows: Shows) -> Renderer {
    let created = wharf_protocol::event::SessionCreated {
        cwd: PathBuf::from("/w"),
        additional_directories: Vec::new(),
        agent_name: "a".to_owned(),
        model: "m/m".to_owned(),
        mode: Mode::Ask,
        thinking: None,
        tool_location: None,
        title: Some("titled".to_owned()),
        recovery: wharf_protocol::RecoveryPolicy::Server,
        forked_from: None,
    };
    let session_id: SessionId = "s".parse().unwrap();
    let body = EventBody::SessionCreated(created);
    let created = Event { seq: Seq(1), session_id, turn_id: None, timestamp: Timestamp(0), body };
    Renderer::new(Session::from_created(&created).unwrap(), Arc::new([]), shows)
}

/// One line an effect.
fn lines(effects: &[Effect]) -> Vec<String> {
    let line = |effect: &Effect| match effect {
        Effect::Update(update) | Effect::Progress(_, update) => {
            let again: acp::SessionUpdate = serde_json::from_str(&serde_json::to_string(update).unwrap()).unwrap();
            assert_eq!(again, **update, "what was written is what is read");
            let value = serde_json::to_value(update).unwrap();
            let kind = value["sessionUpdate"].as_str().unwrap();
            match kind {
                "tool_call" | "tool_call_update" => format!("{kind} {} {}", value["toolCallId"], value["status"]),
                _ => format!("{kind} {}", value["content"]["text"].as_str().unwrap_or_default()).trim().to_owned(),
            }
        }
        Effect::Settings { mode_changed } => format!("settings {mode_changed}"),
        Effect::Ask(question) => format!("ask {}", question.permission_id),
        Effect::Settled(id) => format!("settled {id}"),
        Effect::TurnEnded(_, end) => format!("end {end:?}"),
        Effect::Withdrawn(id) => format!("withdrawn {id}"),
    };
    effects.iter().map(line).collect()
}

fn render(renderer: &mut Renderer, viewer: Viewer, events: &[(&str, Value)]) -> Vec<String> {
    let mut out = Vec::new();
    for (kind, payload) in events {
        let event = event(renderer.transcript.last_seq.0 + 1, kind, payload.clone());
        let effects = renderer.render(&event, |_| viewer, viewer == Viewer::Replay);
        out.extend(lines(&effects));
    }
    out
}

fn log() -> Vec<(&'static str, Value)> {
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 });
    vec![
        (
            "prompt.received",
            json!({ "message_id": "p", "content": "hi", "priority": "normal", "conflict_strategy": "queue", "body_hash": "" }),
        ),
        ("prompt.started", json!({ "message_id": "p" })),
        ("turn.started", json!({ "message_id": "p", "model": "m/m", "agent_name": "a" })),
        ("agent.thinking", json!({ "message_id": "m", "offset": 0, "content": "hm" })),
        (
            "message.chunk",
            json!({ "message_id": "m", "role": "assistant", "offset": 0, "content": "he", "done": false }),
        ),
        (
            "message.complete",
            json!({
                "message_id": "m", "role": "assistant", "content": "hello", "done": true, "reasoning": "hm",
                "tool_calls": [{ "call_id": "c", "tool_name": "bash", "arguments": { "command": "ls" } }],
                "stop_reason": "end_turn", "model": "m/m",
            }),
        ),
        (
            "permission.requested",
            json!({
                "permission_id": "q", "call_id": "c", "tool_name": "bash", "arguments": { "command": "ls" }, "cwd": "/w",
                "question": "Run?", "options": ["allow_once", "reject_once"], "expires_at": "2026-11-20T12:00:00.000Z",
            }),
        ),
        (
            "permission.resolved",
            json!({ "permission_id": "q", "call_id": "c", "option": "allow_once", "remembered": false }),
        ),
        (
            "tool.call_start",
            json!({
                "call_id": "c", "tool_name": "bash", "arguments": { "command": "ls" }, "kind": "execute",
                "title": "bash ls", "read_only": false, "decision": { "allowed": true, "reason": "asked" },
            }),
        ),
        ("tool.call_progress", json!({ "call_id": "c", "offset": 0, "content": "a\n" })),
        ("tool.call_complete", json!({ "call_id": "c", "tool_name": "bash", "result": "a\n", "duration_ms": 1 })),
        ("plan.updated", json!({ "entries": [{ "content": "x", "priority": "high", "status": "pending" }] })),
        ("usage.updated", json!({ "turn": usage, "session": usage, "context_tokens": 5, "context_limit": 10 })),
        ("turn.completed", json!({ "stop_reason": "end_turn", "response": "hello", "usage": usage, "duration_ms": 1 })),
        // Late, and of a turn that is over.
        ("tool.call_progress", json!({ "call_id": "c", "offset": 2, "content": "b\n" })),
    ]
}

const TURN: [&str; 12] = [
    "agent_thought_chunk hm",
    "agent_message_chunk he",
    "agent_message_chunk llo",
    r#"tool_call "c" null"#,
    "ask q",
    "settled q",
    r#"tool_call_update "c" "in_progress""#,
    r#"tool_call_update "c" "in_progress""#,
    r#"tool_call_update "c" "completed""#,
    "plan",
    "usage_update",
    "end Ok(EndTurn)",
];

#[test]
fn a_turn_is_shown_to_its_sender_without_the_prompt_and_to_others_with_it() {
    assert_eq!(render(&mut renderer(Shows::default()), Viewer::Sender, &log()), TURN);
    for viewer in [Viewer::Other, Viewer::Replay] {
        let seen = render(&mut renderer(Shows::default()), viewer, &log());
        assert_eq!(seen[0], "user_message_chunk hi");
        assert_eq!(seen[1..], TURN);
    }
}

#[test]
fn what_retention_dropped_is_shown_from_the_whole() {
    let kept: Vec<_> = log()
        .into_iter()
        .filter(|(kind, _)| !matches!(*kind, "agent.thinking" | "message.chunk" | "tool.call_progress"))
        .collect();
    let seen = render(&mut renderer(Shows::default()), Viewer::Sender, &kept);
    assert_eq!(seen[..2], ["agent_thought_chunk hm", "agent_message_chunk hello"]);
}

#[test]
fn a_view_that_begins_in_the_middle_goes_on_there() {
    for cut in 0..log().len() {
        let mut renderer = renderer(Shows::default());
        let mut seen = render(&mut renderer, Viewer::Sender, &log()[..cut]);
        seen.extend(render(&mut renderer, Viewer::Sender, &log()[cut..]));
        assert_eq!(seen, TURN, "cut at {cut}");
    }
}

#[test]
fn notices_are_for_those_who_show_them() {
    let retry = ("model.retrying", json!({ "attempt": 1, "max_attempts": 3, "delay_ms": 1, "error": "busy" }));
    let compacted = ("context.compacted", json!({ "tokens_before": 2, "tokens_after": 1, "trimmed_through": 1 }));
    let events = [retry, compacted];
    assert_eq!(render(&mut renderer(Shows::default()), Viewer::Other, &events), Vec::<String>::new());
    let shows = Shows { notices: true, compaction: true };
    assert_eq!(render(&mut renderer(shows), Viewer::Other, &events), ["notice", "compaction_update", "notice"]);
    assert_eq!(render(&mut renderer(shows), Viewer::Replay, &events), ["compaction_update"]);
}

#[test]
fn turns_end_in_every_way_that_there_is() {
    let error = json!({ "error": "broken", "code": "PROVIDER_ERROR", "retryable": false });
    let usage = json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 });
    let end = |kind: &str, reason: &str| {
        let payload =
            json!({ "stop_reason": reason, "response": "", "usage": usage, "duration_ms": 1, "error": error });
        let event = event(2, kind, payload);
        lines(&renderer(Shows::default()).render(&event, |_| Viewer::Sender, false)).remove(0)
    };
    assert_eq!(end("turn.completed", "max_tokens"), "end Ok(MaxTokens)");
    assert_eq!(end("turn.completed", "refusal"), "end Ok(Refusal)");
    assert_eq!(end("turn.completed", "max_turn_requests"), "end Ok(MaxTurnRequests)");
    assert_eq!(end("turn.cancelled", "cancelled"), "end Ok(Cancelled)");
    assert_eq!(end("turn.failed", "timed_out"), "end Ok(MaxTurnRequests)");
    assert!(end("turn.failed", "error").starts_with("end Err"));
    let withdrawn = json!({ "message_id": "p", "reason": "asked" });
    assert_eq!(
        render(&mut renderer(Shows::default()), Viewer::Sender, &[("prompt.withdrawn", withdrawn)]),
        ["withdrawn p"]
    );
}

#[test]
fn long_texts_come_in_pieces() {
    let text = "ü".repeat(TEXT_BYTES);
    let complete = json!({
        "message_id": "m", "role": "assistant", "content": text, "done": true, "stop_reason": "end_turn", "model": "m/m",
    });
    let seen = render(&mut renderer(Shows::default()), Viewer::Other, &[("message.complete", complete)]);
    assert_eq!(seen.len(), 2);
    let said: String = seen.iter().map(|line| line.strip_prefix("agent_message_chunk ").unwrap()).collect();
    assert_eq!(said, text);
}

#[test]
fn a_commands_end_is_told_at_its_call_and_as_a_notice() {
    let events = [
        (
            "command.started",
            json!({
                "command_id": "k", "call_id": "c", "command": "npm  run dev", "directory": "/w", "timeout_ms": 1,
                "output_max_bytes": 1,
            }),
        ),
        (
            "command.ended",
            json!({ "command_id": "k", "status": "exited", "exit_code": 1, "duration_ms": 5, "output_bytes": 0 }),
        ),
    ];
    let at_call = r#"tool_call_update "c" null"#;
    let mut silent = renderer(Shows::default());
    assert_eq!(render(&mut silent, Viewer::Other, &events), [at_call]);
    let mut shows = renderer(Shows { notices: true, compaction: false });
    assert_eq!(render(&mut shows, Viewer::Other, &events), [at_call, "notice"]);
    let mut renderer = renderer(Shows::default());
    let started = event(2, events[0].0, events[0].1.clone());
    let ended = event(3, events[1].0, events[1].1.clone());
    renderer.render(&started, |_| Viewer::Other, false);
    let effects = renderer.render(&ended, |_| Viewer::Other, false);
    let Some(Effect::Update(update)) = effects.first() else { panic!("{effects:?}") };
    assert_eq!(serde_json::to_value(update).unwrap()["title"], "npm run dev (exit code 1)");
}
