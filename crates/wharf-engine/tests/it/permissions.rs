//! Permissions: asked of whoever is there, answered once.

use serde_json::json;
use wharf_engine::{EngineError, Watcher};
use wharf_protocol::rest::AnswerPermission;
use wharf_protocol::{EventBody, EventKind, Mode, PermissionOption, Seq, SessionStatus, TurnStatus};

use crate::support::{Step, TestEngine};

async fn asking() -> TestEngine {
    let store = wharf_store::memory::MemoryStore::new();
    TestEngine::with(store, |config| {
        config.default_mode = Mode::Ask;
        config.unattended_permission_timeout_ms = 50;
    })
    .await
}

fn answer(option: PermissionOption) -> AnswerPermission {
    AnswerPermission { option, message: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_answer_counts_and_later_ones_learn_of_it() {
    let test = asking().await;
    let session = test.session().await.id;
    let _there = test.access.watch(&session, None, Watcher { may_answer: true }).await.unwrap();
    test.model.say([Step::Call("write_file", json!({"path": "a.txt", "content": "x"}))]);
    let accepted = test.prompt(&session, "write").await.unwrap();
    let asked = test.wait_for(&session, Seq(0), EventKind::PermissionRequested).await;
    let EventBody::PermissionRequested(asked) = asked.body else { panic!("{asked:?}") };
    assert_eq!(test.access.permissions(&session).await.unwrap().permissions.len(), 1);
    assert_eq!(test.access.session(&session).await.unwrap().status, SessionStatus::Waiting);
    assert!(!test.work_dir().join("a.txt").exists());
    let allow = answer(PermissionOption::AllowOnce);
    test.access.answer(None, &asked.permission_id, allow).await.unwrap();
    let late = test.access.answer(None, &asked.permission_id, answer(PermissionOption::RejectOnce)).await;
    let Err(EngineError::AlreadyResolved { by, .. }) = late else { panic!("{late:?}") };
    assert_eq!(by.as_deref(), Some("test"));
    assert_eq!(test.access.wait_turn(&session, &accepted.turn_id).await.unwrap().status, TurnStatus::Completed);
    assert!(test.work_dir().join("a.txt").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reject_means_reject() {
    let test = asking().await;
    let session = test.session().await.id;
    let _there = test.access.watch(&session, None, Watcher { may_answer: true }).await.unwrap();
    test.model.say([Step::Call("bash", json!({"command": "touch a.txt"}))]);
    let accepted = test.prompt(&session, "run").await.unwrap();
    let asked = test.wait_for(&session, Seq(0), EventKind::PermissionRequested).await;
    let EventBody::PermissionRequested(asked) = asked.body else { panic!("{asked:?}") };
    let reject = answer(PermissionOption::RejectOnce);
    test.access.answer(Some(&session), &asked.permission_id, reject).await.unwrap();
    assert_eq!(test.access.wait_turn(&session, &accepted.turn_id).await.unwrap().status, TurnStatus::Completed);
    assert!(!test.work_dir().join("a.txt").exists());
    assert!(!test.kinds(&session).await.contains(&"tool.call_start"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nobody_there_the_call_is_refused_and_the_answer_says_how_to_allow_it() {
    let test = asking().await;
    let session = test.session().await.id;
    test.model.say([Step::Call("bash", json!({"command": "touch a.txt"}))]);
    assert_eq!(test.turn(&session, "run").await.status, TurnStatus::Completed);
    assert!(!test.work_dir().join("a.txt").exists());
    let denied = test.wait_for(&session, Seq(0), EventKind::ToolCallError).await;
    let EventBody::ToolCallError(denied) = denied.body else { panic!("{denied:?}") };
    assert!(denied.error.contains("--permission"), "{}", denied.error);
}
