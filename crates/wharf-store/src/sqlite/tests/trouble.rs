//! Disks that fail or are full, and rows that cannot be read.

use std::sync::atomic::{AtomicBool, Ordering};

use wharf_protocol::Seq;
use wharf_protocol::rest::SessionQuery;

use super::*;
use crate::sqlite::sync::SyncFile;
use crate::{AppendError, Position, ReadError, StoreError};

#[tokio::test]
async fn after_a_failed_sync_nothing_is_taken_until_a_check_succeeds() {
    let place = Place::new();
    let broken = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&broken);
    let sync: SyncFile = Arc::new(move |file| {
        if state.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("the disk is gone"));
        }
        (sync::fdatasync())(file)
    });
    let store: Arc<dyn Store> = SqliteStore::open_with(place.config("boot"), sync, &|_| Ok(())).unwrap();
    let mut driver = Driver::create(&store, "s").await;
    let head = store.head().position();

    broken.store(true, Ordering::SeqCst);
    let disk = |result| matches!(result, Err(AppendError::Store(StoreError::Unavailable(_))));
    assert!(disk(driver.append(vec![(None, bodies::title("x"))]).await));
    assert_eq!(store.head().position(), head, "what is not known to be on disk is not shown");
    assert_eq!(driver.seqs().await, [1]);
    assert!(disk(driver.append(vec![(Some("t"), bodies::chunk("t", 0))]).await), "nor is more taken");
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))));

    broken.store(false, Ordering::SeqCst);
    assert!(disk(driver.append(vec![(None, bodies::title("x"))]).await), "a sync that works proves nothing");
    store.check().await.unwrap();
    // The event was written after all: its writer learns so by reloading.
    assert!(matches!(driver.append(vec![(None, bodies::title("x"))]).await, Err(AppendError::Conflict { .. })));
    let (mut driver, _) = Driver::take(&store, driver.id()).await;
    driver.append(vec![(None, bodies::title("y"))]).await.unwrap();
    assert_eq!(driver.seqs().await, [1, 2, 3]);
    assert_eq!(store.head().position(), Position(3));
}

#[tokio::test]
async fn a_full_disk_refuses_and_works_again_when_there_is_room() {
    let place = Place::new();
    let store: Arc<dyn Store> = SqliteStore::open_with(place.config("boot"), sync::fdatasync(), &|connection| {
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        connection.pragma_update_and_check(None, "max_page_count", pages + 4, |_| Ok(()))
    })
    .unwrap();
    let mut small = Driver::create(&store, "small").await;
    let mut large = Driver::create(&store, "large").await;
    let text = "word ".repeat(20_000);
    let refused = large.append(vec![(Some("t"), bodies::received("t", &text))]).await;
    assert!(matches!(refused, Err(AppendError::Store(StoreError::Full(_)))), "{refused:?}");
    assert_eq!(large.seqs().await, [1]);
    let before = store.head().position();
    assert_eq!(store.session(large.id()).await.unwrap().as_ref(), Some(&large.session));
    let refused = small.append(vec![(Some("t"), bodies::chunk("t", 0))]).await;
    assert!(matches!(refused, Err(AppendError::Store(StoreError::Full(_)))), "nor what would fit: {refused:?}");
    store.check().await.unwrap();
    // What fits is taken then, in the same place as if nothing had been.
    small.append(vec![(Some("t"), bodies::chunk("t", 0))]).await.unwrap();
    assert_eq!(store.head().position().0, before.0 + 1);
    store.delete(small.id(), small.fence).await.unwrap();
    large.append(vec![(None, bodies::title("x"))]).await.unwrap();
}

#[tokio::test]
async fn a_damaged_row_troubles_its_own_session_only() {
    let place = Place::new();
    let store = place.open();
    let mut damaged = Driver::create(&store, "damaged").await;
    damaged.append(vec![(None, bodies::title("x")), (None, bodies::title("y"))]).await.unwrap();
    let mut whole = Driver::create(&store, "whole").await;
    let connection = place.connection();
    connection.execute("UPDATE events SET kind = 99 WHERE session = 1 AND seq = 2", []).unwrap();

    let names_it =
        |error: &StoreError| matches!(error, StoreError::Damaged { session, .. } if session.as_str() == "damaged");
    let read = store.read(damaged.id(), Seq(1), 10, 1_000).await;
    assert!(matches!(&read, Err(ReadError::Store(error)) if names_it(error)), "{read:?}");
    assert_eq!(store.read(damaged.id(), Seq(0), 10, 1_000).await.unwrap().len(), 1, "what comes before can be read");
    let state = store.read_state(damaged.id()).await;
    assert!(matches!(&state, Err(ReadError::Store(error)) if names_it(error)));
    connection.execute("UPDATE events SET kind = 2, json = 'x' WHERE session = 1 AND seq = 2", []).unwrap();
    let state = store.read_state(damaged.id()).await;
    assert!(matches!(&state, Err(ReadError::Store(error)) if names_it(error)));
    connection.execute("UPDATE sessions SET view = '{}' WHERE key = 1", []).unwrap();
    // A view follows from the events: it is made anew.
    assert_eq!(store.session(damaged.id()).await.unwrap().unwrap().title.as_deref(), Some("y"));

    whole.turn("t", "hello", 1).await;
    let all = store.read_all(Position(0), 100, usize::MAX).await.unwrap();
    assert_eq!(all.len(), 9, "the stream of all sessions leaves out the one event");
    let page = store.sessions(&SessionQuery::default()).await.unwrap();
    assert_eq!(page.sessions.iter().map(|session| session.id.as_str()).collect::<Vec<_>>(), ["whole", "damaged"]);
    connection.execute("DELETE FROM events WHERE session = 1", []).unwrap();
    assert!(matches!(store.session(damaged.id()).await, Err(error) if names_it(&error)));
    let page = store.sessions(&SessionQuery::default()).await.unwrap();
    assert_eq!(page.sessions.len(), 1, "one that cannot be read hides no other");
    drop(damaged);
}

#[tokio::test]
async fn a_view_that_cannot_be_read_is_written_anew_with_the_next_event() {
    let place = Place::new();
    let store = place.open();
    let mut driver = Driver::create(&store, "s").await;
    driver.append(vec![(None, bodies::title("old"))]).await.unwrap();
    place.connection().execute("UPDATE sessions SET view = 'x' || view", []).unwrap();
    assert_eq!(store.session(driver.id()).await.unwrap().as_ref(), Some(&driver.session));
    assert_eq!(store.unfinished().await.unwrap(), [], "it hides no other that is");
    driver.append(vec![(None, bodies::title("new"))]).await.unwrap();
    let stored: String = place.connection().query_row("SELECT view FROM sessions", [], |row| row.get(0)).unwrap();
    assert!(stored.starts_with('{') && stored.contains("new"), "{stored}");
}

#[tokio::test]
async fn a_write_that_fails_alone_spoils_no_other() {
    let place = Place::new();
    let store = place.open();
    let mut bad = Driver::create(&store, "bad").await;
    let mut good = Driver::create(&store, "good").await;
    bad.append(vec![(Some("t"), bodies::received("t", "x"))]).await.unwrap();
    // The turn's row cannot be read, so its end cannot be written.
    place.connection().execute("UPDATE turns SET view = '{}'", []).unwrap();
    let (end, fine) =
        (bad.plan(vec![(Some("t"), bodies::completed("t"))]), good.plan(vec![(None, bodies::title("x"))]));
    let (end, fine) = tokio::join!(store.append(end), store.append(fine));
    assert!(matches!(end, Err(AppendError::Store(StoreError::Damaged { .. }))), "{end:?}");
    fine.unwrap();
    assert_eq!(bad.seqs().await, [1, 2]);
}
