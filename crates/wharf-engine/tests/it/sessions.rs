//! Sessions: making, listing, changing, clearing, deleting.

use std::sync::Arc;

use wharf_engine::{EngineError, Watcher};
use wharf_protocol::rest::{CreateSession, MessageQuery, SessionQuery, UpdateSession};
use wharf_protocol::{EventKind, Mode, Seq, SessionStatus, Thinking};
use wharf_store::sqlite::{SqliteConfig, SqliteStore};

use crate::support::{Step, TestEngine};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_needs_a_real_directory_inside_the_allowed_roots() {
    let outside = tempfile::tempdir().unwrap();
    let store = wharf_store::memory::MemoryStore::new();
    let allowed = tempfile::tempdir().unwrap();
    let root = allowed.path().canonicalize().unwrap();
    let test = TestEngine::with(store, |config| config.allowed_roots = vec![root.clone()]).await;
    let create = |cwd: std::path::PathBuf| {
        let request = CreateSession { cwd: Some(cwd), ..CreateSession::default() };
        let access = test.access.clone();
        async move { access.create_session(request).await }
    };
    assert_eq!(create(root.clone()).await.unwrap().cwd, root);
    for bad in [outside.path().to_owned(), root.join("missing"), "relative".into(), root.join("..")] {
        let refused = create(bad.clone()).await;
        assert!(matches!(refused, Err(EngineError::Invalid { field: "cwd", .. })), "{bad:?}: {refused:?}");
    }
    let link = root.join("link");
    std::os::unix::fs::symlink(outside.path(), &link).unwrap();
    assert!(create(link).await.is_err(), "a link does not lead out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_are_unique_and_agents_known() {
    let test = TestEngine::new().await;
    let named = CreateSession { session_id: Some("mine".parse().unwrap()), ..CreateSession::default() };
    test.access.create_session(named.clone()).await.unwrap();
    let again = test.access.create_session(named).await;
    assert!(matches!(again, Err(EngineError::SessionExists(_))), "{again:?}");
    let unknown = CreateSession { agent_name: Some("nobody".to_owned()), ..CreateSession::default() };
    let unknown = test.access.create_session(unknown).await;
    assert!(matches!(unknown, Err(EngineError::AgentNotFound { .. })), "{unknown:?}");
    let explorer = CreateSession { agent_name: Some("explorer".to_owned()), ..CreateSession::default() };
    let explorer = test.access.create_session(explorer).await.unwrap();
    assert_eq!(explorer.mode, Mode::Plan, "an agent brings its mode");
    let page = test.access.sessions(SessionQuery::default()).await.unwrap();
    assert_eq!((page.total, page.sessions.len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn title_mode_and_archive_change_and_stay() {
    let test = TestEngine::new().await;
    let session = test.session().await.id;
    test.turn(&session, "  Fix the tests\nplease").await;
    let row = test.access.session(&session).await.unwrap();
    assert_eq!(row.title.as_deref(), Some("Fix the tests"), "the first prompt gives the title");
    assert_eq!(row.status, SessionStatus::Idle);
    let change = UpdateSession {
        title: Some("Tests".to_owned()),
        mode: Some(Mode::AutoEdit),
        archived: Some(true),
        ..UpdateSession::default()
    };
    let row = test.access.update_session(&session, change).await.unwrap();
    assert_eq!((row.title.as_deref(), row.mode, row.archived), (Some("Tests"), Mode::AutoEdit, true));
    assert_eq!(
        test.access.sessions(SessionQuery::default()).await.unwrap().sessions.len(),
        0,
        "archived ones are hidden"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_agent_counts_from_the_next_turn_on_and_thinking_from_the_next_call_on() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let store = || SqliteStore::open(SqliteConfig::new(home.path().join("wharf.db"))).unwrap();
    let test = TestEngine::at(Arc::clone(&home), store(), |_| {}).await;
    let session = test.session().await.id;
    let gate = Arc::new(tokio::sync::Notify::new());
    test.model.say([Step::Call("think", serde_json::json!({ "thought": "hm" })), Step::Wait(Arc::clone(&gate))]);
    let running = test.prompt(&session, "first").await.unwrap();
    test.wait_for(&session, Seq::ZERO, EventKind::TurnStarted).await;
    let change = UpdateSession {
        agent_name: Some("explorer".to_owned()),
        thinking: Some(Thinking::High),
        ..UpdateSession::default()
    };
    let row = test.access.update_session(&session, change).await.unwrap();
    assert_eq!((row.agent_name.as_str(), row.thinking), ("explorer", Thinking::High));
    let unknown = UpdateSession { agent_name: Some("nobody".to_owned()), ..UpdateSession::default() };
    let unknown = test.access.update_session(&session, unknown).await;
    assert!(matches!(unknown, Err(EngineError::AgentNotFound { .. })), "{unknown:?}");
    gate.notify_one();
    test.access.wait_turn(&session, &running.turn_id).await.unwrap();
    test.turn(&session, "second").await;
    let asked = |test: &TestEngine| -> Vec<(bool, bool, Thinking)> {
        let requests = test.model.requests.lock().unwrap();
        let edits = |tools: &[Arc<wharf_protocol::ToolSpec>]| tools.iter().any(|tool| tool.name == "edit_file");
        let asked = requests
            .iter()
            .map(|request| (request.system.contains("software engineer"), edits(&request.tools), request.thinking));
        asked.collect()
    };
    let expected = [(true, true, Thinking::Default), (true, true, Thinking::High), (false, false, Thinking::High)];
    assert_eq!(asked(&test), expected);
    // A turn that another process takes up goes on with the agent that it began with.
    test.model.say([Step::Wait(Arc::default())]);
    let second = test.access.session(&session).await.unwrap().last_seq;
    let left = test.prompt(&session, "third").await.unwrap();
    test.wait_for(&session, second, EventKind::TurnStarted).await;
    let coder = UpdateSession { agent_name: Some("coder".to_owned()), ..UpdateSession::default() };
    test.access.update_session(&session, coder).await.unwrap();
    test.stop_at_once().await;
    drop(test);
    let next = TestEngine::at(Arc::clone(&home), store(), |_| {}).await;
    next.access.wait_turn(&session, &left.turn_id).await.unwrap();
    next.turn(&session, "fourth").await;
    assert_eq!(asked(&next), [(false, false, Thinking::High), (true, true, Thinking::High)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clearing_removes_what_was_said_for_good() {
    let test = TestEngine::new().await;
    let session = test.session().await.id;
    test.turn(&session, "secret words").await;
    test.access.clear_messages(&session).await.unwrap();
    let page = test.access.messages(&session, MessageQuery::default()).await.unwrap();
    assert!(page.messages.is_empty());
    let log = test.access.events(&session, None, 1_000).await.unwrap();
    assert!(log.events.iter().all(|event| !String::from_utf8_lossy(&event.json).contains("secret")));
    let old = test.access.watch(&session, Some(Seq(1)), Watcher { may_answer: false }).await.err();
    assert!(matches!(old, Some(EngineError::CursorExpired { .. })), "{old:?}");
    test.turn(&session, "afresh").await;
    let requests = test.model.requests.lock().unwrap();
    assert_eq!(requests.last().unwrap().messages.len(), 1, "the model starts afresh");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_session_ends_for_everyone() {
    let test = TestEngine::new().await;
    let session = test.session().await.id;
    test.model.say([Step::Text("going on"), Step::Wait(Arc::default())]);
    test.prompt(&session, "talk").await.unwrap();
    let mut cursor = test.access.watch(&session, Some(Seq(0)), Watcher { may_answer: false }).await.unwrap();
    test.access.delete_session(&session).await.unwrap();
    let mut kinds = Vec::new();
    let end = loop {
        match cursor.next(1 << 20).await {
            Ok(events) => kinds.extend(events.iter().map(|event| event.kind.as_str())),
            Err(error) => break error,
        }
    };
    assert!(matches!(end, EngineError::SessionNotFound(_)), "{end:?}");
    assert_eq!(kinds.last(), Some(&"session.deleted"), "{kinds:?}");
    let gone = test.prompt(&session, "hello?").await;
    assert!(matches!(gone, Err(EngineError::SessionNotFound(_))), "{gone:?}");
    assert!(matches!(test.access.session(&session).await, Err(EngineError::SessionNotFound(_))));
}
