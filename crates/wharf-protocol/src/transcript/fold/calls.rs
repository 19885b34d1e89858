//! Tool calls, the questions about them, and the background commands that they start.

use serde_json::Value;

use super::super::clip::{arguments, attachments, diffs, line, lines, maybe_line, planned};
use super::super::{
    CallEntry, CallState, Change, CommandEntry, EntryBody, Excerpt, LIST_MAX, OUTPUT_MAX_BYTES, PATCHES_MAX_BYTES,
    PREVIEW_MAX_BYTES, QUESTION_MAX_BYTES, QuestionEntry, RESULT_MAX_BYTES, Transcript,
};
use super::Origin;
use crate::event::{
    CallErrorReason, CommandEnded, CommandStarted, Decision, PermissionRequested, PermissionResolved, ToolCallComplete,
    ToolCallError, ToolCallProgress, ToolCallResumed, ToolCallStart,
};
use crate::tool::Location;
use crate::{CallId, Command, CommandId, CommandStatus, Permission, PermissionId};

/// A call, and what is known of it from its request.
fn new_call(call_id: &CallId, tool_name: &str, given: &Value) -> CallEntry {
    // What has an outcome only says nothing of its arguments.
    let (arguments, arguments_omitted) = if given.is_null() { (None, 0) } else { arguments(given) };
    CallEntry {
        call_id: call_id.clone(),
        tool_name: line(tool_name),
        state: CallState::Proposed,
        title: String::new(),
        tool_kind: None,
        read_only: false,
        arguments,
        arguments_omitted,
        locations: Vec::new(),
        decision: None,
        attempt: None,
        command_id: None,
        output: Excerpt::default(),
        result: Excerpt::default(),
        result_lines: 0,
        error: Excerpt::default(),
        attachments: Vec::new(),
        diffs: Vec::new(),
        exit_code: None,
        truncated: false,
        output_file: None,
        duration_ms: None,
    }
}

fn bounded_decision(decision: &Decision) -> Decision {
    Decision { reason: line(&decision.reason), ..decision.clone() }
}

fn bounded_locations(locations: &[Location]) -> Vec<Location> {
    let bounded = |location: &Location| Location { path: line(&location.path), line: location.line };
    locations.iter().take(LIST_MAX).map(bounded).collect()
}

impl Transcript {
    /// The model asks for a call.
    pub(super) fn proposed(
        &mut self,
        origin: Origin<'_>,
        call_id: &CallId,
        tool_name: &str,
        arguments: &Value,
        out: &mut Vec<Change<'_>>,
    ) -> usize {
        self.open_call_place(call_id).unwrap_or_else(|| {
            let call = new_call(call_id, tool_name, arguments);
            self.push(origin, true, EntryBody::Call(Box::new(call)), out)
        })
    }

    pub(super) fn call_started(&mut self, origin: Origin<'_>, start: &ToolCallStart, out: &mut Vec<Change<'_>>) {
        let place = self.proposed(origin, &start.call_id, &start.tool_name, &start.arguments, out);
        self.change_call(place, out, |call| {
            (call.arguments, call.arguments_omitted) = arguments(&start.arguments);
            call.state = CallState::Running;
            call.title = line(&start.title);
            call.tool_kind = Some(start.kind);
            call.read_only = start.read_only;
            call.locations = bounded_locations(&start.locations);
            call.decision = Some(bounded_decision(&start.decision));
        });
    }

    pub(super) fn call_resumed(&mut self, resumed: &ToolCallResumed, out: &mut Vec<Change<'_>>) {
        let Some(place) = self.open_call_place(&resumed.call_id) else { return };
        self.change_call(place, out, |call| {
            call.state = CallState::Running;
            call.attempt = Some(resumed.attempt);
            call.output = Excerpt::default();
        });
    }

    /// Output of a call that nobody knows is output of one that is over.
    pub(super) fn call_progress<'e>(&mut self, progress: &'e ToolCallProgress, out: &mut Vec<Change<'e>>) {
        let Some(place) = self.open_call_place(&progress.call_id) else { return };
        let EntryBody::Call(call) = &mut self.entries[place].body else { return };
        let new = call.output.extend(progress.offset, &progress.content, OUTPUT_MAX_BYTES);
        if !new.is_empty() {
            out.push(Change::Text(place, new));
        }
    }

    pub(super) fn call_complete(&mut self, origin: Origin<'_>, complete: &ToolCallComplete, out: &mut Vec<Change<'_>>) {
        let place = self.proposed(origin, &complete.call_id, &complete.tool_name, &Value::Null, out);
        if let Some(turn) = self.turn_of(origin) {
            turn.calls += 1;
            for diff in &complete.diffs {
                let path = line(&diff.path);
                if turn.files.len() < LIST_MAX && !turn.files.contains(&path) {
                    turn.files.push(path);
                }
            }
        }
        self.end_call(place, out, |call| {
            call.state = CallState::Completed;
            call.output = Excerpt::default();
            call.result = Excerpt::new(&complete.result, RESULT_MAX_BYTES);
            call.result_lines = complete.result.lines().count() as u64;
            call.attachments = attachments(&complete.content);
            call.diffs = diffs(&complete.diffs, PATCHES_MAX_BYTES);
            if !complete.locations.is_empty() {
                call.locations = bounded_locations(&complete.locations);
            }
            call.exit_code = complete.exit_code;
            call.truncated = complete.truncated;
            call.output_file.clone_from(&complete.output_file);
            call.duration_ms = Some(complete.duration_ms);
        });
    }

    pub(super) fn call_error(&mut self, origin: Origin<'_>, failed: &ToolCallError, out: &mut Vec<Change<'_>>) {
        let place = self.proposed(origin, &failed.call_id, &failed.tool_name, &Value::Null, out);
        if let Some(turn) = self.turn_of(origin) {
            turn.calls += 1;
        }
        self.end_call(place, out, |call| {
            call.state = match failed.reason {
                CallErrorReason::Failed => CallState::Failed,
                CallErrorReason::Denied => CallState::Denied,
                CallErrorReason::Cancelled => CallState::Cancelled,
                CallErrorReason::TimedOut => CallState::TimedOut,
                CallErrorReason::Interrupted => CallState::Interrupted,
            };
            call.error = Excerpt::new(&failed.error, RESULT_MAX_BYTES);
            call.output = Excerpt::new(&failed.output, OUTPUT_MAX_BYTES);
            if let Some(decision) = &failed.decision {
                call.decision = Some(bounded_decision(decision));
            }
            call.duration_ms = Some(failed.duration_ms);
        });
    }

    pub(super) fn asked(&mut self, origin: Origin<'_>, requested: &PermissionRequested, out: &mut Vec<Change<'_>>) {
        let PermissionRequested { permission_id, call_id, tool_name, arguments, question, preview, options, .. } =
            requested;
        let place = self.proposed(origin, call_id, tool_name, arguments, out);
        self.change_call(place, out, |call| call.state = CallState::Asked);
        let preview = preview.as_ref();
        let question = QuestionEntry {
            permission_id: permission_id.clone(),
            call_id: call_id.clone(),
            tool_name: line(tool_name),
            question: Excerpt::new(question, QUESTION_MAX_BYTES),
            why: line(&requested.why),
            commands: preview.map(|preview| planned(&preview.commands)).unwrap_or_default(),
            not_understood: preview.and_then(|preview| maybe_line(preview.not_understood.as_ref())),
            options: options.iter().copied().take(LIST_MAX).collect(),
            expires_at: requested.expires_at,
            paths: preview.map(|preview| lines(&preview.paths)).unwrap_or_default(),
            paths_outside: preview.map(|preview| lines(&preview.paths_outside)).unwrap_or_default(),
            diffs: preview.map(|preview| diffs(&preview.diffs, PREVIEW_MAX_BYTES)).unwrap_or_default(),
            cut: preview.map_or(0, |preview| u64::from(preview.cut)),
            problem: preview.and_then(|preview| maybe_line(preview.problem.as_ref())),
            answer: None,
            answered_at: None,
            by: None,
            remembered: false,
            message: None,
        };
        match self.open_question_place(permission_id) {
            // It was learnt of otherwise.
            Some(place) => {
                self.entries[place].body = EntryBody::Question(Box::new(question));
                out.push(Change::Changed(place));
            }
            None => {
                self.push(origin, true, EntryBody::Question(Box::new(question)), out);
            }
        }
    }

    /// One line is left of a question that has its answer.
    pub(super) fn answered(&mut self, origin: Origin<'_>, resolved: &PermissionResolved, out: &mut Vec<Change<'_>>) {
        let Some(place) = self.open_question_place(&resolved.permission_id) else { return };
        let entry = &mut self.entries[place];
        entry.open = false;
        if let EntryBody::Question(question) = &mut entry.body {
            question.answer = Some(resolved.option);
            question.answered_at = Some(origin.at);
            question.by = maybe_line(resolved.by.as_ref());
            question.remembered = resolved.remembered;
            question.message = maybe_line(resolved.message.as_ref());
            (question.options, question.cut, question.problem) = (Vec::new(), 0, None);
            (question.paths, question.paths_outside, question.diffs) = (Vec::new(), Vec::new(), Vec::new());
        }
        if let Some(call) = self.open_call_place(&resolved.call_id) {
            self.change_call(call, out, |call| call.state = CallState::Proposed);
        }
        out.push(Change::Changed(place));
    }

    pub(super) fn command_started(&mut self, origin: Origin<'_>, started: &CommandStarted, out: &mut Vec<Change<'_>>) {
        if let Some(place) = self.open_call_place(&started.call_id) {
            self.change_call(place, out, |call| call.command_id = Some(started.command_id.clone()));
        }
        self.kept_command(origin, &Command::from_started(started, origin.at), out);
    }

    /// A command that runs, or one that has ended and is still to be read of.
    pub(super) fn kept_command(&mut self, origin: Origin<'_>, command: &Command, out: &mut Vec<Change<'_>>) {
        let entry = CommandEntry {
            command_id: command.command_id.clone(),
            call_id: Some(command.call_id.clone()),
            command: Excerpt::new(&command.command, QUESTION_MAX_BYTES),
            directory: line(&command.directory),
            status: command.status,
            terminal: command.terminal.is_some(),
            takes_input: command.takes_input,
            exit_code: command.exit_code,
            error: maybe_line(command.error.as_ref()),
            by: maybe_line(command.by.as_ref()),
            ended_at: command.ended_at,
            duration_ms: command.duration_ms,
            output_bytes: command.output_bytes,
        };
        let origin = Origin { at: command.started_at, ..origin };
        let runs = command.status == CommandStatus::Running;
        self.push(origin, runs, EntryBody::Command(Box::new(entry)), out);
    }

    pub(super) fn command_ended(&mut self, origin: Origin<'_>, ended: &CommandEnded, out: &mut Vec<Change<'_>>) {
        let place = self.running_command_place(&ended.command_id).unwrap_or_else(|| {
            let command = CommandEntry {
                command_id: ended.command_id.clone(),
                call_id: None,
                command: Excerpt::default(),
                directory: String::new(),
                status: ended.status,
                terminal: false,
                takes_input: false,
                exit_code: None,
                error: None,
                by: None,
                ended_at: None,
                duration_ms: None,
                output_bytes: None,
            };
            self.push(origin, true, EntryBody::Command(Box::new(command)), out)
        });
        let entry = &mut self.entries[place];
        entry.open = false;
        if let EntryBody::Command(command) = &mut entry.body {
            command.status = ended.status;
            command.exit_code = ended.exit_code;
            command.error = maybe_line(ended.error.as_ref());
            command.by = maybe_line(ended.by.as_ref());
            command.ended_at = Some(origin.at);
            command.duration_ms = Some(ended.duration_ms);
            command.output_bytes = Some(ended.output_bytes);
        }
        out.push(Change::Changed(place));
    }

    fn change_call(&mut self, place: usize, out: &mut Vec<Change<'_>>, change: impl FnOnce(&mut CallEntry)) {
        if let EntryBody::Call(call) = &mut self.entries[place].body {
            change(call);
        }
        out.push(Change::Changed(place));
    }

    fn end_call(&mut self, place: usize, out: &mut Vec<Change<'_>>, end: impl FnOnce(&mut CallEntry)) {
        self.change_call(place, out, end);
        self.entries[place].open = false;
    }

    fn open_call_place(&self, id: &CallId) -> Option<usize> {
        self.find_open(|body| matches!(body, EntryBody::Call(call) if call.call_id == *id))
    }

    fn open_question_place(&self, id: &PermissionId) -> Option<usize> {
        self.find_open(|body| matches!(body, EntryBody::Question(question) if question.permission_id == *id))
    }

    fn running_command_place(&self, id: &CommandId) -> Option<usize> {
        self.find_open(|body| matches!(body, EntryBody::Command(command) if command.command_id == *id))
    }
}

/// A question that was learnt of otherwise than from the log.
pub(in super::super) fn ask(transcript: &mut Transcript, permission: &Permission) -> Vec<Change<'static>> {
    let turn_id = permission.turn_id.as_ref();
    let origin = Origin { seq: transcript.last_seq, at: permission.requested_at, turn_id };
    let mut out = Vec::new();
    transcript.asked(origin, &permission.into(), &mut out);
    out
}
