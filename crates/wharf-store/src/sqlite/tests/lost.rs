//! Files that somebody deletes, replaces or changes under the store, and between two of them.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use wharf_protocol::{EncodedEvent, Seq, SessionId};

use super::*;
use crate::sqlite::files::beside;
use crate::{AppendError, ReadError, StoreError};

fn wal(place: &Place) -> PathBuf {
    beside(&place.path(), "-wal")
}

/// The files as they are at this moment: what a killed process would leave.
fn crashed_copy(place: &Place) -> Place {
    let copy = Place::new();
    let (from, to) = (place.path(), copy.path());
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    for suffix in ["", "-wal"] {
        let from = beside(&from, suffix);
        if from.exists() {
            fs::copy(from, beside(&to, suffix)).unwrap();
        }
    }
    let owners = to.with_file_name("owners");
    fs::create_dir(&owners).unwrap();
    fs::write(owners.join("1-dead.lock"), "").unwrap();
    copy
}

async fn titles(store: &Arc<dyn Store>, id: &SessionId) -> usize {
    store.read(id, Seq(0), 1_000, usize::MAX).await.unwrap().len()
}

#[tokio::test]
async fn a_log_that_is_deleted_in_use_takes_nothing_with_it() {
    for suffix in ["-wal", "-shm"] {
        let place = Place::new();
        let store = place.open();
        let mut driver = Driver::create(&store, "s").await;
        driver.append(vec![(None, bodies::title("before"))]).await.unwrap();
        fs::remove_file(beside(&place.path(), suffix)).unwrap();
        for name in ["one", "two"] {
            driver.append(vec![(None, bodies::title(name))]).await.unwrap();
        }
        driver.append(vec![(Some("t"), bodies::chunk("t", 0))]).await.unwrap();
        assert_eq!(titles(&store, driver.id()).await, 5, "without {suffix}");
        // What the next start finds is everything that was acknowledged.
        let copy = crashed_copy(&place);
        let found = copy.open();
        assert_eq!(titles(&found, driver.id()).await, 5, "without {suffix}");
        driver.append(vec![(None, bodies::title("after"))]).await.unwrap();
        store.check().await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_into_a_database_that_is_gone() {
    let place = Place::new();
    let store = place.open();
    let mut driver = Driver::create(&store, "s").await;
    driver.append(vec![(None, bodies::title("kept"))]).await.unwrap();
    assert_eq!(titles(&store, driver.id()).await, 2);
    fs::remove_file(place.path()).unwrap();
    let lost = |result: &Result<_, _>| matches!(result, Err(AppendError::Store(StoreError::Lost(_))));
    let refused = driver.append(vec![(None, bodies::title("refused"))]).await;
    assert!(lost(&refused), "{refused:?}");
    let refused = driver.append(vec![(Some("t"), bodies::chunk("t", 0))]).await;
    assert!(lost(&refused), "{refused:?}");
    assert!(matches!(store.check().await, Err(StoreError::Lost(_))));
    assert_eq!(titles(&store, driver.id()).await, 2, "reads go on");

    let directory = place.path().parent().unwrap().to_owned();
    let copies = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let copies: Vec<PathBuf> = copies.filter(|path| path.to_string_lossy().contains(".rescued-")).collect();
    assert_eq!(copies.len(), 1, "everything was copied once");
    let restored = Place::new();
    fs::create_dir_all(restored.path().parent().unwrap()).unwrap();
    fs::copy(&copies[0], restored.path()).unwrap();
    assert_eq!(titles(&restored.open(), driver.id()).await, 2);
}

#[tokio::test]
async fn a_database_that_is_cut_short_takes_nothing() {
    let place = Place::new();
    let store = place.open();
    let mut driver = Driver::create(&store, "s").await;
    OpenOptions::new().write(true).open(place.path()).unwrap().set_len(1_024).unwrap();
    let refused = driver.append(vec![(None, bodies::title("refused"))]).await;
    assert!(matches!(refused, Err(AppendError::Store(StoreError::Lost(_)))), "{refused:?}");
}

#[tokio::test]
async fn numbers_of_a_lost_log_are_not_used_again() {
    let place = Place::new();
    let store = place.open();
    let mut driver = Driver::create(&store, "s").await;
    // As after a checkpoint, so that the database alone has the session.
    place.connection().execute_batch("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
    driver.append(vec![(None, bodies::title("lost"))]).await.unwrap();
    let copy = crashed_copy(&place);
    fs::remove_file(wal(&copy)).unwrap();
    let found: Arc<dyn Store> = SqliteStore::open(copy.config("boot")).unwrap();
    let lease = found.acquire(driver.id()).await.unwrap();
    assert!(lease.skip_to.is_some_and(|skip_to| skip_to.0 > 1_000_000), "{lease:?}");
    let before = found.head().position().0;
    assert!(before > 1_000_000, "positions go on behind the lost ones: {before}");

    // A store that was closed in good order has no log either.
    found.close().await;
    let found: Arc<dyn Store> = SqliteStore::open(copy.config("boot")).unwrap();
    assert_eq!(found.head().position().0, before);
}

#[test]
fn a_log_without_its_database_is_not_thrown_away() {
    let place = Place::new();
    let store = place.sqlite();
    let copy = crashed_copy(&place);
    drop(store);
    fs::remove_file(copy.path()).unwrap();
    let refused = SqliteStore::open(copy.config("boot"));
    assert!(matches!(refused, Err(StoreError::Lost(_))), "{refused:?}");
    assert!(wal(&copy).metadata().unwrap().len() > 0);
}

/// Changes one byte of a file where `pattern` stands.
fn flip(path: &Path, pattern: &str) {
    let bytes = fs::read(path).unwrap();
    let places: Vec<usize> =
        bytes.windows(pattern.len()).enumerate().filter(|(_, w)| *w == pattern.as_bytes()).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "{pattern} is in {}", path.display());
    let file = OpenOptions::new().write(true).open(path).unwrap();
    for at in places {
        file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
    }
}

#[tokio::test]
async fn a_changed_byte_is_noticed_and_troubles_its_own_session_only() {
    let place = Place::new();
    let store = place.open();
    let mut whole = Driver::create(&store, "whole").await;
    let mut hit = Driver::create(&store, "hit").await;
    for n in 0..5 {
        hit.turn(&format!("t{n}"), "what was said", 2).await;
        whole.turn(&format!("t{n}"), "what was said", 2).await;
    }
    hit.append(vec![(Some("u"), bodies::received("u", "a most unusual word"))]).await.unwrap();
    let (hit_id, whole_id) = (hit.id().clone(), whole.id().clone());
    drop((hit, whole));
    store.close().await;
    drop(store);
    flip(&place.path(), "most unusual word");

    let store = place.open();
    let names_it = |error: &StoreError| matches!(error, StoreError::Damaged { session, .. } if *session == hit_id);
    let state = store.read_state(&hit_id).await;
    assert!(matches!(&state, Err(ReadError::Store(error)) if names_it(error)), "{state:?}");
    let before: Vec<EncodedEvent> = store.read(&hit_id, Seq(0), 1_000, usize::MAX).await.unwrap();
    assert_eq!(before.len(), 36, "what comes before it can be read");
    let (mut whole, _) = Driver::take(&store, &whole_id).await;
    whole.turn("after", "it works", 1).await;
}

#[tokio::test]
async fn a_page_that_makes_no_sense_troubles_those_that_need_it() {
    let place = Place::new();
    let store = place.open();
    for name in ["a", "b"] {
        let mut driver = Driver::create(&store, name).await;
        let text = format!("the one of {name} ").repeat(4_000);
        driver.append(vec![(Some("t"), bodies::received("t", &text))]).await.unwrap();
    }
    store.close().await;
    drop(store);
    // The pages that only the long event of `a` is on.
    let bytes = fs::read(place.path()).unwrap();
    let file = OpenOptions::new().write(true).open(place.path()).unwrap();
    let is_of_a = |page: &[u8]| page.windows(14).filter(|window| *window == b"the one of a t").count() > 200;
    let mut spoiled = 0;
    for (number, page) in bytes.chunks(4_096).enumerate() {
        if is_of_a(page) && spoiled == 0 {
            file.write_all_at(&[0xff; 4_096], number as u64 * 4_096).unwrap();
            spoiled += 1;
        }
    }
    assert_eq!(spoiled, 1);
    let store = place.open();
    let read = store.read_state(&"a".parse().unwrap()).await;
    assert!(matches!(&read, Err(ReadError::Store(StoreError::Damaged { .. }))), "{read:?}");
    let (mut other, _) = Driver::take(&store, &"b".parse().unwrap()).await;
    other.append(vec![(None, bodies::title("on"))]).await.unwrap();
}
