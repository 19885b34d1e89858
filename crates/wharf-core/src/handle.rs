//! The way in: each input goes to the room that decides on it; then everything is done that can be done.

use std::sync::Arc;

use wharf_protocol::{Timestamp, ToolSpec};

use crate::config::CoreConfig;
use crate::core::Core;
use crate::input::Input;
use crate::outcome::{Accepted, Answer, Outcome, Rejected};
use crate::size::{self, MESSAGE_TOKENS};

impl Core {
    /// Takes an input; a loaded session does nothing by itself until [`Core::recover`] was called. Inputs about a model call or a tool call that is over change nothing.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Outcome {
        self.now = now;
        if self.deleted {
            return self.outcome(Err(Rejected::Deleted));
        }
        let answer = match input {
            Input::Prompt(prompt) => self.prompt_received(prompt),
            Input::Cancel { by, force, clear_queue, turn_id } => self.cancel(by, force, clear_queue, turn_id),
            Input::Withdraw { message_id, by } => self.withdraw(message_id, by),
            Input::Reprioritise { message_id, priority } => self.reprioritise(message_id, priority),
            Input::Answer { permission_id, option, by, message } => self.answer(permission_id, option, by, message),
            Input::Update { change, by } => self.update(change, by),
            Input::Clear { by } => self.clear(by),
            Input::Compact { focus, by } => self.compact_as_asked(focus, by),
            Input::Delete { by } => self.delete(by),
            Input::Execute { tool_name, arguments, by: _ } => self.execute(tool_name, arguments),
            Input::StartCommand(new) => self.start_command(new),
            Input::StopCommand { command_id, by } => self.stop_command(&command_id, by),
            input => {
                self.report(input);
                Ok(Answer::Done)
            }
        };
        self.advance();
        let answer = answer.map(|answer| self.placed(answer));
        self.outcome(answer)
    }

    /// Inputs that nobody waits for.
    fn report(&mut self, input: Input) {
        match input {
            Input::WindowKnown { tokens, ask } => self.window_known(tokens, ask),
            Input::InstructionsChanged { bytes } => self.instructions_tokens = bytes as u64 / 4 + MESSAGE_TOKENS,
            Input::ModelText { ask, text } => self.model_text(ask, text),
            Input::ModelReasoning { ask, text } => self.model_reasoning(ask, text),
            Input::ModelFinished { ask, reply } => self.model_finished(ask, reply),
            Input::ModelFailed { ask, error, again } => self.model_failed(ask, error, again),
            Input::SummaryWritten { ask, text, reply } => self.summary_written(ask, &text, &reply),
            Input::SummaryFailed { ask, error, again } => self.summary_failed(ask, &error, again),
            Input::TitleWritten { ask, text, reply } => self.title_written(ask, &text, reply),
            Input::CallSeen { call_id, seen } => self.call_seen(&call_id, seen),
            Input::CallProgress { call_id, output, omitted } => self.call_progress(&call_id, output, omitted),
            Input::CallFinished { call_id, outcome } => self.call_finished(&call_id, outcome),
            Input::CommandEnded { command_id, end } => self.command_ended(&command_id, end),
            Input::ToolsChanged(tools) => self.take_tools(tools),
            Input::AgentChanged { tools, max_steps } => {
                self.take_tools(tools);
                self.config.max_steps = max_steps;
            }
            Input::Configured(config) => self.configured(*config),
            Input::Answerers(count) => self.answerers = count,
            Input::Drain => self.draining = true,
            Input::Tick => self.tick(),
            // Answered in `handle`.
            Input::Prompt(_)
            | Input::Cancel { .. }
            | Input::Withdraw { .. }
            | Input::Reprioritise { .. }
            | Input::Answer { .. }
            | Input::Update { .. }
            | Input::Clear { .. }
            | Input::Compact { .. }
            | Input::Delete { .. }
            | Input::Execute { .. }
            | Input::StartCommand(_)
            | Input::StopCommand { .. } => {}
        }
    }

    /// A prompt's place is known only after everything else was done.
    fn placed(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Prompt(accepted) => {
                let position = self.prompts.position(&accepted.message_id);
                Answer::Prompt(Accepted { position, ..accepted })
            }
            answer => answer,
        }
    }

    fn take_tools(&mut self, tools: Arc<[Arc<ToolSpec>]>) {
        self.tools_tokens = size::schema_tokens(&tools);
        self.config.tools = tools;
    }

    fn configured(&mut self, config: CoreConfig) {
        self.next_config = Some(config);
        if self.turn.is_none() {
            self.take_config();
        }
    }
}
