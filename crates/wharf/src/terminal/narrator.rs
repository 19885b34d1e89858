//! A turn in words: the agent's text, and a line for each thing that happens.

use std::collections::HashMap;

use wharf_protocol::event::{CallErrorReason, ToolCallComplete, ToolCallError};
use wharf_protocol::tool::{FileDiff, PlanStatus};
use wharf_protocol::{CallId, Event, EventBody, MessageId, Role};

use super::{Style, clean, one_line};

/// Lines of a diff that are shown.
const DIFF_LINES: usize = 8;
/// Longest line of what a call came to.
const SUMMARY_CHARS: usize = 100;

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

/// Turns events into words. Keeps what it has to know of open calls and messages, and nothing else.
pub struct Narrator {
    style: Style,
    titles: HashMap<CallId, String>,
    /// Bytes of each open message that were told.
    told: HashMap<MessageId, u64>,
    /// Also tells when a call begins.
    tells_starts: bool,
}

impl Narrator {
    pub fn new(style: Style) -> Self {
        Self { style, titles: HashMap::new(), told: HashMap::new(), tells_starts: false }
    }

    pub fn telling_starts(mut self) -> Self {
        self.tells_starts = true;
        self
    }

    pub fn tell(&mut self, event: &Event) -> Told {
        let style = self.style;
        let mut told = Told::default();
        match &event.body {
            EventBody::MessageChunk(chunk) if chunk.role == Role::Assistant => {
                told.text = self.next_part(&chunk.message_id, chunk.offset, &chunk.content);
            }
            EventBody::MessageComplete(message) if message.role == Role::Assistant => {
                told.text = self.rest(&message.message_id, &message.content);
                told.ends_message = !message.content.is_empty();
            }
            EventBody::MessageError(message) if message.role == Role::Assistant => {
                told.text = self.rest(&message.message_id, &message.content);
                told.ends_message = !message.content.is_empty();
                if message.defect.is_some() {
                    told.notes.push(style.dim(&one_line(&message.error, SUMMARY_CHARS)));
                }
            }
            EventBody::ToolCallStart(start) => {
                let title = one_line(&start.title, SUMMARY_CHARS);
                if self.tells_starts {
                    told.notes.push(style.dim(&format!("… {title}")));
                }
                self.titles.insert(start.call_id.clone(), title);
            }
            EventBody::ToolCallComplete(done) => self.tell_complete(done, &mut told.notes),
            EventBody::ToolCallError(failed) => self.tell_error(failed, &mut told.notes),
            EventBody::PermissionResolved(answer) => {
                let by = answer.by.as_ref().map(|by| format!(" by {}", clean(by))).unwrap_or_default();
                told.notes.push(style.dim(&format!("? {}{by}", answer.option.word())));
            }
            EventBody::CommandStarted(started) => {
                let line = one_line(&started.command, SUMMARY_CHARS);
                told.notes.push(style.dim(&format!("& {line} goes on as {}", started.command_id)));
            }
            EventBody::CommandEnded(ended) => {
                told.notes.push(style.dim(&format!("& {} has ended: {}", ended.command_id, ended.in_words())));
            }
            EventBody::PlanUpdated(plan) => {
                let done = plan.entries.iter().filter(|entry| entry.status == PlanStatus::Completed).count();
                let now = plan.entries.iter().find(|entry| entry.status == PlanStatus::InProgress);
                let now = now.map(|entry| format!(": {}", one_line(&entry.content, SUMMARY_CHARS))).unwrap_or_default();
                told.notes.push(style.dim(&format!("plan {done}/{}{now}", plan.entries.len())));
            }
            EventBody::ModelRetrying(retry) => {
                let wait = format!("{:.1}", std::time::Duration::from_millis(retry.delay_ms).as_secs_f32());
                let why = one_line(&retry.error, SUMMARY_CHARS);
                told.notes.push(style.dim(&format!(
                    "the model failed ({why}); attempt {} of {} in {wait} s",
                    // Both count what follows the first attempt.
                    retry.attempt + 1,
                    retry.max_attempts + 1
                )));
            }
            EventBody::ContextCompacted(compacted) => told.notes.push(style.dim(&compacted.in_words())),
            EventBody::TurnResumed(_) => {
                told.notes.push(style.dim("the turn goes on after the server was interrupted"));
            }
            EventBody::PromptQueued(queued) => {
                told.notes.push(style.dim(&format!("waits for the running turn, at place {}", queued.position)));
            }
            EventBody::TurnFailed(failed) => {
                told.notes.push(format!("{} {}", style.error("failed:"), one_line(&failed.error.error, 400)));
            }
            EventBody::TurnCancelled(cancelled) => {
                let by = cancelled.by.as_ref().map(|by| format!(" by {}", clean(by))).unwrap_or_default();
                told.notes.push(style.dim(&format!("cancelled{by}")));
            }
            EventBody::PromptWithdrawn(withdrawn) => {
                told.notes.push(style.dim(&format!("withdrawn: {}", one_line(&withdrawn.reason, SUMMARY_CHARS))));
            }
            _ => {}
        }
        told
    }

    /// What of a piece was not told yet.
    fn next_part(&mut self, message: &MessageId, offset: u64, content: &str) -> String {
        let told = self.told.entry(message.clone()).or_default();
        let end = offset + content.len() as u64;
        if end <= *told {
            return String::new();
        }
        let skip = usize::try_from(told.saturating_sub(offset)).unwrap_or(0);
        *told = end;
        clean(content.get(skip..).unwrap_or(content))
    }

    fn rest(&mut self, message: &MessageId, whole: &str) -> String {
        let told = self.told.remove(message).unwrap_or(0);
        let skip = usize::try_from(told).unwrap_or(usize::MAX);
        clean(whole.get(skip..).unwrap_or_default())
    }

    fn title(&mut self, call: &CallId, tool: &str) -> String {
        self.titles.remove(call).filter(|title| !title.is_empty()).unwrap_or_else(|| clean(tool))
    }

    fn tell_complete(&mut self, done: &ToolCallComplete, notes: &mut Vec<String>) {
        let title = self.title(&done.call_id, &done.tool_name);
        let style = self.style;
        let mark = if done.exit_code.is_none_or(|code| code == 0) { "✓" } else { "!" };
        notes.push(style.dim(&format!("{mark} {title}{}", summary(done))));
        for diff in &done.diffs {
            notes.extend(diff_lines(style, diff));
        }
    }

    fn tell_error(&mut self, failed: &ToolCallError, notes: &mut Vec<String>) {
        let title = self.title(&failed.call_id, &failed.tool_name);
        let what = match failed.reason {
            CallErrorReason::Failed => one_line(&failed.error, SUMMARY_CHARS),
            CallErrorReason::Denied => format!("refused: {}", one_line(&failed.error, SUMMARY_CHARS)),
            CallErrorReason::Cancelled => "cancelled".to_owned(),
            CallErrorReason::TimedOut => "took too long".to_owned(),
            CallErrorReason::Interrupted => "interrupted".to_owned(),
        };
        notes.push(format!("{} {}", self.style.removed("✗"), self.style.dim(&format!("{title} · {what}"))));
    }
}

fn summary(done: &ToolCallComplete) -> String {
    let mut parts = Vec::new();
    if let Some(code) = done.exit_code {
        parts.push(format!("exit {code}"));
    }
    if !done.diffs.is_empty() {
        let (mut added, mut removed) = (0, 0);
        for line in done.diffs.iter().flat_map(changed_lines) {
            if line.starts_with('+') { added += 1 } else { removed += 1 }
        }
        parts.push(format!("+{added} −{removed}"));
    } else if !done.result.trim().is_empty() {
        let lines = done.result.lines().count();
        parts.push(if lines == 1 { one_line(&done.result, SUMMARY_CHARS) } else { format!("{lines} lines") });
    }
    if done.duration_ms >= 1_000 {
        parts.push(format!("{:.1} s", std::time::Duration::from_millis(done.duration_ms).as_secs_f32()));
    }
    if parts.is_empty() { String::new() } else { format!(" · {}", parts.join(" · ")) }
}

/// The lines of a unified diff that were added or removed.
fn changed_lines(diff: &FileDiff) -> impl Iterator<Item = &str> {
    let is_change = |line: &&str| {
        (line.starts_with('+') && !line.starts_with("+++")) || (line.starts_with('-') && !line.starts_with("---"))
    };
    diff.patch.lines().filter(is_change)
}

fn diff_lines(style: Style, diff: &FileDiff) -> Vec<String> {
    let all: Vec<&str> = changed_lines(diff).collect();
    let mut shown: Vec<String> = all
        .iter()
        .take(DIFF_LINES)
        .map(|line| {
            let text = format!("    {}", clean(line).chars().take(SUMMARY_CHARS).collect::<String>());
            if line.starts_with('+') { style.added(&text) } else { style.removed(&text) }
        })
        .collect();
    if all.len() > DIFF_LINES {
        shown.push(style.dim(&format!("    … {} more lines", all.len() - DIFF_LINES)));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, payload: serde_json::Value) -> Event {
        let whole = json!({ "seq": 1, "type": kind, "session_id": "s", "turn_id": "t", "timestamp": "2026-01-01T00:00:00Z", "payload": payload });
        serde_json::from_value(whole).unwrap()
    }

    fn chunk(offset: u64, content: &str) -> Event {
        event(
            "message.chunk",
            json!({ "message_id": "m", "role": "assistant", "offset": offset, "content": content, "done": false }),
        )
    }

    #[test]
    fn text_is_told_once_also_when_it_comes_twice() {
        let mut narrator = Narrator::new(Style::plain());
        assert_eq!(narrator.tell(&chunk(0, "Hello")).text, "Hello");
        assert_eq!(narrator.tell(&chunk(0, "Hello")).text, "");
        assert_eq!(narrator.tell(&chunk(3, "lo wor")).text, " wor");
        let complete = json!({ "message_id": "m", "role": "assistant", "content": "Hello world", "done": true, "stop_reason": "end_turn", "model": "x/y" });
        let told = narrator.tell(&event("message.complete", complete));
        assert_eq!((told.text.as_str(), told.ends_message), ("ld", true));
    }

    #[test]
    fn a_call_is_one_line() {
        let mut narrator = Narrator::new(Style::plain());
        let start = json!({ "call_id": "c", "tool_name": "bash", "arguments": {}, "kind": "execute", "title": "ls\u{1b}[2J", "read_only": false, "decision": { "allowed": true, "reason": "mode full" } });
        assert_eq!(narrator.tell(&event("tool.call_start", start)).notes, Vec::<String>::new());
        let done =
            json!({ "call_id": "c", "tool_name": "bash", "result": "a\nb\n", "exit_code": 0, "duration_ms": 1500 });
        assert_eq!(narrator.tell(&event("tool.call_complete", done)).notes, ["✓ ls␛[2J · exit 0 · 2 lines · 1.5 s"]);
    }

    #[test]
    fn edits_show_their_change() {
        let mut narrator = Narrator::new(Style::plain());
        let done = json!({ "call_id": "c", "tool_name": "edit_file", "result": "edited", "duration_ms": 1, "diffs": [{ "path": "a", "patch": "--- a\n+++ a\n@@ -1 +1 @@\n-old\n+new\n" }] });
        assert_eq!(
            narrator.tell(&event("tool.call_complete", done)).notes,
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
            let notes = narrator.tell(&event("model.retrying", retry)).notes;
            assert!(notes[0].contains(told), "{notes:?}");
        }
    }
}
