//! Clearing, deleting and retention.

use wharf_protocol::rest::SessionQuery;
use wharf_protocol::{EventKind, Seq, Timestamp};

use super::{Backend, Driver, bodies};
use crate::{AcquireError, AppendError, Position, ReadError, Window};

pub async fn a_cleared_log_begins_later(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    driver.turn("a", "secret words", 2).await;
    driver.append(vec![(None, bodies::cleared())]).await.unwrap();
    let cleared = driver.session.last_seq;
    assert_eq!(driver.session.first_seq, cleared);
    store.truncate(driver.id(), driver.fence, Seq(cleared.0 - 1)).await.unwrap();

    let expired = |result| matches!(result, Err(ReadError::Expired { first }) if first == cleared);
    assert!(expired(store.read(driver.id(), Seq(0), 10, 1_000).await));
    assert!(expired(store.read(driver.id(), Seq(cleared.0 - 2), 10, 1_000).await));
    let rest = store.read(driver.id(), Seq(cleared.0 - 1), 10, 1_000).await.unwrap();
    assert_eq!(rest.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::SessionCleared]);
    let state = store.read_state(driver.id()).await.unwrap();
    assert_eq!((state.session, state.events.len()), (driver.session.clone(), 1));
    let prompts = store.read_kinds(driver.id(), &[EventKind::PromptReceived], Window::Before(None), 10).await.unwrap();
    assert!(prompts.is_empty());
    assert_eq!(store.read_all(Position(0), 10, 1_000).await.unwrap().len(), 1);

    // What the prompt came to is still known; what was said is not.
    let (turn, _) = store.turn_of_prompt(driver.id(), &bodies::prompt_id("a")).await.unwrap().unwrap();
    assert!(turn.status.is_final());
    assert_eq!(turn.response, None);
    driver.append(vec![(None, bodies::title("new"))]).await.unwrap();
    let query = SessionQuery { q: Some("secret".to_owned()), ..SessionQuery::default() };
    assert_eq!(store.sessions(&query).await.unwrap().total, 0);
    driver.turn("b", "more", 1).await;
    assert_eq!(driver.seqs().await.first(), Some(&cleared.0));
}

pub async fn a_deleted_session_leaves_one_event(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    let other = Driver::create(&store, "other").await;
    driver.turn("a", "secret words", 2).await;
    driver.append(vec![(None, bodies::deleted())]).await.unwrap();
    store.delete(driver.id(), driver.fence).await.unwrap();

    assert!(matches!(store.read(driver.id(), Seq(0), 10, 1_000).await, Err(ReadError::NotFound { .. })));
    assert!(matches!(store.read_state(driver.id()).await, Err(ReadError::NotFound { .. })));
    assert!(matches!(store.acquire(driver.id()).await, Err(AcquireError::NotFound { .. })));
    assert!(matches!(driver.append(vec![(None, bodies::title("x"))]).await, Err(AppendError::NotFound { .. })));
    assert!(matches!(driver.append(vec![(None, bodies::chunk("x", 0))]).await, Err(AppendError::NotFound { .. })));
    assert!(matches!(store.delete(driver.id(), driver.fence).await, Err(AppendError::NotFound { .. })));
    assert_eq!(store.session(driver.id()).await.unwrap(), None);
    assert_eq!(store.turn(driver.id(), &Driver::turn_id("a")).await.unwrap(), None);
    assert_eq!(store.session_count().await.unwrap(), 1);
    let page = store.sessions(&SessionQuery::default()).await.unwrap();
    assert_eq!((page.total, &page.sessions[0].id), (1, other.id()));

    let all = store.read_all(Position(0), 10, 10_000).await.unwrap();
    let kinds: Vec<EventKind> = all.iter().map(|(_, event)| event.kind).collect();
    assert_eq!(kinds, [EventKind::SessionCreated, EventKind::SessionDeleted]);
}

pub async fn old_chunks_are_dropped(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    driver.turn("a", "one", 3).await;
    let a_ended = driver.now;
    driver.turn("b", "two", 2).await;
    driver.append(vec![(Some("c"), bodies::received("c", "x")), (Some("c"), bodies::chunk("c", 0))]).await.unwrap();

    assert_eq!(store.drop_chunks(a_ended, 100).await.unwrap(), 0, "ended at that time, not before it");
    assert_eq!(store.drop_chunks(a_ended.after_ms(1), 2).await.unwrap(), 2);
    assert_eq!(driver.seqs().await, [1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]);
    assert_eq!(store.drop_chunks(Timestamp(i64::MAX), 100).await.unwrap(), 3);
    assert_eq!(driver.seqs().await, [1, 2, 3, 4, 8, 9, 10, 11, 12, 15, 16, 17, 18], "the open turn keeps its own");
    assert_eq!(store.drop_chunks(Timestamp(i64::MAX), 100).await.unwrap(), 0);
    assert_eq!(store.session(driver.id()).await.unwrap().unwrap(), driver.session);
}

pub async fn positions_are_not_used_again(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    let last = driver.append(vec![(None, bodies::title("x"))]).await.unwrap();
    store.truncate(driver.id(), driver.fence, driver.session.last_seq).await.unwrap();
    assert!(store.read_all(Position(0), 10, 1_000).await.unwrap().is_empty());
    assert!(driver.append(vec![(None, bodies::title("y"))]).await.unwrap() > last);
}
