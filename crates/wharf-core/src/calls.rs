//! Tool calls: decided, begun in their order, closed with exactly one outcome.

mod ruling;

use serde_json::{Map, Value};
use wharf_protocol::event::{
    CallErrorReason, Decision, PlanUpdated, ToolCallComplete, ToolCallError, ToolCallProgress, ToolCallStart,
};
use wharf_protocol::{CallId, CallOutcome, ToolOutput, ToolSpec};

use crate::core::Core;
use crate::describe;
use crate::outcome::{Answer, Effect, Rejected};
use crate::state::{Call, CallEnd, CallStage, Proposal, RunningCall};
use ruling::Ruling;

/// Direct calls of a session that may be open at the same time.
const MAX_DIRECT_CALLS: usize = 64;

impl Core {
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
            Ruling::Ask(why) => self.ask_permission(&call.proposal, why, None),
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
            Ruling::Ask(why) => self.ask_permission(&proposal, why, seen),
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
