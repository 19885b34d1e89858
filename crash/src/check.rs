//! The checks: from what clients wrote down, and the log as it is read in the end, to what was broken of the promises.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::history::{Recorded, Seen, Stream};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The check's name.
    pub check: &'static str,
    pub what: String,
}

/// What a session has to be checked with.
pub struct Evidence<'a> {
    pub session: &'a str,
    /// The prompts that its clients wanted to submit.
    pub prompts: &'a [String],
    pub recorded: &'a Recorded,
    /// The whole log, read in the end.
    pub log: &'a [Seen],
    /// How often each effect took place.
    pub effects: &'a HashMap<String, usize>,
}

impl Evidence<'_> {
    /// Everything that is wrong with the session.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Findings { session: self.session, violations: Vec::new() };
        self.check_order(&mut found);
        self.check_content(&mut found);
        self.check_acknowledged(&mut found);
        self.check_ends(&mut found);
        self.check_permissions(&mut found);
        self.check_texts(&mut found);
        self.check_calls(&mut found);
        self.check_commands(&mut found);
        self.check_compactions(&mut found);
        self.check_notes(&mut found);
        for refusal in &self.recorded.refusals {
            found.add("refused", refusal.clone());
        }
        found.violations
    }

    /// No gap and no repeat, on any connection and in the log.
    fn check_order(&self, found: &mut Findings<'_>) {
        for Stream { client, after, events } in &self.recorded.streams {
            let mut last = *after;
            for event in events {
                match event.seq {
                    seq if seq <= last => found.add("no_repeat", format!("{client} was given {seq} after {last}")),
                    seq if seq > last + 1 => found.add("no_gap", format!("{client} was given {seq} after {last}")),
                    _ => {}
                }
                last = event.seq;
            }
        }
        for (at, event) in self.log.iter().enumerate() {
            if event.seq != at as u64 + 1 {
                return found.add("no_gap", format!("the log has {} in place {}", event.seq, at + 1));
            }
        }
    }

    /// One seq, one event, for everybody and for ever.
    fn check_content(&self, found: &mut Findings<'_>) {
        let log: HashMap<u64, &Seen> = self.log.iter().map(|event| (event.seq, event)).collect();
        for stream in &self.recorded.streams {
            for event in &stream.events {
                match log.get(&event.seq) {
                    Some(same) if *same == event => {}
                    Some(other) => found.add(
                        "one_content",
                        format!("{} saw {} as {:?}, the log has {:?}", stream.client, event.seq, event, other),
                    ),
                    None => found.add("one_content", format!("{} saw {}, which is gone", stream.client, event.seq)),
                }
            }
        }
    }

    /// Acknowledged means present, once, under the turn that was named.
    fn check_acknowledged(&self, found: &mut Findings<'_>) {
        for prompt in self.prompts {
            if !self.recorded.acks.iter().any(|ack| ack.prompt == *prompt) {
                found.add("acknowledged", format!("{prompt} was never acknowledged"));
            }
        }
        for ack in &self.recorded.acks {
            let received: Vec<&Seen> = self
                .log
                .iter()
                .filter(|event| event.kind == "prompt.received" && event.text("message_id") == ack.prompt)
                .collect();
            match received[..] {
                [one] if one.text("turn_id") == ack.turn => {}
                [one] => found.add(
                    "acknowledged",
                    format!("{} was acknowledged as {} and is {}", ack.prompt, ack.turn, one.text("turn_id")),
                ),
                _ => found.add("acknowledged", format!("{} is on the log {} times", ack.prompt, received.len())),
            }
        }
    }

    /// Every acknowledged prompt ends, every turn once.
    fn check_ends(&self, found: &mut Findings<'_>) {
        let mut ends: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for event in self.log.iter().filter(|event| event.ends_turn()) {
            ends.entry(event.text("turn_id")).or_default().push(event.seq);
        }
        let prompts_of = |kind: &str| -> HashSet<&str> {
            self.log.iter().filter(|event| event.kind == kind).map(|event| event.text("message_id")).collect()
        };
        let (withdrawn, started) = (prompts_of("prompt.withdrawn"), prompts_of("prompt.started"));
        for prompt in withdrawn.intersection(&started) {
            found.add("one_end", format!("{prompt} was withdrawn and has run"));
        }
        for (turn, seqs) in ends.iter().filter(|(_, seqs)| seqs.len() > 1) {
            found.add("one_end", format!("{turn} ended {} times: {seqs:?}", seqs.len()));
        }
        let open = |ack: &&crate::history::Ack| {
            !ends.contains_key(ack.turn.as_str()) && !withdrawn.contains(ack.prompt.as_str())
        };
        for ack in self.recorded.acks.iter().filter(open) {
            found.add("ended", format!("{} was accepted as {} and never ended", ack.prompt, ack.turn));
        }
    }

    fn check_permissions(&self, found: &mut Findings<'_>) {
        let mut open: HashMap<&str, (usize, usize)> = HashMap::new();
        for event in self.log {
            let counts = match event.kind.as_str() {
                "permission.requested" | "permission.resolved" => open.entry(event.text("permission_id")).or_default(),
                _ => continue,
            };
            if event.kind == "permission.requested" { counts.0 += 1 } else { counts.1 += 1 }
        }
        for (permission, (asked, answered)) in open {
            let accepted = |answer: &&crate::history::Answer| answer.permission == permission && answer.status == 200;
            let taken: Vec<&str> = self.recorded.answers.iter().filter(accepted).map(|answer| answer.client).collect();
            if (asked, answered) != (1, 1) || taken.len() > 1 {
                let what = format!("{permission}: asked {asked}, resolved {answered} times, taken from {taken:?}");
                found.add("one_answer", what);
            }
        }
    }

    /// The pieces of a message are the message.
    fn check_texts(&self, found: &mut Findings<'_>) {
        let mut texts: HashMap<&str, String> = HashMap::new();
        for event in self.log {
            let id = event.text("message_id");
            match event.kind.as_str() {
                "message.chunk" => {
                    let text = texts.entry(id).or_default();
                    if event.number("offset") != Some(text.len() as u64) {
                        found.add("whole_text", format!("{id}: the chunk {} does not follow", event.seq));
                    }
                    text.push_str(event.text("content"));
                }
                "message.complete" | "message.error" => {
                    let pieces = texts.remove(id).unwrap_or_default();
                    if pieces != event.text("content") {
                        let whole = event.text("content");
                        found.add("whole_text", format!("{id}: the chunks say {pieces:?}, the message {whole:?}"));
                    }
                }
                _ => {}
            }
        }
        for id in texts.keys() {
            found.add("whole_text", format!("{id} was begun and never closed"));
        }
    }

    /// Every call has one outcome, and took effect at most once: exactly once where it is told to have completed, never
    /// where it was denied.
    fn check_calls(&self, found: &mut Findings<'_>) {
        let mut outcomes: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
        let mut effects: HashMap<&str, &str> = HashMap::new();
        // Such a call has completed when its command has begun, which may then be cut off before its effect.
        let mut background: HashSet<&str> = HashSet::new();
        for event in self.log {
            match event.kind.as_str() {
                "message.complete" => {
                    let calls = event.fields.get("tool_calls").and_then(|calls| calls.as_array());
                    for call in calls.into_iter().flatten() {
                        let id = call["call_id"].as_str().unwrap_or_default();
                        outcomes.entry(id).or_default();
                        if let Some(effect) = call["arguments"]["command"].as_str().and_then(effect_of) {
                            effects.insert(id, effect);
                        }
                        if call["arguments"]["background"] == true {
                            background.insert(id);
                        }
                    }
                }
                "tool.call_complete" | "tool.call_error" => {
                    outcomes.entry(event.text("call_id")).or_default().push(event);
                }
                _ => {}
            }
        }
        for (call, ends) in &outcomes {
            if ends.len() != 1 {
                found.add("one_outcome", format!("{call} has {} outcomes", ends.len()));
            }
            let Some(effect) = effects.get(call) else { continue };
            let count = self.effects.get(*effect).copied().unwrap_or(0);
            let wanted = match ends.first() {
                Some(end) if end.kind == "tool.call_complete" && !background.contains(call) => 1..=1,
                Some(end) if end.text("reason") == "denied" => 0..=0,
                _ => 0..=1,
            };
            if !wanted.contains(&count) {
                let end = ends.first().map_or("nothing", |end| end.kind.as_str());
                let reason = ends.first().map_or("", |end| end.text("reason"));
                found.add("one_effect", format!("{call} ({end} {reason}) took effect {count} times: {effect}"));
            }
        }
    }

    /// Each compaction that began has one end, and nothing of a turn happens in between.
    fn check_compactions(&self, found: &mut Findings<'_>) {
        let mut open: Option<u64> = None;
        for event in self.log {
            match event.kind.as_str() {
                "context.compacting" => {
                    let is_repeated = event.number("attempt") > Some(1);
                    if open.is_some() != is_repeated {
                        found.add("one_compaction_end", format!("{} began, {open:?} was open", event.seq));
                    }
                    open = Some(event.seq);
                }
                "context.compacted" => open = None,
                "context.compaction_failed" if open.is_none() => {
                    found.add("one_compaction_end", format!("{} ended what had not begun", event.seq));
                }
                "context.compaction_failed" => open = None,
                "turn.started" | "message.start" if open.is_some() => {
                    found.add("one_compaction_end", format!("{} came in the middle of {open:?}", event.seq));
                }
                _ => {}
            }
        }
        if let Some(seq) = open {
            found.add("one_compaction_end", format!("{seq} began and never ended"));
        }
    }

    /// The model is told of an instruction file once, with something that is on the log; again only when it was left out since. The rounds
    /// change no such file.
    fn check_notes(&self, found: &mut Findings<'_>) {
        let (mut told, mut carriers) = (HashSet::new(), HashSet::new());
        for event in self.log {
            match event.kind.as_str() {
                "prompt.received" | "message.complete" => {
                    carriers.insert(event.text("message_id"));
                }
                "context.compacted" | "session.cleared" => told.clear(),
                "context.noted" => {
                    let id = event.text("message_id");
                    let files = event.fields.get("files").and_then(|files| files.as_array());
                    for file in files.into_iter().flatten() {
                        let (path, change) = (&file["path"], &file["change"]);
                        if change != "new" || !told.insert(path.to_string()) {
                            found.add("told_once", format!("{} tells of {path} again ({change})", event.seq));
                        }
                    }
                    if !carriers.contains(id) && !self.is_result(id) {
                        found.add("told_once", format!("{} is a part of {id}, which is not on the log", event.seq));
                    }
                }
                _ => {}
            }
        }
    }

    fn is_result(&self, id: &str) -> bool {
        self.log.iter().any(|event| event.kind.starts_with("tool.call_") && event.text("message_id") == id)
    }

    /// Every background command has one end, took effect at most once, and exactly once where it is told to have ended well.
    fn check_commands(&self, found: &mut Findings<'_>) {
        let mut commands: BTreeMap<&str, (Option<&str>, Vec<&Seen>)> = BTreeMap::new();
        for event in self.log {
            let id = event.text("command_id");
            match event.kind.as_str() {
                "command.started" => {
                    let effect = effect_of(event.text("command"));
                    let earlier = commands.insert(id, (effect, Vec::new()));
                    if earlier.is_some() {
                        found.add("one_command_end", format!("{id} was started twice"));
                    }
                }
                "command.ended" => match commands.get_mut(id) {
                    Some((_, ends)) => ends.push(event),
                    None => found.add("one_command_end", format!("{id} ended and was never started")),
                },
                _ => {}
            }
        }
        for (id, (effect, ends)) in &commands {
            let [end] = ends[..] else {
                found.add("one_command_end", format!("{id} has {} ends", ends.len()));
                continue;
            };
            let Some(effect) = effect else { continue };
            let count = self.effects.get(*effect).copied().unwrap_or(0);
            let ended_well = end.text("status") == "exited" && end.number("exit_code") == Some(0);
            if count > 1 || (ended_well && count != 1) {
                let status = end.text("status");
                found.add("one_effect", format!("{id} ({status}) took effect {count} times: {effect}"));
            }
        }
    }
}

struct Findings<'a> {
    session: &'a str,
    violations: Vec<Violation>,
}

impl Findings<'_> {
    fn add(&mut self, check: &'static str, what: String) {
        self.violations.push(Violation { check, what: format!("{}: {what}", self.session) });
    }
}

/// The word that a command adds to the file of effects.
fn effect_of(command: &str) -> Option<&str> {
    let at = command.find("echo effect-")?;
    command[at..].split_whitespace().nth(1)
}

/// Effects, counted.
pub fn count_effects(file: &str) -> HashMap<String, usize> {
    file.lines().fold(HashMap::new(), |mut counts, line| {
        *counts.entry(line.to_owned()).or_default() += 1;
        counts
    })
}

/// Whether every acknowledgement of something that has to be on disk came after a sync that came after its commit.
pub fn check_syncs(trace: &str) -> Vec<Violation> {
    /// What is known of one process.
    #[derive(Default)]
    struct Process {
        committed: u64,
        synced: u64,
    }
    let mut processes: HashMap<&str, Process> = HashMap::new();
    let mut violations = Vec::new();
    for line in trace.lines() {
        let mut words = line.split(' ');
        let (Some(process), Some(step), Some(number)) = (words.next(), words.next(), words.next()) else { continue };
        let number = number.parse().unwrap_or(0);
        let state = processes.entry(process).or_default();
        match step {
            "commit" => state.committed = state.committed.max(number),
            "sync" => state.synced = state.committed,
            "acknowledge" if number > state.synced => violations.push(Violation {
                check: "synced",
                what: format!("process {process} acknowledged commit {number} when {} was synced", state.synced),
            }),
            _ => {}
        }
    }
    violations
}

#[cfg(test)]
mod tests;
