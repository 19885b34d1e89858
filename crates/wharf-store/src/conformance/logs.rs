//! Appending and reading.

use wharf_protocol::{EventKind, Seq};

use super::driver::new_log;
use super::{Backend, Driver, bodies};
use crate::{AppendError, Position, ReadError, StoreError, Window};

pub async fn appended_events_are_read_in_order(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    driver.turn("t", "hello", 3).await;
    assert_eq!(driver.seqs().await, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(store.session(driver.id()).await.unwrap().as_ref(), Some(&driver.session));

    // The bytes are those that were appended.
    let append = driver.plan(vec![(None, bodies::title("x"))]);
    let bytes = append.entries[0].encoded.clone();
    store.append(append).await.unwrap();
    assert_eq!(store.read(driver.id(), Seq(9), 10, 1_000).await.unwrap(), [bytes]);

    let none = store.read(&"other".parse().unwrap(), Seq(0), 1, 1).await;
    assert!(matches!(none, Err(ReadError::NotFound { .. })));
    assert!(store.session(&"other".parse().unwrap()).await.unwrap().is_none());
}

pub async fn a_read_ends_at_its_limits(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    driver.turn("t", "hello", 5).await;
    let len = async |after, limit, bytes| store.read(driver.id(), Seq(after), limit, bytes).await.unwrap().len();
    assert_eq!(len(0, 4, usize::MAX).await, 4);
    assert_eq!(len(0, 0, usize::MAX).await, 0);
    assert_eq!(len(0, 100, 0).await, 1, "always at least one");
    let two: usize =
        store.read(driver.id(), Seq(0), 2, usize::MAX).await.unwrap().iter().map(|event| event.json.len()).sum();
    assert_eq!(len(0, 100, two).await, 2);
    assert_eq!(len(0, 100, two + 1).await, 2);
    assert_eq!(len(11, 100, 100).await, 0, "nothing follows the last one");
    assert_eq!(len(500, 100, 100).await, 0);
}

pub async fn an_append_that_is_not_next_is_refused(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    let late = driver.plan(vec![(None, bodies::title("late"))]);
    let late_chunk = driver.plan(vec![(None, bodies::chunk("t", 0))]);
    driver.append(vec![(None, bodies::title("first"))]).await.unwrap();
    assert!(matches!(store.append(late.clone()).await, Err(AppendError::Conflict { .. })));
    assert!(matches!(store.append(late_chunk).await, Err(AppendError::Conflict { .. })));

    let mut empty = driver.plan(Vec::new());
    assert!(matches!(store.append(empty.clone()).await, Err(AppendError::Conflict { .. })));
    empty.session.id = "other".parse().unwrap();
    let other = crate::Append { session: empty.session, ..driver.plan(vec![(None, bodies::title("x"))]) };
    assert!(matches!(store.append(other).await, Err(AppendError::NotFound { .. })));
    assert_eq!(driver.seqs().await, [1, 2], "nothing was written");

    // Seqs may leave numbers out, but not go back.
    let mut skipping = driver.plan(vec![(None, bodies::title("x"))]);
    let mut event = skipping.entries[0].event.clone();
    event.seq = Seq(50);
    skipping.session.last_seq = Seq(50);
    skipping.entries = vec![crate::Entry::new(event)].into();
    store.append(skipping).await.unwrap();
    assert_eq!(driver.seqs().await, [1, 2, 50]);
}

pub async fn an_id_is_given_out_once(backend: &dyn Backend) {
    let store = backend.open();
    let driver = Driver::create(&store, "s").await;
    let again = || new_log("s", driver.now, "/").0;
    assert!(matches!(store.create(again()).await, Err(AppendError::Exists { .. })));
    store.delete(driver.id(), driver.fence).await.unwrap();
    assert!(matches!(store.create(again()).await, Err(AppendError::Exists { .. })));
}

pub async fn events_of_some_kinds_in_windows(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    for turn in ["a", "b", "c"] {
        driver.turn(turn, "hello", 2).await;
    }
    // Each turn: received, prompt started, turn started, chunk, chunk, message, end.
    let messages = [EventKind::PromptReceived, EventKind::MessageComplete];
    let read = async |kinds: &[EventKind], window, limit| {
        let events = store.read_kinds(driver.id(), kinds, window, limit).await.unwrap();
        events.iter().map(|event| event.seq.0).collect::<Vec<_>>()
    };
    assert_eq!(read(&messages, Window::After(Seq(0)), 100).await, [2, 7, 9, 14, 16, 21]);
    assert_eq!(read(&messages, Window::After(Seq(7)), 2).await, [9, 14]);
    assert_eq!(read(&messages, Window::Before(None), 3).await, [14, 16, 21]);
    assert_eq!(read(&messages, Window::Before(Some(Seq(14))), 2).await, [7, 9]);
    assert_eq!(read(&[EventKind::MessageChunk], Window::Before(Some(Seq(13))), 2).await, [6, 12]);
    assert_eq!(read(&[EventKind::MessageChunk, EventKind::TurnCompleted], Window::After(Seq(5)), 3).await, [6, 8, 12]);
    assert_eq!(read(&[], Window::Before(None), 3).await, [0_u64; 0]);
}

pub async fn state_is_read_without_old_chunks(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    driver.turn("a", "hello", 3).await;
    let seqs = async |driver: &Driver| {
        let saved = store.read_state(driver.id()).await.unwrap();
        assert_eq!(saved.session, driver.session);
        saved.events.iter().map(|event| event.seq.0).collect::<Vec<_>>()
    };
    assert_eq!(seqs(&driver).await, [1, 2, 3, 4, 8, 9]);
    driver.append(vec![(Some("b"), bodies::chunk("b", 0)), (Some("b"), bodies::chunk("b", 1))]).await.unwrap();
    assert_eq!(seqs(&driver).await, [1, 2, 3, 4, 8, 9, 10, 11]);
    // Something else happens while the text is open: its chunks are still all there is of it.
    driver.append(vec![(None, bodies::title("meanwhile"))]).await.unwrap();
    assert_eq!(seqs(&driver).await, [1, 2, 3, 4, 8, 9, 10, 11, 12]);
}

pub async fn all_events_in_the_order_of_their_positions(backend: &dyn Backend) {
    let store = backend.open();
    let mut head = store.head();
    assert_eq!(head.seen(), Position(0));
    let mut a = Driver::create(&store, "a").await;
    let mut b = Driver::create(&store, "b").await;
    a.append(vec![(Some("t"), bodies::chunk("t", 0))]).await.unwrap();
    let last = b.append(vec![(Some("t"), bodies::chunk("t", 0)), (None, bodies::title("b"))]).await.unwrap();
    head.changed().await.unwrap();
    assert_eq!(head.seen(), last);

    let all = store.read_all(Position(0), 100, usize::MAX).await.unwrap();
    let found: Vec<(String, u64)> =
        all.iter().map(|(_, event)| (event.decode().unwrap().session_id.to_string(), event.seq.0)).collect();
    let expected = [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("b", 3)].map(|(id, seq)| (id.to_owned(), seq));
    assert_eq!(found, expected);
    assert!(all.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(all.last().unwrap().0, last);

    let rest = store.read_all(all[1].0, 2, usize::MAX).await.unwrap();
    assert_eq!(rest, all[2..4]);
    assert_eq!(store.read_all(all[1].0, 9, 0).await.unwrap(), all[2..3]);
    assert!(store.read_all(last, 9, 9).await.unwrap().is_empty());
}

pub async fn what_was_written_is_there_after_reopening(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    driver.turn("t", "hello", 3).await;
    driver.append(vec![(Some("u"), bodies::chunk("u", 0))]).await.unwrap();
    let (session, seqs, head) = (driver.session.clone(), driver.seqs().await, store.head().position());
    let turns = store.turns(driver.id(), None, 10).await.unwrap();
    drop(driver);
    drop(store);

    let store = backend.open();
    assert_eq!(store.head().position(), head);
    let (mut driver, lease) = Driver::take(&store, &session.id).await;
    assert!(lease.taken_over);
    assert_eq!(lease.skip_to, None, "the machine did not stop");
    assert_eq!(driver.session, session);
    assert_eq!(driver.seqs().await, seqs);
    assert_eq!(store.turns(&session.id, None, 10).await.unwrap(), turns);
    assert!(driver.append(vec![(None, bodies::title("on"))]).await.unwrap() > head);
}

pub async fn a_closed_store_says_so(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    store.check().await.unwrap();
    store.close().await;
    store.close().await;
    assert!(matches!(store.check().await, Err(StoreError::Closed)));
    assert!(matches!(store.session(driver.id()).await, Err(StoreError::Closed)));
    let refused = driver.append(vec![(None, bodies::title("x"))]).await;
    assert!(matches!(refused, Err(AppendError::Store(StoreError::Closed))));
}
