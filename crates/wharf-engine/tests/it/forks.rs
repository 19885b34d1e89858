//! Copies of sessions: forks of what is here, exports and imports.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;
use wharf_engine::{EngineError, Watcher};
use wharf_protocol::content::text_of;
use wharf_protocol::event::CallErrorReason;
use wharf_protocol::rest::{AnswerPermission, ForkSession, ImportSession, MessageQuery};
use wharf_protocol::{
    EventBody, EventKind, Mode, PermissionOption, Seq, Session, SessionId, SessionStatus, StopReason,
};
use wharf_store::memory::MemoryStore;
use wharf_store::sqlite::{SqliteConfig, SqliteStore};

use crate::support::{Step, TestEngine};

async fn fork(test: &TestEngine, session: &SessionId, at_seq: Option<u64>) -> Result<Session, EngineError> {
    let body = ForkSession { at_seq: at_seq.map(Seq), ..ForkSession::default() };
    test.access.fork_session(session, body).await
}

async fn said(test: &TestEngine, session: &SessionId) -> Vec<String> {
    let page = test.access.messages(session, MessageQuery::default()).await.unwrap();
    page.messages.iter().map(|message| text_of(&message.content)).collect()
}

/// The log as an export.
async fn export(test: &TestEngine, session: &SessionId) -> Vec<String> {
    let (head, mut events) = test.access.export_session(session).await.unwrap();
    let mut lines = vec![serde_json::to_string(&head).unwrap()];
    loop {
        let page = events.next().await.unwrap();
        if page.is_empty() {
            return lines;
        }
        lines.extend(page.iter().map(|event| String::from_utf8(event.json.to_vec()).unwrap()));
    }
}

async fn import(test: &TestEngine, lines: &[String], wanted: ImportSession) -> Result<Session, EngineError> {
    let mut import = test.access.import_session(wanted).unwrap();
    for line in lines {
        import.line(line.as_bytes()).await?;
    }
    import.finish().await
}

#[tokio::test]
async fn a_fork_goes_its_own_way() {
    let test = TestEngine::new().await;
    let session = test.session().await;
    test.model.say([Step::Text("one")]);
    test.turn(&session.id, "first").await;
    let end = test.log(&session.id).await.last().unwrap().seq;
    test.model.say([Step::Text("two")]);
    test.turn(&session.id, "second").await;
    let before = test.log(&session.id).await;

    let forked = fork(&test, &session.id, Some(end.0)).await.unwrap();
    let from = forked.forked_from.clone().unwrap();
    assert_eq!((from.session_id, from.seq), (session.id.clone(), end));
    assert_eq!(
        (forked.status, &forked.title, &forked.cwd),
        (SessionStatus::Idle, &Some("first".to_owned()), &session.cwd)
    );
    assert_eq!(said(&test, &forked.id).await, ["first", "one"]);
    let log = test.log(&forked.id).await;
    assert!(log.iter().zip(1..).all(|(event, seq)| event.seq == Seq(seq) && event.session_id == forked.id));
    assert_eq!(test.access.session(&forked.id).await.unwrap(), forked);

    let requests = test.model.request_count();
    test.model.say([Step::Text("other")]);
    test.turn(&forked.id, "else").await;
    assert_eq!(test.model.request_count(), requests + 1);
    assert_eq!(said(&test, &forked.id).await, ["first", "one", "else", "other"]);
    assert_eq!(test.log(&session.id).await, before, "the session itself is not touched");
    // A fork of a fork, up to the present.
    let second = fork(&test, &forked.id, None).await.unwrap();
    assert_eq!(said(&test, &second.id).await, ["first", "one", "else", "other"]);
}

#[tokio::test]
async fn a_fork_in_the_middle_of_a_text_ends_there() {
    let test = TestEngine::new().await;
    let session = test.session().await;
    let gate = Arc::new(Notify::new());
    test.model.say([Step::Text("half"), Step::Wait(Arc::clone(&gate)), Step::Text(" done")]);
    let accepted = test.prompt(&session.id, "go").await.unwrap();
    test.prompt(&session.id, "queued").await.unwrap();
    test.wait_for(&session.id, Seq::ZERO, EventKind::MessageChunk).await;

    let forked = fork(&test, &session.id, None).await.unwrap();
    assert_eq!((forked.status, forked.queued_count), (SessionStatus::Error, 0));
    let mut cursor = test.access.watch(&forked.id, Some(Seq::ZERO), Watcher { may_answer: true }).await.unwrap();
    let seen = cursor.next(1 << 20).await.unwrap();
    assert_eq!(seen.last().unwrap().seq, forked.last_seq);
    let log = test.log(&forked.id).await;
    let cut = log.iter().find_map(|event| match &event.body {
        EventBody::MessageError(error) => Some(error.content.clone()),
        _ => None,
    });
    assert_eq!(cut.as_deref(), Some("half"));
    let turn = test.access.turn(&forked.id, &accepted.turn_id).await.unwrap();
    assert_eq!(turn.stop_reason, Some(StopReason::Interrupted));
    assert!(log.iter().any(|event| event.kind() == EventKind::PromptWithdrawn));
    assert_eq!(test.model.request_count(), 1, "nothing of the fork runs by itself");

    gate.notify_one();
    let turn = test.access.wait_turn(&session.id, &accepted.turn_id).await.unwrap();
    assert_eq!(turn.response.as_deref(), Some("half done"));
    assert_eq!(test.access.session(&forked.id).await.unwrap(), forked);
}

#[tokio::test]
async fn a_fork_in_the_middle_of_a_call_has_its_one_outcome() {
    let test = TestEngine::new().await;
    let session = test.session().await;
    let command = "echo x >> runs; while [ ! -e go ]; do sleep 0.05; done";
    test.model.say([Step::Call("bash", json!({ "command": command }))]);
    let accepted = test.prompt(&session.id, "run").await.unwrap();
    test.wait_for(&session.id, Seq::ZERO, EventKind::ToolCallStart).await;

    let forked = fork(&test, &session.id, None).await.unwrap();
    let log = test.log(&forked.id).await;
    let ends: Vec<_> = log
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::ToolCallError(error) => Some(error.reason),
            EventBody::ToolCallComplete(_) => panic!("it has not ended"),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [CallErrorReason::Interrupted]);
    std::fs::write(test.work_dir().join("go"), "").unwrap();
    test.access.wait_turn(&session.id, &accepted.turn_id).await.unwrap();
    test.turn(&forked.id, "and here?").await;
    assert_eq!(std::fs::read_to_string(test.work_dir().join("runs")).unwrap(), "x\n", "once");
    let requests = test.model.requests.lock().unwrap();
    let messages = &requests.last().unwrap().messages;
    let (calls, results): (Vec<_>, Vec<_>) = (
        messages.iter().flat_map(|message| &message.tool_calls).collect(),
        messages.iter().filter(|message| message.call_id.is_some()).collect(),
    );
    assert_eq!((calls.len(), results.len()), (1, 1));
}

#[tokio::test]
async fn a_fork_has_no_open_question_and_no_remembered_answer() {
    let test = TestEngine::with(MemoryStore::new(), |config| config.default_mode = Mode::Ask).await;
    let session = test.session().await;
    let call = || Step::Call("bash", json!({ "command": "touch made" }));
    test.model.say([call()]);
    let accepted = test.prompt(&session.id, "run").await.unwrap();
    test.wait_for(&session.id, Seq::ZERO, EventKind::PermissionRequested).await;
    let asked = fork(&test, &session.id, None).await.unwrap();
    assert!(test.access.permissions(&asked.id).await.unwrap().permissions.is_empty());

    let open = test.access.permissions(&session.id).await.unwrap().permissions;
    let answer = AnswerPermission { option: PermissionOption::AllowAlways, message: None };
    test.access.answer(None, &open[0].permission_id, answer).await.unwrap();
    test.access.wait_turn(&session.id, &accepted.turn_id).await.unwrap();
    let answered = fork(&test, &session.id, None).await.unwrap();
    test.model.say([call()]);
    test.prompt(&answered.id, "again").await.unwrap();
    test.wait_for(&answered.id, answered.last_seq, EventKind::PermissionRequested).await;
}

#[tokio::test]
async fn where_a_fork_may_begin() {
    let test = TestEngine::new().await;
    let session = test.session().await;
    test.turn(&session.id, "hello").await;
    let last = test.log(&session.id).await.last().unwrap().seq;
    assert!(matches!(fork(&test, &session.id, Some(last.0 + 1)).await, Err(EngineError::CursorAhead { .. })));
    assert!(matches!(fork(&test, &session.id, Some(0)).await, Err(EngineError::Invalid { field: "at_seq", .. })));
    let missing = fork(&test, &"nobody".parse().unwrap(), None).await;
    assert!(matches!(missing, Err(EngineError::SessionNotFound(_))));
    let body = ForkSession { session_id: Some(session.id.clone()), ..ForkSession::default() };
    let taken = test.access.fork_session(&session.id, body).await;
    assert!(matches!(taken, Err(EngineError::SessionExists(_))));
    assert!(said(&test, &fork(&test, &session.id, Some(1)).await.unwrap().id).await.is_empty());

    test.access.clear_messages(&session.id).await.unwrap();
    assert!(matches!(fork(&test, &session.id, Some(2)).await, Err(EngineError::CursorExpired { .. })));
    test.turn(&session.id, "afresh").await;
    let forked = fork(&test, &session.id, None).await.unwrap();
    assert_eq!(said(&test, &forked.id).await, ["afresh", "ok"]);
}

#[tokio::test]
async fn a_fork_is_there_after_a_restart() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let open = || SqliteStore::open(SqliteConfig::new(home.path().join("wharf.db"))).unwrap();
    let test = TestEngine::at(Arc::clone(&home), open(), |_| {}).await;
    let session = test.session().await;
    for _ in 0..3 {
        test.turn(&session.id, "hello").await;
    }
    let forked = fork(&test, &session.id, None).await.unwrap();
    let log = test.log(&forked.id).await;
    test.stop().await;
    let test = TestEngine::at(home.clone(), open(), |_| {}).await;
    assert_eq!(test.access.session(&forked.id).await.unwrap(), forked);
    assert_eq!(test.log(&forked.id).await, log);
    test.turn(&forked.id, "on").await;
    test.stop().await;
}

#[tokio::test]
async fn an_export_can_be_imported() {
    let test = TestEngine::new().await;
    let session = test.session().await;
    test.model.say([Step::Call("bash", json!({ "command": "echo hi" }))]);
    test.turn(&session.id, "run").await;
    let lines = export(&test, &session.id).await;
    let other = TestEngine::with(MemoryStore::new(), |config| config.default_mode = Mode::Ask).await;
    let cwd = Some(other.work_dir());
    let imported = import(&other, &lines, ImportSession { cwd, ..ImportSession::default() }).await.unwrap();
    assert_eq!(said(&other, &imported.id).await, said(&test, &session.id).await);
    assert_eq!((session.mode, imported.mode), (Mode::Full, Mode::Ask), "a file does not say what is allowed here");
    assert_eq!(imported.forked_from, None);
    // And of what was imported once more.
    let again = import(&other, &export(&other, &imported.id).await, ImportSession::default()).await.unwrap();
    assert_eq!(said(&other, &again.id).await, said(&other, &imported.id).await);
}

#[tokio::test]
async fn an_export_of_a_running_turn_does_not_run_elsewhere() {
    let test = TestEngine::new().await;
    let session = test.session().await;
    let gate = Arc::new(Notify::new());
    test.model.say([Step::Text("half"), Step::Wait(Arc::clone(&gate))]);
    test.prompt(&session.id, "go").await.unwrap();
    test.wait_for(&session.id, Seq::ZERO, EventKind::MessageChunk).await;
    let imported = import(&test, &export(&test, &session.id).await, ImportSession::default()).await.unwrap();
    assert_eq!(said(&test, &imported.id).await, ["go", "half"]);
    assert_eq!((imported.status, test.model.request_count()), (SessionStatus::Error, 1));
    gate.notify_one();
}

#[tokio::test]
async fn what_is_no_export_makes_nothing() {
    let test = TestEngine::new().await;
    let session = test.session().await;
    test.turn(&session.id, "hello").await;
    let good = export(&test, &session.id).await;
    let change = |at: usize, change: &dyn Fn(&mut Value)| {
        let mut lines = good.clone();
        let mut value = serde_json::from_str(&lines[at]).unwrap();
        change(&mut value);
        lines[at] = value.to_string();
        lines
    };
    let mut twice = good.clone();
    twice.insert(2, good[1].clone());
    let without_start: Vec<String> = good.iter().filter(|line| !line.contains("\"turn.started\"")).cloned().collect();
    let cases = [
        (vec!["no json".to_owned()], 1),
        (good[1..].to_vec(), 1),
        (change(0, &|head| head["version"] = json!(2)), 1),
        (change(0, &|head| head["format"] = json!("other")), 1),
        (change(3, &|event| event["type"] = json!("no.such")), 4),
        (change(3, &|event| event["seq"] = json!(1)), 4),
        (change(3, &|event| event["payload"] = json!(null)), 4),
        (twice, 3),
        (without_start, 6),
        (Vec::new(), 1),
    ];
    for (lines, wrong) in cases {
        let refused = import(&test, &lines, ImportSession::default()).await;
        let Err(EngineError::NotAnExport { line, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(line, wrong, "{refused:?}");
    }
    let outside = ImportSession { cwd: Some("/nowhere/at/all".into()), ..ImportSession::default() };
    assert!(matches!(import(&test, &good, outside).await, Err(EngineError::Invalid { field: "cwd", .. })));
    assert_eq!(test.access.session_counts().await.unwrap().total, 1);
}

#[tokio::test]
async fn an_import_brings_no_grants() {
    let test = TestEngine::with(MemoryStore::new(), |config| config.default_mode = Mode::Ask).await;
    let session = test.session().await;
    let call = || Step::Call("bash", json!({ "command": "touch made" }));
    test.model.say([call()]);
    let accepted = test.prompt(&session.id, "run").await.unwrap();
    test.wait_for(&session.id, Seq::ZERO, EventKind::PermissionRequested).await;
    let open = test.access.permissions(&session.id).await.unwrap().permissions;
    let answer = AnswerPermission { option: PermissionOption::AllowAlways, message: None };
    test.access.answer(None, &open[0].permission_id, answer).await.unwrap();
    test.access.wait_turn(&session.id, &accepted.turn_id).await.unwrap();
    // The export says more than it may: full mode, a remembered answer, a log that begins with grants.
    let mut lines = export(&test, &session.id).await;
    lines[0] = lines[0].replace("\"ask\"", "\"full\"");
    assert!(lines.iter().any(|line| line.contains("\"remembered\":true")));
    let grant =
        json!({ "tool_name": "bash", "arguments": { "command": "touch made" }, "cwd": session.cwd, "allowed": true });
    let mut cleared: Value = serde_json::from_str(&lines[1]).unwrap();
    cleared["type"] = json!("session.cleared");
    cleared["payload"] = json!({ "grants": [grant] });
    lines[1] = cleared.to_string();
    let imported = import(&test, &lines, ImportSession::default()).await.unwrap();
    assert_eq!(imported.mode, Mode::Ask);
    test.model.say([call()]);
    test.prompt(&imported.id, "again").await.unwrap();
    test.wait_for(&imported.id, imported.last_seq, EventKind::PermissionRequested).await;
}
