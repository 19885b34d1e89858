//! The frames of every kind of event, pinned; each end of a turn is its last.

use expect_test::expect;
use serde_json::json;

use super::*;

/// An event of the pinned samples, by its type.
fn sample(kind: &str) -> Event {
    let lines = include_str!("../event/tests/events.jsonl");
    let line = lines.lines().find(|line| line.contains(&format!("\"type\":\"{kind}\""))).unwrap();
    serde_json::from_str(line).unwrap()
}

fn render(kind: &str) -> String {
    let turn: TurnId = "turn-a".parse().unwrap();
    let frame = Frame::render(&sample(kind), &turn);
    frame.map_or_else(|| "none".to_owned(), |frame| serde_json::to_string(&frame).unwrap())
}

#[test]
fn frames_are_pinned() {
    let kinds = [
        "turn.started",
        "prompt.queued",
        "message.chunk",
        "agent.thinking",
        "tool.call_start",
        "tool.call_progress",
        "tool.call_complete",
        "tool.call_error",
        "permission.requested",
        "permission.resolved",
        "turn.completed",
        "turn.cancelled",
        "turn.failed",
        "prompt.withdrawn",
        "usage.updated",
    ];
    let lines: Vec<String> = kinds.iter().map(|kind| render(kind)).collect();
    expect![[r#"
        {"seq":12,"turn_id":"turn-a","type":"start","session_id":"session-a","status":"streaming"}
        {"seq":8,"turn_id":"turn-a","type":"start","session_id":"session-a","status":"queued"}
        {"seq":19,"turn_id":"turn-a","type":"chunk","content":"é🦀 \n"}
        {"seq":22,"turn_id":"turn-a","type":"reasoning","content":"hm"}
        {"seq":24,"turn_id":"turn-a","type":"tool","event":"call_start","tool_name":"read_file","tool_id":"call-a","arguments":{"path":"a.txt"},"title":"read_file a.txt"}
        {"seq":25,"turn_id":"turn-a","type":"tool","event":"call_progress","tool_name":"","tool_id":"call-a","content":"line\n"}
        {"seq":26,"turn_id":"turn-a","type":"tool","event":"call_complete","tool_name":"edit_file","tool_id":"call-a","success":true,"duration_ms":12,"result_length":7}
        {"seq":27,"turn_id":"turn-a","type":"tool","event":"call_denied","tool_name":"bash","tool_id":"call-a","success":false,"error":"not allowed","duration_ms":0,"result_length":6}
        {"seq":30,"turn_id":"turn-a","type":"permission","permission_id":"perm-a","call_id":"call-a","question":"Run bash in /repo: ls","preview":{"paths":["/repo/a"],"paths_outside":["../b"],"diffs":[{"path":"/repo/a","old_text":"x\n","patch":"--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"}],"cut":1,"problem":"not found","commands":[{"text":"ls","started_by":0,"asked":"no rule allows it"}],"not_understood":"a quote is not closed","digest":"9f86d081"},"options":["allow_once","allow_always","reject_once","reject_always"],"expires_at":"2026-11-20T12:10:00.000Z"}
        {"seq":31,"turn_id":"turn-a","type":"permission","permission_id":"perm-a","call_id":"call-a","resolution":"timed_out"}
        {"seq":15,"turn_id":"turn-a","type":"complete","status":"completed","usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15},"stop_reason":"end_turn"}
        {"seq":16,"turn_id":"turn-a","type":"error","error":"turn cancelled","code":"TURN_CANCELLED","retryable":false}
        {"seq":17,"turn_id":"turn-a","type":"error","error":"no key","code":"PROVIDER_ERROR","retryable":false}
        {"seq":11,"turn_id":"turn-a","type":"error","error":"prompt withdrawn","code":"TURN_CANCELLED","retryable":false}
        none"#]].assert_eq(&lines.join("\n"));
}

#[test]
fn frames_of_another_turn_are_not_shown() {
    let other: TurnId = "turn-b".parse().unwrap();
    assert_eq!(Frame::render(&sample("message.chunk"), &other), None);
}

#[test]
fn each_end_of_a_turn_is_the_last_frame() {
    let turn: TurnId = "turn-a".parse().unwrap();
    for kind in ["turn.completed", "turn.cancelled", "turn.failed", "prompt.withdrawn"] {
        assert!(Frame::render(&sample(kind), &turn).unwrap().is_last(), "{kind}");
    }
    assert!(!Frame::render(&sample("message.chunk"), &turn).unwrap().is_last());
}

#[test]
fn frames_read_back() {
    let line = json!({ "seq": 9, "turn_id": "turn-a", "type": "ping" });
    let frame: Frame = serde_json::from_value(line).unwrap();
    assert_eq!((frame.seq, frame.body), (Seq(9), FrameBody::Ping));
}
