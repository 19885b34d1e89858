//! Titles that a small model writes.

use wharf_protocol::model::{ModelError, ModelErrorKind};
use wharf_protocol::{EventKind, Seq};
use wharf_store::memory::MemoryStore;

use crate::support::{Step, TestEngine};

#[tokio::test]
async fn a_small_model_names_the_session_when_its_first_turn_is_over() {
    let engine =
        TestEngine::with(MemoryStore::new(), |config| config.small_model = Some("test/small".to_owned())).await;
    let session = engine.session().await;
    engine.model.say([Step::Text("Done.")]);
    engine.model.say([Step::Text("\"Tabs "), Step::Text("to spaces\"\n")]);
    engine.turn(&session.id, "make spaces of all tabs").await;
    engine.wait_for(&session.id, Seq::ZERO, EventKind::SessionUpdated).await;
    let named = engine.access.session(&session.id).await.unwrap();
    assert_eq!(named.title.as_deref(), Some("Tabs to spaces"));
    assert_eq!(named.token_usage.total_tokens, 24, "the title counts as well");
    engine.turn(&session.id, "and now the reverse").await;
    let requests = engine.model.requests.lock().unwrap();
    assert_eq!(requests.len(), 3, "a title is asked for once");
    assert!(requests[1].tools.is_empty() && requests[1].system.is_empty());
    assert_eq!(requests[2].messages.len(), 3, "the wish is no part of what was said");
}

#[tokio::test]
async fn a_small_model_that_fails_leaves_the_first_words() {
    let engine =
        TestEngine::with(MemoryStore::new(), |config| config.small_model = Some("test/small".to_owned())).await;
    let session = engine.session().await;
    engine.model.say([Step::Text("Done.")]);
    let message = "no such model".to_owned();
    let kind = ModelErrorKind::Refused;
    engine.model.say([Step::Fail(ModelError { kind, message, retry_after_ms: None })]);
    engine.turn(&session.id, "make spaces of all tabs").await;
    engine.model.asked(2).await;
    engine.turn(&session.id, "more").await;
    assert_eq!(engine.access.session(&session.id).await.unwrap().title.as_deref(), Some("make spaces of all tabs"));
    assert!(!engine.kinds(&session.id).await.contains(&"session.updated"));
}
