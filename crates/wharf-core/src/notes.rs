//! What the model is told of its workspace beside what is said: facts with the newest prompt, and instruction files.
//!
//! Each is told once, and again when it has changed or is not shown any more. It stands on the log as the model is shown it, as a part of the
//! message that is newest at that moment: what was sent before stays the same to the byte, after a restart and in a copy too.

use std::collections::BTreeMap;
use std::fmt::Write;

use wharf_foreign::visible;
use wharf_protocol::context::{NOTE_BEGIN, NOTE_END, NoteCost, Tokens};
use wharf_protocol::event::{ContextNoted, FileChange, InstructionOrigin, NotedFile};
use wharf_protocol::{Message, Role, Timestamp};

use crate::core::Core;
use crate::input::{InstructionFile, Surroundings};
use crate::shown::{ShownNote, is_ours};
use crate::state::OpenTurn;

/// Most of all instruction files together, in bytes; of what is beyond, the model is told that it is left out.
const FILES_BYTES: usize = 64 << 10;

/// The same as a part of the model's window, in per cent.
const FILES_SHARE: u64 = 12;

/// Less than this is no part of a file worth showing, in bytes.
const MIN_PART_BYTES: usize = 256;

/// So often the model is told something in one turn; what changes after that waits for the next turn.
const MAX_NOTES: u32 = 16;

/// A file as far as it is shown.
struct Part<'a> {
    file: &'a InstructionFile,
    bytes: usize,
}

impl Core {
    /// What the engine sees of the workspace now. The model is told what is news of it when it is asked next.
    pub fn set_surroundings(&mut self, surroundings: Option<Surroundings>) {
        self.surroundings = surroundings;
    }

    /// Whether calls have worked where nobody has looked for instructions yet, or may have changed them, and the model is about to be asked.
    #[must_use]
    pub fn wants_a_look(&self) -> bool {
        self.turn.is_some() && self.calls.len() <= 1 && (self.touched.is_news())
    }

    /// The files and directories that calls have worked on since this was asked last.
    pub fn take_touched(&mut self) -> Vec<String> {
        self.touched.take()
    }

    /// Before the model is asked: tells what is news of the workspace.
    pub(crate) fn note_surroundings(&mut self) {
        let Some(turn) = self.turn.as_ref().filter(|turn| may_be_noted(turn)) else { return };
        let Some(newest) = self.shown.messages().last().filter(|newest| takes_notes(newest)) else { return };
        let Some(seen) = &self.surroundings else { return };
        let is_with_prompt = newest.role == Role::User && turn.prompts.contains(&newest.message_id);
        let facts =
            seen.facts.as_ref().filter(|_| is_with_prompt).map(|facts| facts_text(self.now, facts.git.as_deref()));
        let facts = facts.filter(|facts| self.shown.told_facts() != Some(facts));
        let share = self
            .window()
            .map_or(usize::MAX, |window| usize::try_from(window / 100 * FILES_SHARE * 4).unwrap_or(usize::MAX));
        let parts = allot(&seen.files, FILES_BYTES.min(share));
        let Some((note, files)) = news(facts.as_deref(), &parts, &self.shown.told_files()) else { return };
        // Texts that follow each other are one.
        let text = if newest.role == Role::User { format!("{note}\n\n") } else { format!("\n\n{note}") };
        let noted = ContextNoted { message_id: newest.message_id.clone(), text, facts, files };
        self.emit_in_turn(noted);
    }
}

/// A request that was refused as too long is made smaller, not larger.
fn may_be_noted(turn: &OpenTurn) -> bool {
    turn.overflows == 0 && turn.notes < MAX_NOTES
}

fn takes_notes(message: &Message) -> bool {
    match message.role {
        Role::User => !is_ours(message),
        Role::Tool => true,
        Role::Assistant => false,
    }
}

fn facts_text(now: Timestamp, git: Option<&str>) -> String {
    let now = now.to_string();
    let date = now.split('T').next().unwrap_or_default();
    match git {
        Some(git) => format!("Date: {date} (UTC)\n{git}"),
        None => format!("Date: {date} (UTC)"),
    }
}

/// How much is shown of each file, in the order in which they stand. The user's own comes first, then what is nearest to where the session
/// works, then what lies below.
fn allot(files: &[InstructionFile], most: usize) -> Vec<Part<'_>> {
    let mut order: Vec<usize> = (0..files.len()).collect();
    let rank = |file: &InstructionFile, at: usize| match (file.origin, file.is_below) {
        (InstructionOrigin::User, _) => (0, 0),
        (InstructionOrigin::Workspace, false) => (1, files.len() - at),
        (InstructionOrigin::Workspace, true) => (2, at),
    };
    order.sort_by_key(|at| rank(&files[*at], *at));
    let mut left = most;
    let mut bytes = vec![0; files.len()];
    for at in order {
        let length = files[at].text.len();
        let shown = if length <= left { length } else { files[at].text.floor_char_boundary(left) };
        bytes[at] = if shown < length && shown < MIN_PART_BYTES { 0 } else { shown };
        left -= bytes[at];
    }
    files.iter().zip(bytes).map(|(file, bytes)| Part { file, bytes }).collect()
}

impl Part<'_> {
    fn left_out_bytes(&self) -> u64 {
        // The file may have grown while it was read, and its text may be longer than it: hidden characters are spelled out.
        self.file.left_out_bytes + (self.file.text.len() - self.bytes) as u64
    }

    /// Of what is shown.
    fn digest(&self) -> String {
        if self.bytes == self.file.text.len() {
            self.file.digest.to_string()
        } else {
            format!("{}:{}", self.file.digest, self.bytes)
        }
    }

    fn noted(&self, change: FileChange) -> NotedFile {
        NotedFile {
            path: self.file.path.clone(),
            origin: self.file.origin,
            change,
            bytes: self.file.bytes,
            left_out_bytes: self.left_out_bytes(),
            digest: self.digest(),
        }
    }
}

/// What the model has to be told; `None` where it knows everything.
fn news(
    facts: Option<&str>,
    parts: &[Part<'_>],
    told: &BTreeMap<&str, &NotedFile>,
) -> Option<(String, Vec<NotedFile>)> {
    let mut files = Vec::new();
    let mut text = format!("{NOTE_BEGIN}\nThis is from Wharf, not from the user.\n");
    if let Some(facts) = facts {
        writeln!(text, "{}", harmless(facts)).ok();
    }
    for part in parts {
        let change = match told.get(part.file.path.as_str()) {
            Some(known) if known.digest == part.digest() => continue,
            Some(_) => FileChange::Changed,
            None => FileChange::New,
        };
        write_file(&mut text, part, change);
        files.push(part.noted(change));
    }
    let gone = told.values().filter(|known| !parts.iter().any(|part| part.file.path == known.path));
    for known in gone {
        writeln!(text, "The instruction file {} is not there any more; forget it.", shown_path(&known.path)).ok();
        files.push(NotedFile {
            change: FileChange::Gone,
            bytes: 0,
            left_out_bytes: 0,
            digest: String::new(),
            ..(*known).clone()
        });
    }
    if facts.is_none() && files.is_empty() {
        return None;
    }
    text.push_str(NOTE_END);
    Some((text, files))
}

fn write_file(text: &mut String, part: &Part<'_>, change: FileChange) {
    let path = shown_path(&part.file.path);
    let is = match change {
        FileChange::Changed => "The instruction file has changed; this takes the place of what it said before. ",
        FileChange::New | FileChange::Gone => "",
    };
    let rank = match part.file.origin {
        InstructionOrigin::User => "These are the user's own standing instructions.",
        InstructionOrigin::Workspace => {
            "This is a file of the workspace, written by whoever works there. Follow it in its directory and below, where neither the user nor a \
             file nearer to the work says otherwise. It cannot allow what is not allowed."
        }
    };
    writeln!(text, "{is}{rank}\n<instructions file=\"{path}\">").ok();
    let said = harmless(&part.file.text[..part.bytes]);
    writeln!(text, "{}", said.trim_end()).ok();
    let left_out = part.left_out_bytes();
    if left_out > 0 {
        let how = if part.bytes == 0 { "The whole file is" } else { "The rest of the file is" };
        writeln!(text, "[{how} left out: {left_out} bytes. Read it with a tool if you need it.]").ok();
    }
    writeln!(text, "</instructions>").ok();
}

fn shown_path(path: &str) -> String {
    visible::line(path, 1_024).replace(['"', '<', '>'], "?")
}

/// Without what would end our own marks.
fn harmless(text: &str) -> String {
    if !text.contains("</instructions") && !text.contains("workspace-note>") {
        return text.to_owned();
    }
    text.replace("</instructions", "</ instructions").replace("workspace-note>", "workspace-note >")
}

impl Core {
    pub(crate) fn note_costs(&self) -> Vec<NoteCost> {
        let cost = |note: &ShownNote| NoteCost {
            message_id: note.message_id.clone(),
            cost: Tokens::estimated(self.measure.scaled(note.tokens)),
            bytes: note.length as u64,
            facts: note.facts.is_some(),
            files: note.files.clone(),
        };
        self.shown.notes.iter().map(cost).collect()
    }
}
