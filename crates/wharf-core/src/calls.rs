//! Tool calls: decided, begun in their order, closed with exactly one outcome.

mod ruling;

use std::sync::Arc;

use serde_json::{Map, Value};
use wharf_foreign::json;
use wharf_foreign::nesting::Bounds;
use wharf_protocol::event::{
    CallErrorReason, Decision, PermissionResolved, PlanUpdated, ToolCallComplete, ToolCallError, ToolCallProgress,
    ToolCallStart,
};
use wharf_protocol::permission::Preview;
use wharf_protocol::{CallId, CallOutcome, PermissionId, Seen, Timestamp, ToolError, ToolOutput, ToolSpec, TurnId};

use crate::core::Core;
use crate::{Answer, Bound, Effect, Rejected, describe};
use ruling::Ruling;

/// Direct calls of a session that may be open at the same time.
const MAX_DIRECT_CALLS: usize = 64;

/// So much of a call's output is known here, for the outcome of a call that was cut off. In bytes.
const OUTPUT_TAIL_BYTES: usize = 64 * 1024;

/// Arguments that could not be read are read once more, to say why; of longer ones only that they are too long.
const ARGUMENTS: Bounds = Bounds { length: 1 << 20, depth: json::DEPTH_MAX };

/// A call that has no outcome yet.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) proposal: Proposal,
    pub(crate) stage: CallStage,
    pub(crate) output: OutputTail,
    /// What the question about it showed.
    pub(crate) asked: Option<Asked>,

    // What follows is this process's alone and not on the log.
    /// Set while this process runs it.
    pub(crate) running: Option<RunningCall>,
    /// What it would touch, once that was looked at.
    pub(crate) seen: Option<Seen>,
    /// It is being looked at, with what it would change or without.
    pub(crate) looking: Option<Looking>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Looking {
    preview: bool,
}

/// What the approval of a call holds for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) preview: Option<Preview>,
    /// How the tool was described, where somebody else describes it.
    pub(crate) definition: Option<String>,
}

/// What is to run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Proposal {
    pub(crate) call_id: CallId,
    pub(crate) tool_name: String,
    pub(crate) arguments: Value,
    /// `None`: a client asked for it directly.
    pub(crate) turn_id: Option<TurnId>,
}

/// How far a call has come.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CallStage {
    Proposed,
    Asked(PermissionId),
    Answered(PermissionResolved),
    Begun {
        at: Timestamp,
        read_only: bool,
        /// 2 where it runs once more after a crash.
        attempt: u32,
    },
}

/// A call that may not run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) decision: Decision,
    /// What the model is told.
    pub(crate) told: String,
}

/// A call that the engine runs.
#[derive(Debug, Clone)]
pub(crate) struct RunningCall {
    pub(crate) since: Timestamp,
    pub(crate) timeout_ms: u64,
    /// Since when it is being stopped, and why.
    pub(crate) stopping: Option<(Timestamp, CallErrorReason)>,
}

/// The end of a call's output.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OutputTail {
    /// Length of the whole output, in bytes.
    pub(crate) len: u64,
    pub(crate) text: String,
}

impl OutputTail {
    pub(crate) fn push(&mut self, progress: &ToolCallProgress) {
        self.len = progress.offset.saturating_add(progress.content.len() as u64);
        self.text.push_str(&progress.text());
        if self.text.len() > 2 * OUTPUT_TAIL_BYTES {
            let cut = self.text.ceil_char_boundary(self.text.len() - OUTPUT_TAIL_BYTES);
            self.text.drain(..cut);
        }
    }

    /// At most [`OUTPUT_TAIL_BYTES`] of it.
    fn last(&self) -> &str {
        let from = self.text.len().saturating_sub(OUTPUT_TAIL_BYTES);
        &self.text[self.text.ceil_char_boundary(from)..]
    }
}

impl Call {
    pub(crate) fn new(proposal: Proposal) -> Self {
        let (stage, output) = (CallStage::Proposed, OutputTail::default());
        Self { proposal, stage, output, asked: None, running: None, seen: None, looking: None }
    }

    /// What it may touch and do: what the question showed, or else what was judged.
    fn bound(&self) -> Bound {
        let preview = self.asked.as_ref().and_then(|asked| asked.preview.as_ref());
        let of_seen = || self.seen.as_ref().map(|seen| seen.paths.iter().map(|path| path.absolute.clone()).collect());
        Bound {
            paths: preview.map(|preview| preview.paths.clone()).or_else(of_seen),
            digest: preview.and_then(|preview| preview.digest.clone()),
            is_approved: self.asked.is_some(),
        }
    }

    fn is_begun(&self) -> bool {
        matches!(self.stage, CallStage::Begun { .. })
    }

    fn duration_ms(&self, now: Timestamp) -> u64 {
        match (&self.running, &self.stage) {
            (Some(running), _) => now.ms_since(running.since),
            (None, CallStage::Begun { at, .. }) => now.ms_since(*at),
            (None, _) => 0,
        }
    }
}

/// How a call is closed by the core.
pub(crate) struct CallEnd {
    pub(crate) reason: CallErrorReason,
    pub(crate) told: String,
    pub(crate) output: String,
    pub(crate) decision: Option<Decision>,
}

impl CallEnd {
    pub(crate) fn new(reason: CallErrorReason, told: impl Into<String>) -> Self {
        Self { reason, told: told.into(), output: String::new(), decision: None }
    }
}

impl From<Refusal> for CallEnd {
    fn from(refusal: Refusal) -> Self {
        let Refusal { decision, told } = refusal;
        Self { decision: Some(decision), ..Self::new(CallErrorReason::Denied, told) }
    }
}

impl From<ToolError> for CallEnd {
    fn from(error: ToolError) -> Self {
        let (reason, told, output) = match error {
            ToolError::Failed(told) => (CallErrorReason::Failed, told, String::new()),
            ToolError::Stopped { output } => {
                (CallErrorReason::Cancelled, "stopped, with everything it had started".to_owned(), output)
            }
            ToolError::TimedOut { after_ms, output } => {
                let told = format!("timed out after {after_ms} ms and was stopped, with everything it had started");
                (CallErrorReason::TimedOut, told, output)
            }
        };
        Self { output, ..Self::new(reason, told) }
    }
}

impl Core {
    pub(crate) fn tool(&self, name: &str) -> Option<Arc<ToolSpec>> {
        self.config.tools.iter().find(|spec| spec.name == name).cloned()
    }

    pub(crate) fn call(&self, id: &CallId) -> Option<&Call> {
        self.calls.iter().find(|call| call.proposal.call_id == *id)
    }

    pub(crate) fn call_mut(&mut self, id: &CallId) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.proposal.call_id == *id)
    }

    /// The open calls of the turn, or the direct ones; in order.
    pub(crate) fn open_calls(&self, direct: bool) -> Vec<CallId> {
        let calls = self.calls.iter().filter(|call| call.proposal.turn_id.is_none() == direct);
        calls.map(|call| call.proposal.call_id.clone()).collect()
    }

    pub(crate) fn has_turn_calls(&self) -> bool {
        self.calls.iter().any(|call| call.proposal.turn_id.is_some())
    }

    /// A call that a client asks for itself.
    pub(crate) fn execute(&mut self, tool_name: String, arguments: Value) -> Result<Answer, Rejected> {
        if self.deleting.is_some() {
            return Err(Rejected::Deleted);
        }
        if self.draining {
            return Err(Rejected::Draining);
        }
        if self.tool(&tool_name).is_none() {
            return Err(Rejected::UnknownTool { tool_name });
        }
        if self.open_calls(true).len() >= MAX_DIRECT_CALLS {
            return Err(Rejected::QueueFull { limit: MAX_DIRECT_CALLS });
        }
        let call_id = self.ids.call();
        let arguments = if arguments.is_null() { Value::Object(Map::new()) } else { arguments };
        let proposal = Proposal { call_id: call_id.clone(), tool_name, arguments, turn_id: None };
        // The call is part of the durable state once an event names it: its start, its question or its end. A call that is looked at
        // first is lost with this process, and nothing has happened.
        let call = Call::new(proposal);
        match self.rule_on(&call) {
            Ruling::Run(decision) => self.begin_call(&call.proposal, decision),
            Ruling::Ask(reason) => self.ask_permission(&call.proposal, &reason, None),
            Ruling::Close(end) => self.end_call(&call.proposal, 0, end),
            Ruling::Look { preview } => {
                self.calls.push(call);
                self.look_at(&call_id, preview);
            }
            Ruling::Wait => {}
        }
        Ok(Answer::Call(call_id))
    }

    /// Takes each direct call as far as it gets now. They wait for nobody.
    pub(crate) fn advance_direct_calls(&mut self) {
        for call_id in self.open_calls(true) {
            self.settle(&call_id);
            let Some(call) = self.call(&call_id).filter(|call| !call.is_begun()) else { continue };
            if let Ruling::Run(decision) = self.rule_on(call) {
                self.begin_call(&call.proposal.clone(), decision);
            }
        }
    }

    /// Asks, refuses and begins the turn's calls as far as their order lets it.
    pub(crate) fn advance_turn_calls(&mut self) {
        if self.advance_left_calls() {
            return;
        }
        let ids = self.open_calls(false);
        for call_id in &ids {
            self.settle(call_id);
        }
        self.begin_in_order(&ids);
    }

    /// Reads run side by side unless something else stands before them; anything else waits until it is the first.
    fn begin_in_order(&mut self, ids: &[CallId]) {
        let mut is_first = true;
        for call_id in ids {
            let Some(call) = self.call(call_id) else { continue };
            let is_read = self.is_read(call);
            if !call.is_begun() && (is_read || is_first) {
                let proposal = call.proposal.clone();
                if let Ruling::Run(decision) = self.rule_on(call) {
                    self.begin_call(&proposal, decision);
                }
            }
            if !is_read {
                return;
            }
            is_first = false;
        }
    }

    fn is_read(&self, call: &Call) -> bool {
        match call.stage {
            CallStage::Begun { read_only, .. } => read_only,
            _ => self.tool(&call.proposal.tool_name).is_some_and(|spec| spec.read_only),
        }
    }

    /// Asks for a call, or closes one that may not run, or has it looked at.
    fn settle(&mut self, call_id: &CallId) {
        let Some(call) = self.call(call_id).filter(|call| !call.is_begun()) else { return };
        let (proposal, ruling) = (call.proposal.clone(), self.rule_on(call));
        let seen = call.seen.clone();
        match ruling {
            Ruling::Ask(reason) => self.ask_permission(&proposal, &reason, seen),
            Ruling::Close(end) => self.end_call(&proposal, 0, end),
            Ruling::Look { preview } => self.look_at(call_id, preview),
            Ruling::Run(_) | Ruling::Wait => {}
        }
    }

    /// What the tool will act on; where that cannot be told, the argument as it was written.
    pub(crate) fn subjects(&self, spec: &ToolSpec, arguments: &Value) -> Vec<String> {
        let subjects = (self.config.subjects.0)(spec, arguments);
        if subjects.is_empty() { describe::subject_text(spec, arguments).into_iter().collect() } else { subjects }
    }

    fn unknown_tool(&self, name: &str) -> CallEnd {
        let names: Vec<&str> = self.config.tools.iter().map(|spec| spec.name.as_str()).collect();
        let told = format!("there is no tool {}; the tools are: {}", describe::excerpt(name), names.join(", "));
        CallEnd::new(CallErrorReason::Failed, told)
    }

    fn begin_call(&mut self, proposal: &Proposal, decision: Decision) {
        let Some(spec) = self.tool(&proposal.tool_name) else { return };
        let Proposal { call_id, tool_name, arguments, turn_id } = proposal.clone();
        let subjects = self.subjects(&spec, &arguments);
        let start = ToolCallStart {
            call_id: call_id.clone(),
            tool_name,
            title: describe::title(&spec, &subjects),
            locations: describe::locations(&spec, &subjects, &self.session.cwd),
            arguments,
            kind: spec.kind,
            read_only: spec.read_only,
            decision,
        };
        self.emit(turn_id, start);
        self.run_call(&call_id, &spec);
    }

    /// Has the engine run a call whose start is on the log.
    pub(crate) fn run_call(&mut self, call_id: &CallId, spec: &ToolSpec) {
        let since = self.now;
        let Some(call) = self.call_mut(call_id) else { return };
        call.running = Some(RunningCall { since, timeout_ms: spec.timeout_ms, stopping: None });
        let alone = matches!(call.stage, CallStage::Begun { attempt: 2.., .. });
        let bound = call.bound();
        let Proposal { call_id, tool_name, arguments, .. } = call.proposal.clone();
        let timeout_ms = spec.timeout_ms;
        self.effects.push(Effect::RunCall { call_id, tool_name, arguments, timeout_ms, alone, bound });
    }

    pub(crate) fn stop_call(&mut self, call_id: &CallId, reason: CallErrorReason) {
        let now = self.now;
        let running = self.call_mut(call_id).and_then(|call| call.running.as_mut());
        if let Some(running) = running.filter(|running| running.stopping.is_none()) {
            running.stopping = Some((now, reason));
            self.effects.push(Effect::StopCall { call_id: call_id.clone() });
        }
    }

    pub(crate) fn call_progress(&mut self, call_id: &CallId, content: String, omitted: u64) {
        let Some(call) = self.call(call_id).filter(|call| call.running.is_some()) else { return };
        if content.is_empty() {
            return;
        }
        let (turn_id, offset) = (call.proposal.turn_id.clone(), call.output.len.saturating_add(omitted));
        self.emit(turn_id, ToolCallProgress { call_id: call_id.clone(), offset, content, omitted });
    }

    /// A call that was closed meanwhile may still report; its outcome is on the log already.
    pub(crate) fn call_finished(&mut self, call_id: &CallId, outcome: CallOutcome) {
        let Some(call) = self.call(call_id) else { return };
        let Some(running) = call.running.clone() else { return };
        let (proposal, duration_ms) = (call.proposal.clone(), call.duration_ms(self.now));
        match outcome {
            Ok(output) => self.complete_call(&proposal, duration_ms, output),
            Err(error) => {
                let mut end = CallEnd::from(error);
                // Who was stopped says "cancelled"; why it was stopped is known here.
                if let (CallErrorReason::Cancelled, Some((_, why))) = (end.reason, running.stopping) {
                    end.reason = why;
                }
                self.end_call(&proposal, duration_ms, end);
            }
        }
    }

    pub(crate) fn complete_call(&mut self, proposal: &Proposal, duration_ms: u64, output: ToolOutput) {
        let ToolOutput { result, content, diffs, locations, exit_code, truncated, output_file, plan } = output;
        let complete = ToolCallComplete {
            call_id: proposal.call_id.clone(),
            tool_name: proposal.tool_name.clone(),
            result,
            content,
            diffs,
            locations,
            exit_code,
            truncated,
            output_file,
            duration_ms,
        };
        self.emit(proposal.turn_id.clone(), complete);
        if let Some(entries) = plan {
            self.emit(proposal.turn_id.clone(), PlanUpdated { entries });
        }
    }

    /// Closes a call here, with what it has put out so far.
    pub(crate) fn close_call(&mut self, call_id: &CallId, reason: CallErrorReason, told: &str) {
        let Some(call) = self.call(call_id) else { return };
        let (proposal, duration_ms) = (call.proposal.clone(), call.duration_ms(self.now));
        let output = call.output.last().to_owned();
        self.end_call(&proposal, duration_ms, CallEnd { output, ..CallEnd::new(reason, told) });
    }

    pub(crate) fn end_call(&mut self, proposal: &Proposal, duration_ms: u64, end: CallEnd) {
        let CallEnd { reason, told, output, decision } = end;
        let error = ToolCallError {
            call_id: proposal.call_id.clone(),
            tool_name: proposal.tool_name.clone(),
            error: told,
            reason,
            output,
            decision,
            duration_ms,
        };
        self.emit(proposal.turn_id.clone(), error);
    }

    /// Closes calls that have not begun, and stops those that have. A call that nobody runs (its process died with the last
    /// server) is closed at once.
    pub(crate) fn stop_calls(&mut self, direct: bool, reason: CallErrorReason, told: &str) {
        for call_id in self.open_calls(direct) {
            let Some(call) = self.call(&call_id) else { continue };
            if call.running.is_some() {
                self.stop_call(&call_id, reason);
                continue;
            }
            if let CallStage::Asked(permission_id) = &call.stage {
                self.cancel_permission(&permission_id.clone());
            }
            self.close_call(&call_id, reason, told);
        }
    }
}

pub(crate) fn not_an_object(raw: &str) -> CallEnd {
    let reason = match json::object(raw, ARGUMENTS) {
        Err(error) => error.to_string(),
        Ok(_) => "the reply ended before they did".to_owned(),
    };
    let told = format!("arguments were not a JSON object: {} ({reason})", describe::excerpt(&json::visible(raw)));
    CallEnd::new(CallErrorReason::Failed, told)
}
