//! Files that somebody deletes: while the server runs, and between two runs.

use std::fs;

use crate::Lab;
use crate::place::Place;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_deleted_under_a_server_takes_nothing_with_it() {
    let place = Place::plain();
    let mut lab = Lab::open(&place).await;
    let session = lab.session().await;
    lab.turn(&session, "before").await;
    fs::remove_file(place.beside("-wal")).unwrap();
    // What is written at this very moment may be refused.
    lab.turn_in_the_end(&session, "after").await;
    assert_eq!(lab.unready().await, None);
    lab.server.kill();
    let lab = lab.restart().await;
    for id in ["before", "after"] {
        lab.ended(&session, id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_deleted_between_two_runs_is_told_and_its_numbers_are_left_out() {
    let place = Place::plain();
    let mut lab = Lab::open(&place).await;
    let session = lab.session().await;
    // The session is in the database, its turns are not.
    lab.server.stop().await;
    let mut lab = lab.restart().await;
    lab.turn(&session, "lost").await;
    let last = lab.get(&format!("/api/v1/sessions/{session}")).await.body["last_seq"].as_u64().unwrap();
    lab.server.kill();
    fs::remove_file(place.beside("-wal")).unwrap();
    let lab = lab.restart().await;
    assert!(lab.server.output().contains("-wal file"), "{}", lab.server.output());
    lab.turn(&session, "again").await;
    let events = lab.get(&format!("/api/v1/sessions/{session}/events?after=0")).await;
    let seqs: Vec<u64> = events.body["events"].as_array().unwrap().iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert!(seqs.iter().all(|seq| *seq == 1 || *seq > last), "a number is used twice: {seqs:?}");
    let recovered = events.body["events"].as_array().unwrap().iter().find(|e| e["type"] == "session.recovered");
    assert_eq!(recovered.unwrap()["payload"]["last_seq_on_disk"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_deleted_under_a_server_takes_nothing_more_and_is_saved() {
    let place = Place::plain();
    let mut lab = Lab::open(&place).await;
    let session = lab.session().await;
    lab.turn(&session, "kept").await;
    assert!(lab.get(&format!("/api/v1/sessions/{session}/messages")).await.is_ok());
    fs::remove_file(place.database()).unwrap();
    lab.prompt(&session, "refused").await.assert_unavailable();
    lab.post("/api/v1/sessions", &serde_json::json!({})).await.assert_unavailable();
    let reason = lab.unready().await.unwrap();
    assert!(reason.contains("deleted or replaced"), "{reason}");
    assert!(lab.get(&format!("/api/v1/sessions/{session}/messages")).await.is_ok(), "reads go on");

    let saved = || {
        let files = fs::read_dir(place.state()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.to_string_lossy().contains(".rescued-")).collect::<Vec<_>>()
    };
    assert_eq!(saved().len(), 1, "{}", lab.server.output());
    assert!(lab.server.output().contains("put the copy in the database's place"), "{}", lab.server.output());
    lab.server.stop().await;
    for suffix in ["-wal", "-shm"] {
        // They may be gone with the server.
        let _ = fs::remove_file(place.beside(suffix));
    }
    fs::rename(&saved()[0], place.database()).unwrap();
    let lab = lab.restart().await;
    lab.ended(&session, "kept").await;
    lab.turn(&session, "more").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_deleted_between_two_runs_is_not_begun_anew_over_its_log() {
    let place = Place::plain();
    let mut lab = Lab::open(&place).await;
    let session = lab.session().await;
    lab.turn(&session, "kept").await;
    lab.server.kill();
    let away = place.beside(".away");
    fs::rename(place.database(), &away).unwrap();
    let (code, _, told) = place.run(&["serve", "--port", "0"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("put the database back"), "{told}");
    fs::rename(&away, place.database()).unwrap();
    let lab = lab.restart().await;
    lab.ended(&session, "kept").await;
}
