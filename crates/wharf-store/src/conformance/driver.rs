//! Plays an engine: keeps a session's view and appends events to its log.

use std::sync::Arc;

use wharf_protocol::event::SessionCreated;
use wharf_protocol::{Event, EventBody, Mode, Seq, Session, SessionId, Timestamp, TurnId};

use crate::{Append, AppendError, Entry, Lease, NewLog, Position, Store};

/// The owner of one session.
pub struct Driver {
    pub store: Arc<dyn Store>,
    pub session: Session,
    pub fence: u64,
    /// Each event is a second later than the one before.
    pub now: Timestamp,
}

impl Driver {
    pub async fn create(store: &Arc<dyn Store>, id: &str) -> Self {
        Self::create_at(store, id, Timestamp(1_000_000), "/work").await
    }

    pub async fn create_at(store: &Arc<dyn Store>, id: &str, now: Timestamp, cwd: &str) -> Self {
        let (new, session) = new_log(id, now, cwd);
        let lease = store.create(new).await.unwrap();
        Self { store: Arc::clone(store), session, fence: lease.fence, now }
    }

    pub fn id(&self) -> &SessionId {
        &self.session.id
    }

    pub async fn append(&mut self, bodies: Vec<(Option<&str>, EventBody)>) -> Result<Position, AppendError> {
        let append = self.plan(bodies);
        let session = append.session.clone();
        let position = self.store.append(append).await?;
        self.session = session;
        Ok(position)
    }

    /// The append that would follow, without making it.
    pub fn plan(&mut self, bodies: Vec<(Option<&str>, EventBody)>) -> Append {
        let expected = self.session.last_seq;
        let mut session = self.session.clone();
        let mut entries = Vec::new();
        for (turn, body) in bodies {
            self.now = self.now.after_ms(1_000);
            let event = Event {
                seq: session.last_seq.next(),
                session_id: session.id.clone(),
                turn_id: turn.map(|turn| turn.parse().unwrap()),
                timestamp: self.now,
                body,
            };
            session.apply(&event);
            entries.push(Entry::new(event));
        }
        Append { fence: self.fence, expected, entries: entries.into(), session }
    }

    /// A turn with one prompt, `chunks` chunks and an answer.
    pub async fn turn(&mut self, name: &str, text: &str, chunks: usize) {
        let turn = Some(name);
        self.append(vec![(turn, bodies::received(name, text))]).await.unwrap();
        self.append(vec![(turn, bodies::prompt_started(name, false)), (turn, bodies::turn_started(name))])
            .await
            .unwrap();
        for n in 0..chunks {
            self.append(vec![(turn, bodies::chunk(name, n))]).await.unwrap();
        }
        self.append(vec![(turn, bodies::complete_message(name, chunks)), (turn, bodies::completed(name))])
            .await
            .unwrap();
    }

    /// Takes the session's lease for a store, as after a start.
    pub async fn take(store: &Arc<dyn Store>, id: &SessionId) -> (Self, Lease) {
        let lease = store.acquire(id).await.unwrap();
        let saved = store.read_state(id).await.unwrap();
        let now = saved.session.updated_at;
        (Self { store: Arc::clone(store), session: saved.session, fence: lease.fence, now }, lease)
    }

    pub async fn seqs(&self) -> Vec<u64> {
        let after = Seq(self.session.first_seq.0 - 1);
        let events = self.store.read(self.id(), after, 10_000, usize::MAX).await.unwrap();
        events.iter().map(|event| event.seq.0).collect()
    }

    pub fn turn_id(name: &str) -> TurnId {
        name.parse().unwrap()
    }
}

pub fn new_log(id: &str, now: Timestamp, cwd: &str) -> (NewLog, Session) {
    let event = Event {
        seq: Seq(1),
        session_id: id.parse().unwrap(),
        turn_id: None,
        timestamp: now,
        body: EventBody::SessionCreated(SessionCreated {
            cwd: cwd.into(),
            additional_directories: Vec::new(),
            agent_name: "coder".to_owned(),
            model: "demo/demo".to_owned(),
            mode: Mode::Ask,
            thinking: None,
            tool_location: None,
            title: None,
            recovery: wharf_protocol::RecoveryPolicy::Server,
            forked_from: None,
        }),
    };
    let session = Session::from_created(&event).unwrap();
    (NewLog { entries: vec![Entry::new(event)].into(), session: session.clone() }, session)
}

/// Payloads of events. The prompt of turn `t` is `p-t`, its answer `m-t`.
pub mod bodies {
    use wharf_protocol::cost::PriceSource;
    use wharf_protocol::event::{
        CommandEnded, CommandStarted, MessageChunk, MessageComplete, PromptReceived, PromptStarted, PromptWithdrawn,
        SessionCleared, SessionDeleted, SessionSealed, SessionStatusChanged, SessionUpdated, TurnCancelled,
        TurnCompleted, TurnFailed, TurnStarted, UsageCost, UsageUpdated,
    };
    use wharf_protocol::{
        ApiError, CallCost, CommandStatus, ConflictStrategy, Cost, ErrorCode, EventBody, MessageId, Priority, Role,
        SealReason, SessionStatus, StopReason, Usage,
    };

    pub const USAGE: Usage = Usage {
        prompt_tokens: 3,
        completion_tokens: 4,
        total_tokens: 7,
        cached_tokens: 2,
        cache_write_tokens: 1,
        reasoning_tokens: 3,
    };

    /// A model call that cost so much, or nobody knows how much.
    pub fn spent(model: &str, nano_usd: Option<u64>) -> EventBody {
        let call = nano_usd.map(|nano_usd| CallCost { nano_usd, source: PriceSource::Catalogue });
        let cost = UsageCost { call, turn: Cost::default(), session: Cost::default() };
        usage(Some(USAGE), Some(model.to_owned()), Some(cost))
    }

    /// One as logs of earlier versions have it.
    pub fn spent_before() -> EventBody {
        usage(None, None, None)
    }

    fn usage(call: Option<Usage>, model: Option<String>, cost: Option<UsageCost>) -> EventBody {
        UsageUpdated { turn: USAGE, session: USAGE, context_tokens: 7, context_limit: None, call, model, cost }.into()
    }

    pub fn prompt_id(turn: &str) -> MessageId {
        format!("p-{turn}").parse().unwrap()
    }

    fn answer_id(turn: &str) -> MessageId {
        format!("m-{turn}").parse().unwrap()
    }

    pub fn received(turn: &str, text: &str) -> EventBody {
        PromptReceived {
            message_id: prompt_id(turn),
            content: text.into(),
            priority: Priority::Normal,
            conflict_strategy: ConflictStrategy::Queue,
            sender: None,
            metadata: None,
            body_hash: format!("hash of {text}"),
        }
        .into()
    }

    pub fn prompt_started(turn: &str, steered: bool) -> EventBody {
        PromptStarted { message_id: prompt_id(turn), steered }.into()
    }

    pub fn withdrawn(turn: &str) -> EventBody {
        PromptWithdrawn { message_id: prompt_id(turn), reason: "asked to".to_owned(), by: None }.into()
    }

    pub fn turn_started(turn: &str) -> EventBody {
        TurnStarted { message_id: prompt_id(turn), model: "demo/demo".to_owned(), agent_name: "coder".to_owned() }
            .into()
    }

    pub fn chunk(turn: &str, n: usize) -> EventBody {
        MessageChunk {
            message_id: answer_id(turn),
            role: Role::Assistant,
            offset: 2 * n as u64,
            content: "ab".to_owned(),
            done: false,
        }
        .into()
    }

    pub fn complete_message(turn: &str, chunks: usize) -> EventBody {
        MessageComplete {
            message_id: answer_id(turn),
            role: Role::Assistant,
            content: "ab".repeat(chunks),
            done: true,
            reasoning: String::new(),
            tool_calls: Vec::new(),
            stop_reason: StopReason::EndTurn,
            usage: Some(USAGE),
            model: "demo/demo".to_owned(),
            provider_data: None,
            unseen: wharf_protocol::UnseenImages::default(),
        }
        .into()
    }

    pub fn completed(turn: &str) -> EventBody {
        let response = format!("answer to {turn}");
        TurnCompleted { stop_reason: StopReason::EndTurn, response, usage: USAGE, cost: None, duration_ms: 5 }.into()
    }

    pub fn cancelled(turn: &str) -> EventBody {
        let response = format!("half an answer to {turn}");
        TurnCancelled {
            stop_reason: StopReason::Cancelled,
            response,
            usage: USAGE,
            cost: None,
            duration_ms: 5,
            by: None,
        }
        .into()
    }

    pub fn failed() -> EventBody {
        TurnFailed {
            stop_reason: StopReason::Error,
            error: ApiError::new(ErrorCode::ProviderError, "no"),
            response: String::new(),
            usage: USAGE,
            cost: None,
            duration_ms: 5,
        }
        .into()
    }

    pub fn status(status: SessionStatus) -> EventBody {
        SessionStatusChanged { status, previous: SessionStatus::Idle }.into()
    }

    pub fn title(title: &str) -> EventBody {
        SessionUpdated { title: Some(title.to_owned()), ..SessionUpdated::default() }.into()
    }

    pub fn archived(archived: bool) -> EventBody {
        SessionUpdated { archived: Some(archived), ..SessionUpdated::default() }.into()
    }

    pub fn command_started(name: &str) -> EventBody {
        let started = CommandStarted {
            command_id: name.parse().unwrap(),
            call_id: "call".parse().unwrap(),
            command: "sleep 100".to_owned(),
            directory: "/work".to_owned(),
            terminal: None,
            takes_input: false,
            timeout_ms: 1_000,
            output_max_bytes: 1_000,
        };
        started.into()
    }

    pub fn command_ended(name: &str) -> EventBody {
        let ended = CommandEnded {
            command_id: name.parse().unwrap(),
            status: CommandStatus::Exited,
            exit_code: Some(0),
            error: None,
            by: None,
            duration_ms: 1,
            output_bytes: 0,
        };
        ended.into()
    }

    pub fn cleared() -> EventBody {
        SessionCleared::default().into()
    }

    pub fn sealed() -> EventBody {
        SessionSealed { reason: SealReason::RecoveryCrashed, message: "died three times".to_owned() }.into()
    }

    pub fn deleted() -> EventBody {
        SessionDeleted::default().into()
    }
}
