//! A tool call as an editor sees it: announced once, then updated, until it has its outcome.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_client_protocol_schema::v1 as acp;
use serde_json::{Value, json};
use wharf_foreign::visible;
use wharf_protocol::event::{PermissionRequested, ToolCallComplete, ToolCallError, ToolCallStart};
use wharf_protocol::tool::{FileDiff, Location};
use wharf_protocol::transcript::CallEntry;
use wharf_protocol::{CallId, PermissionOption, ToolKind, ToolSpec};

use crate::acp::content::{self, text_block};

/// A running call's output is shown by its end: every update carries all that is shown.
const TAIL_BYTES: usize = 16 << 10;
/// A finished call's output, in bytes.
const OUTPUT_BYTES: usize = 512 << 10;
/// The same once more, for programs.
const RAW_OUTPUT_BYTES: usize = 64 << 10;
/// Texts of a diff; larger ones are shown as a patch.
const DIFF_BYTES: usize = 1 << 20;
/// Longest title, in characters.
const TITLE_CHARS: usize = 120;

pub(super) struct Calls {
    cwd: PathBuf,
    specs: Arc<[Arc<ToolSpec>]>,
    /// The calls whose output this client has in a terminal of its own.
    terminals: HashMap<CallId, acp::TerminalId>,
}

impl Calls {
    pub(super) fn new(cwd: PathBuf, specs: Arc<[Arc<ToolSpec>]>) -> Self {
        Self { cwd, specs, terminals: HashMap::new() }
    }

    /// Forgets the calls of a turn that has ended.
    pub(super) fn clear(&mut self) {
        self.terminals.clear();
    }

    /// Its output is shown there from here on.
    pub(super) fn in_terminal(&mut self, call: CallId, terminal: acp::TerminalId) -> acp::SessionUpdate {
        let shown = acp::ToolCallUpdateFields::new().content(vec![in_terminal(&terminal)]);
        let update = acp::SessionUpdate::ToolCallUpdate(acp::ToolCallUpdate::new(id(&call), shown));
        self.terminals.insert(call, terminal);
        update
    }

    pub(super) fn started(&self, start: &ToolCallStart, is_new: bool) -> acp::SessionUpdate {
        let (id, kind, locations) = (id(&start.call_id), to_kind(start.kind), self.locations(&start.locations));
        if !is_new {
            let fields = acp::ToolCallUpdateFields::new()
                .status(acp::ToolCallStatus::InProgress)
                .title(start.title.clone())
                .kind(kind);
            let fields = if locations.is_empty() { fields } else { fields.locations(locations) };
            let fields = match self.terminals.get(&start.call_id) {
                Some(terminal) => fields.content(vec![in_terminal(terminal)]),
                None => fields,
            };
            return acp::SessionUpdate::ToolCallUpdate(acp::ToolCallUpdate::new(id, fields));
        }
        acp::SessionUpdate::ToolCall(
            acp::ToolCall::new(id, start.title.as_str())
                .name(start.tool_name.clone())
                .kind(kind)
                .status(acp::ToolCallStatus::InProgress)
                .locations(locations)
                .content(self.terminals.get(&start.call_id).map(in_terminal).into_iter().collect::<Vec<_>>())
                .raw_input(start.arguments.clone()),
        )
    }

    /// What a call has put out so far, unless this client has it already.
    pub(super) fn progressed(&self, call: &CallEntry) -> Option<acp::SessionUpdate> {
        if self.terminals.contains_key(&call.call_id) {
            return None;
        }
        let tail = call.output.ending(TAIL_BYTES);
        let fields =
            acp::ToolCallUpdateFields::new().status(acp::ToolCallStatus::InProgress).content(vec![text(&tail)]);
        Some(acp::SessionUpdate::ToolCallUpdate(acp::ToolCallUpdate::new(id(&call.call_id), fields)))
    }

    pub(super) fn completed(&mut self, complete: &ToolCallComplete) -> acp::SessionUpdate {
        let mut shown: Vec<acp::ToolCallContent> = complete.diffs.iter().map(|diff| self.diff(diff)).collect();
        if let Some(terminal) = self.terminals.remove(&complete.call_id) {
            shown.push(in_terminal(&terminal));
        } else if !complete.result.is_empty() {
            shown.push(text(&cut(&complete.result, OUTPUT_BYTES)));
        }
        shown.extend(complete.content.iter().map(|block| content::to_acp(block).into()));
        let raw = json!({
            "output": cut(&complete.result, RAW_OUTPUT_BYTES),
            "exit_code": complete.exit_code,
            "truncated": complete.truncated,
            "output_file": complete.output_file,
            "duration_ms": complete.duration_ms,
        });
        let fields =
            acp::ToolCallUpdateFields::new().status(acp::ToolCallStatus::Completed).content(shown).raw_output(raw);
        let locations = self.locations(&complete.locations);
        let fields = if locations.is_empty() { fields } else { fields.locations(locations) };
        acp::SessionUpdate::ToolCallUpdate(acp::ToolCallUpdate::new(id(&complete.call_id), fields))
    }

    pub(super) fn failed(&mut self, error: &ToolCallError) -> acp::SessionUpdate {
        let mut shown = Vec::new();
        if let Some(terminal) = self.terminals.remove(&error.call_id) {
            shown.push(in_terminal(&terminal));
        } else if !error.output.is_empty() {
            shown.push(text(&cut(&error.output, OUTPUT_BYTES)));
        }
        shown.push(text(&cut(&error.error, OUTPUT_BYTES)));
        let raw = json!({
            "error": cut(&error.error, RAW_OUTPUT_BYTES),
            "reason": error.reason,
            "duration_ms": error.duration_ms,
        });
        let fields =
            acp::ToolCallUpdateFields::new().status(acp::ToolCallStatus::Failed).content(shown).raw_output(raw);
        acp::SessionUpdate::ToolCallUpdate(acp::ToolCallUpdate::new(id(&error.call_id), fields))
    }

    /// What a question is about.
    pub(super) fn asked(&self, requested: &PermissionRequested) -> acp::ToolCallUpdate {
        let PermissionRequested { call_id, tool_name, arguments, .. } = requested;
        let fields = acp::ToolCallUpdateFields::new()
            .title(self.title(tool_name, arguments))
            .name(tool_name.clone())
            .kind(self.kind(tool_name))
            .status(acp::ToolCallStatus::Pending)
            .content(self.shown(requested))
            .raw_input(arguments.clone());
        acp::ToolCallUpdate::new(id(call_id), fields)
    }

    /// What is to be judged: the diffs first, because editors open their diff view only for those; then the question, with what is not in it.
    fn shown(&self, requested: &PermissionRequested) -> Vec<acp::ToolCallContent> {
        let PermissionRequested { tool_name, arguments, question, preview, .. } = requested;
        let preview = preview.clone().unwrap_or_default();
        let mut shown: Vec<acp::ToolCallContent> = preview.diffs.iter().map(|diff| self.diff(diff)).collect();
        let mut words = question.clone();
        if preview.cut > 0 {
            words.push_str(&format!("\n[{} diffs are cut or left out]", preview.cut));
        }
        if let Some(problem) = &preview.problem {
            words.push_str(&format!("\n[it would fail at this moment: {problem}]"));
        }
        if let Some(why) = &preview.not_understood {
            words.push_str(&format!("\n[it is not known what it would run: {why}]"));
        }
        if preview.commands.len() > 1 || preview.commands.iter().any(|command| command.started_by.is_some()) {
            words.push_str("\nIt would run:");
            for command in &preview.commands {
                let asked = command.asked.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
                words.push_str(&format!("\n  {}{asked}", command.text));
            }
        }
        for path in &preview.paths_outside {
            words.push_str(&format!("\n[outside the workspace: {path}]"));
        }
        shown.push(text(&words));
        // A question quotes head and tail of what is long: the whole comes behind it.
        let spec = self.spec(tool_name).filter(|spec| spec.kind == ToolKind::Execute);
        let command = spec.and_then(|spec| arguments.get(spec.subject.as_deref()?)?.as_str()).map(visible::text);
        if let Some(command) = command.filter(|command| !question.contains(command.trim())) {
            shown.push(text(&command));
        }
        shown
    }

    /// A call that nobody was told of: the model asks for it, and nothing is decided.
    pub(super) fn announced(&self, call_id: &CallId, tool_name: &str, arguments: &Value) -> acp::SessionUpdate {
        let call = acp::ToolCall::new(id(call_id), self.title(tool_name, arguments))
            .name(tool_name.to_owned())
            .kind(self.kind(tool_name))
            .status(acp::ToolCallStatus::Pending);
        let call = if arguments.is_null() { call } else { call.raw_input(arguments.clone()) };
        acp::SessionUpdate::ToolCall(call)
    }

    fn spec(&self, tool_name: &str) -> Option<&ToolSpec> {
        self.specs.iter().find(|spec| spec.name == tool_name).map(AsRef::as_ref)
    }

    fn kind(&self, tool_name: &str) -> acp::ToolKind {
        self.spec(tool_name).map_or(acp::ToolKind::Other, |spec| to_kind(spec.kind))
    }

    /// One line for people, until the call starts and the log has a better one.
    fn title(&self, tool_name: &str, arguments: &Value) -> String {
        let subject = self.spec(tool_name).and_then(|spec| spec.subject.as_deref());
        let subject = subject.and_then(|name| arguments.get(name)).and_then(Value::as_str).unwrap_or_default();
        let subject = visible::text(subject);
        let line = format!("{tool_name} {}", subject.split_whitespace().collect::<Vec<_>>().join(" "));
        let title: String = line.trim_end().chars().take(TITLE_CHARS).collect();
        if title.len() < line.trim_end().len() { format!("{title}…") } else { title }
    }

    fn absolute(&self, path: &str) -> PathBuf {
        // An absolute path replaces the directory.
        self.cwd.join(Path::new(path))
    }

    fn locations(&self, locations: &[Location]) -> Vec<acp::ToolCallLocation> {
        let place = |at: &Location| acp::ToolCallLocation::new(self.absolute(&at.path)).line(at.line);
        locations.iter().map(place).collect()
    }

    fn diff(&self, diff: &FileDiff) -> acp::ToolCallContent {
        let FileDiff { path, old_text, new_text, patch } = diff;
        let bytes = old_text.as_ref().map_or(0, String::len) + new_text.as_ref().map_or(0, String::len);
        if bytes > DIFF_BYTES || (old_text.is_none() && new_text.is_none()) {
            return text(&cut(patch, OUTPUT_BYTES));
        }
        let shown = acp::Diff::new(self.absolute(path), new_text.clone().unwrap_or_default());
        acp::ToolCallContent::Diff(shown.old_text(old_text.clone()))
    }
}

pub(super) fn option(option: PermissionOption) -> acp::PermissionOption {
    let (id, kind) = match option {
        PermissionOption::AllowOnce => ("allow_once", acp::PermissionOptionKind::AllowOnce),
        PermissionOption::AllowAlways => ("allow_always", acp::PermissionOptionKind::AllowAlways),
        PermissionOption::RejectOnce => ("reject_once", acp::PermissionOptionKind::RejectOnce),
        PermissionOption::RejectAlways => ("reject_always", acp::PermissionOptionKind::RejectAlways),
    };
    acp::PermissionOption::new(id, option.label(), kind)
}

/// A call has another title from here on.
pub(super) fn renamed(call_id: &CallId, title: String) -> acp::SessionUpdate {
    acp::SessionUpdate::ToolCallUpdate(acp::ToolCallUpdate::new(
        id(call_id),
        acp::ToolCallUpdateFields::new().title(title),
    ))
}

/// A command in one line.
pub(super) fn command_title(command: &str) -> String {
    let line = command.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(TITLE_CHARS).collect()
}

fn id(call_id: &CallId) -> acp::ToolCallId {
    acp::ToolCallId::new(call_id.as_str())
}

fn in_terminal(id: &acp::TerminalId) -> acp::ToolCallContent {
    acp::ToolCallContent::Terminal(acp::Terminal::new(id.clone()))
}

fn text(text: &str) -> acp::ToolCallContent {
    text_block(text).into()
}

fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let kept = &text[..text.floor_char_boundary(bytes)];
    format!("{kept}\n[{} bytes more are left out here]", text.len() - kept.len())
}

fn to_kind(kind: ToolKind) -> acp::ToolKind {
    match kind {
        ToolKind::Read => acp::ToolKind::Read,
        ToolKind::Edit => acp::ToolKind::Edit,
        ToolKind::Delete => acp::ToolKind::Delete,
        ToolKind::Move => acp::ToolKind::Move,
        ToolKind::Search => acp::ToolKind::Search,
        ToolKind::Execute => acp::ToolKind::Execute,
        ToolKind::Think => acp::ToolKind::Think,
        ToolKind::Fetch => acp::ToolKind::Fetch,
        ToolKind::SwitchMode => acp::ToolKind::SwitchMode,
        ToolKind::Other => acp::ToolKind::Other,
    }
}
