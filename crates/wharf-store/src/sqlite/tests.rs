//! What only the store on SQLite does, and the suite of all stores.

mod durability;
mod files;
mod lost;
mod trouble;

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{SqliteConfig, SqliteStore, sync};
use crate::conformance::random::both_answer_the_same;
use crate::conformance::{Backend, Driver, bodies};
use crate::{Logs, MemoryDisk, MemoryStore, Store};

/// A directory for a database.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("state").join("wharf.db")
    }

    fn config(&self, boot: &str) -> SqliteConfig {
        SqliteConfig { path: self.path(), readers: 2, boot_id: Some(boot.to_owned()) }
    }

    fn sqlite(&self) -> Arc<SqliteStore> {
        SqliteStore::open(self.config("boot")).unwrap()
    }

    /// A connection beside the store's own, to look at the file or to spoil it.
    fn connection(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        connection
    }
}

impl Backend for Place {
    fn open(&self) -> Arc<dyn Store> {
        self.sqlite()
    }
}

crate::store_conformance!(Place::new());

struct Memory(Arc<MemoryDisk>);

impl Backend for Memory {
    fn open(&self) -> Arc<dyn Store> {
        MemoryStore::open(&self.0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_answers_as_the_twin_in_memory_does() {
    for seed in 0..12 {
        both_answer_the_same(&Place::new(), &Memory(MemoryDisk::new()), seed, 150).await;
    }
}

/// Everything of the read models, as text.
fn models(connection: &Connection) -> String {
    let tables = [
        "SELECT key, id, updated_at, status, archived, cwd, view FROM sessions",
        "SELECT archived, status, sessions FROM counts WHERE sessions > 0",
        "SELECT session, turn_id, first_seq, last_seq, ended_at, view FROM turns",
        "SELECT session, message_id, seq, turn_id, own_turn, body_hash FROM prompts",
        "SELECT session, seq FROM docs",
        "SELECT d.session, d.seq FROM docs d WHERE d.id IN (SELECT rowid FROM search WHERE search MATCH '\"parser\"*')",
        "SELECT key, first_seq, last_seq, deleted FROM logs",
    ];
    let mut rows: Vec<String> = Vec::new();
    for sql in tables {
        let mut select = connection.prepare(sql).unwrap();
        let columns = select.column_count();
        let found = select.query_map([], |row| {
            (0..columns).map(|n| row.get::<_, rusqlite::types::Value>(n).map(|v| format!("{v:?}"))).collect()
        });
        let mut found: Vec<Vec<String>> = found.unwrap().map(Result::unwrap).collect();
        found.sort();
        rows.push(sql.to_owned());
        rows.extend(found.iter().map(|row| row.join(" ")));
    }
    rows.join("\n")
}

#[tokio::test]
async fn a_rebuild_makes_the_same_rows() {
    let place = Place::new();
    let sqlite = place.sqlite();
    let store: Arc<dyn Store> = Arc::clone(&sqlite) as _;
    let mut whole = Driver::create(&store, "whole").await;
    whole.turn("a", "fix the parser", 2).await;
    whole.append(vec![(None, bodies::archived(true)), (Some("b"), bodies::received("b", "next"))]).await.unwrap();
    let mut steered = Driver::create(&store, "steered").await;
    steered
        .append(vec![(Some("a"), bodies::received("a", "one")), (Some("a"), bodies::turn_started("a"))])
        .await
        .unwrap();
    steered.append(vec![(Some("b"), bodies::received("b", "two"))]).await.unwrap();
    steered.append(vec![(Some("a"), bodies::prompt_started("b", true))]).await.unwrap();
    let mut cleared = Driver::create(&store, "cleared").await;
    cleared.turn("a", "old parser", 1).await;
    cleared.append(vec![(Some("b"), bodies::received("b", "runs on"))]).await.unwrap();
    cleared.append(vec![(None, bodies::cleared())]).await.unwrap();
    let through = wharf_protocol::Seq(cleared.session.last_seq.0 - 1);
    store.truncate(cleared.id(), cleared.fence, through).await.unwrap();
    cleared.append(vec![(Some("b"), bodies::turn_started("b")), (Some("b"), bodies::completed("b"))]).await.unwrap();
    cleared.turn("c", "new parser", 1).await;
    let deleted = Driver::create(&store, "deleted").await;
    store.delete(deleted.id(), deleted.fence).await.unwrap();
    finish_purges(&place, &sqlite).await;

    let connection = place.connection();
    let before = models(&connection);
    sqlite.rebuild().await.unwrap();
    assert_eq!(models(&connection), before);
    whole.append(vec![(None, bodies::title("on"))]).await.unwrap();
}

/// Waits until all that was removed is gone from the file: the writer does a piece after each request.
async fn finish_purges(place: &Place, store: &SqliteStore) {
    let connection = place.connection();
    for _ in 0..1_000 {
        store.check().await.unwrap();
        let left: i64 = connection.query_row("SELECT count(*) FROM purges", [], |row| row.get(0)).unwrap();
        if left == 0 {
            return;
        }
    }
    panic!("the purges do not end");
}

#[tokio::test]
async fn removed_events_leave_the_file() {
    let place = Place::new();
    let sqlite = place.sqlite();
    let store: Arc<dyn Store> = Arc::clone(&sqlite) as _;
    let mut deleted = Driver::create(&store, "deleted").await;
    for n in 0..30 {
        let chunks = (0..100).map(|n| (Some("t"), bodies::chunk("t", n))).collect();
        deleted.append(chunks).await.unwrap();
        deleted.append(vec![(None, bodies::received(&format!("t{n}"), "secret"))]).await.unwrap();
    }
    deleted.append(vec![(None, bodies::deleted())]).await.unwrap();
    store.delete(deleted.id(), deleted.fence).await.unwrap();
    // Others go on meanwhile.
    let mut other = Driver::create(&store, "other").await;
    other.turn("t", "x", 1).await;
    finish_purges(&place, &sqlite).await;
    let connection = place.connection();
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM events WHERE session = 1"), 1);
    assert_eq!(count("SELECT count(*) FROM docs WHERE session = 1"), 0);
    assert_eq!(count("SELECT count(*) FROM prompts WHERE session = 1"), 0);
    assert_eq!(other.seqs().await.len(), 7);
}
