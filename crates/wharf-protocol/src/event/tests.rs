//! Events on the wire: their pinned JSON, their names, their durability, and what reading passes over or refuses.

use std::collections::BTreeSet;

use expect_test::expect_file;
use serde_json::json;

use super::*;
use crate::permission::{DecidingRule, Grant, PlannedCommand, Preview, Resolution};
use crate::prompt::PromptContent;
use crate::tool::{FileDiff, Location, PlanEntry, PlanPriority, PlanStatus};
use crate::{
    ApiError, CallId, CommandId, CommandStatus, ConflictStrategy, ContentBlock, EncodedEvent, ErrorCode, ForkedFrom,
    MessageId, Mode, PermissionId, PermissionOption, Priority, RecoveryPolicy, Role, SealReason, SessionStatus,
    StopReason, TerminalSize, Thinking, ToolKind, ToolLocation, ToolRequest, UnseenImages, Usage,
};

/// The JSON of every type of event. A change here is a change of the wire and of what is on people's disks: fields may be
/// added, never renamed or removed.
#[test]
fn the_json_of_every_event_is_pinned() {
    let mut lines = String::new();
    for (index, body) in samples().into_iter().enumerate() {
        let event = event(index as u64 + 1, body);
        let encoded = EncodedEvent::new(&event);
        lines.push_str(std::str::from_utf8(&encoded.json).unwrap());
        lines.push('\n');
        assert_eq!(encoded.decode().unwrap(), event, "it reads back as it was");
    }
    expect_file!["./tests/events.jsonl"].assert_eq(&lines);
}

#[test]
fn there_is_a_sample_of_every_type() {
    let sampled: BTreeSet<EventKind> = samples().iter().map(EventBody::kind).collect();
    let all: BTreeSet<EventKind> = EventKind::ALL.iter().copied().collect();
    assert_eq!(sampled, all);
}

#[test]
fn names_are_unique_and_read_back() {
    let names: BTreeSet<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(names.len(), EventKind::ALL.len());
    for kind in EventKind::ALL {
        assert_eq!(kind.as_str().parse::<EventKind>().as_ref(), Ok(kind));
    }
    assert!("message.chunks".parse::<EventKind>().is_err());
}

#[test]
fn only_pieces_of_text_go_unsynced() {
    let unsynced: Vec<&str> = EventKind::ALL.iter().filter(|kind| kind.is_chunk()).map(|kind| kind.as_str()).collect();
    assert_eq!(unsynced, ["message.start", "message.chunk", "agent.thinking", "tool.call_progress"]);
}

#[test]
fn fields_of_a_newer_version_are_passed_over() {
    let line = json!({
        "seq": 7, "type": "agent.idle", "session_id": "session-a", "timestamp": "2026-11-20T12:00:00Z",
        "payload": { "mood": "fine" }, "trace": "x"
    });
    let event: Event = serde_json::from_value(line).unwrap();
    assert_eq!((event.seq, event.kind(), event.turn_id), (Seq(7), EventKind::AgentIdle, None));
}

#[test]
fn a_malformed_event_is_an_error() {
    for line in [
        json!({"seq": 1, "type": "no.such", "session_id": "a", "timestamp": "2026-11-20T12:00:00Z", "payload": {}}),
        json!({"seq": 1, "type": "agent.idle", "session_id": "../a", "timestamp": "2026-11-20T12:00:00Z", "payload": {}}),
        json!({"seq": 1, "type": "agent.idle", "session_id": "a", "timestamp": "yesterday", "payload": {}}),
        json!({"seq": 1, "type": "turn.started", "session_id": "a", "timestamp": "2026-11-20T12:00:00Z", "payload": {}}),
        json!({"seq": -1, "type": "agent.idle", "session_id": "a", "timestamp": "2026-11-20T12:00:00Z", "payload": {}}),
    ] {
        assert!(serde_json::from_value::<Event>(line.clone()).is_err(), "{line}");
    }
}

#[test]
fn an_event_of_a_newer_version_keeps_its_place_and_its_words() {
    for line in [
        json!({"seq": 3, "type": "no.such", "session_id": "a", "turn_id": "t", "timestamp": "2026-11-20T12:00:00Z", "payload": {}}),
        json!({"seq": 3, "type": "turn.started", "session_id": "a", "turn_id": "t", "timestamp": "2026-11-20T12:00:00Z", "payload": {}}),
    ] {
        let text = line.to_string();
        let event = AnyEvent::from_json(text.as_bytes()).unwrap();
        assert_eq!((event.seq(), event.turn_id().map(TurnId::as_str), event.kind()), (Seq(3), Some("t"), None));
        assert!(matches!(event, AnyEvent::Unknown(event) if event.json == text));
    }
    let known = EncodedEvent::new(&event(1, samples().remove(0)));
    let read = AnyEvent::from_json(&known.json).unwrap();
    assert_eq!((read.seq(), read.into_known()), (Seq(1), Some(known.decode().unwrap())));
    assert!(AnyEvent::from_json(b"{\"seq\": 1}").is_err());
}

#[test]
fn the_schema_names_every_type() {
    let schema = schemars::schema_for!(Event);
    let text = serde_json::to_string(&schema).unwrap();
    for kind in EventKind::ALL {
        assert!(text.contains(&format!("\"const\":\"{kind}\"")), "{kind}");
    }
}

fn event(seq: u64, body: EventBody) -> Event {
    let of_session = body.kind().as_str().starts_with("session.");
    Event {
        seq: Seq(seq),
        session_id: "session-a".parse().unwrap(),
        turn_id: (!of_session).then(|| "turn-a".parse().unwrap()),
        timestamp: Timestamp(1_795_176_000_123),
        body,
    }
}

fn message_id() -> MessageId {
    "msg-a".parse().unwrap()
}

fn call_id() -> CallId {
    "call-a".parse().unwrap()
}

fn command_id() -> CommandId {
    "cmd-a".parse().unwrap()
}

fn permission_id() -> PermissionId {
    "perm-a".parse().unwrap()
}

fn usage_cost() -> crate::event::UsageCost {
    let source = crate::cost::PriceSource::Catalogue;
    let sum = crate::Cost { nano_usd: 12_000, priced_calls: 1, unpriced_calls: 2 };
    crate::event::UsageCost { call: Some(crate::CallCost { nano_usd: 12_000, source }), turn: sum, session: sum }
}

fn usage() -> Usage {
    Usage { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, ..Usage::default() }
}

fn decision(allowed: bool) -> Decision {
    Decision { allowed, reason: "mode full".to_owned(), permission_id: None }
}

#[expect(clippy::too_many_lines, reason = "a list")]
fn samples() -> Vec<EventBody> {
    let by = || Some("laptop".to_owned());
    let path = || json!({ "path": "a.txt" });
    vec![
        SessionCreated {
            cwd: "/repo".into(),
            additional_directories: vec!["/lib".into()],
            agent_name: "coder".to_owned(),
            model: "openai/tiny".to_owned(),
            mode: Mode::AutoEdit,
            thinking: Some(Thinking::High),
            tool_location: Some(ToolLocation::Server),
            title: Some("Fix it".to_owned()),
            recovery: RecoveryPolicy::Interrupt,
            forked_from: Some(ForkedFrom { session_id: "session-a".parse().unwrap(), seq: Seq(7) }),
        }
        .into(),
        SessionUpdated {
            title: Some("Mend it".to_owned()),
            agent_name: Some("planner".to_owned()),
            model: Some("demo/demo".to_owned()),
            mode: Some(Mode::Plan),
            thinking: Some(Thinking::Off),
            tool_location: Some(ToolLocation::Client),
            additional_directories: Some(Vec::new()),
            archived: Some(true),
            recovery: Some(RecoveryPolicy::Continue),
            reason: Some("openai/big failed: overloaded".to_owned()),
            by: by(),
        }
        .into(),
        SessionDeleted { by: by() }.into(),
        SessionCleared {
            by: by(),
            grants: vec![Grant {
                tool_name: "bash".to_owned(),
                arguments: json!({ "command": "ls" }),
                cwd: "/repo".into(),
                definition: Some("0f1e2d3c".to_owned()),
                allowed: true,
                by: by(),
            }],
            commands: Vec::new(),
        }
        .into(),
        SessionStatusChanged { status: SessionStatus::Waiting, previous: SessionStatus::Busy }.into(),
        SessionRecovered { reason: "the machine stopped".to_owned(), last_seq_on_disk: Some(Seq(41)) }.into(),
        PromptReceived {
            message_id: message_id(),
            content: PromptContent::Blocks(vec![
                ContentBlock::text("look"),
                ContentBlock::Image { data: "AAAA".to_owned(), mime_type: "image/png".to_owned(), uri: None },
            ]),
            priority: Priority::Urgent,
            conflict_strategy: ConflictStrategy::Steer,
            sender: by(),
            metadata: Some(json!({ "tab": 3 })),
            body_hash: "00ff".to_owned(),
        }
        .into(),
        PromptQueued { message_id: message_id(), position: 2, priority: Priority::Low }.into(),
        PromptStarted { message_id: message_id(), steered: true }.into(),
        PromptRejected { message_id: message_id(), reason: "busy".to_owned(), sender: by() }.into(),
        PromptWithdrawn { message_id: message_id(), reason: "not needed".to_owned(), by: by() }.into(),
        TurnStarted { message_id: message_id(), model: "openai/tiny".to_owned(), agent_name: "coder".to_owned() }
            .into(),
        TurnCancelRequested { by: by(), force: false }.into(),
        TurnResumed { reason: "the server was interrupted".to_owned(), attempt: 1 }.into(),
        TurnCompleted {
            stop_reason: StopReason::EndTurn,
            response: "Done.".to_owned(),
            usage: usage(),
            cost: Some(usage_cost().turn),
            duration_ms: 1_200,
        }
        .into(),
        TurnCancelled {
            stop_reason: StopReason::Cancelled,
            response: "Half".to_owned(),
            usage: usage(),
            cost: Some(usage_cost().turn),
            duration_ms: 800,
            by: by(),
        }
        .into(),
        TurnFailed {
            stop_reason: StopReason::Error,
            error: ApiError::new(ErrorCode::ProviderError, "no key").with_details(json!({ "status": 401 })),
            response: String::new(),
            usage: Usage::default(),
            cost: None,
            duration_ms: 5,
        }
        .into(),
        MessageStart { message_id: message_id(), role: Role::Assistant }.into(),
        MessageChunk {
            message_id: message_id(),
            role: Role::Assistant,
            offset: 3,
            content: "é🦀\u{2028}\n".to_owned(),
            done: false,
        }
        .into(),
        MessageComplete {
            message_id: message_id(),
            role: Role::Assistant,
            content: "Let me look.".to_owned(),
            done: true,
            reasoning: "hm".to_owned(),
            tool_calls: vec![ToolRequest {
                call_id: call_id(),
                tool_name: "read_file".to_owned(),
                arguments: path(),
                provider_data: Some(json!({ "signature": "s" })),
            }],
            stop_reason: StopReason::EndTurn,
            usage: Some(usage()),
            model: "openai/tiny".to_owned(),
            provider_data: Some(json!({ "reasoning_details": [] })),
            unseen: UnseenImages { unsupported: 1, ..UnseenImages::default() },
        }
        .into(),
        MessageError {
            message_id: message_id(),
            role: Role::Assistant,
            content: "Let".to_owned(),
            done: true,
            reasoning: String::new(),
            error: "cancelled".to_owned(),
            defect: None,
        }
        .into(),
        AgentThinking { message_id: message_id(), offset: 0, content: "hm".to_owned() }.into(),
        AgentIdle {}.into(),
        ToolCallStart {
            call_id: call_id(),
            tool_name: "read_file".to_owned(),
            arguments: path(),
            kind: ToolKind::Read,
            title: "read_file a.txt".to_owned(),
            locations: vec![Location { path: "/repo/a.txt".to_owned(), line: Some(1) }],
            read_only: true,
            decision: decision(true),
        }
        .into(),
        ToolCallProgress { call_id: call_id(), offset: 0, content: "line\n".to_owned(), omitted: 0 }.into(),
        ToolCallComplete {
            call_id: call_id(),
            tool_name: "edit_file".to_owned(),
            result: "changed".to_owned(),
            content: vec![ContentBlock::text("x")],
            diffs: vec![FileDiff {
                path: "a.txt".to_owned(),
                old_text: Some("a".to_owned()),
                new_text: Some("b".to_owned()),
                patch: "-a\n+b\n".to_owned(),
            }],
            locations: vec![Location { path: "/repo/a.txt".to_owned(), line: None }],
            exit_code: Some(0),
            truncated: true,
            output_file: Some("/state/outputs/a".into()),
            duration_ms: 12,
        }
        .into(),
        ToolCallError {
            call_id: call_id(),
            tool_name: "bash".to_owned(),
            error: "not allowed".to_owned(),
            reason: CallErrorReason::Denied,
            output: "so far".to_owned(),
            decision: Some(decision(false)),
            duration_ms: 0,
        }
        .into(),
        CommandStarted {
            command_id: command_id(),
            call_id: call_id(),
            command: "npm run dev".to_owned(),
            directory: "/repo".to_owned(),
            terminal: Some(TerminalSize::default()),
            takes_input: true,
            timeout_ms: 43_200_000,
            output_max_bytes: 4_194_304,
        }
        .into(),
        CommandEnded {
            command_id: command_id(),
            status: CommandStatus::Stopped,
            exit_code: Some(143),
            error: Some("stopped".to_owned()),
            by: by(),
            duration_ms: 1_500,
            output_bytes: 2_048,
        }
        .into(),
        PermissionRequested {
            permission_id: permission_id(),
            call_id: call_id(),
            tool_name: "bash".to_owned(),
            arguments: json!({ "command": "ls" }),
            cwd: "/repo".into(),
            question: "Run bash in /repo: ls".to_owned(),
            why: "rule ask bash `ls*`".to_owned(),
            rule: Some(Box::new(DecidingRule {
                action: crate::RuleAction::Ask,
                tool: "bash".to_owned(),
                pattern: Some("ls*".to_owned()),
            })),
            preview: Some(Preview {
                paths: vec!["/repo/a".to_owned()],
                paths_outside: vec!["../b".to_owned()],
                diffs: vec![FileDiff {
                    path: "/repo/a".to_owned(),
                    old_text: Some("x\n".to_owned()),
                    new_text: None,
                    patch: "--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n".to_owned(),
                }],
                cut: 1,
                problem: Some("not found".to_owned()),
                digest: Some("9f86d081".to_owned()),
                commands: vec![PlannedCommand {
                    text: "ls".to_owned(),
                    started_by: Some(0),
                    asked: Some("no rule allows it".to_owned()),
                }],
                not_understood: Some("a quote is not closed".to_owned()),
            }),
            definition: Some("0f1e2d3c".to_owned()),
            options: PermissionOption::ALL.to_vec(),
            expires_at: Timestamp(1_795_176_600_000),
        }
        .into(),
        PermissionResolved {
            permission_id: permission_id(),
            call_id: call_id(),
            option: Resolution::TimedOut,
            by: by(),
            remembered: false,
            message: Some("use make".to_owned()),
        }
        .into(),
        PlanUpdated {
            entries: vec![PlanEntry {
                content: "read".to_owned(),
                priority: PlanPriority::High,
                status: PlanStatus::InProgress,
            }],
        }
        .into(),
        UsageUpdated {
            turn: usage(),
            session: usage(),
            context_tokens: 900,
            context_limit: Some(8_192),
            call: Some(usage()),
            model: Some("test/model".to_owned()),
            cost: Some(usage_cost()),
        }
        .into(),
        ContextCompacted {
            tokens_before: 9_000,
            tokens_after: 4_000,
            trimmed_through: Seq(30),
            images_before: Some("message-a".parse().unwrap()),
            reason: CompactReason::Overflow,
            bytes_before: 40_000,
            bytes_after: 20_000,
            left_out: LeftOut { results: 2, messages: 5, shortened: 1, images: 3 },
            kept_from: Some("message-b".parse().unwrap()),
            result_max_bytes: Some(8_192),
            message_max_bytes: Some(4_096),
            context_limit: Some(8_192),
            asked_tokens: None,
            model: Some("demo/demo".to_owned()),
            summary: None,
            summary_error: None,
        }
        .into(),
        ModelRetrying {
            attempt: 1,
            max_attempts: 3,
            delay_ms: 500,
            error: "overloaded".to_owned(),
            turn_id: Some("turn-a".parse().unwrap()),
        }
        .into(),
        SessionSealed { reason: SealReason::RecoveryCrashed, message: "died three times".to_owned() }.into(),
        SessionUnsealed { by: by() }.into(),
        ToolCallResumed { call_id: call_id(), tool_name: "bash".to_owned(), attempt: 2 }.into(),
        ContextCompacting {
            reason: CompactReason::Asked,
            kept_from: "message-b".parse().unwrap(),
            tokens: 7_000,
            focus: Some("the names".to_owned()),
            by: by(),
            attempt: 1,
            context_limit: Some(8_192),
            asked_tokens: Some(9_100),
            model: Some("demo/demo".to_owned()),
        }
        .into(),
        ContextCompacted {
            tokens_before: 9_000,
            tokens_after: 3_000,
            reason: CompactReason::Asked,
            left_out: LeftOut { messages: 12, ..LeftOut::default() },
            kept_from: Some("message-b".parse().unwrap()),
            summary: Some("Goal: less".to_owned()),
            ..ContextCompacted::default()
        }
        .into(),
        ContextCompactionFailed { error: "the model wrote none".to_owned() }.into(),
        ContextNoted {
            message_id: "message-b".parse().unwrap(),
            text: "<workspace-note>\n".to_owned(),
            facts: Some("Date: 2026-11-30 (UTC)".to_owned()),
            files: vec![NotedFile {
                path: "/repo/AGENTS.md".to_owned(),
                origin: InstructionOrigin::Workspace,
                change: FileChange::New,
                bytes: 40_000,
                left_out_bytes: 7_232,
                digest: "0011223344556677".to_owned(),
            }],
        }
        .into(),
    ]
}
