//! Terminals that clients opened for us and that nobody has released: remembered in a file of the session, so that a command
//! in one ends also where this process was killed, or the connection broke, before it could say so.
//!
//! No file is synced: what takes a power cut to lose takes the terminals along.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent_client_protocol_schema::v1 as acp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use wharf_engine::HostError;
use wharf_protocol::SessionId;

use super::asking::Asking;

/// Terminals remembered of one session; beyond it the oldest is forgotten.
const REMEMBERED: usize = 64;
/// A longer id is not remembered.
const ID_BYTES: usize = 1 << 10;
/// A file that is longer was not written here, and is not read.
const FILE_BYTES: u64 = 256 << 10;
/// Clients that do not know a terminal before it is forgotten: they came in its owner's place.
const REFUSALS: u32 = 8;
/// For a client to end and release one, and all of them.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
const ALL_WAIT: Duration = Duration::from_secs(60);

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
    pub(super) fn opened(&self, session: &SessionId, id: &acp::TerminalId) {
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
    pub(super) fn closed(&self, session: &SessionId, id: &acp::TerminalId, told: bool) {
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
    fn left(&self, session: &SessionId) -> Vec<String> {
        let live = self.live();
        let all = self.read(session).into_iter().map(|it| it.id);
        all.filter(|id| !live.get(session).is_some_and(|ids| ids.contains(id))).collect()
    }

    fn forget(&self, session: &SessionId, id: &str) {
        let _live = self.live();
        self.change(session, |all| all.retain(|it| it.id != id));
    }

    fn refused(&self, session: &SessionId, id: &str) {
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

    /// Has the client that came (back) end and release what was left. One that it does not know may be another client's, and is
    /// kept for that one.
    pub(super) async fn release_left(self: &Arc<Self>, session: SessionId, asking: Arc<Asking>) {
        let all = async {
            for id in self.left(&session) {
                let of_session = acp::SessionId::new(session.as_str());
                let kill = acp::KillTerminalRequest::new(of_session.clone(), id.clone());
                // One that has ended may be an error.
                let killed: Result<IgnoredAny, _> = asking.ask("terminal/kill", &kill, ANSWER_WAIT).await;
                if matches!(killed, Err(HostError::Gone | HostError::Silent { .. })) {
                    return;
                }
                let release = acp::ReleaseTerminalRequest::new(of_session, id.clone());
                match asking.ask::<IgnoredAny>("terminal/release", &release, ANSWER_WAIT).await {
                    Ok(IgnoredAny) => {
                        tracing::info!(session.id = %session, "a terminal that was left at a client is released");
                        self.forget(&session, &id);
                    }
                    Err(HostError::Refused(_)) => self.refused(&session, &id),
                    Err(_) => return,
                }
            }
        };
        // What is left over is asked for when the client comes the next time.
        drop(timeout(ALL_WAIT, all).await);
    }
}

#[cfg(test)]
mod tests {
    //! What is remembered, and for how long.

    use super::*;

    #[test]
    fn it_outlives_the_process_and_ends_with_the_release() {
        let dir = tempfile::tempdir().unwrap();
        let (session, id) = ("s-1".parse::<SessionId>().unwrap(), acp::TerminalId::new("term-1"));
        let terminals = Terminals::new(dir.path().join("terminals"));
        terminals.opened(&session, &id);
        assert!(terminals.left(&session).is_empty(), "it is in use");
        // Another process.
        assert_eq!(Terminals::new(dir.path().join("terminals")).left(&session), ["term-1"]);
        terminals.closed(&session, &id, false);
        assert_eq!(terminals.left(&session), ["term-1"], "its client was not told");
        for _ in 0..REFUSALS {
            assert_eq!(terminals.left(&session).len(), 1);
            terminals.refused(&session, "term-1");
        }
        assert!(terminals.left(&session).is_empty());
        terminals.opened(&session, &id);
        terminals.closed(&session, &id, true);
        assert_eq!(fs::read_dir(dir.path().join("terminals")).unwrap().count(), 0);
    }

    #[test]
    fn there_are_not_too_many_and_a_damaged_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let session = "s-1".parse::<SessionId>().unwrap();
        let terminals = Terminals::new(dir.path().to_owned());
        for number in 0..REMEMBERED + 10 {
            let id = acp::TerminalId::new(format!("term-{number}"));
            terminals.opened(&session, &id);
            terminals.closed(&session, &id, false);
        }
        terminals.opened(&session, &acp::TerminalId::new("x".repeat(ID_BYTES + 1)));
        let left = terminals.left(&session);
        assert_eq!((left.len(), left[0].as_str()), (REMEMBERED, "term-10"));
        for text in ["", "{", "[{}]", "[[[[", "\u{0}"] {
            fs::write(terminals.file(&session), text).unwrap();
            assert!(terminals.left(&session).is_empty(), "{text:?}");
        }
    }
}
