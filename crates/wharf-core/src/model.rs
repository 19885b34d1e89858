//! Model calls: asked, listened to, repeated, and turned into messages.

use std::mem;

use serde_json::{Map, Value};
use wharf_foreign::nesting;
use wharf_protocol::event::{
    AgentThinking, CallErrorReason, MessageChunk, MessageComplete, MessageError, MessageStart, ModelRetrying,
    ReplyDefect, SessionUpdated, UsageCost, UsageUpdated,
};
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply, ProposedCall};
use wharf_protocol::{
    ApiError, CallCost, CallId, Cost, ErrorCode, MessageId, Role, StopReason, ToolRequest, TurnId, UnseenImages, Usage,
};

use crate::core::Core;
use crate::defect;
use crate::input::Again;
use crate::outcome::Effect;
use crate::state::{CallEnd, ModelState, OpenTurn, Proposal, not_an_object};

/// Calls beyond this number in one reply are refused.
const MAX_CALLS_PER_REPLY: usize = 128;

impl Core {
    pub(crate) fn call_model(&mut self) {
        self.note_surroundings();
        if !self.make_room() {
            return;
        }
        self.last_ask += 1;
        let (ask, model) = (self.last_ask, self.session.model.clone());
        let Some(turn) = &mut self.turn else { return };
        turn.held.clear();
        turn.model = ModelState::Asked { ask, model };
        let turn_id = turn.turn_id.clone();
        self.effects.push(Effect::CallModel { ask, turn_id, messages: self.shown.for_model() });
    }

    /// The running turn, if it waits for this model call. What an older call still says is not listened to.
    fn asked(&self, ask: u64) -> Option<&OpenTurn> {
        let is_asked = |turn: &&OpenTurn| matches!(turn.model, ModelState::Asked { ask: asked, .. } if asked == ask);
        self.turn.as_ref().filter(is_asked)
    }

    /// A request that does not fit is made smaller before it is sent.
    pub(crate) fn window_known(&mut self, tokens: Option<u64>, ask: Option<u64>) {
        self.context_limit = tokens;
        let waits = ask.is_some_and(|ask| self.asked(ask).is_some());
        if waits && self.window().is_some_and(|window| self.is_near(window)) {
            self.stop_model();
        }
    }

    pub(crate) fn model_text(&mut self, ask: u64, content: String) {
        if self.asked(ask).is_none() || content.is_empty() {
            return;
        }
        let Some(content) = self.not_held(content) else { return };
        self.show_text(content);
    }

    /// A reply that begins like a tool call in the text is shown only once it is known to be none.
    fn not_held(&mut self, content: String) -> Option<String> {
        let turn = self.turn.as_mut()?;
        if turn.reply.as_ref().is_some_and(|reply| !reply.text.is_empty()) {
            return Some(content);
        }
        turn.held.push_str(&content);
        (!defect::may_be_markup(&turn.held)).then(|| mem::take(&mut turn.held))
    }

    fn show_held(&mut self) {
        let held = self.turn.as_mut().map(|turn| mem::take(&mut turn.held)).unwrap_or_default();
        if !held.is_empty() {
            self.show_text(held);
        }
    }

    fn show_text(&mut self, content: String) {
        let message_id = self.start_message();
        let reply = self.turn.as_ref().and_then(|turn| turn.reply.as_ref());
        let offset = reply.map_or(0, |reply| reply.text.len() as u64);
        self.emit_in_turn(MessageChunk { message_id, role: Role::Assistant, offset, content, done: false });
    }

    pub(crate) fn model_reasoning(&mut self, ask: u64, content: String) {
        let Some(turn) = self.asked(ask).filter(|_| !content.is_empty()) else { return };
        let offset = turn.reply.as_ref().map_or(0, |reply| reply.reasoning.len() as u64);
        let message_id = self.reply_id();
        self.emit_in_turn(AgentThinking { message_id, offset, content });
    }

    fn reply_id(&mut self) -> MessageId {
        let open = self.turn.as_ref().and_then(|turn| turn.reply.as_ref());
        match open.map(|reply| reply.message_id.clone()) {
            Some(message_id) => message_id,
            None => self.ids.message(),
        }
    }

    /// Sends `message.start` unless that was done.
    fn start_message(&mut self) -> MessageId {
        let message_id = self.reply_id();
        let open = self.turn.as_ref().and_then(|turn| turn.reply.as_ref());
        if !open.is_some_and(|reply| reply.is_started) {
            self.emit_in_turn(MessageStart { message_id: message_id.clone(), role: Role::Assistant });
        }
        message_id
    }

    pub(crate) fn model_finished(&mut self, ask: u64, reply: ModelReply) {
        if self.asked(ask).is_none() {
            return;
        }
        if let Some(defect) = self.defect(&reply) {
            return self.unusable(defect, &reply);
        }
        self.show_held();
        let message_id = self.start_message();
        let Some(turn) = &mut self.turn else { return };
        let ModelState::Asked { model, .. } = mem::take(&mut turn.model) else { return };
        let (content, reasoning) = match &turn.reply {
            Some(open) => (open.text.clone(), open.reasoning.clone()),
            None => (String::new(), String::new()),
        };
        let ModelReply { stop_reason, announces_call: _, mut tool_calls, usage, cost, provider_data, unseen } = reply;
        let is_refused = stop_reason == StopReason::Refusal;
        let provider_data = provider_data.filter(|data| is_loggable(data) && !is_refused);
        if is_refused {
            // What a filter stopped is not to be acted on.
            tool_calls.clear();
        }
        let Some(turn) = &mut self.turn else { return };
        let turn_id = turn.turn_id.clone();
        // Told again only where it is another number, or another model.
        let unseen = if unseen == self.unseen { UnseenImages::default() } else { unseen };
        let (tool_calls, unreadable) = self.read_calls(tool_calls, &turn_id, stop_reason);
        self.emit_in_turn(MessageComplete {
            message_id,
            role: Role::Assistant,
            content,
            done: true,
            reasoning,
            tool_calls,
            stop_reason,
            usage,
            model: model.clone(),
            provider_data,
            unseen,
        });
        self.count_call(model, usage, cost);
        // In the same outcome, and so in the same commit: they must never be taken for calls that wait.
        for (proposal, end) in unreadable {
            self.end_call(&proposal, 0, end);
        }
    }

    fn defect(&self, reply: &ModelReply) -> Option<ReplyDefect> {
        let turn = self.turn.as_ref().filter(|_| reply.tool_calls.is_empty())?;
        let (shown, reasoning) = match &turn.reply {
            Some(open) => (open.text.as_str(), open.reasoning.as_str()),
            None => ("", ""),
        };
        let text = if shown.is_empty() { turn.held.as_str() } else { shown };
        defect::of(text, reasoning, reply.announces_call, reply.stop_reason)
    }

    /// A reply with nothing in it: the model is asked once more, with a word; a second one ends the turn.
    fn unusable(&mut self, defect: ReplyDefect, reply: &ModelReply) {
        let model = self.asked_model();
        self.forget_ask();
        if defect == ReplyDefect::LeakedMarkup {
            // Nobody is shown it.
            self.turn.iter_mut().for_each(|turn| turn.held.clear());
        } else {
            self.show_held();
        }
        let is_second = self.turn.as_ref().is_some_and(|turn| turn.defects > 0);
        let message_id = self.start_message();
        let Some(open) = self.turn.as_ref().and_then(|turn| turn.reply.clone()) else { return };
        self.emit_in_turn(MessageError {
            message_id,
            role: Role::Assistant,
            content: open.text,
            done: true,
            reasoning: open.reasoning,
            error: format!("the model's reply {}", defect::described(defect)),
            defect: Some(defect),
        });
        self.count_call(model, reply.usage, reply.cost);
        if is_second {
            self.fail_turn(StopReason::Error, defect::error(defect, reply.stop_reason));
        }
    }

    /// Gives each call its id. Those that must not run come with the outcome that they get at once.
    fn read_calls(
        &mut self,
        calls: Vec<ProposedCall>,
        turn_id: &TurnId,
        stop_reason: StopReason,
    ) -> (Vec<ToolRequest>, Vec<(Proposal, CallEnd)>) {
        let mut requests = Vec::with_capacity(calls.len());
        let mut unreadable = Vec::new();
        for (index, call) in calls.into_iter().enumerate() {
            let ProposedCall { tool_name, arguments, provider_data } = call;
            let provider_data = provider_data.filter(is_loggable);
            let call_id = self.ids.call();
            let (arguments, problem) = read_arguments(arguments);
            let is_cut_off = stop_reason == StopReason::MaxTokens;
            let problem = if is_cut_off { Some(cut_off()) } else { problem };
            let problem = problem.or_else(|| (index >= MAX_CALLS_PER_REPLY).then(too_many));
            if let Some(end) = problem {
                unreadable.push((self.proposal(&call_id, &tool_name, &arguments, turn_id), end));
            }
            requests.push(ToolRequest { call_id, tool_name, arguments, provider_data });
        }
        (requests, unreadable)
    }

    fn proposal(&self, call_id: &CallId, tool_name: &str, arguments: &Value, turn_id: &TurnId) -> Proposal {
        Proposal {
            call_id: call_id.clone(),
            tool_name: tool_name.to_owned(),
            arguments: arguments.clone(),
            turn_id: Some(turn_id.clone()),
        }
    }

    /// The model that is being asked; a session may name another by now.
    fn asked_model(&self) -> String {
        match self.turn.as_ref().map(|turn| &turn.model) {
            Some(ModelState::Asked { model, .. }) => model.clone(),
            _ => self.session.model.clone(),
        }
    }

    /// Says what a model call took and cost, which nobody has counted yet.
    fn count_call(&mut self, model: String, usage: Option<Usage>, cost: Option<CallCost>) {
        // A provider that does not count leaves the estimate.
        let context_tokens = match usage.unwrap_or_default().total_tokens {
            0 => self.expected(),
            total => total,
        };
        self.emit_usage(model, usage, cost, context_tokens);
    }

    /// The same, where the conversation takes `context_tokens`.
    pub(crate) fn emit_usage(
        &mut self,
        model: String,
        call: Option<Usage>,
        cost: Option<CallCost>,
        context_tokens: u64,
    ) {
        let (mut turn, mut turn_cost) = self.turn_sums();
        turn += call.unwrap_or_default();
        turn_cost.add(cost);
        let told = self.usage_told((turn, turn_cost), model, call, cost, context_tokens);
        self.emit_in_turn(told);
    }

    /// The same of a call that is no part of a turn, whether one runs or not.
    pub(crate) fn count_beside(&mut self, model: String, call: Option<Usage>, cost: Option<CallCost>) {
        let told = self.usage_told(self.turn_sums(), model, call, cost, self.expected());
        self.emit(None, told);
    }

    fn turn_sums(&self) -> (Usage, Cost) {
        self.turn.as_ref().map(|open| (open.usage, open.cost)).unwrap_or_default()
    }

    fn usage_told(
        &self,
        (turn, turn_cost): (Usage, Cost),
        model: String,
        call: Option<Usage>,
        cost: Option<CallCost>,
        context_tokens: u64,
    ) -> UsageUpdated {
        let (mut session, mut session_cost) = (self.session.token_usage, self.session.cost);
        session += call.unwrap_or_default();
        session_cost.add(cost);
        let cost = Some(UsageCost { call: cost, turn: turn_cost, session: session_cost });
        UsageUpdated { turn, session, context_tokens, context_limit: self.window(), call, model: Some(model), cost }
    }

    pub(crate) fn model_failed(&mut self, ask: u64, error: ModelError, again: Again) {
        let Some(turn) = self.asked(ask) else { return };
        let is_fresh = turn.reply.is_none();
        self.forget_ask();
        if is_fresh && let Some(delay_ms) = self.retry_delay(&error, again) {
            return self.retry(&error, delay_ms, again);
        }
        if is_fresh && self.fall_back(&error) {
            // `advance` asks the other model.
            return;
        }
        if let ModelErrorKind::ContextOverflow { limit, asked } = error.kind {
            // Also where the turn fails: the next prompt is to fit.
            let is_smaller = self.make_smaller(limit, asked, is_fresh);
            if is_smaller && is_fresh {
                // `advance` asks again.
                return;
            }
            self.cut_reply(&error.message);
            let error = if is_smaller {
                let text = format!(
                    "{}; the conversation is shown shorter from here on: go on with a new prompt",
                    error.message
                );
                ApiError::new(ErrorCode::ContextOverflow, text)
            } else {
                self.does_not_fit(&error.message, limit)
            };
            return self.fail_turn(StopReason::Error, error);
        }
        self.cut_reply(&error.message);
        let code = match error.kind {
            ModelErrorKind::Timeout => ErrorCode::Timeout,
            _ => ErrorCode::ProviderError,
        };
        let retryable = error.kind.is_retryable();
        self.fail_turn(StopReason::Error, ApiError { retryable, ..ApiError::new(code, error.message) });
    }

    /// The session goes on with the next model, if there is one: the list is gone through once, as nothing goes back in it.
    fn fall_back(&mut self, error: &ModelError) -> bool {
        let (models, failed) = (&self.config.fallback_models, &self.session.model);
        let next = models.iter().position(|model| model == failed).map_or(0, |at| at + 1);
        let Some(next) = models.get(next).filter(|_| error.kind.is_retryable()) else { return false };
        let reason = Some(format!("{failed} failed: {}", error.message));
        let changed = SessionUpdated { model: Some(next.clone()), reason, ..SessionUpdated::default() };
        self.emit_in_turn(changed);
        true
    }

    fn forget_ask(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.model = ModelState::Idle;
        }
    }

    /// How long to wait before the next attempt; `None` when there is none. A provider that wants a longer wait than we are
    /// ready for gets no second request.
    fn retry_delay(&self, error: &ModelError, again: Again) -> Option<u64> {
        self.delay_of(error, self.turn.as_ref()?.attempt, again)
    }

    /// The same for a request that was repeated `attempt` times.
    pub(crate) fn delay_of(&self, error: &ModelError, attempt: u32, again: Again) -> Option<u64> {
        let config = &self.config;
        if !error.kind.is_retryable() || attempt + 1 >= again.attempts.unwrap_or(config.max_model_attempts) {
            return None;
        }
        let wait_ms = match error.retry_after_ms {
            Some(wish) if wish > config.retry_max_ms => return None,
            Some(wish) => wish,
            None => config.retry_base_ms.saturating_mul(1 << attempt.min(32)).min(config.retry_max_ms),
        };
        // Up to a quarter more: sessions that failed together do not come back together.
        Some(wait_ms.saturating_add((wait_ms / 4).saturating_mul(u64::from(again.jitter)) / u64::from(u16::MAX)))
    }

    fn retry(&mut self, error: &ModelError, delay_ms: u64, again: Again) {
        let Some(turn) = &mut self.turn else { return };
        turn.model = ModelState::Waiting { until: self.now.after_ms(delay_ms) };
        let retrying = ModelRetrying {
            attempt: turn.attempt + 1,
            max_attempts: again.attempts.unwrap_or(self.config.max_model_attempts).saturating_sub(1),
            delay_ms,
            error: error.message.clone(),
            turn_id: Some(turn.turn_id.clone()),
        };
        self.emit_in_turn(retrying);
    }

    pub(crate) fn stop_model(&mut self) {
        let Some(turn) = &mut self.turn else { return };
        if let ModelState::Asked { ask, .. } = mem::take(&mut turn.model) {
            self.effects.push(Effect::StopModel { ask });
        }
    }

    /// Ends the message that the model had begun.
    pub(crate) fn cut_reply(&mut self, error: &str) {
        if self.turn.as_ref().is_none_or(|turn| turn.reply.is_none()) {
            return;
        }
        let message_id = self.start_message();
        let Some(reply) = self.turn.as_ref().and_then(|turn| turn.reply.clone()) else { return };
        self.emit_in_turn(MessageError {
            message_id,
            role: Role::Assistant,
            content: reply.text,
            done: true,
            reasoning: reply.reasoning,
            error: error.to_owned(),
            defect: None,
        });
    }
}

/// What a provider wants back later is left out where nobody could read it back: the turn goes on without it.
fn is_loggable(data: &Value) -> bool {
    nesting::logged(data).is_ok()
}

/// The arguments, and what is wrong with them.
pub(crate) fn read_arguments(arguments: Result<Value, String>) -> (Value, Option<CallEnd>) {
    let empty = Value::Object(Map::new());
    match arguments {
        Ok(Value::Object(fields)) => {
            let arguments = Value::Object(fields);
            match nesting::logged(&arguments) {
                Ok(()) => (arguments, None),
                Err(error) => {
                    let told = format!("the arguments are {error}; this call did not run");
                    (empty, Some(CallEnd::new(CallErrorReason::Failed, told)))
                }
            }
        }
        Ok(other) => (empty, Some(not_an_object(&other.to_string()))),
        Err(raw) => (empty, Some(not_an_object(&raw))),
    }
}

fn cut_off() -> CallEnd {
    CallEnd::new(CallErrorReason::Failed, defect::CUT_OFF)
}

fn too_many() -> CallEnd {
    let told = format!("more than {MAX_CALLS_PER_REPLY} calls in one reply; this one did not run");
    CallEnd::new(CallErrorReason::Failed, told)
}
