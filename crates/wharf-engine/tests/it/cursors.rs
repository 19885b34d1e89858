//! Cursors: history and live, without a gap or a repeat.

use std::sync::Arc;

use tokio::sync::Notify;
use wharf_engine::{EngineError, Watcher};
use wharf_protocol::{EventKind, Seq, SessionId};

use crate::support::{Step, TestEngine};

const NOBODY: Watcher = Watcher { may_answer: false };

async fn read_to_end(test: &TestEngine, session: &SessionId, after: Seq, max_bytes: usize) -> Vec<u64> {
    let mut cursor = test.access.watch(session, Some(after), NOBODY).await.unwrap();
    let mut seqs = Vec::new();
    loop {
        for event in cursor.next(max_bytes).await.unwrap() {
            seqs.push(event.seq.0);
            if event.kind == EventKind::TurnCompleted {
                return seqs;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_from_everywhere_get_each_event_once() {
    let test = Arc::new(TestEngine::new().await);
    let session = test.session().await.id;
    let gates: Vec<Arc<Notify>> = (0..400).map(|_| Arc::new(Notify::new())).collect();
    let steps: Vec<Step> = gates.iter().flat_map(|gate| [Step::Wait(Arc::clone(gate)), Step::Text("word ")]).collect();
    test.model.say(steps);
    test.prompt(&session, "talk").await.unwrap();
    let mut readers = Vec::new();
    for (index, gate) in gates.iter().enumerate() {
        gate.notify_one();
        if index % 20 == 0 {
            let (test, session) = (Arc::clone(&test), session.clone());
            // Small pieces fall behind the tail and come from the store.
            let max_bytes = if index % 40 == 0 { 1 } else { 1 << 20 };
            let after = test.access.events(&session, None, 1).await.unwrap().last_seq.0;
            let after = Seq(if index % 60 == 0 { 0 } else { after });
            readers.push((after, tokio::spawn(async move { read_to_end(&test, &session, after, max_bytes).await })));
        }
    }
    for (after, reader) in readers {
        let seqs = reader.await.unwrap();
        let expected: Vec<u64> = (after.0 + 1..=*seqs.last().unwrap()).collect();
        assert_eq!(seqs, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_ahead_of_the_log_is_refused() {
    let test = TestEngine::new().await;
    let session = test.session().await.id;
    let ahead = test.access.watch(&session, Some(Seq(2)), NOBODY).await.err();
    assert!(matches!(ahead, Some(EngineError::CursorAhead { last: Seq(1), .. })), "{ahead:?}");
    let unknown = test.access.watch(&"nobody".parse().unwrap(), None, NOBODY).await.err();
    assert!(matches!(unknown, Some(EngineError::SessionNotFound(_))), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_of_all_sessions_sees_all_of_them() {
    let test = TestEngine::new().await;
    let mut all = test.access.watch_all(None).await.unwrap();
    let (one, two) = (test.session().await.id, test.session().await.id);
    test.turn(&one, "a").await;
    test.turn(&two, "b").await;
    let mut ends = Vec::new();
    let mut last = 0;
    while ends.len() < 2 {
        for (position, event) in all.next(1 << 20).await.unwrap() {
            assert!(position.0 > last);
            last = position.0;
            if event.kind == EventKind::TurnCompleted {
                ends.push(event.decode().unwrap().session_id);
            }
        }
    }
    assert_eq!(ends, [one, two]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_of_an_unloaded_session_see_it_come_back() {
    let store = wharf_store::memory::MemoryStore::new();
    let test = TestEngine::with(store, |config| config.idle_unload_ms = 0).await;
    let session = test.session().await.id;
    let mut cursor = test.access.watch(&session, Some(Seq(0)), NOBODY).await.unwrap();
    let mut seqs = Vec::new();
    for round in 0..20 {
        test.turn(&session, &format!("round {round}")).await;
        let mut is_over = false;
        while !is_over {
            for event in cursor.next(1 << 20).await.unwrap() {
                seqs.push(event.seq.0);
                is_over |= event.kind == EventKind::TurnCompleted;
            }
        }
    }
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}
