//! Terminals that clients opened for us and that nobody has released: remembered in a file of the session, so that a command
//! in one ends also where this process was killed, or the connection broke, before it could say so.
//!
//! No file is synced: what takes a power cut to lose takes the terminals along.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use agent_client_protocol_schema::v1 as acp;
use serde::{Deserialize, Serialize};
use wharf_protocol::SessionId;

/// Terminals remembered of one session; beyond it the oldest is forgotten.
const REMEMBERED: usize = 64;
/// A longer id is not remembered.
const ID_BYTES: usize = 1 << 10;
/// A file that is longer was not written here, and is not read.
const FILE_BYTES: u64 = 256 << 10;
/// Clients that do not know a terminal before it is forgotten: they came in its owner's place.
const REFUSALS: u32 = 8;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Remembered {
    id: String,
    #[serde(default)]
    refusals: u32,
}

/// The terminals of this process' sessions, and those that earlier ones left.
#[derive(Debug)]
pub(crate) struct Terminals {
    directory: PathBuf,
    /// Those in use here.
    live: Mutex<HashMap<SessionId, HashSet<String>>>,
}

impl Terminals {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, live: Mutex::default() }
    }

    fn live(&self) -> MutexGuard<'_, HashMap<SessionId, HashSet<String>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client has opened one for us.
    pub(crate) fn opened(&self, session: &SessionId, id: &acp::TerminalId) {
        let mut live = self.live();
        live.entry(session.clone()).or_default().insert(id.to_string());
        if id.to_string().len() > ID_BYTES {
            return;
        }
        self.change(session, |all| {
            all.retain(|it| it.id != id.to_string());
            all.push(Remembered { id: id.to_string(), refusals: 0 });
            all.drain(..all.len().saturating_sub(REMEMBERED));
        });
    }

    /// One is not used any more; `told`: its client knows.
    pub(crate) fn closed(&self, session: &SessionId, id: &acp::TerminalId, told: bool) {
        let mut live = self.live();
        if let Some(ids) = live.get_mut(session) {
            ids.remove(&id.to_string());
            if ids.is_empty() {
                live.remove(session);
            }
        }
        if told {
            self.change(session, |all| all.retain(|it| it.id != id.to_string()));
        }
    }

    /// Those that nobody uses and that were not released.
    pub(crate) fn left(&self, session: &SessionId) -> Vec<String> {
        let live = self.live();
        let all = self.read(session).into_iter().map(|it| it.id);
        all.filter(|id| !live.get(session).is_some_and(|ids| ids.contains(id))).collect()
    }

    pub(crate) fn forget(&self, session: &SessionId, id: &str) {
        let _live = self.live();
        self.change(session, |all| all.retain(|it| it.id != id));
    }

    pub(crate) fn refused(&self, session: &SessionId, id: &str) {
        let _live = self.live();
        self.change(session, |all| {
            all.iter_mut().filter(|it| it.id == id).for_each(|it| it.refusals += 1);
            all.retain(|it| it.refusals < REFUSALS);
        });
    }

    fn file(&self, session: &SessionId) -> PathBuf {
        self.directory.join(format!("{session}.json"))
    }

    fn read(&self, session: &SessionId) -> Vec<Remembered> {
        let path = self.file(session);
        if fs::metadata(&path).is_ok_and(|found| !found.is_file() || found.len() > FILE_BYTES) {
            return Vec::new();
        }
        let all: Vec<Remembered> =
            fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        all.into_iter().take(REMEMBERED).collect()
    }

    /// Only while `live` is held: one at a time.
    fn change(&self, session: &SessionId, change: impl FnOnce(&mut Vec<Remembered>)) {
        let before = self.read(session);
        let mut after = before.clone();
        change(&mut after);
        if before == after {
            return;
        }
        let written = if after.is_empty() { fs::remove_file(self.file(session)) } else { self.write(session, &after) };
        if let Err(error) = written {
            tracing::warn!(session.id = %session, %error, "could not note a client's terminal");
        }
    }

    fn write(&self, session: &SessionId, all: &[Remembered]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let new = self.directory.join(format!("{session}.new"));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(all)?)?;
        fs::rename(new, self.file(session))
    }
}

#[cfg(test)]
mod tests;
