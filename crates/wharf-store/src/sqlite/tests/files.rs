//! The file, its versions and its neighbours.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::StoreError;

#[tokio::test]
async fn files_are_for_their_owner_only() {
    let place = Place::new();
    let store = place.open();
    Driver::create(&store, "s").await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let directory = place.path().parent().unwrap().to_owned();
    assert_eq!(mode(&directory), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(&directory).unwrap().chain(std::fs::read_dir(directory.join("owners")).unwrap()) {
        let path = entry.unwrap().path();
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
        files += 1;
    }
    assert_eq!(files, 5, "database, wal, shm, owners, a lock");
    store.close().await;
    assert_eq!(std::fs::read_dir(directory.join("owners")).unwrap().count(), 0);
}

#[tokio::test]
async fn the_locks_of_dead_owners_are_tidied_away() {
    let place = Place::new();
    drop(place.open());
    let store = place.open();
    let locks = std::fs::read_dir(place.path().with_file_name("owners")).unwrap().count();
    assert_eq!(locks, 1);
    store.close().await;
}

#[test]
fn a_newer_file_is_refused() {
    let place = Place::new();
    drop(place.sqlite());
    place.connection().pragma_update(None, "user_version", 99).unwrap();
    let refused = SqliteStore::open(place.config("boot"));
    assert!(matches!(refused, Err(StoreError::TooNew { found: 99, known: 4, .. })), "{refused:?}");
}

/// Each released schema, with rows as that release left them.
const RELEASED: &[(i64, &str, &str)] = &[
    (1, include_str!("../v1.sql"), include_str!("v1_rows.sql")),
    (2, concat!(include_str!("../v1.sql"), include_str!("../v2.sql")), include_str!("v1_rows.sql")),
    (
        3,
        concat!(include_str!("../v1.sql"), include_str!("../v2.sql"), include_str!("../v3.sql")),
        include_str!("v1_rows.sql"),
    ),
];

#[tokio::test]
async fn files_of_every_released_version_open() {
    for (version, schema, rows) in RELEASED {
        let place = Place::new();
        std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
        let old = place.connection();
        old.execute_batch(schema).unwrap();
        old.execute_batch(rows).unwrap();
        old.pragma_update(None, "user_version", version).unwrap();
        drop(old);

        let store = place.open();
        let (mut driver, _) = Driver::take(&store, &"session-old".parse().unwrap()).await;
        assert_eq!(driver.seqs().await, [1, 2]);
        assert_eq!(driver.session.title.as_deref(), Some("old words"));
        driver.turn("t", "on it goes", 1).await;
        let query = wharf_protocol::rest::SessionQuery { q: Some("old".to_owned()), ..Default::default() };
        assert_eq!(store.sessions(&query).await.unwrap().total, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_write_to_one_file() {
    let place = Place::new();
    let stores = [place.open(), place.open()];
    let tasks = stores.clone().map(|store| {
        tokio::spawn(async move {
            let name = format!("{:?}", std::ptr::from_ref(&*store).addr());
            let mut driver = Driver::create(&store, &name).await;
            for n in 0..20 {
                driver.turn(&format!("t{n}"), "x", 2).await;
            }
            driver.session
        })
    });
    for task in tasks {
        let session = task.await.unwrap();
        for store in &stores {
            assert_eq!(store.session(&session.id).await.unwrap().as_ref(), Some(&session));
            assert_eq!(store.read(&session.id, wharf_protocol::Seq(0), 1_000, usize::MAX).await.unwrap().len(), 141);
        }
    }
    for store in &stores {
        // What the other one wrote last comes into sight with the next look.
        store.check().await.unwrap();
        let mut head = store.head();
        while head.seen().0 != 282 {
            head.changed().await.unwrap();
        }
        assert_eq!(store.read_all(crate::Position(0), 1_000, usize::MAX).await.unwrap().len(), 282);
    }
}
