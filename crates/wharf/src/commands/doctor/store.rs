//! The store: the file's structure, and every event of every session.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
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
        // The sink takes everything.
        let Ok(verified) = inspector.verify(session, &mut |_| Ok(())) else { continue };
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
