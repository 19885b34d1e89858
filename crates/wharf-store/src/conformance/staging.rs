//! Logs that are written out of sight.

use std::sync::Arc;

use wharf_protocol::rest::SessionQuery;
use wharf_protocol::{Event, EventBody, Seq, Session, SessionId, TurnId};

use super::driver::new_log;
use super::{Backend, Driver, bodies};
use crate::{AppendError, Entry, Position, StagedLog, Store};

/// A log of one turn, which is staged in two parts: its first event, the parts, and its view.
struct Copy {
    created: Entry,
    parts: [Arc<[Entry]>; 2],
    view: Session,
}

fn copy(id: &str) -> Copy {
    let (log, mut view) = new_log(id, wharf_protocol::Timestamp(2_000_000), "/work");
    let mut entry = |turn: &str, body: EventBody| {
        let event = Event {
            seq: view.last_seq.next(),
            session_id: view.id.clone(),
            turn_id: Some(turn.parse().unwrap()),
            timestamp: view.updated_at,
            body,
        };
        view.apply(&event);
        Entry::new(event)
    };
    let first = [
        entry("t", bodies::received("t", "hello from a copy")),
        entry("t", bodies::prompt_started("t", false)),
        entry("t", bodies::turn_started("t")),
    ];
    let second = [entry("t", bodies::complete_message("t", 1)), entry("t", bodies::completed("t"))];
    Copy { created: log.entries[0].clone(), parts: [first.into(), second.into()], view }
}

impl Copy {
    async fn stage(&self, store: &Arc<dyn Store>) -> StagedLog {
        let stage = store.stage(&self.view.id).await.unwrap();
        for part in &self.parts {
            store.stage_events(&stage, Arc::clone(part)).await.unwrap();
        }
        stage
    }
}

async fn found(store: &Arc<dyn Store>, q: Option<&str>) -> Vec<String> {
    let query = SessionQuery { q: q.map(str::to_owned), ..SessionQuery::default() };
    let page = store.sessions(&query).await.unwrap();
    page.sessions.iter().map(|session| session.id.to_string()).collect()
}

async fn of_all(store: &Arc<dyn Store>) -> Vec<(String, u64)> {
    let all = store.read_all(Position(0), 100, usize::MAX).await.unwrap();
    all.iter().map(|(_, event)| (event.decode().unwrap().session_id.to_string(), event.seq.0)).collect()
}

pub async fn a_staged_log_comes_to_light_as_a_whole(backend: &dyn Backend) {
    let store = backend.open();
    let mut other = Driver::create(&store, "other").await;
    let copy = copy("copy");
    let id: SessionId = copy.view.id.clone();
    let stage = copy.stage(&store).await;
    other.append(vec![(None, bodies::title("meanwhile"))]).await.unwrap();

    assert!(store.session(&id).await.unwrap().is_none());
    assert!(store.read(&id, Seq(0), 10, 1_000).await.is_err());
    assert_eq!(found(&store, None).await, ["other"]);
    assert!(found(&store, Some("copy")).await.is_empty());
    assert_eq!(store.session_count().await.unwrap(), 1);
    assert!(store.unfinished().await.unwrap().is_empty());
    assert_eq!(of_all(&store).await, [("other".to_owned(), 1), ("other".to_owned(), 2)]);

    let lease = store.publish(&stage, copy.created.clone(), copy.view.clone()).await.unwrap();
    assert_eq!(store.session(&id).await.unwrap().as_ref(), Some(&copy.view));
    let events = store.read(&id, Seq(0), 10, usize::MAX).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(found(&store, Some("copy")).await, ["copy"]);
    assert_eq!(store.session_count().await.unwrap(), 2);
    assert!(store.turn(&id, &"t".parse::<TurnId>().unwrap()).await.unwrap().unwrap().status.is_final());
    assert_eq!(store.read_state(&id).await.unwrap().events.len(), 6);
    // Copies are no news.
    let seen = of_all(&store).await;
    assert_eq!(seen, [("other".to_owned(), 1), ("other".to_owned(), 2), ("copy".to_owned(), 1)]);
    assert_eq!(store.read_all(store.head().position(), 9, 9).await.unwrap().len(), 0);

    // From here on it is a session like any other.
    store.release(&id, lease.fence).await.unwrap();
    let (mut driver, _) = Driver::take(&store, &id).await;
    driver.append(vec![(None, bodies::title("on"))]).await.unwrap();
    assert_eq!(driver.seqs().await, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(of_all(&store).await.last(), Some(&("copy".to_owned(), 7)));
    store.discard(&stage).await.unwrap();
    assert_eq!(driver.seqs().await.len(), 7, "it is no staged log any more");
    assert!(matches!(store.stage_events(&stage, Arc::clone(&copy.parts[0])).await, Err(AppendError::NotFound { .. })));
}

pub async fn a_staged_log_that_is_discarded_leaves_nothing(backend: &dyn Backend) {
    let store = backend.open();
    let copy = copy("copy");
    let stage = copy.stage(&store).await;
    let again = store.stage_events(&stage, Arc::clone(&copy.parts[0])).await;
    assert!(matches!(again, Err(AppendError::Conflict { .. })), "seqs do not go back");
    store.discard(&stage).await.unwrap();
    // What is discarded may be gone a moment later.
    let _ = store.publish(&stage, copy.created.clone(), Session { last_seq: Seq(99), ..copy.view.clone() }).await;
    assert!(store.session(&copy.view.id).await.unwrap().is_none());
    let stage = copy.stage(&store).await;
    store.publish(&stage, copy.created.clone(), copy.view.clone()).await.unwrap();
    assert_eq!(store.session(&copy.view.id).await.unwrap(), Some(copy.view));
}

pub async fn a_dead_owners_staged_log_is_gone(backend: &dyn Backend) {
    let store = backend.open();
    let copy = copy("copy");
    let stage = copy.stage(&store).await;
    drop(store);

    let store = backend.open();
    store.check().await.unwrap();
    assert!(store.session(&copy.view.id).await.unwrap().is_none());
    assert!(of_all(&store).await.is_empty());
    assert!(store.publish(&stage, copy.created.clone(), copy.view.clone()).await.is_err());
    // The id was never taken.
    let stage = copy.stage(&store).await;
    store.publish(&stage, copy.created.clone(), copy.view.clone()).await.unwrap();
}

pub async fn a_staged_log_cannot_take_an_id_that_is_in_use(backend: &dyn Backend) {
    let store = backend.open();
    let copy = copy("copy");
    let stage = copy.stage(&store).await;
    Driver::create(&store, "copy").await;
    let published = store.publish(&stage, copy.created.clone(), copy.view.clone()).await;
    assert!(matches!(published, Err(AppendError::Exists { .. })));
    store.discard(&stage).await.unwrap();
    assert_eq!(of_all(&store).await, [("copy".to_owned(), 1)]);
}
