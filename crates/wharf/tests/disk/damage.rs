//! Bytes that are not what was written: one session is concerned, the others work.

use std::fs;

use crate::Lab;
use crate::place::Place;

/// Changes a byte wherever the text stands in a file.
pub fn flip(place: &Place, text: &str) {
    let mut bytes = fs::read(place.database()).unwrap();
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(text.as_bytes())).collect();
    assert!(!places.is_empty(), "{text} is in the database");
    for at in places {
        bytes[at] ^= 1;
    }
    fs::write(place.database(), bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_noticed_and_seals_its_own_session() {
    let place = Place::plain();
    let mut lab = Lab::open(&place).await;
    let (hit, whole) = (lab.session().await, lab.session().await);
    for session in [&hit, &whole] {
        lab.turn(session, &format!("in-{session}")).await;
    }
    lab.server.stop().await;
    flip(&place, &format!("prompt in-{hit}"));

    let mut lab = lab.restart().await;
    lab.turn(&whole, "works").await;
    let told = lab.prompt(&hit, "refused").await;
    assert_eq!((told.status, told.code()), (409, "SESSION_SEALED"), "{told:?}");
    assert_eq!(told.body["details"]["reason"], "damaged", "{told:?}");
    let read = lab.get(&format!("/api/v1/sessions/{hit}/messages")).await;
    assert_eq!((read.status, read.code()), (500, "SESSION_DAMAGED"), "{read:?}");
    let view = lab.get(&format!("/api/v1/sessions/{hit}")).await.body;
    assert_eq!((&view["status"], &view["sealed"]["reason"]), (&"sealed".into(), &"damaged".into()));
    let listed = lab.get("/api/v1/sessions?status=sealed").await.body;
    assert_eq!(listed["total"], 1);
    let unsealed = lab.post(&format!("/api/v1/sessions/{hit}/unseal"), &serde_json::json!({})).await;
    assert_eq!((unsealed.status, &unsealed.body["status"]), (200, &"sealed".into()), "{unsealed:?}");
    assert_eq!(lab.unready().await, None, "the server works");
    lab.server.stop().await;
    let lab = lab.restart().await;
    assert_eq!(lab.prompt(&hit, "refused").await.code(), "SESSION_SEALED");
    lab.turn(&whole, "goes-on").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_cut_short_ends_nothing_but_its_sessions() {
    let place = Place::plain();
    let mut lab = Lab::open(&place).await;
    let session = lab.session().await;
    for number in 0..30 {
        lab.turn(&session, &format!("p-{number}")).await;
    }
    lab.server.stop().await;
    let file = fs::OpenOptions::new().write(true).open(place.database()).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length / 2).unwrap();
    // Where the program can start at all, it answers; where it cannot, it says why and what to do. It never dies of it.
    match place.server().model_url(lab.model.url()).try_start().await {
        Ok(server) => {
            let lab = Lab { server, model: lab.model };
            let told = lab.get(&format!("/api/v1/sessions/{session}/messages")).await;
            assert!(told.is_ok() || ["SESSION_DAMAGED", "STORAGE_UNAVAILABLE"].contains(&told.code()), "{told:?}");
            assert!(lab.get("/health").await.is_ok());
        }
        Err(refused) => assert!(refused.reason.contains("wharf doctor"), "{}", refused.reason),
    }
}
