//! A turn in words: the agent's text, and a line for each thing that happens.

use std::collections::BTreeSet;

use wharf_protocol::event::UnknownEvent;
use wharf_protocol::transcript::{
    CallEntry, CallState, Change, CommandEntry, DiffEntry, EntryBody, Notice, PlanChange, QuestionEntry, Settings,
    TurnEntry, TurnOutcome,
};
use wharf_protocol::{CommandStatus, Event, EventBody, Permission, Transcript};

use super::{Style, clean, one_line};

/// Lines of a diff that are shown.
const DIFF_LINES: usize = 8;
/// Longest line of what a call came to.
const SUMMARY_CHARS: usize = 100;

/// So many kinds of unknown events are told; further ones are passed over.
const UNKNOWN_KINDS: usize = 32;

/// What an event says to somebody who watches.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The agent's next words, cleaned.
    pub text: String,
    /// A message ended: what follows begins a new paragraph.
    pub ends_message: bool,
    /// Whole lines, coloured.
    pub notes: Vec<String>,
}

/// Turns what happens to a transcript into words, and keeps of it what is open.
pub struct Narrator {
    style: Style,
    transcript: Transcript,
    /// Also tells when a call begins.
    tells_starts: bool,
    /// Kinds of events that it does not know and has told.
    unknown: BTreeSet<String>,
}

impl Narrator {
    pub fn new(style: Style) -> Self {
        Self { style, transcript: Transcript::new(), tells_starts: false, unknown: BTreeSet::new() }
    }

    pub fn telling_starts(mut self) -> Self {
        self.tells_starts = true;
        self
    }

    /// What is open: questions, and the turn that runs.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// A question that was open before the first event.
    pub fn ask(&mut self, permission: &Permission) {
        self.transcript.ask(permission);
    }

    /// An event of a newer server, which this version does not know: each kind is told once.
    pub fn tell_unknown(&mut self, event: &UnknownEvent) -> Told {
        let mut told = Told::default();
        let is_news = !self.transcript.apply_unknown(event).is_empty();
        self.transcript.keep(0);
        if is_news && self.unknown.len() < UNKNOWN_KINDS && self.unknown.insert(event.r#type.clone()) {
            let what = one_line(&event.r#type, SUMMARY_CHARS);
            told.notes
                .push(self.style.dim(&format!("the server says `{what}`, which this version of wharf does not know")));
        }
        told
    }

    pub fn tell(&mut self, event: &Event) -> Told {
        let mut told = Told::default();
        for change in self.transcript.apply(event) {
            let Some(entry) = change.place().and_then(|place| self.transcript.entries.get(place)) else { continue };
            match (&entry.body, change) {
                (EntryBody::Message(_), Change::Text(_, text)) => told.text.push_str(&clean(text)),
                (EntryBody::Message(_), Change::Changed(_)) => told.ends_message = true,
                (EntryBody::Call(call), Change::Changed(_)) if !entry.open => self.tell_call_end(call, &mut told.notes),
                (EntryBody::Call(call), Change::Changed(_))
                    if self.tells_starts && matches!(event.body, EventBody::ToolCallStart(_)) =>
                {
                    told.notes.push(self.style.dim(&format!("{} {}", call.state.glyph(), title(call))));
                }
                (EntryBody::Question(question), Change::Changed(_)) if !entry.open => {
                    told.notes.extend(self.answer(question));
                }
                (EntryBody::Command(command), Change::New(_)) if command.status == CommandStatus::Running => {
                    let line = one_line(&command.command.text(), SUMMARY_CHARS);
                    told.notes.push(self.style.dim(&format!("& {line} goes on as {}", command.command_id)));
                }
                (EntryBody::Command(command), Change::Changed(_)) => told.notes.push(self.command_end(command)),
                (EntryBody::Plan(plan), Change::New(_)) => told.notes.push(self.plan(plan)),
                (EntryBody::Notice(notice), Change::New(_)) => self.tell_notice(notice, event, &mut told.notes),
                (EntryBody::Turn(turn), Change::New(_)) => told.notes.extend(self.turn_end(turn)),
                _ => {}
            }
        }
        if let EventBody::PromptQueued(queued) = &event.body {
            let line = format!("waits for the running turn, at place {}", queued.position);
            told.notes.push(self.style.dim(&line));
        }
        self.transcript.keep(0);
        told
    }

    fn tell_call_end(&self, call: &CallEntry, notes: &mut Vec<String>) {
        let (style, title, state) = (self.style, title(call), call.state);
        let told = match state {
            CallState::Completed => {
                let mark = if call.exit_code.is_none_or(|code| code == 0) { state.glyph() } else { "!" };
                notes.push(style.dim(&format!("{mark} {title}{}", summary(call))));
                notes.extend(call.diffs.iter().flat_map(|diff| diff_lines(style, diff)));
                return;
            }
            CallState::Failed => one_line(call.error.head(), SUMMARY_CHARS),
            CallState::Denied => format!("{}: {}", state.word(), one_line(call.error.head(), SUMMARY_CHARS)),
            _ => state.word().to_owned(),
        };
        notes.push(format!("{} {}", style.removed(state.glyph()), style.dim(&format!("{title} · {told}"))));
    }

    /// Nothing where a turn ended with the question.
    fn answer(&self, question: &QuestionEntry) -> Option<String> {
        let by = question.by.as_ref().map(|by| format!(" by {}", clean(by))).unwrap_or_default();
        Some(self.style.dim(&format!("? {}{by}", question.answer?.word())))
    }

    fn command_end(&self, command: &CommandEntry) -> String {
        let how = command.status.end_in_words(command.exit_code);
        self.style.dim(&format!("& {} has ended: {how}", command.command_id))
    }

    fn plan(&self, plan: &PlanChange) -> String {
        let now = plan.current.as_ref().map(|step| format!(": {}", one_line(step, SUMMARY_CHARS))).unwrap_or_default();
        self.style.dim(&format!("plan {}/{}{now}", plan.completed, plan.total))
    }

    fn tell_notice(&self, notice: &Notice, event: &Event, notes: &mut Vec<String>) {
        let line = match notice {
            Notice::Retrying { attempt, max_attempts, delay_ms, error } => {
                let wait = format!("{:.1}", std::time::Duration::from_millis(*delay_ms).as_secs_f32());
                let why = one_line(error, SUMMARY_CHARS);
                // Both count what follows the first attempt.
                let (attempt, most) = (attempt + 1, max_attempts + 1);
                format!("the model failed ({why}); attempt {attempt} of {most} in {wait} s")
            }
            Notice::Defect { error, .. } => one_line(error, SUMMARY_CHARS),
            Notice::Resumed { .. } => "the turn goes on after the server was interrupted".to_owned(),
            Notice::Withdrawn { reason, .. } => format!("withdrawn: {}", one_line(reason, SUMMARY_CHARS)),
            Notice::Cleared { .. } => "what was said is forgotten".to_owned(),
            Notice::Compacting { .. } => "the model sums up what was said".to_owned(),
            Notice::CompactionFailed { error } => format!("nothing was summed up: {}", one_line(error, SUMMARY_CHARS)),
            Notice::Unseen(unseen) => unseen.in_words(),
            Notice::Compacted { .. } => match &event.body {
                EventBody::ContextCompacted(compacted) => compacted.in_words(),
                _ => return,
            },
            Notice::Settings(settings) => {
                notes.extend(settings_lines(settings).iter().map(|line| self.style.dim(line)));
                return;
            }
            _ => return,
        };
        notes.push(self.style.dim(&line));
    }

    fn turn_end(&self, turn: &TurnEntry) -> Option<String> {
        match turn.outcome {
            TurnOutcome::Completed => None,
            TurnOutcome::Cancelled => {
                let by = turn.by.as_ref().map(|by| format!(" by {}", clean(by))).unwrap_or_default();
                Some(self.style.dim(&format!("{}{by}", turn.outcome.word())))
            }
            TurnOutcome::Failed => {
                let why = turn.error.as_ref().map(|error| one_line(&error.error, 400)).unwrap_or_default();
                Some(format!("{} {why}", self.style.error(&format!("{}:", turn.outcome.word()))))
            }
        }
    }
}

fn title(call: &CallEntry) -> String {
    if call.title.is_empty() { clean(&call.tool_name) } else { one_line(&call.title, SUMMARY_CHARS) }
}

fn settings_lines(settings: &Settings) -> Vec<String> {
    let Settings { agent_name, model, mode, thinking, tool_location, additional_directories, reason, by: _ } = settings;
    let directories = additional_directories.as_ref().map(|further| {
        let names: Vec<String> = further.iter().map(|path| clean(&path.display().to_string())).collect();
        match names.is_empty() {
            true => "no further directories".to_owned(),
            false => format!("further directories: {}", names.join(", ")),
        }
    });
    let lines = [
        agent_name.as_ref().map(|agent| format!("agent {} from the next prompt on", clean(agent))),
        model.as_ref().map(|model| match reason {
            Some(reason) => format!("goes on with model {}: {}", clean(model), one_line(reason, SUMMARY_CHARS)),
            None => format!("model {}", clean(model)),
        }),
        mode.map(|mode| format!("mode {mode}")),
        thinking.map(|thinking| format!("thinking {thinking}")),
        tool_location.map(|place| format!("tools work at the {}", place.as_str())),
        directories,
    ];
    lines.into_iter().flatten().collect()
}

fn summary(call: &CallEntry) -> String {
    let mut parts = Vec::new();
    if let Some(code) = call.exit_code {
        parts.push(format!("exit {code}"));
    }
    if !call.diffs.is_empty() {
        let (added, removed) =
            call.diffs.iter().fold((0, 0), |(added, removed), diff| (added + diff.added, removed + diff.removed));
        parts.push(format!("+{added} −{removed}"));
    } else if !call.result.text().trim().is_empty() {
        let one = call.result_lines == 1;
        parts.push(if one {
            one_line(call.result.head(), SUMMARY_CHARS)
        } else {
            format!("{} lines", call.result_lines)
        });
    }
    if let Some(ms) = call.duration_ms.filter(|ms| *ms >= 1_000) {
        parts.push(format!("{:.1} s", std::time::Duration::from_millis(ms).as_secs_f32()));
    }
    if parts.is_empty() { String::new() } else { format!(" · {}", parts.join(" · ")) }
}

fn diff_lines(style: Style, diff: &DiffEntry) -> Vec<String> {
    let is_change = |line: &&str| {
        (line.starts_with('+') && !line.starts_with("+++")) || (line.starts_with('-') && !line.starts_with("---"))
    };
    let mut shown: Vec<String> = diff
        .patch
        .head()
        .lines()
        .filter(is_change)
        .take(DIFF_LINES)
        .map(|line| {
            let text = format!("    {}", clean(line).chars().take(SUMMARY_CHARS).collect::<String>());
            if line.starts_with('+') { style.added(&text) } else { style.removed(&text) }
        })
        .collect();
    let more = (diff.added + diff.removed).saturating_sub(shown.len() as u64);
    if more > 0 {
        shown.push(style.dim(&format!("    … {more} more lines")));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The next event.
    fn tell(narrator: &mut Narrator, (kind, payload): (&str, serde_json::Value)) -> Told {
        let seq = narrator.transcript.last_seq.0 + 1;
        let whole = json!({ "seq": seq, "type": kind, "session_id": "s", "turn_id": "t", "timestamp": "2026-01-01T00:00:00Z", "payload": payload });
        let event: Event = serde_json::from_value(whole).unwrap();
        narrator.tell(&event)
    }

    fn chunk(offset: u64, content: &str) -> (&'static str, serde_json::Value) {
        let chunk =
            json!({ "message_id": "m", "role": "assistant", "offset": offset, "content": content, "done": false });
        ("message.chunk", chunk)
    }

    #[test]
    fn text_is_told_once_also_when_it_comes_twice() {
        let mut narrator = Narrator::new(Style::plain());
        assert_eq!(tell(&mut narrator, chunk(0, "Hello")).text, "Hello");
        assert_eq!(tell(&mut narrator, chunk(0, "Hello")).text, "");
        assert_eq!(tell(&mut narrator, chunk(3, "lo wor")).text, " wor");
        let complete = json!({ "message_id": "m", "role": "assistant", "content": "Hello world", "done": true, "stop_reason": "end_turn", "model": "x/y" });
        let told = tell(&mut narrator, ("message.complete", complete));
        assert_eq!((told.text.as_str(), told.ends_message), ("ld", true));
    }

    #[test]
    fn a_call_is_one_line() {
        let mut narrator = Narrator::new(Style::plain());
        let start = json!({ "call_id": "c", "tool_name": "bash", "arguments": {}, "kind": "execute", "title": "ls\u{1b}[2J", "read_only": false, "decision": { "allowed": true, "reason": "mode full" } });
        assert_eq!(tell(&mut narrator, ("tool.call_start", start)).notes, Vec::<String>::new());
        let done =
            json!({ "call_id": "c", "tool_name": "bash", "result": "a\nb\n", "exit_code": 0, "duration_ms": 1500 });
        assert_eq!(tell(&mut narrator, ("tool.call_complete", done)).notes, ["✓ ls␛[2J · exit 0 · 2 lines · 1.5 s"]);
    }

    #[test]
    fn edits_show_their_change() {
        let mut narrator = Narrator::new(Style::plain());
        let done = json!({ "call_id": "c", "tool_name": "edit_file", "result": "edited", "duration_ms": 1, "diffs": [{ "path": "a", "patch": "--- a\n+++ a\n@@ -1 +1 @@\n-old\n+new\n" }] });
        assert_eq!(
            tell(&mut narrator, ("tool.call_complete", done)).notes,
            ["✓ edit_file · +1 −1", "    -old", "    +new"]
        );
    }

    #[test]
    fn attempts_are_counted_with_the_first_one() {
        let mut narrator = Narrator::new(Style::plain());
        for (attempt, repetitions, told) in
            [(1, 1, "attempt 2 of 2"), (1, 3, "attempt 2 of 4"), (3, 3, "attempt 4 of 4")]
        {
            let retry = json!({ "attempt": attempt, "max_attempts": repetitions, "delay_ms": 500, "error": "503" });
            let notes = tell(&mut narrator, ("model.retrying", retry)).notes;
            assert!(notes[0].contains(told), "{notes:?}");
        }
    }
}
