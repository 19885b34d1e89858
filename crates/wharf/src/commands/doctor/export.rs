//! `wharf doctor export`: what is sound, one file a session, each as `wharf sessions export` makes it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use wharf_protocol::SessionId;
use wharf_protocol::export::ExportHead;
use wharf_store::sqlite::{Inspector, StoredSession, Verified};

use crate::cli::DoctorExportArgs;
use crate::commands::print_json;
use crate::failure::{Exit, Failure};
use crate::output::note;

/// What became of one session.
#[derive(Debug, Serialize)]
struct Exported {
    session: SessionId,
    events: u64,
    /// Events that could not be saved.
    damaged: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

pub fn run(state: &Path, args: &DoctorExportArgs) -> anyhow::Result<Exit> {
    let database = state.join("wharf.db");
    if !database.exists() {
        return Err(
            Failure::new(Exit::Failed, format!("{} is not there: nothing is stored", database.display())).into()
        );
    }
    let inspector = Inspector::open(&database)
        .map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", database.display())))?;
    let sessions = match &args.session {
        None => inspector.sessions().context("the sessions cannot be listed; name one with --session")?,
        Some(id) => {
            let id: SessionId = id.parse().map_err(|error| Failure::new(Exit::Usage, format!("{id}: {error}")))?;
            let found = inspector.session(&id).context("the list of sessions cannot be read")?;
            vec![found.ok_or_else(|| Failure::new(Exit::Failed, format!("session {id} is not stored")))?]
        }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&args.dir)
        .with_context(|| format!("cannot make {}", args.dir.display()))?;
    let mut exported = Vec::new();
    for session in &sessions {
        exported.push(export(&inspector, session, &args.dir)?);
    }
    let (events, damaged) = exported.iter().fold((0, 0), |(a, b), e| (a + e.events, b + e.damaged));
    if args.json {
        print_json(&exported)?;
    }
    for session in exported.iter().filter(|session| session.damaged > 0) {
        note(&format!("session {}: {}", session.session, session.problems.join("; ")));
    }
    note(&format!("{} sessions, {events} events in {}; {damaged} problems", exported.len(), args.dir.display()));
    Ok(if damaged > 0 { Exit::Failed } else { Exit::Completed })
}

fn export(inspector: &Inspector, session: &StoredSession, dir: &Path) -> anyhow::Result<Exported> {
    // An id has only letters, digits, dots, dashes and underscores, and begins with none of the last three.
    let path = dir.join(format!("{}.jsonl", session.id));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot make {} (files that are there are never written over)", path.display()))?;
    let mut file = BufWriter::new(file);
    // The same format as `wharf sessions export`, so that it can be imported.
    let view = inspector.view(session);
    if let Some(view) = &view {
        let head = serde_json::to_vec(&ExportHead::new(view)).context("the first line cannot be written")?;
        let first = file.write_all(&head).and_then(|()| file.write_all(b"\n"));
        first.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut write = |json: &[u8]| {
        file.write_all(json)?;
        file.write_all(b"\n")
    };
    let verified = inspector.verify(session, &mut write).with_context(|| format!("cannot write {}", path.display()))?;
    file.into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .and_then(|file| file.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))?;
    let Verified { sound, mut damaged, mut problems, unchecked: _ } = verified;
    if view.is_none() {
        damaged += 1;
        problems.push("its settings cannot be read: the first line, which an import needs, is missing".to_owned());
    }
    Ok(Exported { session: session.id.clone(), events: sound, damaged, problems })
}
