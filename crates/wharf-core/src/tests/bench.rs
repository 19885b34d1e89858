//! A core with its log, an engine that does nothing by itself, and a check after each step that the log holds the state.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use wharf_protocol::event::SessionCreated;
use wharf_protocol::{
    CallId, Event, EventBody, Message, Mode, RecordedCall, Rule, Seq, Session, Timestamp, ToolKind, ToolSpec,
};

use crate::core::Core;
use crate::{CoreConfig, Effect, Fork, Input, Outcome, Recovery, SubjectsOf};

pub(crate) struct Bench {
    pub(crate) core: Core,
    pub(crate) config: CoreConfig,
    pub(crate) log: Vec<Event>,
    pub(crate) now: Timestamp,
    /// The model call that is going on.
    pub(crate) ask: Option<u64>,
    /// It is for a summary.
    pub(crate) is_summing_up: bool,
    /// Calls that the engine was told to run and that have not reported.
    pub(crate) running: Vec<CallId>,
    /// Each effect, with the last seq before it.
    pub(crate) effects: Vec<(Seq, Effect)>,
    /// A crash left a part of the open texts out.
    pub(crate) lost_chunks: bool,
    entropy: u128,
    /// What the next owner knows of calls that this one had begun.
    pub(crate) recorded: BTreeMap<CallId, RecordedCall>,
}

pub(crate) fn config() -> CoreConfig {
    CoreConfig {
        subjects: SubjectsOf(Arc::new(|_, _| Vec::new())),
        tools: Arc::new([
            tool("read", ToolKind::Read, true, Some("path")),
            tool("edit", ToolKind::Edit, false, Some("path")),
            tool("bash", ToolKind::Execute, false, Some("command")),
            tool("think", ToolKind::Think, true, None),
        ]),
        rules: Arc::new([]),
        looks_at_calls: false,
        max_steps: 10,
        max_turn_ms: 600_000,
        max_turn_tokens: None,
        max_model_attempts: 3,
        retry_base_ms: 500,
        retry_max_ms: 60_000,
        fallback_models: Arc::from([]),
        queue_limit: 3,
        max_commands: 2,
        max_server_commands: 64,
        max_command_ms: 60_000,
        command_output_bytes: 1_000,
        permission_timeout_ms: 300_000,
        unattended_permission_timeout_ms: 30_000,
        stop_grace_ms: 3_000,
        recovery: Recovery::Continue,
        max_resumes: 3,
        asks_for_titles: false,
        other_agents: Arc::new([]),
    }
}

fn tool(name: &str, kind: ToolKind, read_only: bool, subject: Option<&str>) -> Arc<ToolSpec> {
    Arc::new(ToolSpec {
        name: name.to_owned(),
        description: String::new(),
        category: "test".to_owned(),
        kind,
        source: Default::default(),
        read_only,
        subject: subject.map(str::to_owned),
        parameters: json!({ "type": "object" }),
        timeout_ms: 10_000,
    })
}

pub(crate) fn rule(action: &str, tool: &str, pattern: Option<&str>) -> Rule {
    serde_json::from_value(match pattern {
        Some(pattern) => json!({ "action": action, "tool": tool, "pattern": pattern }),
        None => json!({ "action": action, "tool": tool }),
    })
    .unwrap()
}

impl Bench {
    pub(crate) fn new(config: CoreConfig, mode: Mode, entropy: u128) -> Self {
        let created = SessionCreated {
            cwd: "/repo".into(),
            additional_directories: Vec::new(),
            agent_name: "coder".to_owned(),
            model: "demo/one".to_owned(),
            mode,
            thinking: None,
            tool_location: None,
            title: (!config.asks_for_titles).then(|| "test".to_owned()),
            recovery: wharf_protocol::RecoveryPolicy::Server,
            forked_from: None,
        };
        let now = Timestamp(1_000_000);
        let (core, event) = Core::create("s1".parse().unwrap(), created, config.clone(), entropy, now);
        Self {
            core,
            config,
            log: vec![event],
            now,
            ask: None,
            is_summing_up: false,
            running: Vec::new(),
            effects: Vec::new(),
            lost_chunks: false,
            recorded: BTreeMap::new(),
            entropy,
        }
    }

    pub(crate) fn fork(&self, at: Seq) -> (Core, Vec<Event>) {
        let (core, _, ends) = fork(self, at);
        (core, ends)
    }

    /// Copies the session up to every `step`th event; nothing of a copy goes on by itself.
    pub(crate) fn check_forks(&self, step: usize) {
        for at in self.log.iter().map(|event| event.seq).step_by(step) {
            let (mut core, log, _) = fork(self, at);
            assert!(log.iter().zip(1..).all(|(event, seq)| event.seq == Seq(seq)), "1, 2, 3, ...");
            assert!(core.is_quiet(), "at {at}");
            assert!(!core.session().status.is_busy(), "at {at}: {:?}", core.session().status);
            assert_eq!(core.session().queued_count, 0);
            assert!(core.permissions().is_empty() && core.commands().is_empty() && core.permissions.grants.is_empty());
            results_follow_their_calls(core.messages());
            let outcome = core.recover(self.now, None, BTreeMap::new());
            assert!(outcome.events.is_empty() && outcome.effects.is_empty(), "at {at}: {outcome:?}");
        }
    }

    pub(crate) fn handle(&mut self, input: Input) -> Outcome {
        if let Input::CallFinished { call_id, .. } = &input {
            self.running.retain(|running| running != call_id);
        }
        let outcome = self.core.handle(self.now, input);
        self.record(&outcome);
        outcome
    }

    fn record(&mut self, outcome: &Outcome) {
        for event in &outcome.events {
            let last = self.log.last().unwrap().seq;
            let may_skip = matches!(event.body, EventBody::SessionRecovered(_));
            assert!(event.seq == last.next() || (may_skip && event.seq > last), "seq {} after {last}", event.seq);
            self.log.push(event.clone());
        }
        let seq = self.log.last().unwrap().seq;
        for effect in &outcome.effects {
            self.effects.push((seq, effect.clone()));
            match effect {
                Effect::CallModel { ask, .. } | Effect::AskSummary { ask, .. } => {
                    (self.ask, self.is_summing_up) = (Some(*ask), matches!(effect, Effect::AskSummary { .. }));
                }
                Effect::StopModel { ask } => {
                    assert_eq!(self.ask.take(), Some(*ask), "stopped a model call that does not run");
                }
                Effect::RunCall { call_id, .. } => self.running.push(call_id.clone()),
                Effect::LookAtCall { .. } | Effect::AskTitle { .. } => {}
                Effect::StopCall { call_id } => {
                    assert!(self.running.contains(call_id), "stopped a call that does not run");
                }
                Effect::StartCommand { command_id, .. } | Effect::StopCommand { command_id } => {
                    assert!(self.core.open_commands().contains(command_id), "an effect on a command that is not open");
                }
                Effect::Truncate { through } => {
                    let cleared = self.log.iter().rfind(|event| matches!(event.body, EventBody::SessionCleared(_)));
                    assert!(cleared.is_some_and(|event| *through < event.seq), "more is dropped than was cleared");
                }
                Effect::Delete => {
                    assert!(self.core.is_quiet(), "deleted while something runs");
                    assert!(matches!(self.log.last().unwrap().body, EventBody::SessionDeleted(_)));
                }
            }
        }
        self.check_replay();
        if !self.core.has_turn_calls() {
            results_follow_their_calls(self.core.messages());
        }
    }

    /// The state that counts follows from the log, with all chunks and with those alone that the store gives.
    fn check_replay(&self) {
        let here = durable(&self.core);
        let whole = self.load(self.log.clone());
        is_same(&durable(&whole), &here, "loaded from the whole log");
        if !self.lost_chunks {
            is_same(&partial(&whole), &partial(&self.core), "open texts loaded from the whole log");
        }
        let since_clear = self.load(since_clear(&self.log));
        is_same(&durable(&since_clear), &here, "loaded from what a clear leaves");
        let kept = self.load(without_old_chunks(&self.log));
        is_same(&durable(&kept), &here, "loaded without old chunks");
    }

    fn load(&self, events: Vec<Event>) -> Core {
        Core::load(self.core.session().clone(), events, self.config.clone(), self.entropy)
    }

    /// The process dies, and another one takes the session up.
    pub(crate) fn crash(&mut self, skip_to: Option<Seq>, drop_old_chunks: bool) -> Outcome {
        self.entropy = self.entropy.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let events = if drop_old_chunks { without_old_chunks(&self.log) } else { self.log.clone() };
        self.lost_chunks |= drop_old_chunks;
        let view = self.view();
        let limit = self.core.context_limit;
        let around = self.core.surroundings.take();
        self.core = Core::load(view, events, self.config.clone(), self.entropy);
        self.core.set_surroundings(around);
        self.ask = None;
        self.running.clear();
        // The engine says what the model takes and who is there before it lets the session go on.
        for input in [Input::WindowKnown { tokens: limit, ask: None }, Input::Answerers(1)] {
            let early = self.core.handle(self.now, input);
            assert_eq!((early.events, early.effects), (Vec::new(), Vec::new()));
        }
        let outcome = self.core.recover(self.now, skip_to, std::mem::take(&mut self.recorded));
        self.record(&outcome);
        outcome
    }

    /// The session's view, made from the log alone.
    fn view(&self) -> Session {
        let mut view = Session::from_created(&self.log[0]).unwrap();
        self.log[1..].iter().for_each(|event| view.apply(event));
        assert_eq!(view, *self.core.session());
        view
    }

    /// Lets time pass, waking the core whenever it asked for it.
    pub(crate) fn wait(&mut self, ms: u64) -> Vec<Outcome> {
        let until = self.now.after_ms(ms);
        let mut outcomes = Vec::new();
        while let Some(deadline) = self.core.next_deadline().filter(|deadline| *deadline <= until) {
            assert!(outcomes.len() < 1_000, "woken without end");
            self.now = self.now.max(deadline);
            outcomes.push(self.handle(Input::Tick));
        }
        self.now = until;
        outcomes
    }
}

/// What `Store::read_state` gives: chunks of texts that are still open, and no others.
fn without_old_chunks(log: &[Event]) -> Vec<Event> {
    let closed = log.iter().rposition(|event| event.kind().closes_texts()).unwrap_or(0);
    let kept = log.iter().enumerate().filter(|(at, event)| *at > closed || !event.kind().is_chunk());
    kept.map(|(_, event)| event.clone()).collect()
}

/// What is left once the log was cut at the last `session.cleared`.
/// A copy of the log up to `at`: all of its events, and those at its end that are not of the log.
fn fork(bench: &Bench, at: Seq) -> (Core, Vec<Event>, Vec<Event>) {
    let EventBody::SessionCreated(created) = bench.log[0].body.clone() else { unreachable!() };
    let (mut fork, first) = Fork::begin("copy".parse().unwrap(), created, bench.config.clone(), 3, bench.now);
    let mut log = vec![first];
    for event in since_clear(&bench.log).into_iter().filter(|event| event.seq <= at) {
        assert_eq!(fork.check(&event), Ok(()), "{event:?}");
        log.extend(fork.take(event));
    }
    let ends = fork.finish();
    log.extend(ends.iter().cloned());
    let (first, rest) = log.split_first().unwrap();
    let core = Core::load(Session::from_created(first).unwrap(), rest.to_vec(), bench.config.clone(), 5);
    assert_eq!(core.session(), fork.session(), "the view follows from the events");
    (core, log, ends)
}

fn since_clear(log: &[Event]) -> Vec<Event> {
    let cleared = log.iter().rposition(|event| matches!(event.body, EventBody::SessionCleared(_)));
    log[cleared.unwrap_or(0)..].to_vec()
}

fn results_follow_their_calls(messages: &[Arc<Message>]) {
    let asked: Vec<_> = messages.iter().flat_map(|m| &m.tool_calls).map(|call| &call.call_id).collect();
    let answered: Vec<_> = messages.iter().filter_map(|m| m.call_id.as_ref()).collect();
    assert_eq!(asked, answered, "results in the order of their calls");
}

/// Long texts on one line each: laying them out for people would take longer than all else in a random run.
fn is_same(found: &str, wanted: &str, what: &str) {
    if found != wanted {
        let same = found.char_indices().zip(wanted.chars()).find(|((_, one), other)| one != other);
        let at = same.map_or(found.len().min(wanted.len()), |((at, _), _)| at);
        let from = found.floor_char_boundary(at.saturating_sub(200));
        let near = |text: &str| text[from..text.floor_char_boundary(at + 400)].to_owned();
        panic!("{what}, from byte {from}:\n  {}\nis not\n  {}", near(found), near(wanted));
    }
}

/// Everything that has to survive a restart, but the text that is still growing.
fn durable(core: &Core) -> String {
    let turn = core.turn.as_ref().map(|turn| {
        (
            (&turn.turn_id, &turn.prompts, turn.next, turn.steps, turn.attempt, turn.resumes),
            (turn.usage, &turn.response, &turn.cancel, &turn.time, &turn.repeats, turn.overflows, turn.defects),
            (turn.is_summed_up, turn.failed_summaries, turn.notes, turn.cut_offs, turn.is_refused),
        )
    });
    let calls: Vec<_> = core.calls.iter().filter(is_on_log).map(|call| (&call.proposal, &call.stage)).collect();
    let grants = &core.permissions.grants;
    format!(
        "{:?}",
        (
            core.session(),
            core.queue(),
            core.permissions(),
            core.messages(),
            turn,
            calls,
            grants,
            core.commands(),
            &core.shown.notes,
            (core.deleted, &core.told_window, core.measure),
            core.compaction.as_ref().map(|open| (&open.begun, &open.turn_id, open.at)),
        )
    )
}

/// A direct call is on the log once it is decided: until then it is looked at, and lost with its process.
fn is_on_log(call: &&crate::state::Call) -> bool {
    call.proposal.turn_id.is_some() || !matches!(call.stage, crate::state::CallStage::Proposed)
}

fn partial(core: &Core) -> String {
    let reply = core.turn.as_ref().map(|turn| &turn.reply);
    let outputs: Vec<_> = core.calls.iter().filter(is_on_log).map(|call| &call.output).collect();
    format!("{reply:?} {outputs:?}")
}
