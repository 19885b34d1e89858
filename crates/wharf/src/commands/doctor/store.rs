//! The store: the file's structure, and every event of every session.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use wharf_protocol::event::AnyEvent;
use wharf_protocol::transcript::{EntryBody, Transcript};
use wharf_store::sqlite::{Inspector, Verified};

use super::findings::Findings;

const ABOUT: &str = "store";
/// Lines of SQLite's own examination.
const STRUCTURE_LINES: usize = 20;
const HINT: &str = "`wharf doctor export DIR` saves what is sound; the file itself is left as it is";

/// What was found, for programs.
#[derive(Debug, Default, Serialize)]
pub struct Health {
    pub bytes: u64,
    pub log_bytes: u64,
    pub schema: Option<i64>,
    pub sessions: u64,
    pub sealed: u64,
    /// Events that are what was written; `None`: not looked at.
    pub sound_events: Option<u64>,
    /// Of these, those without a checksum to compare with.
    pub unchecked_events: u64,
    /// Problems of the file's structure.
    pub structure: Vec<String>,
    /// Sessions with problems, and the first few of each.
    pub damaged: BTreeMap<String, Damage>,
    /// Sessions with work that has no end on their log: a server is at it, or takes it up when it starts.
    pub unfinished: BTreeMap<String, Unfinished>,
}

/// What of a session's work has no end.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// The turn that runs.
    pub turn: Option<String>,
    pub calls: usize,
    pub questions: usize,
    pub commands: usize,
    /// Prompts that have not started.
    pub prompts: usize,
}

impl Unfinished {
    fn of(transcript: &Transcript) -> Self {
        let count = |is_meant: fn(&EntryBody) -> bool| transcript.open().filter(|entry| is_meant(&entry.body)).count();
        Self {
            turn: transcript.turn.as_ref().map(|turn| turn.turn_id.to_string()),
            calls: count(|body| matches!(body, EntryBody::Call(_))),
            questions: count(|body| matches!(body, EntryBody::Question(_))),
            commands: count(|body| matches!(body, EntryBody::Command(_))),
            prompts: transcript.waiting.len(),
        }
    }

    fn in_words(&self) -> String {
        let turn = self.turn.as_ref().map(|turn| format!("turn {turn}"));
        let counts = [
            (self.calls, "call"),
            (self.questions, "question"),
            (self.commands, "background command"),
            (self.prompts, "waiting prompt"),
        ];
        let counted = counts.into_iter().filter(|(count, _)| *count > 0);
        let counted = counted.map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }));
        turn.into_iter().chain(counted).collect::<Vec<_>>().join(", ")
    }
}

#[derive(Debug, Serialize)]
pub struct Damage {
    pub sound_events: u64,
    pub problems_total: u64,
    pub problems: Vec<String>,
}

pub fn examine(database: &Path, quick: bool, findings: &mut Findings) -> Health {
    let length = |suffix: &str| {
        let mut path = database.as_os_str().to_owned();
        path.push(suffix);
        std::fs::metadata(path).ok().map(|metadata| metadata.len())
    };
    let mut health =
        Health { bytes: length("").unwrap_or(0), log_bytes: length("-wal").unwrap_or(0), ..Health::default() };
    if health.bytes == 0 && health.log_bytes > 0 {
        findings
            .error(ABOUT, format!("{} is missing or empty, and its log is not", database.display()))
            .hint("put the database back; without it the log is of no use");
        return health;
    }
    if health.bytes == 0 {
        findings.ok(ABOUT, "nothing stored yet");
        return health;
    }
    let inspector = match Inspector::open(database) {
        Ok(inspector) => inspector,
        Err(error) => {
            findings.error(ABOUT, format!("{}: {error}", database.display())).hint("restore it from a backup");
            return health;
        }
    };
    match inspector.schema() {
        Ok((found, known)) => {
            health.schema = Some(found);
            if found > known {
                let message = format!("written by a newer wharf (schema {found}; this one knows {known})");
                findings.error(ABOUT, message).hint("use that version");
                return health;
            }
        }
        Err(error) => {
            findings.error(ABOUT, error.to_string());
        }
    }
    health.structure = inspector.structure(quick, STRUCTURE_LINES);
    if !health.structure.is_empty() {
        let message = format!("the structure of {} is damaged", database.display());
        findings.error(ABOUT, message).details(health.structure.clone()).hint(HINT);
    }
    if let Err(error) = examine_sessions(&inspector, quick, &mut health) {
        findings.error(ABOUT, format!("the sessions cannot be listed: {error}")).hint(HINT);
    }
    for (session, damage) in &health.damaged {
        let message = format!(
            "session {session} is damaged: {} problems, {} events are sound",
            damage.problems_total, damage.sound_events
        );
        findings.error(ABOUT, message).details(damage.problems.clone()).hint(HINT);
    }
    if !health.unfinished.is_empty() {
        let details = health.unfinished.iter().map(|(id, left)| format!("session {id}: {}", left.in_words())).collect();
        let message = "there is work without an end; a server is at it, or takes it up when it starts";
        findings.ok(ABOUT, message).details(details);
    }
    if health.sealed > 0 {
        let message = format!("{} sessions are sealed: they can be read and take no work", health.sealed);
        findings.warn(ABOUT, message).hint("`wharf sessions show ID` says why, `wharf sessions unseal ID` tries again");
    }
    let events = match health.sound_events {
        Some(sound) => format!("{sound} sound events ({} without a checksum)", health.unchecked_events),
        None => "events not looked at".to_owned(),
    };
    let (mb, log_mb) = (health.bytes >> 20, health.log_bytes >> 20);
    let message = format!("{} sessions, {events}, {mb} MB and {log_mb} MB of log", health.sessions);
    if health.damaged.is_empty() && health.structure.is_empty() {
        findings.ok(ABOUT, message);
    } else {
        findings.warn(ABOUT, message);
    }
    health
}

fn examine_sessions(inspector: &Inspector, quick: bool, health: &mut Health) -> Result<(), wharf_store::StoreError> {
    let sessions = inspector.sessions()?;
    health.sessions = sessions.len() as u64;
    health.sealed = sessions.iter().filter(|session| session.status.as_deref() == Some("sealed")).count() as u64;
    if quick {
        return Ok(());
    }
    let mut sound_events = 0;
    for session in &sessions {
        let mut transcript = Transcript::new();
        let mut fold = |json: &[u8]| {
            // What is sound and no event is a newer version's.
            match AnyEvent::from_json(json) {
                Ok(AnyEvent::Known(event)) => drop(transcript.apply(&event)),
                Ok(AnyEvent::Unknown(event)) => drop(transcript.apply_unknown(&event)),
                Err(_) => {}
            }
            transcript.keep(0);
            Ok(())
        };
        // The sink takes everything.
        let Ok(verified) = inspector.verify(session, &mut fold) else { continue };
        let unfinished = Unfinished::of(&transcript);
        // A sealed one is not taken up.
        if unfinished != Unfinished::default() && session.status.as_deref() != Some("sealed") {
            health.unfinished.insert(session.id.to_string(), unfinished);
        }
        let Verified { sound, unchecked, problems, damaged } = verified;
        sound_events += sound;
        health.unchecked_events += unchecked;
        if damaged > 0 {
            let damage = Damage { sound_events: sound, problems_total: damaged, problems };
            health.damaged.insert(session.id.to_string(), damage);
        }
    }
    health.sound_events = Some(sound_events);
    Ok(())
}

#[cfg(test)]
mod tests {
    use wharf_protocol::Event;

    use super::*;

    #[test]
    fn unfinished_work_is_said_in_words() {
        let events = [
            r#"{"seq":1,"type":"prompt.received","session_id":"s","turn_id":"t","timestamp":"2026-11-20T12:00:00.000Z","payload":{"message_id":"p","content":"hi","priority":"normal","conflict_strategy":"queue","body_hash":""}}"#,
            r#"{"seq":2,"type":"turn.started","session_id":"s","turn_id":"t","timestamp":"2026-11-20T12:00:00.000Z","payload":{"message_id":"p","model":"m/m","agent_name":"a"}}"#,
            r#"{"seq":3,"type":"tool.call_start","session_id":"s","turn_id":"t","timestamp":"2026-11-20T12:00:00.000Z","payload":{"call_id":"c","tool_name":"bash","arguments":{},"kind":"execute","title":"ls","read_only":false,"decision":{"allowed":true,"reason":"mode full"}}}"#,
            r#"{"seq":4,"type":"tool.call_start","session_id":"s","turn_id":"t","timestamp":"2026-11-20T12:00:00.000Z","payload":{"call_id":"d","tool_name":"bash","arguments":{},"kind":"execute","title":"ls","read_only":false,"decision":{"allowed":true,"reason":"mode full"}}}"#,
        ];
        let mut transcript = Transcript::new();
        for json in events {
            let event: Event = serde_json::from_str(json).unwrap();
            transcript.apply(&event);
            transcript.keep(0);
        }
        assert_eq!(Unfinished::of(&transcript).in_words(), "turn t, 2 calls, 1 waiting prompt");
        assert_eq!(Unfinished::of(&Transcript::new()), Unfinished::default());
    }
}
