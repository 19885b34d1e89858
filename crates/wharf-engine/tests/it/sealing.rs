//! Sessions that are not taken up any more: after deaths in their recovery, and where the store cannot read them.

use std::sync::Arc;

use tempfile::TempDir;
use wharf_engine::{EngineError, Watcher};
use wharf_protocol::rest::{MessageQuery, SessionQuery};
use wharf_protocol::{ErrorCode, EventKind, SealReason, Seq, SessionId, SessionStatus, TurnStatus};
use wharf_store::memory::{MemoryDisk, MemoryStore};
use wharf_store::sqlite::{SqliteConfig, SqliteStore};
use wharf_store::{Logs, SavedState, Store};

use crate::support::{Step, TestEngine};

/// A session with a turn that a killed engine left open.
async fn left_open(home: &Arc<TempDir>, disk: &Arc<MemoryDisk>) -> (SessionId, wharf_protocol::TurnId) {
    let store = MemoryStore::open(disk);
    let alone = |config: &mut wharf_engine::EngineConfig| config.recover_at_start = false;
    let test = TestEngine::at(Arc::clone(home), store, alone).await;
    let session = test.session().await.id;
    test.model.say([Step::Text("half"), Step::Wait(Arc::default())]);
    let accepted = test.prompt(&session, "talk").await.unwrap();
    test.wait_for(&session, accepted.seq, EventKind::MessageChunk).await;
    test.stop_at_once().await;
    (session, accepted.turn_id)
}

/// What is left of a process that died while it took the session up.
async fn die_in_recovery(disk: &Arc<MemoryDisk>, session: &SessionId) {
    let store = MemoryStore::open(disk);
    let lease = store.acquire(session).await.unwrap();
    store.note_recovery(session, lease.fence, lease.recoveries + 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_deaths_in_its_recovery_seal_a_session_and_no_other() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let disk = MemoryDisk::new();
    let (session, turn) = left_open(&home, &disk).await;
    let (other, other_turn) = left_open(&home, &disk).await;
    for _ in 0..3 {
        die_in_recovery(&disk, &session).await;
    }
    let test = TestEngine::at(Arc::clone(&home), MemoryStore::open(&disk), |_| {}).await;
    let mut cursor = test.access.watch(&session, Some(Seq(0)), Watcher { may_answer: false }).await.unwrap();
    assert_eq!(test.access.wait_turn(&other, &other_turn).await.unwrap().status, TurnStatus::Completed);

    let refused = test.prompt(&session, "more").await.unwrap_err();
    let EngineError::Sealed { seal, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(seal.reason, SealReason::RecoveryCrashed);
    let api = refused.to_api();
    assert_eq!((api.code, api.retryable), (ErrorCode::SessionSealed, false));
    assert_eq!(api.details.unwrap()["reason"], "recovery_crashed");
    let waited = test.access.wait_turn(&session, &turn).await;
    assert!(matches!(waited, Err(EngineError::Sealed { .. })), "nobody waits for it: {waited:?}");

    // It can be read, found and told from others.
    let view = test.access.session(&session).await.unwrap();
    assert_eq!((view.status, view.sealed.as_ref()), (SessionStatus::Sealed, Some(&**seal)));
    let messages = test.access.messages(&session, MessageQuery::default()).await.unwrap().messages;
    assert_eq!(messages[0].content, [wharf_protocol::ContentBlock::text("talk")]);
    assert_eq!(test.kinds(&session).await.last(), Some(&"session.sealed"));
    let query = SessionQuery { status: Some(SessionStatus::Sealed), ..SessionQuery::default() };
    assert_eq!(test.access.sessions(query).await.unwrap().total, 1);
    let mut seen = Vec::new();
    while seen.last() != Some(&EventKind::SessionSealed) {
        seen.extend(cursor.next(1 << 20).await.unwrap().iter().map(|event| event.kind));
    }
    test.stop().await;

    // So it stays, until somebody wants it tried again.
    let test = TestEngine::at(Arc::clone(&home), MemoryStore::open(&disk), |_| {}).await;
    assert!(matches!(test.prompt(&session, "more").await, Err(EngineError::Sealed { .. })));
    test.model.say([Step::Text("whole")]);
    let view = test.access.unseal_session(&session).await.unwrap();
    assert_eq!(view.sealed, None);
    let ended = test.access.wait_turn(&session, &turn).await.unwrap();
    assert_eq!((ended.status, ended.response.as_deref()), (TurnStatus::Completed, Some("whole")));
    let again = test.access.unseal_session(&session).await.unwrap();
    assert_eq!(again.last_seq, test.access.session(&session).await.unwrap().last_seq, "nothing to unseal");
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_that_comes_to_its_end_is_not_held_against_a_session() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let disk = MemoryDisk::new();
    let (session, turn) = left_open(&home, &disk).await;
    for _ in 0..2 {
        die_in_recovery(&disk, &session).await;
    }
    let test = TestEngine::at(Arc::clone(&home), MemoryStore::open(&disk), |_| {}).await;
    assert_eq!(test.access.wait_turn(&session, &turn).await.unwrap().status, TurnStatus::Completed);
    test.stop().await;
    let store = MemoryStore::open(&disk);
    assert_eq!(store.acquire(&session).await.unwrap().recoveries, 0);
    drop(store);
    // Nor is the death of a process that had it in memory and idle.
    for _ in 0..4 {
        let store: Arc<dyn Store> = MemoryStore::open(&disk);
        let test = TestEngine::at(Arc::clone(&home), Arc::clone(&store), |_| {}).await;
        test.access.queue(&session).await.unwrap();
        let killed = MemoryStore::open(&disk);
        test.stop_at_once().await;
        killed.acquire(&session).await.unwrap();
    }
    let test = TestEngine::at(home, MemoryStore::open(&disk), |_| {}).await;
    assert_eq!(test.turn(&session, "on").await.status, TurnStatus::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_session_can_be_deleted() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let disk = MemoryDisk::new();
    let (session, _) = left_open(&home, &disk).await;
    for _ in 0..3 {
        die_in_recovery(&disk, &session).await;
    }
    let test = TestEngine::at(home, MemoryStore::open(&disk), |_| {}).await;
    test.access.delete_session(&session).await.unwrap();
    assert!(matches!(test.access.session(&session).await, Err(EngineError::SessionNotFound(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_cannot_be_read_is_sealed_and_the_others_work() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let path = home.path().join("wharf.db");
    let open = || -> Arc<dyn Store> { SqliteStore::open(SqliteConfig::new(&path)).unwrap() };
    let test = TestEngine::at(Arc::clone(&home), open(), |_| {}).await;
    let (hit, whole) = (test.session().await.id, test.session().await.id);
    for session in [&hit, &whole] {
        assert_eq!(test.turn(session, "a most unusual word").await.status, TurnStatus::Completed);
    }
    test.stop().await;
    let bytes = std::fs::read(&path).unwrap();
    let pattern = format!("\"type\":\"message.complete\",\"session_id\":\"{hit}\"");
    // The file may have an old copy beside the row.
    let is_at = |at: &usize| bytes[*at..].starts_with(pattern.as_bytes());
    let places: Vec<usize> = (0..bytes.len()).filter(is_at).map(|at| at + 2).collect();
    assert!(!places.is_empty());
    let mut spoiled = bytes.clone();
    places.iter().for_each(|at| spoiled[*at] ^= 1);
    std::fs::write(&path, spoiled).unwrap();

    let test = TestEngine::at(Arc::clone(&home), open(), |_| {}).await;
    assert_eq!(test.turn(&whole, "still here?").await.status, TurnStatus::Completed);
    let refused = test.prompt(&hit, "more").await.unwrap_err();
    let EngineError::Sealed { seal, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(seal.reason, SealReason::Damaged);
    let read = test.access.messages(&hit, MessageQuery::default()).await;
    assert!(matches!(&read, Err(EngineError::Damaged { .. })), "{read:?}");
    assert_eq!(read.unwrap_err().to_api().code, ErrorCode::SessionDamaged);
    let view = test.access.unseal_session(&hit).await.unwrap();
    assert_eq!(view.status, SessionStatus::Sealed, "it is as damaged as before");
    test.stop().await;

    // With the damage undone it goes on.
    let store: Arc<dyn Store> = open();
    let damaged = store.read_state(&hit).await;
    assert!(damaged.is_err());
    store.close().await;
    let mut mended = std::fs::read(&path).unwrap();
    for at in places {
        assert_eq!(mended[at], bytes[at] ^ 1, "events stay where they are");
        mended[at] = bytes[at];
    }
    std::fs::write(&path, mended).unwrap();
    let test = TestEngine::at(home, open(), |_| {}).await;
    assert_eq!(test.access.unseal_session(&hit).await.unwrap().sealed, None);
    assert_eq!(test.turn(&hit, "more").await.status, TurnStatus::Completed);
    let SavedState { events, .. } = open_read(&path, &hit).await;
    assert!(events.iter().any(|event| event.kind() == EventKind::SessionUnsealed));
}

async fn open_read(path: &std::path::Path, session: &SessionId) -> SavedState {
    let store = SqliteStore::open(SqliteConfig::new(path)).unwrap();
    store.read_state(session).await.unwrap()
}
