//! Every request ends: answered, out of time, taken back, or with the connection.

use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

fn connection(room: usize) -> (Arc<Asking>, mpsc::Sender<Outgoing>, Receiver<Outgoing>) {
    let (out, sent) = mpsc::channel(room);
    (Arc::new(Asking::new(out.downgrade(), "test", TaskTracker::new())), out, sent)
}

async fn next(sent: &mut Receiver<Outgoing>) -> Value {
    let Some(Outgoing::Frames(mut frames)) = sent.recv().await else { panic!("nothing was sent") };
    serde_json::from_str(frames.remove(0).as_str()).unwrap()
}

fn ask(asking: &Arc<Asking>) -> tokio::task::JoinHandle<Result<Value, HostError>> {
    let asking = Arc::clone(asking);
    tokio::spawn(async move { asking.ask(Ours::CallTool, &json!({}), LIMIT).await })
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

fn id(message: &Value) -> Id {
    Id::from_value(&message["id"]).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_goes_to_whoever_asked() {
    let (asking, _out, mut sent) = connection(8);
    let (one, two) = (ask(&asking), ask(&asking));
    let (first, second) = (next(&mut sent).await, next(&mut sent).await);
    assert!(first["id"].is_string() && first["id"] != second["id"]);
    asking.answered(&id(&second), Ok(raw(&json!(2)))).await;
    asking.answered(&id(&first), Err(raw(&json!({ "code": 1, "message": "no", "data": "why" })))).await;
    assert_eq!(one.await.unwrap(), Err(HostError::Refused("no: why".to_owned())));
    assert_eq!(two.await.unwrap(), Ok(json!(2)));
    // Twice, late, or of something else.
    asking.answered(&id(&first), Ok(raw(&json!(1)))).await;
    asking.answered(&Id::from_text("perm-1"), Ok(raw(&json!(1)))).await;
    assert!(asking.open().requests.is_empty());
}

#[tokio::test(start_paused = true)]
async fn silence_costs_the_time_limit_and_is_remembered() {
    let (asking, _out, mut sent) = connection(8);
    let asked = ask(&asking);
    let request = next(&mut sent).await;
    assert_eq!(asked.await.unwrap(), Err(HostError::Silent { after_ms: 10_000 }));
    let cancel = next(&mut sent).await;
    assert_eq!((&cancel["method"], &cancel["params"]["requestId"]), (&json!("$/cancel_request"), &request["id"]));
    assert!(!asking.is_alive());
    asking.answered(&id(&request), Ok(raw(&json!(1)))).await;
    assert!(asking.is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_even_read_costs_no_more() {
    let (asking, _out, _sent) = connection(1);
    let waiting: Vec<_> = (0..OPEN_REQUESTS + 10).map(|_| ask(&asking)).collect();
    let began = tokio::time::Instant::now();
    for asked in waiting {
        assert_eq!(asked.await.unwrap(), Err(HostError::Silent { after_ms: 10_000 }));
    }
    assert_eq!(began.elapsed(), LIMIT);
    assert!(asking.open().requests.is_empty());
}

#[tokio::test(start_paused = true)]
async fn few_are_open_at_once() {
    let (asking, _out, mut sent) = connection(OPEN_REQUESTS * 2);
    let waiting: Vec<_> = (0..=OPEN_REQUESTS).map(|_| ask(&asking)).collect();
    let first = next(&mut sent).await;
    for _ in 1..OPEN_REQUESTS {
        next(&mut sent).await;
    }
    assert!(sent.is_empty());
    asking.answered(&id(&first), Ok(raw(&json!(1)))).await;
    next(&mut sent).await;
    asking.close();
    let ends: Vec<_> = futures_util::future::join_all(waiting).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(ends.iter().filter(|end| **end == Err(HostError::Gone)).count(), OPEN_REQUESTS);
}

#[tokio::test(start_paused = true)]
async fn with_the_connection_everything_ends() {
    let (asking, out, mut sent) = connection(8);
    let asked = ask(&asking);
    next(&mut sent).await;
    asking.close();
    assert_eq!(asked.await.unwrap(), Err(HostError::Gone));
    assert_eq!(ask(&asking).await.unwrap(), Err(HostError::Gone));
    assert!(!asking.is_alive() && sent.is_empty());
    // Who asks keeps no writer waiting.
    drop(out);
    assert!(sent.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn whoever_no_longer_waits_takes_the_request_back() {
    let (asking, _out, mut sent) = connection(8);
    let asked = ask(&asking);
    let request = next(&mut sent).await;
    asked.abort();
    assert_eq!(next(&mut sent).await["params"]["requestId"], request["id"]);
}

fn permission(asking: &Asking, id: &str, commands: &mpsc::Sender<ToSession>) -> Option<Value> {
    let request = acp::RequestPermissionRequest::new(
        acp::SessionId::new("s-1"),
        acp::ToolCallUpdate::new(acp::ToolCallId::new("call-1"), acp::ToolCallUpdateFields::new()),
        Vec::new(),
    );
    let (permission, session) = (id.parse().unwrap(), "s-1".parse().unwrap());
    let frame = asking.permission(&permission, request, &session, &commands.downgrade())?;
    Some(serde_json::from_str(frame.as_str()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_permission_goes_to_its_session() {
    let (asking, _out, _sent) = connection(8);
    let (commands, mut inbox) = mpsc::channel(1);
    let asked = permission(&asking, "perm-1", &commands).unwrap();
    assert_eq!((&asked["id"], &asked["method"]), (&json!("perm-1"), &json!("session/request_permission")));
    assert_eq!(permission(&asking, "perm-1", &commands), None, "it is open");
    asking.answered(&id(&asked), Ok(raw(&json!({ "outcome": { "outcome": "cancelled" } })))).await;
    let Some(ToSession::Answered { permission_id, answer }) = inbox.recv().await else { panic!("no answer") };
    assert_eq!(permission_id.as_str(), "perm-1");
    assert!(answer.is_ok());
    assert_eq!(asking.settled(&permission_id), None, "the client was the one to answer");
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_others_settle_is_taken_back_and_one_of_a_closed_session_forgotten() {
    let (asking, _out, sent) = connection(8);
    let (commands, _inbox) = mpsc::channel(1);
    permission(&asking, "perm-1", &commands).unwrap();
    let told = asking.settled(&"perm-1".parse().unwrap()).unwrap();
    let told: Value = serde_json::from_str(told.as_str()).unwrap();
    assert_eq!((&told["method"], &told["params"]["requestId"]), (&json!("$/cancel_request"), &json!("perm-1")));
    permission(&asking, "perm-2", &commands).unwrap();
    asking.forget(&"s-1".parse().unwrap());
    assert_eq!(asking.settled(&"perm-2".parse().unwrap()), None);
    assert!(asking.open().requests.is_empty() && sent.is_empty());
}
