//! From events to state: the only code that changes what is on the log, for live sessions and loaded ones alike.

use wharf_protocol::content::text_of;
use wharf_protocol::event::{
    AgentThinking, CompactReason, ContextCompacted, ContextCompacting, ContextNoted, MessageChunk, MessageComplete,
    MessageError, PermissionRequested, PermissionResolved, PromptReceived, PromptStarted, ToolCallProgress,
    ToolCallResumed, ToolCallStart,
};
use wharf_protocol::{CallId, ConflictStrategy, ContentBlock, Event, EventBody, MessageId, StopReason, UnseenImages};

use super::Core;
use crate::defect;
use crate::message::message_of;
use crate::state::{
    Asked, Call, CallStage, CancelRequest, Compaction, Counted, Measure, Next, OpenReply, OpenTurn, OutputTail, Place,
    Proposal,
};

impl Core {
    /// Applies an event to everything but the session's view.
    pub(crate) fn fold(&mut self, event: &Event) {
        match &event.body {
            EventBody::SessionCleared(cleared) => {
                self.shown.clear();
                self.told_window = None;
                self.compaction = None;
                self.measure = Measure::default();
                self.permissions.grants.clone_from(&cleared.grants);
                self.commands.restore(&cleared.commands);
            }
            EventBody::SessionDeleted(_) => self.deleted = true,
            EventBody::PromptReceived(received) => self.fold_received(event, received),
            EventBody::PromptQueued(queued) => self.prompts.queued(queued),
            EventBody::PromptStarted(started) => self.fold_started(started),
            EventBody::PromptWithdrawn(withdrawn) => {
                if self.prompts.take(&withdrawn.message_id).is_some() {
                    self.prompts.ended(withdrawn.message_id.clone());
                }
            }
            EventBody::TurnStarted(started) => {
                let turn = |turn_id| OpenTurn::new(turn_id, started, event.timestamp);
                self.turn = event.turn_id.clone().map(turn);
                // The core never leaves one; a log from elsewhere might.
                self.compaction = None;
            }
            EventBody::TurnCompleted(_) | EventBody::TurnCancelled(_) | EventBody::TurnFailed(_) => self.fold_end(),
            EventBody::MessageComplete(complete) => self.fold_complete(event, complete),
            EventBody::MessageError(error) => self.fold_cut_off(event, error),
            EventBody::ToolCallStart(start) => self.fold_call_start(event, start),
            EventBody::ToolCallProgress(progress) => self.fold_progress(progress),
            EventBody::ToolCallComplete(complete) => self.fold_call_end(event, &complete.call_id),
            EventBody::ToolCallError(error) => self.fold_call_end(event, &error.call_id),
            EventBody::PermissionRequested(requested) => self.fold_requested(event, requested),
            EventBody::PermissionResolved(resolved) => self.fold_resolved(event, resolved),
            EventBody::CommandStarted(started) => self.commands.started(event, started),
            EventBody::CommandEnded(ended) => self.commands.ended(event, ended),
            EventBody::ContextCompacting(begun) => self.fold_compacting(event, begun),
            EventBody::ContextCompacted(compacted) => self.fold_compacted(compacted),
            EventBody::ContextCompactionFailed(_) => self.fold_compaction_failed(),
            EventBody::ContextNoted(noted) => self.fold_noted(noted),
            // Another provider counts in another way, and another model sees something else and has its own attempts.
            EventBody::SessionUpdated(changed) if changed.model.is_some() => {
                self.measure = Measure::default();
                self.unseen = UnseenImages::default();
                self.turn.iter_mut().for_each(|turn| turn.attempt = 0);
            }
            EventBody::ToolCallResumed(resumed) => self.fold_resumed(resumed),
            _ => self.fold_turn(event),
        }
        if let Some(turn) = self.turn.as_mut().filter(|_| !event.kind().is_chunk()) {
            turn.time.last_event_at = event.timestamp;
        }
    }

    /// Events that change the running turn alone.
    fn fold_turn(&mut self, event: &Event) {
        let Some(turn) = &mut self.turn else { return };
        match &event.body {
            EventBody::TurnCancelRequested(cancel) => turn.cancel = Some(CancelRequest { by: cancel.by.clone() }),
            EventBody::TurnResumed(resumed) => {
                turn.resumes = resumed.attempt;
                turn.attempt = 0;
                turn.time.resume(event.timestamp);
                // Reads run again from the start.
                let reads =
                    self.calls.iter_mut().filter(|c| matches!(c.stage, CallStage::Begun { read_only: true, .. }));
                reads.for_each(|call| call.output = OutputTail::default());
            }
            EventBody::MessageStart(start) => open_reply(turn, &start.message_id).is_started = true,
            EventBody::MessageChunk(chunk) => fold_chunk(turn, chunk),
            EventBody::AgentThinking(reasoning) => fold_reasoning(turn, reasoning),
            EventBody::UsageUpdated(usage) => {
                turn.usage = usage.turn;
                turn.cost = usage.cost.map_or(turn.cost, |cost| cost.turn);
            }
            EventBody::ModelRetrying(retrying) => turn.attempt = retrying.attempt,
            _ => {}
        }
    }

    fn fold_received(&mut self, event: &Event, received: &PromptReceived) {
        // Only a prompt that joins a turn is received with the id of a turn that runs.
        let joins = self.turn.is_some() && self.turn_id() == event.turn_id;
        let place = match received.conflict_strategy {
            ConflictStrategy::Steer if joins => Place::Steer,
            ConflictStrategy::Interrupt => Place::Head,
            _ => Place::Queue,
        };
        self.prompts.received(event, received, place);
    }

    fn fold_started(&mut self, started: &PromptStarted) {
        let Some(prompt) = self.prompts.take(&started.message_id) else { return };
        self.shown.push(prompt.message);
        if let Some(turn) = self.turn.as_mut().filter(|_| started.steered) {
            turn.prompts.push(prompt.message_id);
            turn.next = Next::AskModel;
        }
    }

    fn fold_noted(&mut self, noted: &ContextNoted) {
        self.shown.note(noted);
        if let Some(turn) = &mut self.turn {
            turn.notes += 1;
        }
    }

    fn fold_end(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        self.compaction = None;
        for prompt in turn.prompts {
            self.prompts.ended(prompt);
        }
        // The core never leaves any; a damaged log might.
        self.calls.retain(|call| call.proposal.turn_id.is_none());
        self.permissions.open.retain(|permission| permission.turn_id.is_none());
    }

    fn fold_resumed(&mut self, resumed: &ToolCallResumed) {
        let Some(call) = self.call_mut(&resumed.call_id) else { return };
        call.output = OutputTail::default();
        if let CallStage::Begun { attempt, .. } = &mut call.stage {
            *attempt = resumed.attempt;
        }
    }

    fn fold_complete(&mut self, event: &Event, complete: &MessageComplete) {
        // What is shown now is what the request held: this message is the answer to it.
        self.measure_reply(complete);
        if !complete.unseen.is_none() {
            self.unseen = complete.unseen;
        }
        let Some(turn) = &mut self.turn else { return };
        turn.reply = None;
        turn.attempt = 0;
        turn.steps += 1;
        turn.overflows = 0;
        turn.defects = 0;
        let is_cut_off = complete.stop_reason == StopReason::MaxTokens && !complete.tool_calls.is_empty();
        turn.cut_offs = if is_cut_off { turn.cut_offs + 1 } else { 0 };
        turn.is_refused = complete.stop_reason == StopReason::Refusal && complete.content.trim().is_empty();
        turn.is_summed_up = false;
        turn.repeats.proposed(&complete.tool_calls);
        turn.next = if complete.tool_calls.is_empty() { Next::Finish(complete.stop_reason) } else { Next::AskModel };
        if !complete.content.is_empty() {
            turn.response.clone_from(&complete.content);
        }
        self.calls.extend(complete.tool_calls.iter().map(|request| {
            Call::new(Proposal {
                call_id: request.call_id.clone(),
                tool_name: request.tool_name.clone(),
                arguments: request.arguments.clone(),
                turn_id: event.turn_id.clone(),
            })
        }));
        self.shown.extend(message_of(event));
    }

    /// A reply says what its request took.
    fn measure_reply(&mut self, complete: &MessageComplete) {
        let tokens = complete.usage.map_or(0, |usage| usage.prompt_tokens);
        let shown = self.shown.total;
        self.measure.counted = self.measure.take(tokens, self.estimated()).then_some(Counted { tokens, shown });
    }

    fn fold_cut_off(&mut self, event: &Event, error: &MessageError) {
        let Some(turn) = &mut self.turn else { return };
        turn.reply = None;
        turn.attempt = 0;
        turn.next = Next::AskModel;
        if !error.content.is_empty() {
            turn.response.clone_from(&error.content);
        }
        let message = message_of(event);
        self.shown.extend(message.clone());
        if let (Some(defect), Some(turn), Some(message)) = (error.defect, &mut self.turn, message) {
            turn.defects += 1;
            turn.overflows = 0;
            self.shown.tell(&message, &defect::word(defect));
        }
    }

    fn fold_call_start(&mut self, event: &Event, start: &ToolCallStart) {
        start.locations.iter().for_each(|location| self.touched.path(&location.path, start.kind));
        if !start.read_only {
            self.touched.anything();
        }
        let stage = CallStage::Begun { at: event.timestamp, read_only: start.read_only, attempt: 1 };
        self.call_or_direct(event, &start.call_id, || (start.tool_name.clone(), start.arguments.clone())).stage = stage;
    }

    fn fold_requested(&mut self, event: &Event, requested: &PermissionRequested) {
        self.permissions.requested(event, requested);
        let proposal = self.call(&requested.call_id).map(|call| call.proposal.clone());
        if let (Some(proposal), Some(turn)) = (proposal, &mut self.turn)
            && turn.repeats.is_due(&proposal)
        {
            turn.repeats.asks(&requested.call_id);
        }
        let stage = CallStage::Asked(requested.permission_id.clone());
        let what = || (requested.tool_name.clone(), requested.arguments.clone());
        let asked = Asked { preview: requested.preview.clone(), definition: requested.definition.clone() };
        let call = self.call_or_direct(event, &requested.call_id, what);
        (call.stage, call.asked) = (stage, Some(asked));
        if let Some(turn) = self.turn.as_mut().filter(|_| event.turn_id.is_some()) {
            turn.time.wait(event.timestamp);
        }
    }

    fn fold_resolved(&mut self, event: &Event, resolved: &PermissionResolved) {
        self.permissions.resolved(resolved);
        if let Some(turn) = &mut self.turn {
            turn.repeats.answered(resolved);
        }
        if let Some(call) = self.call_mut(&resolved.call_id) {
            call.stage = CallStage::Answered(resolved.clone());
        }
        if let Some(turn) = self.turn.as_mut().filter(|turn| !self.permissions.any_of(&turn.turn_id)) {
            turn.time.go_on(event.timestamp);
        }
    }

    /// The call that an event is about. A direct call is first heard of in its own start or question.
    fn call_or_direct(
        &mut self,
        event: &Event,
        call_id: &CallId,
        what: impl FnOnce() -> (String, serde_json::Value),
    ) -> &mut Call {
        let known = self.calls.iter().position(|call| call.proposal.call_id == *call_id);
        let at = known.unwrap_or_else(|| {
            let (tool_name, arguments) = what();
            let turn_id = event.turn_id.clone();
            self.calls.push(Call::new(Proposal { call_id: call_id.clone(), tool_name, arguments, turn_id }));
            self.calls.len() - 1
        });
        &mut self.calls[at]
    }

    fn fold_progress(&mut self, progress: &ToolCallProgress) {
        if let Some(call) = self.call_mut(&progress.call_id) {
            call.output.push(progress);
        }
    }

    fn fold_call_end(&mut self, event: &Event, call_id: &CallId) {
        let at = self.calls.iter().position(|call| call.proposal.call_id == *call_id);
        let Some(call) = at.map(|at| self.calls.remove(at)) else { return };
        let Some(mut message) = message_of(event) else { return };
        if let Some(turn) = self.turn.as_mut().filter(|_| call.proposal.turn_id.is_some())
            && let Some(note) = turn.repeats.ended(&call.proposal, event, &text_of(&message.content))
        {
            message.content.push(ContentBlock::text(format!("\n\n{note}")));
        }
        self.shown.push_result(message);
    }

    fn fold_compacting(&mut self, event: &Event, begun: &ContextCompacting) {
        self.told(begun.model.as_ref(), begun.context_limit, begun.asked_tokens);
        if begun.reason == CompactReason::Overflow {
            self.measure.counted = None;
        }
        if let Some(turn) = &mut self.turn {
            turn.is_summed_up = true;
            turn.overflows += u32::from(begun.reason == CompactReason::Overflow && begun.attempt == 1);
        }
        self.compaction = Some(Compaction::begun(event, begun));
    }

    fn fold_compacted(&mut self, compacted: &ContextCompacted) {
        let is_end = self.compaction.take().is_some();
        self.told(compacted.model.as_ref(), compacted.context_limit, compacted.asked_tokens);
        self.shown.compact(compacted);
        self.measure.counted = None;
        let Some(turn) = &mut self.turn else { return };
        // One that a summary was asked for was counted when it began.
        turn.overflows += u32::from(!is_end && compacted.reason == CompactReason::Overflow);
        if compacted.summary_error.is_some() {
            turn.failed_summaries += 1;
        } else if compacted.summary.is_some() {
            turn.failed_summaries = 0;
        }
    }

    fn fold_compaction_failed(&mut self) {
        self.compaction = None;
        if let Some(turn) = &mut self.turn {
            turn.failed_summaries += 1;
        }
    }

    /// What a model's server said when it refused what is shown now.
    fn told(&mut self, model: Option<&String>, context_limit: Option<u64>, asked: Option<u64>) {
        if let (Some(model), Some(tokens)) = (model, context_limit) {
            self.told_window = Some((model.clone(), tokens));
        }
        if let Some(asked) = asked.filter(|_| model == Some(&self.session.model)) {
            self.measure.take(asked, self.estimated());
        }
    }
}

/// The message that the model is saying, which this is the first news of or not.
fn open_reply<'a>(turn: &'a mut OpenTurn, message_id: &MessageId) -> &'a mut OpenReply {
    let is_other = turn.reply.as_ref().is_some_and(|reply| reply.message_id != *message_id);
    if is_other {
        turn.reply = None;
    }
    turn.reply.get_or_insert_with(|| OpenReply::new(message_id.clone()))
}

fn fold_chunk(turn: &mut OpenTurn, chunk: &MessageChunk) {
    let reply = open_reply(turn, &chunk.message_id);
    reply.is_started = true;
    reply.text.push_str(&chunk.content);
}

fn fold_reasoning(turn: &mut OpenTurn, reasoning: &AgentThinking) {
    open_reply(turn, &reasoning.message_id).reasoning.push_str(&reasoning.content);
}
