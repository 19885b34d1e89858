//! Random inputs, fitted to what the session is doing so that most of them matter.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use wharf_protocol::event::CallErrorReason;
use wharf_protocol::model::ProposedCall;
use wharf_protocol::rest::UpdateSession;
use wharf_protocol::{
    CallId, CallOutcome, ConflictStrategy, EventBody, MessageId, Mode, PermissionId, PermissionOption, Priority,
    PromptContent, Seq, TurnId,
};

use crate::tests::bench::{Bench, config, rule};
use crate::tests::script::{around, completed, failed, failure, proposed, reply};
use crate::{Again, Answer, CoreConfig, Effect, Input, NewPrompt, Recovery};

#[derive(Debug, Clone)]
pub(crate) struct Setup {
    mode: Mode,
    max_steps: u32,
    max_turn_ms: u64,
    max_turn_tokens: Option<u64>,
    recovery: Recovery,
    max_resumes: u32,
    context_limit: Option<u64>,
    entropy: u128,
}

pub(crate) fn any_setup() -> impl Strategy<Value = Setup> {
    let recovery = prop_oneof![4 => Just(Recovery::Continue), 1 => Just(Recovery::Interrupt)];
    (
        any_mode(),
        1_u32..8,
        prop_oneof![Just(5_000_u64), Just(600_000)],
        prop::option::weighted(0.2, 200_u64..800),
        recovery,
        prop_oneof![Just(1_u32), Just(3), Just(100)],
        prop::option::of(1_050_u64..2_000),
        any::<u128>(),
    )
        .prop_map(
            |(mode, max_steps, max_turn_ms, max_turn_tokens, recovery, max_resumes, context_limit, entropy)| Setup {
                mode,
                max_steps,
                max_turn_ms,
                max_turn_tokens,
                recovery,
                max_resumes,
                context_limit,
                entropy,
            },
        )
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![1 => Just(Mode::Plan), 3 => Just(Mode::Ask), 1 => Just(Mode::AutoEdit), 3 => Just(Mode::Full)]
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Prompt {
        id: u8,
        hash: u8,
        strategy: ConflictStrategy,
        priority: Priority,
    },
    Text(&'static str),
    Think(&'static str),
    Calls(Vec<&'static str>),
    Done,
    /// A reply without anything in it, unless it has begun.
    Empty,
    Fail(&'static str, &'static str),
    /// What an older model call says.
    Stale(u64),
    Progress(usize),
    Finish(usize, CallErrorReason, bool),
    /// A report of a call that may be over long ago.
    LateFinish(usize),
    Answer(usize, PermissionOption),
    AnswerAgain(usize),
    Cancel {
        force: bool,
        clear_queue: bool,
        queued: bool,
    },
    Withdraw(u8),
    Reprioritise(u8, Priority),
    Execute(&'static str),
    SetMode(Mode),
    Clear,
    Compact,
    Summary(usize),
    Answerers(usize),
    /// What the engine sees of the workspace: the length of an instruction file, and a branch.
    Around(usize, u8),
    Wait(u64),
    Drain,
    Crash {
        skip_to: Option<Seq>,
        drop_old_chunks: bool,
    },
}

pub(crate) fn any_op() -> impl Strategy<Value = Op> {
    let strategy = prop_oneof![
        3 => Just(ConflictStrategy::Queue),
        1 => Just(ConflictStrategy::Reject),
        3 => Just(ConflictStrategy::Steer),
        1 => Just(ConflictStrategy::Interrupt),
    ];
    let call = || {
        prop::sample::select(vec!["read a", "read b", "edit a", "bash ls", "bash rm x", "bash !{", "grep x", "think x"])
    };
    let reason =
        prop_oneof![Just(CallErrorReason::Failed), Just(CallErrorReason::Cancelled), Just(CallErrorReason::TimedOut)];
    let option = prop::sample::select(PermissionOption::ALL.to_vec());
    let failure =
        prop::sample::select(vec!["overloaded", "rate", "timeout", "overflow", "overflow 1300/1600", "unauthorized"]);
    prop_oneof![
        6 => (0_u8..12, prop::bool::weighted(0.05), strategy, any_priority())
            .prop_map(|(id, other, strategy, priority)| Op::Prompt { id, hash: u8::from(other), strategy, priority }),
        6 => prop::sample::select(vec!["a", "é€", "some text", "", "<tool", "<tool_call>{}</tool_call>"]).prop_map(Op::Text),
        2 => prop::sample::select(vec!["hm", "ü"]).prop_map(Op::Think),
        8 => prop::collection::vec(call(), 1..5).prop_map(Op::Calls),
        3 => Just(Op::Done),
        2 => Just(Op::Empty),
        2 => (failure, prop::sample::select(vec!["", "100", "70000"])).prop_map(|(kind, wish)| Op::Fail(kind, wish)),
        1 => (0_u64..4).prop_map(Op::Stale),
        4 => (0_usize..4).prop_map(Op::Progress),
        12 => (0_usize..4, reason, prop::bool::weighted(0.75)).prop_map(|(at, reason, ok)| Op::Finish(at, reason, ok)),
        1 => (0_usize..20).prop_map(Op::LateFinish),
        8 => (0_usize..3, option).prop_map(|(at, option)| Op::Answer(at, option)),
        1 => (0_usize..10).prop_map(Op::AnswerAgain),
        2 => (any::<bool>(), any::<bool>(), prop::bool::weighted(0.3))
            .prop_map(|(force, clear_queue, queued)| Op::Cancel { force, clear_queue, queued }),
        1 => (0_u8..12).prop_map(Op::Withdraw),
        1 => (0_u8..12, any_priority()).prop_map(|(id, priority)| Op::Reprioritise(id, priority)),
        2 => call().prop_map(Op::Execute),
        1 => any_mode().prop_map(Op::SetMode),
        1 => Just(Op::Clear),
        2 => Just(Op::Compact),
        3 => prop::sample::select(vec![0_usize, 20, 200, 2_000]).prop_map(Op::Summary),
        1 => (0_usize..2).prop_map(Op::Answerers),
        2 => (prop::sample::select(vec![0_usize, 30, 900]), 0_u8..3).prop_map(|(size, git)| Op::Around(size, git)),
        3 => prop::sample::select(vec![0_u64, 100, 600, 3_000, 20_000]).prop_map(Op::Wait),
        1 => Just(Op::Drain),
        1 => (prop::option::of(0_u64..20), any::<bool>()).prop_map(|(skip, drop_old_chunks)| Op::Crash {
            skip_to: skip.map(Seq),
            drop_old_chunks
        }),
    ]
}

fn any_priority() -> impl Strategy<Value = Priority> {
    prop::sample::select(vec![Priority::Low, Priority::Normal, Priority::High, Priority::Urgent])
}

/// A run, with what was answered in it.
pub(crate) struct Run {
    pub(crate) bench: Bench,
    pub(crate) accepted: BTreeMap<MessageId, (TurnId, Seq)>,
}

impl Run {
    pub(crate) fn new(setup: Setup) -> Self {
        let config = CoreConfig {
            max_steps: setup.max_steps,
            max_turn_ms: setup.max_turn_ms,
            max_turn_tokens: setup.max_turn_tokens,
            recovery: setup.recovery,
            max_resumes: setup.max_resumes,
            rules: [rule("deny", "bash", Some("rm *"))].into(),
            ..config()
        };
        let mut bench = Bench::new(config, setup.mode, setup.entropy);
        let _ = bench.handle(Input::WindowKnown { tokens: setup.context_limit, ask: None });
        Self { bench, accepted: BTreeMap::new() }
    }

    pub(crate) fn step(&mut self, op: Op) {
        let ask = self.bench.core.last_ask;
        let input = match op {
            Op::Prompt { id, hash, strategy, priority } => return self.prompt(id, hash, strategy, priority),
            Op::Around(size, git) => {
                let file = if size == 0 { String::new() } else { format!("/repo/AGENTS.md=bytes:{size}") };
                return self.bench.core.set_surroundings(around(&format!("git=b{git} {file}")));
            }
            Op::Wait(ms) => {
                self.bench.wait(ms);
                return;
            }
            Op::Crash { skip_to, drop_old_chunks } => {
                let _ = self.bench.crash(skip_to, drop_old_chunks);
                return;
            }
            Op::Text(text) => Input::ModelText { ask, text: text.to_owned() },
            Op::Think(text) => Input::ModelReasoning { ask, text: text.to_owned() },
            Op::Calls(calls) => self.finished(calls.into_iter().map(proposed).collect()),
            Op::Done => {
                let _ = self.bench.handle(Input::ModelText { ask, text: "ok".to_owned() });
                self.finished(Vec::new())
            }
            Op::Empty => self.finished(Vec::new()),
            Op::Fail(kind, wish) if self.bench.is_summing_up => {
                self.bench.ask = None;
                Input::SummaryFailed { ask, error: failure(kind, wish), again: Again { jitter: 77, attempts: None } }
            }
            Op::Summary(bytes) => {
                if self.bench.is_summing_up {
                    self.bench.ask = None;
                }
                Input::SummaryWritten { ask, text: "s".repeat(bytes), reply: reply("", Vec::new()) }
            }
            Op::Compact => Input::Compact { focus: None, by: None },
            Op::Fail(kind, wish) => {
                self.bench.ask = None;
                Input::ModelFailed { ask, error: failure(kind, wish), again: Again { jitter: 77, attempts: None } }
            }
            Op::Stale(age) => Input::ModelText { ask: ask.saturating_sub(age + 1), text: "stale".to_owned() },
            Op::Progress(at) => match self.running(at) {
                Some(call_id) => Input::CallProgress { call_id, output: "öut ".to_owned(), omitted: 0 },
                None => return,
            },
            Op::Finish(at, reason, ok) => match self.running(at) {
                Some(call_id) => Input::CallFinished { call_id, outcome: outcome(reason, ok, at) },
                None => return,
            },
            Op::LateFinish(at) => match self.started(at) {
                Some(call_id) => Input::CallFinished { call_id, outcome: outcome(CallErrorReason::Failed, true, at) },
                None => return,
            },
            Op::Answer(at, option) => match self.open_permission(at) {
                Some(permission_id) => answer(permission_id, option),
                None => return,
            },
            Op::AnswerAgain(at) => match self.asked_permission(at) {
                Some(permission_id) => answer(permission_id, PermissionOption::AllowOnce),
                None => return,
            },
            Op::Cancel { force, clear_queue, queued } => {
                let turn_id = if queued { self.queued_turn() } else { None };
                Input::Cancel { by: None, force, clear_queue, turn_id }
            }
            Op::Withdraw(id) => Input::Withdraw { message_id: message_id(id), by: None },
            Op::Reprioritise(id, priority) => Input::Reprioritise { message_id: message_id(id), priority },
            Op::Execute(call) => {
                let ProposedCall { tool_name, arguments, .. } = proposed(call);
                Input::Execute { tool_name, arguments: arguments.unwrap_or(json!("broken")), by: None }
            }
            Op::SetMode(mode) => {
                Input::Update { change: UpdateSession { mode: Some(mode), ..Default::default() }, by: None }
            }
            Op::Clear => Input::Clear { by: None },
            Op::Answerers(count) => Input::Answerers(count),
            Op::Drain => Input::Drain,
        };
        let _ = self.bench.handle(input);
    }

    fn prompt(&mut self, id: u8, hash: u8, strategy: ConflictStrategy, priority: Priority) {
        let message_id = message_id(id);
        let outcome = self.bench.handle(Input::Prompt(NewPrompt {
            message_id: message_id.clone(),
            content: PromptContent::from("do it"),
            priority,
            conflict_strategy: strategy,
            sender: None,
            metadata: None,
            body_hash: hash.to_string(),
            earlier: None,
        }));
        let Ok(Answer::Prompt(accepted)) = outcome.answer else { return };
        let answer = (accepted.turn_id, accepted.seq);
        if let Some(first) = self.accepted.get(&message_id) {
            assert_eq!(&answer, first, "another answer for the same prompt");
            assert_eq!(outcome.events, []);
        }
        self.accepted.insert(message_id, answer);
    }

    /// Lets everything that was begun come to its end.
    pub(crate) fn run_out(&mut self) {
        // A draining core starts nothing; the next one takes its queue up.
        self.step(Op::Crash { skip_to: None, drop_old_chunks: false });
        for _ in 0..2_000 {
            if self.bench.core.is_quiet() {
                return;
            }
            if let Some(call_id) = self.running(0) {
                let outcome = outcome(CallErrorReason::Failed, true, 0);
                let _ = self.bench.handle(Input::CallFinished { call_id, outcome });
            } else if self.bench.ask.is_some() && self.bench.is_summing_up {
                self.step(Op::Summary(30));
            } else if self.bench.ask.is_some() {
                self.step(Op::Done);
            } else {
                let deadline = self.bench.core.next_deadline().expect("something is open, and nothing will wake it");
                let ms = deadline.ms_since(self.bench.now).max(1);
                self.bench.wait(ms);
            }
        }
        panic!("the run does not come to its end");
    }

    fn finished(&mut self, calls: Vec<ProposedCall>) -> Input {
        if !self.bench.is_summing_up {
            self.bench.ask = None;
        }
        Input::ModelFinished { ask: self.bench.core.last_ask, reply: reply("", calls) }
    }

    fn running(&self, at: usize) -> Option<CallId> {
        self.bench.running.get(at).cloned()
    }

    fn started(&self, at: usize) -> Option<CallId> {
        let run = self.bench.effects.iter().filter_map(|(_, effect)| match effect {
            Effect::RunCall { call_id, .. } => Some(call_id.clone()),
            _ => None,
        });
        // Those that still run report once, through `Finish`.
        run.filter(|call_id| !self.bench.running.contains(call_id)).nth(at)
    }

    fn open_permission(&self, at: usize) -> Option<PermissionId> {
        self.bench.core.permissions().get(at).map(|permission| permission.permission_id.clone())
    }

    fn asked_permission(&self, at: usize) -> Option<PermissionId> {
        let mut asked = self.bench.log.iter().filter_map(|event| match &event.body {
            EventBody::PermissionRequested(requested) => Some(requested.permission_id.clone()),
            _ => None,
        });
        asked.clone().nth(at).or_else(|| asked.next_back())
    }

    fn queued_turn(&self) -> Option<TurnId> {
        self.bench.core.queue().last().map(|prompt| prompt.turn_id.clone())
    }
}

fn message_id(id: u8) -> MessageId {
    format!("m{id}").parse().unwrap()
}

fn answer(permission_id: PermissionId, option: PermissionOption) -> Input {
    Input::Answer { permission_id, option, by: None, message: None }
}

fn outcome(reason: CallErrorReason, ok: bool, at: usize) -> CallOutcome {
    match ok {
        true => completed("result ".repeat(at * 60), None),
        false => Err(failed(reason, "it went wrong")),
    }
}
