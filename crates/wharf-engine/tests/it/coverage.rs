//! Every type of event that is declared is emitted.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;
use wharf_engine::{EngineError, Watcher};
use wharf_protocol::model::{ModelError, ModelErrorKind};
use wharf_protocol::rest::{Cancel, CompactSession, ExecuteTool, UpdateSession};
use wharf_protocol::{ConflictStrategy, EventKind, Mode, Prompt, Seq, SessionId, TurnStatus};
use wharf_store::Logs;
use wharf_store::sqlite::{SqliteConfig, SqliteStore};

use crate::support::{Step, TestEngine};

/// What a session's log shows, remembered before the log is cleared or deleted.
async fn note(test: &TestEngine, session: &SessionId, seen: &mut BTreeSet<EventKind>) {
    seen.extend(test.log(session).await.iter().map(|event| event.kind()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_declared_event_is_emitted() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let open = |boot: &str| {
        let path = home.path().join(boot).join("wharf.db");
        SqliteStore::open(SqliteConfig { boot_id: Some(boot.to_owned()), ..SqliteConfig::new(path) }).unwrap()
    };
    let mut seen = BTreeSet::new();

    let test = TestEngine::supervised(Arc::clone(&home), open("first"), |config| {
        config.unattended_permission_timeout_ms = 20;
        config.instructions.facts = true;
    })
    .await;
    let session = test.session().await.id;
    talk(&test, &session).await;
    leave_a_command(&test, &session).await;
    queue_and_cancel(&test, &session).await;
    fail_and_ask(&test, &session).await;
    sum_up(&test, &session).await;
    note(&test, &session, &mut seen).await;
    test.access.clear_messages(&session).await.unwrap();
    note(&test, &session, &mut seen).await;
    let mut watcher = test.access.watch(&session, None, Watcher { may_answer: false }).await.unwrap();
    test.access.delete_session(&session).await.unwrap();
    while let Ok(events) = watcher.next(1 << 20).await {
        seen.extend(events.iter().map(|event| event.kind));
    }

    // The machine stops in the middle of a turn, and starts again.
    let broken = test.session().await.id;
    test.model.say([Step::Text("half"), Step::Wait(Arc::default())]);
    let accepted = test.prompt(&broken, "talk").await.unwrap();
    test.wait_for(&broken, accepted.seq, EventKind::MessageChunk).await;
    // The same while a read runs.
    let reading = test.session().await.id;
    let arguments = json!({"command": "sleep 600", "background": true});
    let request = ExecuteTool { session_id: reading.clone(), arguments };
    test.access.execute_tool("bash", request).await.unwrap();
    let command_id = test.access.commands(&reading).await.unwrap().commands[0].command_id.clone();
    test.model.say([Step::Call("command_output", json!({ "command_id": command_id, "wait_ms": 600_000 }))]);
    let read = test.prompt(&reading, "read").await.unwrap();
    test.wait_for(&reading, read.seq, EventKind::ToolCallStart).await;
    // What the disk holds at this moment. Another process has to copy it: closing the file here would drop SQLite's locks.
    let [from, to] = ["first", "second"].map(|name| home.path().join(name));
    assert!(std::process::Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
    test.stop_at_once().await;
    let test = TestEngine::at(Arc::clone(&home), open("second"), |_| {}).await;
    let turn = test.access.wait_turn(&broken, &accepted.turn_id).await.unwrap();
    assert_eq!(turn.status, TurnStatus::Completed);
    note(&test, &broken, &mut seen).await;
    let turn = test.access.wait_turn(&reading, &read.turn_id).await.unwrap();
    assert_eq!(turn.status, TurnStatus::Completed);
    note(&test, &reading, &mut seen).await;
    test.stop().await;

    // Processes die while they take the session up; somebody wants it tried again.
    let store = open("second");
    let lease = store.acquire(&broken).await.unwrap();
    store.note_recovery(&broken, lease.fence, 3).await.unwrap();
    drop(store);
    let test = TestEngine::at(Arc::clone(&home), open("second"), |_| {}).await;
    assert!(test.prompt(&broken, "more").await.is_err());
    test.access.unseal_session(&broken).await.unwrap();
    note(&test, &broken, &mut seen).await;
    test.stop().await;

    let all: BTreeSet<EventKind> = EventKind::ALL.iter().copied().collect();
    let missing: Vec<&EventKind> = all.difference(&seen).collect();
    assert!(missing.is_empty(), "declared but never emitted: {missing:?}");
}

async fn leave_a_command(test: &TestEngine, session: &SessionId) {
    let request =
        ExecuteTool { session_id: session.clone(), arguments: json!({"command": "true", "background": true}) };
    test.access.execute_tool("bash", request).await.unwrap();
    test.wait_for(session, Seq::ZERO, EventKind::CommandEnded).await;
}

async fn talk(test: &TestEngine, session: &SessionId) {
    let plan = json!({"todos": [{"content": "look", "status": "pending"}]});
    test.model.say([
        Step::Reason("hm"),
        Step::Text("I look. "),
        Step::Call("bash", json!({"command": "echo out"})),
        Step::Call("todo", plan),
    ]);
    test.turn(session, "work").await;
    let change = UpdateSession { title: Some("A title".to_owned()), ..UpdateSession::default() };
    test.access.update_session(session, change).await.unwrap();
    // A context that is too small for what tools put out.
    let large = "echo; head -c 60000 /dev/zero | tr '\\0' x";
    for _ in 0..4 {
        test.model.say([Step::Call("bash", json!({ "command": large }))]);
    }
    let overflow = ModelError {
        kind: ModelErrorKind::ContextOverflow { limit: None, asked: None },
        message: "too long".to_owned(),
        retry_after_ms: None,
    };
    test.model.say([Step::Fail(overflow)]);
    test.turn(session, "fill the context").await;
}

async fn queue_and_cancel(test: &TestEngine, session: &SessionId) {
    let gate = Arc::new(Notify::new());
    test.model.say([Step::Text("busy"), Step::Wait(gate)]);
    let running = test.prompt(session, "one").await.unwrap();
    // The model has been asked: a cancel before that would leave its reply to the next turn.
    test.wait_for(session, running.seq, EventKind::MessageChunk).await;
    let waiting = test.prompt(session, "two").await.unwrap();
    let refused = Prompt { conflict_strategy: ConflictStrategy::Reject, ..Prompt::new("three") };
    let refused = test.access.prompt(session, refused).await;
    assert!(matches!(refused, Err(EngineError::Busy(_))));
    test.access.withdraw(session, &waiting.message_id).await.unwrap();
    test.access.cancel(session, Cancel::default()).await.unwrap();
    test.access.wait_turn(session, &running.turn_id).await.unwrap();
}

/// Twice what was said is to be summed up: the model does, and cannot.
async fn sum_up(test: &TestEngine, session: &SessionId) {
    for reply in [Step::Text("Goal: to say much. Open ends: none."), Step::Fail(refused())] {
        test.turn(session, &"say much, and more than that. ".repeat(30)).await;
        test.turn(session, "say little").await;
        test.model.say([reply]);
        let begun = test.access.compact(session, CompactSession::default()).await.unwrap();
        test.wait_for(session, begun.seq, EventKind::AgentIdle).await;
    }
}

fn refused() -> ModelError {
    ModelError { kind: ModelErrorKind::Unauthorized, message: "the key is wrong".to_owned(), retry_after_ms: None }
}

async fn fail_and_ask(test: &TestEngine, session: &SessionId) {
    let overloaded =
        ModelError { kind: ModelErrorKind::Overloaded, message: "later".to_owned(), retry_after_ms: Some(1) };
    let wrong = ModelError { kind: ModelErrorKind::Unauthorized, message: "no key".to_owned(), retry_after_ms: None };
    test.model.say([Step::Fail(overloaded)]);
    test.model.say([Step::Fail(wrong)]);
    test.turn(session, "fail").await;
    let ask = UpdateSession { mode: Some(Mode::Ask), ..UpdateSession::default() };
    test.access.update_session(session, ask).await.unwrap();
    test.model.say([Step::Call("bash", json!({"command": "touch made"}))]);
    test.turn(session, "ask").await;
}
