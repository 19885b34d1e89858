//! A person at the client, who may take their time.

use axum::extract::ws::Utf8Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wharf_engine::{Field, FieldKind};

use super::*;
use crate::acp::rpc::Id;
use crate::websocket::Outgoing;

const LIMIT: Duration = Duration::from_secs(600);

fn question() -> Question {
    let field = Field { name: "a".into(), title: None, description: None, kind: FieldKind::Text, required: true };
    Question { message: "Which?".into(), fields: vec![field] }
}

fn value(frame: &Utf8Bytes) -> Value {
    serde_json::from_str(frame.as_str()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_person_who_thinks_is_no_client_that_does_not_answer() {
    let (out, mut sent) = mpsc::channel(8);
    let asking = Arc::new(Asking::new(out.downgrade(), "test", TaskTracker::new()));
    let host = Arc::new(Host {
        asking: Arc::clone(&asking),
        session_id: SessionId::from_bits(1),
        offers: Offers { forms: true, ..Offers::default() },
        aliases: Vec::new(),
        commands: mpsc::channel(1).0.downgrade(),
        terminals: Arc::new(Terminals::new(std::path::PathBuf::from("/nonexistent"))),
        tasks: TaskTracker::new(),
    });
    for answers in [true, false] {
        let asked = Arc::clone(&host);
        let asked = tokio::spawn(async move { asked.ask(&CallId::from_bits(2), &question(), LIMIT).await });
        let Some(Outgoing::Frames(frames)) = sent.recv().await else { panic!("nothing was asked") };
        tokio::time::advance(LIMIT - Duration::from_secs(1)).await;
        let end = if answers {
            let id = Id::from_value(&value(&frames[0])["id"]).unwrap();
            let answer = json!({ "action": "accept", "content": { "a": "b" } }).to_string();
            asking.answered(&id, Ok(RawValue::from_string(answer).unwrap())).await;
            Ok(Reply::Answered(json!({ "a": "b" }).as_object().unwrap().clone()))
        } else {
            Err(HostError::Silent { after_ms: 600_000 })
        };
        assert_eq!(asked.await.unwrap(), end);
    }
    let Some(Outgoing::Frames(frames)) = sent.recv().await else { panic!("nothing was taken back") };
    assert_eq!(value(&frames[0])["method"], "$/cancel_request");
    assert!(host.offers().forms, "it is asked again");
}
