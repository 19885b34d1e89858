//! Turns: prompts, tools, queue, cancel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Notify;
use wharf_engine::EngineError;
use wharf_protocol::model::{ModelError, ModelErrorKind};
use wharf_protocol::rest::{Cancel, ExecuteTool, MessageQuery};
use wharf_protocol::{ConflictStrategy, EventBody, EventKind, Prompt, Role, Seq, StopReason, TurnStatus};
use wharf_store::memory::MemoryStore;

use crate::support::{Step, TestEngine, texts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_runs_to_its_end_and_the_log_tells_how() {
    let test = TestEngine::new().await;
    let session = test.session().await.id;
    test.model.say([Step::Reason("hm"), Step::Text("Hello, "), Step::Text("world")]);
    let turn = test.turn(&session, "greet").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    assert_eq!(turn.response.as_deref(), Some("Hello, world"));
    assert_eq!(turn.stop_reason, Some(StopReason::EndTurn));
    let log = test.log(&session).await;
    let (chunks, complete) = texts(&log);
    assert_eq!((chunks.as_str(), complete.as_str()), ("Hello, world", "Hello, world"));
    let seqs: Vec<u64> = log.iter().map(|event| event.seq.0).collect();
    assert_eq!(seqs, (1..=log.len() as u64).collect::<Vec<_>>());
    let kinds = test.kinds(&session).await;
    let at = |kind: &str| kinds.iter().position(|k| *k == kind).unwrap_or_else(|| panic!("no {kind} in {kinds:?}"));
    let order =
        ["session.created", "prompt.received", "turn.started", "message.start", "message.complete", "turn.completed"];
    assert!(order.map(at).is_sorted(), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_call_changes_the_workspace_and_the_model_is_told() {
    let test = TestEngine::new().await;
    let session = test.session().await.id;
    test.model.say([Step::Call("write_file", json!({"path": "a.txt", "content": "one\n"}))]);
    test.model.say([Step::Text("done")]);
    let turn = test.turn(&session, "write it").await;
    assert_eq!(turn.response.as_deref(), Some("done"));
    assert_eq!(std::fs::read_to_string(test.work_dir().join("a.txt")).unwrap(), "one\n");
    let requests = test.model.requests.lock().unwrap().clone();
    let last = requests[1].messages.last().unwrap();
    assert_eq!(last.role, Role::Tool);
    let page = test.access.messages(&session, MessageQuery::default()).await.unwrap();
    let roles: Vec<Role> = page.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Assistant]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_of_a_command_streams_while_it_runs() {
    let test = TestEngine::new().await;
    let session = test.session().await.id;
    test.model
        .say([Step::Call("bash", json!({"command": "echo first; until [ -e go ]; do sleep 0.02; done; echo last"}))]);
    let accepted = test.prompt(&session, "run").await.unwrap();
    test.wait_for(&session, accepted.seq, EventKind::ToolCallProgress).await;
    std::fs::write(test.work_dir().join("go"), "").unwrap();
    let turn = test.access.wait_turn(&session, &accepted.turn_id).await.unwrap();
    assert_eq!(turn.status, TurnStatus::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_prompts_with_one_id_are_one_turn() {
    let test = Arc::new(TestEngine::new().await);
    let session = test.session().await.id;
    let ask = |_| {
        let (test, session) = (Arc::clone(&test), session.clone());
        tokio::spawn(async move { test.prompt_with_id(&session, "p-1", "once").await.unwrap() })
    };
    let asked: Vec<_> = (0..50).map(ask).collect();
    let mut turns = Vec::new();
    for accepted in asked {
        turns.push(accepted.await.unwrap().turn_id);
    }
    turns.dedup();
    assert_eq!(turns.len(), 1);
    test.access.wait_turn(&session, &turns[0]).await.unwrap();
    let again = test.prompt_with_id(&session, "p-1", "once").await.unwrap();
    assert_eq!(again.turn_id, turns[0]);
    let other = test.prompt_with_id(&session, "p-1", "something else").await;
    assert!(matches!(other, Err(EngineError::IdempotencyMismatch(_))), "{other:?}");
    assert_eq!(test.model.request_count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_id_is_known_after_the_session_left_the_memory() {
    let store = wharf_store::memory::MemoryStore::new();
    let test = TestEngine::with(store, |config| config.idle_unload_ms = 0).await;
    let session = test.session().await.id;
    let first = test.prompt_with_id(&session, "p-1", "once").await.unwrap();
    test.access.wait_turn(&session, &first.turn_id).await.unwrap();
    let again = test.prompt_with_id(&session, "p-1", "once").await.unwrap();
    assert_eq!(again.turn_id, first.turn_id);
    let turn = test.turn(&session, "another").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    let seqs: Vec<u64> = test.log(&session).await.iter().map(|event| event.seq.0).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompts_while_busy_wait_are_refused_or_withdrawn() {
    let test = TestEngine::new().await;
    let session = test.session().await.id;
    let gate = Arc::new(Notify::new());
    test.model.say([Step::Text("first"), Step::Wait(Arc::clone(&gate))]);
    let first = test.prompt(&session, "one").await.unwrap();
    let second = test.prompt(&session, "two").await.unwrap();
    let third = test.prompt(&session, "three").await.unwrap();
    assert_eq!((second.position, third.position), (Some(1), Some(2)));
    let refused = Prompt { conflict_strategy: ConflictStrategy::Reject, ..Prompt::new("now") };
    let refused = test.access.prompt(&session, refused).await;
    assert!(matches!(refused, Err(EngineError::Busy(_))), "{refused:?}");
    test.access.withdraw(&session, &second.message_id).await.unwrap();
    assert_eq!(test.access.queue(&session).await.unwrap().prompts.len(), 1);
    gate.notify_one();
    let turns = [
        test.access.wait_turn(&session, &first.turn_id).await.unwrap().status,
        test.access.wait_turn(&session, &second.turn_id).await.unwrap().status,
        test.access.wait_turn(&session, &third.turn_id).await.unwrap().status,
    ];
    assert_eq!(turns, [TurnStatus::Completed, TurnStatus::Withdrawn, TurnStatus::Completed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_stops_the_model_and_keeps_what_was_said() {
    let test = TestEngine::new().await;
    let session = test.session().await.id;
    test.model.say([Step::Text("half"), Step::Wait(Arc::default())]);
    let accepted = test.prompt(&session, "talk").await.unwrap();
    test.wait_for(&session, accepted.seq, EventKind::MessageChunk).await;
    let answer = test.access.cancel(&session, Cancel::default()).await.unwrap();
    assert_eq!(answer.turn_id, Some(accepted.turn_id.clone()));
    let turn = test.access.wait_turn(&session, &accepted.turn_id).await.unwrap();
    assert_eq!((turn.status, turn.response.as_deref()), (TurnStatus::Cancelled, Some("half")));
    // Idle: nothing to cancel, and that is fine.
    let idle = test.access.cancel(&session, Cancel::default()).await.unwrap();
    assert_eq!(idle.turn_id, None);
    assert_eq!(test.turn(&session, "again").await.status, TurnStatus::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_kills_the_whole_tree_of_a_command() {
    let test = TestEngine::new().await;
    let session = test.session().await.id;
    let script = "setsid sh -c 'echo $$ > pid; trap \"\" TERM; while :; do sleep 0.05; done' & wait";
    test.model.say([Step::Call("bash", json!({ "command": script }))]);
    let accepted = test.prompt(&session, "run").await.unwrap();
    let pid_file = test.work_dir().join("pid");
    let pid = loop {
        match std::fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse::<u32>().ok()) {
            Some(pid) => break pid,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let started = Instant::now();
    test.access.cancel(&session, Cancel::default()).await.unwrap();
    let turn = test.access.wait_turn(&session, &accepted.turn_id).await.unwrap();
    assert_eq!(turn.status, TurnStatus::Cancelled);
    // The promise is 3 s; the margin is for noisy machines.
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "the stubborn child lives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_with_another_model_where_one_fails_in_all_its_attempts() {
    let fallbacks = vec!["test/other".to_owned()];
    let test = TestEngine::with(MemoryStore::new(), |config| config.fallback_models = fallbacks).await;
    let session = test.session().await.id;
    let wants_an_hour = Some(3_600_000);
    let overloaded =
        || ModelError { kind: ModelErrorKind::Overloaded, message: "later".to_owned(), retry_after_ms: wants_an_hour };
    test.model.say([Step::Fail(overloaded())]);
    test.model.say([Step::Text("fine")]);
    assert_eq!(test.turn(&session, "one").await.response.as_deref(), Some("fine"));
    assert_eq!(test.access.session(&session).await.unwrap().model, "test/other");
    let log = test.log(&session).await;
    let changed = log.iter().find_map(|event| match &event.body {
        EventBody::SessionUpdated(changed) => Some(changed.clone()),
        _ => None,
    });
    let changed = changed.unwrap();
    assert_eq!(changed.model.as_deref(), Some("test/other"));
    assert!(changed.reason.unwrap().ends_with("failed: later"));
    test.model.say([Step::Fail(overloaded())]);
    assert_eq!(test.turn(&session, "two").await.status, TurnStatus::Failed, "there is no further one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_model_call_is_repeated_and_then_given_up() {
    let test = TestEngine::new().await;
    let session = test.session().await.id;
    let overloaded =
        || ModelError { kind: ModelErrorKind::Overloaded, message: "try later".to_owned(), retry_after_ms: Some(1) };
    test.model.say([Step::Fail(overloaded())]);
    test.model.say([Step::Text("fine")]);
    assert_eq!(test.turn(&session, "one").await.response.as_deref(), Some("fine"));
    assert!(test.kinds(&session).await.contains(&"model.retrying"));
    let refused = ModelError { kind: ModelErrorKind::Unauthorized, message: "no key".to_owned(), retry_after_ms: None };
    test.model.say([Step::Fail(refused)]);
    let turn = test.turn(&session, "two").await;
    assert_eq!(turn.status, TurnStatus::Failed);
    assert!(turn.error.unwrap().error.contains("no key"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_run_a_tool_itself() {
    let test = TestEngine::new().await;
    let session = test.session().await.id;
    std::fs::write(test.work_dir().join("a.txt"), "hello\n").unwrap();
    let run = |name: &'static str, arguments| {
        let request = ExecuteTool { session_id: session.clone(), arguments };
        let access = test.access.clone();
        async move { access.execute_tool(name, request).await }
    };
    let read = run("read_file", json!({"path": "a.txt"})).await.unwrap();
    assert!(read.success && read.result.contains("hello"), "{read:?}");
    let missing = run("read_file", json!({"path": "b.txt"})).await.unwrap();
    assert!(!missing.success);
    assert!(matches!(run("nothing", json!({})).await, Err(EngineError::ToolNotFound(_))));
    let page = test.access.messages(&session, MessageQuery::default()).await.unwrap();
    assert!(page.messages.is_empty(), "a client's own calls are not part of the conversation");
    assert!(test.access.timeline(&session, Some(Seq(0)), 100).await.unwrap().entries.len() > 2);
}
