//! What must not end the process, nor anything but its own turn: disks, panics, restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Semaphore;
use wharf_engine::EngineError;
use wharf_protocol::rest::{SessionPage, SessionQuery, UsageQuery, UsageReport};
use wharf_protocol::{
    EncodedEvent, EventKind, MessageId, Prompt, Seq, Session, SessionId, Timestamp, Turn, TurnId, TurnStatus,
};
use wharf_store::memory::MemoryStore;
use wharf_store::sqlite::{SqliteConfig, SqliteStore};
use wharf_store::{
    AcquireError, Append, AppendError, Entry, Head, Lease, Logs, NewLog, Position, QueryError, ReadError, SavedState,
    StagedLog, Store, StoreError, Window,
};

use crate::support::{Step, TestEngine};

/// A store whose disk can be made to refuse data, and to take its time.
struct Faulty {
    inner: Arc<MemoryStore>,
    is_full: AtomicBool,
    /// An append takes one of these, and gives it back.
    turns: Semaphore,
}

impl Faulty {
    fn new() -> Arc<Self> {
        let turns = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self { inner: MemoryStore::new(), is_full: AtomicBool::new(false), turns })
    }
}

#[async_trait]
impl Logs for Faulty {
    async fn acquire(&self, session: &SessionId) -> Result<Lease, AcquireError> {
        self.inner.acquire(session).await
    }

    async fn release(&self, session: &SessionId, fence: u64) -> Result<(), StoreError> {
        self.inner.release(session, fence).await
    }

    async fn read(
        &self,
        s: &SessionId,
        after: Seq,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<EncodedEvent>, ReadError> {
        self.inner.read(s, after, limit, bytes).await
    }

    async fn read_state(&self, session: &SessionId) -> Result<SavedState, ReadError> {
        self.inner.read_state(session).await
    }

    async fn read_kinds(
        &self,
        session: &SessionId,
        kinds: &[EventKind],
        window: Window,
        limit: usize,
    ) -> Result<Vec<EncodedEvent>, ReadError> {
        self.inner.read_kinds(session, kinds, window, limit).await
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<(Position, EncodedEvent)>, StoreError> {
        self.inner.read_all(after, limit, bytes).await
    }

    fn head(&self) -> Head {
        self.inner.head()
    }

    async fn session(&self, session: &SessionId) -> Result<Option<Session>, StoreError> {
        self.inner.session(session).await
    }

    async fn sessions(&self, query: &SessionQuery) -> Result<SessionPage, QueryError> {
        self.inner.sessions(query).await
    }

    async fn session_count(&self) -> Result<u64, StoreError> {
        self.inner.session_count().await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError> {
        self.inner.usage(query).await
    }

    async fn turn(&self, session: &SessionId, turn: &TurnId) -> Result<Option<Turn>, StoreError> {
        self.inner.turn(session, turn).await
    }

    async fn turn_of_prompt(&self, s: &SessionId, prompt: &MessageId) -> Result<Option<(Turn, String)>, StoreError> {
        self.inner.turn_of_prompt(s, prompt).await
    }

    async fn turns(&self, session: &SessionId, before: Option<Seq>, limit: usize) -> Result<Vec<Turn>, StoreError> {
        self.inner.turns(session, before, limit).await
    }

    async fn unfinished(&self) -> Result<Vec<SessionId>, StoreError> {
        self.inner.unfinished().await
    }

    async fn note_recovery(&self, session: &SessionId, fence: u64, count: u32) -> Result<(), AppendError> {
        self.inner.note_recovery(session, fence, count).await
    }

    async fn truncate(&self, session: &SessionId, fence: u64, through: Seq) -> Result<(), AppendError> {
        self.inner.truncate(session, fence, through).await
    }

    async fn delete(&self, session: &SessionId, fence: u64) -> Result<(), AppendError> {
        self.inner.delete(session, fence).await
    }

    async fn drop_chunks(&self, ended_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.drop_chunks(ended_before, limit).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl Store for Faulty {
    async fn create(&self, log: NewLog) -> Result<Lease, AppendError> {
        self.inner.create(log).await
    }

    async fn stage(&self, session: &SessionId) -> Result<StagedLog, AppendError> {
        self.inner.stage(session).await
    }

    async fn stage_events(&self, stage: &StagedLog, entries: Arc<[Entry]>) -> Result<(), AppendError> {
        self.inner.stage_events(stage, entries).await
    }

    async fn publish(&self, stage: &StagedLog, created: Entry, view: Session) -> Result<Lease, AppendError> {
        self.inner.publish(stage, created, view).await
    }

    async fn discard(&self, stage: &StagedLog) -> Result<(), StoreError> {
        self.inner.discard(stage).await
    }

    async fn append(&self, append: Append) -> Result<Position, AppendError> {
        let _turn = self.turns.acquire().await.unwrap();
        if self.is_full.load(Ordering::SeqCst) {
            return Err(StoreError::Full("no space".to_owned()).into());
        }
        self.inner.append(append).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_acknowledges_nothing_and_the_turn_goes_on_when_it_is_over() {
    let store = Faulty::new();
    let test = TestEngine::with(Arc::clone(&store) as Arc<dyn Store>, |_| {}).await;
    let session = test.session().await.id;
    let gate = Arc::new(tokio::sync::Notify::new());
    test.model.say([Step::Text("before "), Step::Wait(Arc::clone(&gate)), Step::Text("lost")]);
    let accepted = test.prompt(&session, "talk").await.unwrap();
    test.wait_for(&session, accepted.seq, EventKind::MessageChunk).await;
    store.is_full.store(true, Ordering::SeqCst);
    let refused = test.prompt(&session, "more").await;
    assert!(matches!(refused, Err(EngineError::Storage(_))), "{refused:?}");
    assert_eq!(test.access.session(&session).await.unwrap().id, session, "reads go on");
    test.model.say([Step::Text("after")]);
    gate.notify_one();
    store.is_full.store(false, Ordering::SeqCst);
    let turn = test.access.wait_turn(&session, &accepted.turn_id).await.unwrap();
    assert_eq!((turn.status, turn.response.as_deref()), (TurnStatus::Completed, Some("after")));
    let log = test.log(&session).await;
    let refused = log.iter().filter(|event| event.kind() == EventKind::PromptReceived).count();
    assert_eq!(refused, 1, "what was refused is not there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_asked_while_the_disk_is_slow_and_nothing_of_its_answer_is_shown_before_the_prompt() {
    let store = Faulty::new();
    let test = TestEngine::with(Arc::clone(&store) as Arc<dyn Store>, |_| {}).await;
    let session = test.session().await.id;
    let before = test.log(&session).await.len();
    test.model.say([Step::Text("early"), Step::Call("bash", json!({"command": "touch a"}))]);
    let slow = store.turns.forget_permits(Semaphore::MAX_PERMITS);
    let prompting = test.access.prompt(&session, Prompt::new("talk"));
    tokio::pin!(prompting);
    tokio::select! {
        early = &mut prompting => panic!("acknowledged before it was on disk: {early:?}"),
        () = test.model.asked(1) => {}
    }
    let look = tokio::time::timeout(Duration::from_millis(50), &mut prompting).await;
    assert!(look.is_err(), "acknowledged before it was on disk: {look:?}");
    assert_eq!(test.log(&session).await.len(), before, "shown before it was on disk");
    assert!(!test.work_dir().join("a").exists(), "a call ran before the prompt was on disk");
    store.turns.add_permits(slow);
    let accepted = prompting.await.unwrap();
    assert_eq!(test.access.wait_turn(&session, &accepted.turn_id).await.unwrap().status, TurnStatus::Completed);
    let kinds = test.kinds(&session).await;
    let place = |kind: &str| kinds.iter().position(|one| *one == kind).unwrap();
    assert!(place("prompt.received") < place("message.chunk") && place("message.chunk") < place("tool.call_start"));
    assert!(test.work_dir().join("a").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_model_answers_to_a_prompt_that_the_disk_refused_is_seen_by_nobody() {
    let store = Faulty::new();
    let test = TestEngine::with(Arc::clone(&store) as Arc<dyn Store>, |_| {}).await;
    let session = test.session().await.id;
    let before = test.kinds(&session).await;
    store.is_full.store(true, Ordering::SeqCst);
    test.model.say([Step::Text("to nothing")]);
    let refused = test.prompt(&session, "talk").await;
    assert!(matches!(refused, Err(EngineError::Storage(_))), "{refused:?}");
    store.is_full.store(false, Ordering::SeqCst);
    assert_eq!(test.kinds(&session).await, before);
    // Until the session is taken up again, whoever comes hears of the disk once more.
    let accepted = loop {
        match test.prompt(&session, "again").await {
            Ok(accepted) => break accepted,
            Err(error) => assert!(matches!(error, EngineError::Storage(_)), "{error:?}"),
        }
    };
    let turn = test.access.wait_turn(&session, &accepted.turn_id).await.unwrap();
    assert_eq!(turn.status, TurnStatus::Completed);
    let texts = test.log(&session).await.iter().filter(|event| event.kind() == EventKind::PromptReceived).count();
    assert_eq!(texts, 1, "what was refused is not there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_ends_nothing_but_is_recovered_from() {
    let test = TestEngine::new().await;
    let (broken, fine) = (test.session().await.id, test.session().await.id);
    test.model.say([Step::Text("half"), Step::Panic]);
    test.model.say([Step::Text("whole")]);
    let accepted = test.prompt(&broken, "talk").await.unwrap();
    let turn = test.access.wait_turn(&broken, &accepted.turn_id).await.unwrap();
    assert_eq!((turn.status, turn.response.as_deref()), (TurnStatus::Completed, Some("whole")));
    assert!(test.kinds(&broken).await.contains(&"turn.resumed"));
    assert_eq!(test.turn(&fine, "hello").await.status, TurnStatus::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_goes_on_after_a_restart_and_runs_no_command_twice() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let open = || SqliteStore::open(SqliteConfig::new(home.path().join("state/wharf.db"))).unwrap();
    let first = TestEngine::at(Arc::clone(&home), open(), |_| {}).await;
    let session = first.session().await.id;
    first.model.say([Step::Call("bash", json!({"command": "echo run >> runs; sleep 60"}))]);
    let accepted = first.prompt(&session, "run").await.unwrap();
    let queued = first.prompt(&session, "next").await.unwrap();
    let runs = first.work_dir().join("runs");
    while !runs.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    first.stop_at_once().await;
    drop(first);

    let second = TestEngine::at(Arc::clone(&home), open(), |_| {}).await;
    second.model.say([Step::Text("went on")]);
    let turn = second.access.wait_turn(&session, &accepted.turn_id).await.unwrap();
    assert_eq!((turn.status, turn.response.as_deref()), (TurnStatus::Completed, Some("went on")));
    let next = second.access.wait_turn(&session, &queued.turn_id).await.unwrap();
    assert_eq!(next.status, TurnStatus::Completed);
    assert_eq!(std::fs::read_to_string(runs).unwrap(), "run\n");
    let kinds = second.kinds(&session).await;
    assert!(kinds.contains(&"turn.resumed") && kinds.contains(&"tool.call_error"), "{kinds:?}");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_takes_up_only_the_sessions_that_it_uses() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let open = || SqliteStore::open(SqliteConfig::new(home.path().join("state/wharf.db"))).unwrap();
    let first = TestEngine::at(Arc::clone(&home), open(), |_| {}).await;
    let left = first.session().await.id;
    first.model.say([Step::Text("half"), Step::Wait(Arc::default())]);
    let accepted = first.prompt(&left, "talk").await.unwrap();
    first.wait_for(&left, accepted.seq, EventKind::MessageChunk).await;
    first.stop_at_once().await;

    let visitor = TestEngine::at(Arc::clone(&home), open(), |config| config.recover_at_start = false).await;
    let own = visitor.session().await.id;
    assert_eq!(visitor.turn(&own, "hello").await.status, TurnStatus::Completed);
    assert_eq!(visitor.access.turn(&left, &accepted.turn_id).await.unwrap().status, TurnStatus::Running);
    assert!(!visitor.kinds(&left).await.contains(&"turn.resumed"));
    // Whoever uses the session takes its turn up.
    visitor.access.queue(&left).await.unwrap();
    let turn = visitor.access.wait_turn(&left, &accepted.turn_id).await.unwrap();
    assert_eq!(turn.status, TurnStatus::Completed);
    visitor.stop().await;
}
