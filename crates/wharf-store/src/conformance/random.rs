//! The same random operations on two stores: each answer and the whole state must be the same.

use std::sync::Arc;

use wharf_protocol::rest::SessionQuery;
use wharf_protocol::{EventBody, EventKind, Seq, SessionStatus, Timestamp};

use super::driver::{bodies, new_log};
use super::{Backend, Driver};
use crate::{Append, Position, Store, Window};

const SESSIONS: usize = 5;

/// Xorshift: enough to choose from, the same for each seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }

    fn name(&mut self) -> &'static str {
        ["a", "b", "c", "d"][self.below(4)]
    }
}

/// One place, its open store, and what it takes to append there.
struct Side {
    store: Arc<dyn Store>,
    drivers: Vec<Option<Driver>>,
}

/// Runs `steps` operations, chosen by `seed`, on both.
pub async fn both_answer_the_same(one: &dyn Backend, other: &dyn Backend, seed: u64, steps: usize) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut sides =
        [one, other].map(|backend| Side { store: backend.open(), drivers: (0..SESSIONS).map(|_| None).collect() });
    for step in 0..steps {
        let operation = Operation::choose(&mut random);
        let a = sides[0].run(&operation, step).await;
        let b = sides[1].run(&operation, step).await;
        assert_eq!(a, b, "seed {seed}, step {step}: {operation:?}");
    }
    let [a, b] = [sides[0].look().await, sides[1].look().await];
    assert_eq!(a, b, "seed {seed}");
    assert!(sides[0].store.session_count().await.is_ok());
    // The same after a stop without a close.
    for (side, backend) in sides.iter_mut().zip([one, other]) {
        for driver in &mut side.drivers {
            *driver = None;
        }
        side.store = backend.open();
    }
    assert_eq!(sides[0].look().await, a, "seed {seed}: reopened");
    assert_eq!(sides[1].look().await, b, "seed {seed}: reopened");
}

#[derive(Debug)]
enum Operation {
    Create(usize),
    Append(usize, Vec<(Option<&'static str>, EventBody)>),
    AppendLate(usize),
    Acquire(usize),
    Release(usize),
    Clear(usize),
    Delete(usize),
    DropChunks(i64, usize),
    Look,
}

impl Operation {
    fn choose(random: &mut Random) -> Self {
        let session = random.below(SESSIONS);
        match random.below(40) {
            0..4 => Self::Create(session),
            4 => Self::AppendLate(session),
            5 => Self::Acquire(session),
            6 => Self::Release(session),
            7 => Self::Clear(session),
            8 if random.below(3) == 0 => Self::Delete(session),
            9 => Self::DropChunks(1_000_000 + 1_000 * random.below(40) as i64, random.below(6)),
            10 => Self::Look,
            _ => Self::Append(session, (0..=random.below(3)).map(|_| Self::event(random)).collect()),
        }
    }

    fn event(random: &mut Random) -> (Option<&'static str>, EventBody) {
        let turn = random.name();
        let body = match random.below(20) {
            0..3 => bodies::received(turn, ["fix the parser", "run tests", ""][random.below(3)]),
            3 => return (None, bodies::received(turn, "steer")),
            4..6 => bodies::turn_started(turn),
            6 => return (Some(turn), bodies::prompt_started(random.name(), true)),
            7 => bodies::withdrawn(turn),
            8 => bodies::completed(turn),
            9 => bodies::cancelled(turn),
            10 => bodies::failed(),
            11 => bodies::status([SessionStatus::Idle, SessionStatus::Busy, SessionStatus::Error][random.below(3)]),
            12 => bodies::title(["parser", "tests", "else"][random.below(3)]),
            13 => bodies::archived(random.below(2) == 0),
            n => bodies::chunk(turn, n),
        };
        (Some(turn), body)
    }
}

impl Side {
    async fn run(&mut self, operation: &Operation, step: usize) -> String {
        match operation {
            Operation::Create(n) => {
                let (new, session) = new_log(&format!("s-{n}"), Timestamp(1_000_000 + step as i64), "/work");
                let lease = self.store.create(new).await;
                if let Ok(lease) = &lease {
                    let now = session.updated_at;
                    self.drivers[*n] =
                        Some(Driver { store: Arc::clone(&self.store), session, fence: lease.fence, now });
                }
                format!("{lease:?}")
            }
            Operation::Append(n, events) => match &mut self.drivers[*n] {
                Some(driver) => format!("{:?}", driver.append(events.clone()).await),
                None => String::new(),
            },
            Operation::AppendLate(n) => {
                let Some(driver) = &mut self.drivers[*n] else { return String::new() };
                let append = driver.plan(vec![(None, bodies::title("late"))]);
                let expected = Seq(append.expected.0.saturating_sub(1));
                format!("{:?}", self.store.append(Append { expected, ..append }).await)
            }
            Operation::Acquire(n) => {
                let lease = self.store.acquire(&format!("s-{n}").parse().unwrap()).await;
                if let (Ok(lease), Some(driver)) = (&lease, &mut self.drivers[*n]) {
                    driver.fence = lease.fence;
                }
                format!("{lease:?}")
            }
            Operation::Release(n) => {
                let Some(driver) = &self.drivers[*n] else { return String::new() };
                format!("{:?}", self.store.release(driver.id(), driver.fence).await)
            }
            Operation::Clear(n) => {
                let Some(driver) = &mut self.drivers[*n] else { return String::new() };
                let appended = driver.append(vec![(None, bodies::cleared())]).await;
                let through = Seq(driver.session.last_seq.0 - 1);
                format!("{appended:?} {:?}", self.store.truncate(driver.id(), driver.fence, through).await)
            }
            Operation::Delete(n) => {
                let Some(driver) = &mut self.drivers[*n] else { return String::new() };
                let appended = driver.append(vec![(None, bodies::deleted())]).await;
                format!("{appended:?} {:?}", self.store.delete(driver.id(), driver.fence).await)
            }
            Operation::DropChunks(before, limit) => {
                format!("{:?}", self.store.drop_chunks(Timestamp(*before), *limit).await)
            }
            Operation::Look => self.look().await,
        }
    }

    /// Everything that can be read.
    async fn look(&self) -> String {
        let mut seen = String::new();
        let mut see = |what: String| {
            seen.push_str(&what);
            seen.push('\n');
        };
        let store = &self.store;
        see(format!("{:?}", store.head().position()));
        see(format!("{:?}", store.read_all(Position(0), 1_000, usize::MAX).await));
        see(format!("{:?} {:?}", store.unfinished().await, store.session_count().await));
        for n in 0..SESSIONS {
            let id = format!("s-{n}").parse().unwrap();
            let session = store.session(&id).await;
            let first = session.iter().flatten().next().map_or(0, |session| session.first_seq.0 - 1);
            see(format!("{session:?}"));
            see(format!("{:?}", store.read(&id, Seq(0), 1_000, usize::MAX).await));
            see(format!("{:?}", store.read(&id, Seq(first), 3, 400).await));
            see(format!("{:?}", store.read_state(&id).await));
            let kinds = [EventKind::PromptReceived, EventKind::MessageChunk];
            see(format!("{:?}", store.read_kinds(&id, &kinds, Window::Before(Some(Seq(20))), 4).await));
            see(format!("{:?}", store.read_kinds(&id, &kinds[..1], Window::After(Seq(3)), 4).await));
            see(format!("{:?}", store.turns(&id, None, 100).await));
            for name in ["a", "b", "c", "d"] {
                see(format!("{:?}", store.turn(&id, &Driver::turn_id(name)).await));
                see(format!("{:?}", store.turn_of_prompt(&id, &bodies::prompt_id(name)).await));
            }
        }
        for q in [None, Some("pars"), Some("fix the"), Some("tests"), Some("?")] {
            for status in [None, Some(SessionStatus::Idle), Some(SessionStatus::Busy)] {
                for archived in [None, Some(true)] {
                    let q = q.map(str::to_owned);
                    let query = SessionQuery { q, status, archived, limit: Some(2), ..SessionQuery::default() };
                    see(format!("{:?}", store.sessions(&query).await));
                }
            }
        }
        seen
    }
}
