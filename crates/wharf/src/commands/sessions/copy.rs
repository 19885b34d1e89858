//! `wharf sessions fork | export | import`: a session once more, here or elsewhere.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use wharf_client::{Client, Exported};
use wharf_protocol::rest::{ForkSession, ImportSession};
use wharf_protocol::{Seq, Session, SessionId};

use crate::cli::ListArgs;
use crate::commands::print_json;
use crate::connect::Context;
use crate::failure::{Exit, Failure};
use crate::output::{self, note};

/// Longest export that is read, in bytes; a server takes no longer one.
const IMPORT_MAX_BYTES: u64 = 256 << 20;

pub(super) async fn fork(
    context: &Context,
    id: &SessionId,
    at: Option<u64>,
    title: Option<String>,
    args: &ListArgs,
) -> anyhow::Result<Exit> {
    let client = context.client(false).await?;
    let body = ForkSession { at_seq: at.map(Seq), session_id: None, title };
    let forked = client.fork_session(id, body).await;
    client.shutdown().await;
    shown(&forked?, args)
}

pub(super) async fn export(context: &Context, id: &SessionId, file: Option<&Path>) -> anyhow::Result<Exit> {
    let client = context.client(false).await?;
    let saved = save(&client, id, file).await;
    client.shutdown().await;
    saved?;
    if let Some(file) = file {
        note(&format!("saved {id} in {}", file.display()));
    }
    Ok(Exit::Completed)
}

async fn save(client: &Client, id: &SessionId, file: Option<&Path>) -> anyhow::Result<()> {
    let mut exported = client.export_session(id).await?;
    let Some(path) = file else {
        return write(&mut exported, &mut std::io::stdout()).await;
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {} (files that are there are never written over)", path.display()))?;
    let written = write(&mut exported, &mut file).await;
    let written =
        written.and_then(|()| Ok(file.sync_all()?)).with_context(|| format!("cannot save {}", path.display()));
    if written.is_err() {
        // Half a log would pass for a whole one.
        drop(std::fs::remove_file(path));
    }
    written
}

async fn write(exported: &mut Exported, to: &mut impl Write) -> anyhow::Result<()> {
    loop {
        let bytes = exported.next().await?;
        if bytes.is_empty() {
            return Ok(to.flush()?);
        }
        to.write_all(&bytes)?;
    }
}

pub(super) async fn import(
    context: &Context,
    file: &Path,
    cwd: Option<&Path>,
    args: &ListArgs,
) -> anyhow::Result<Exit> {
    let lines = read(file)?;
    let cwd = cwd.map(|cwd| cwd.canonicalize().unwrap_or_else(|_| PathBuf::from(cwd)));
    let client = context.client(false).await?;
    let imported = client.import_session(lines, ImportSession { cwd, ..ImportSession::default() }).await;
    client.shutdown().await;
    shown(&imported?, args)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut lines = Vec::new();
    let limit = IMPORT_MAX_BYTES + 1;
    let read = if file == Path::new("-") {
        std::io::stdin().take(limit).read_to_end(&mut lines)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(limit).read_to_end(&mut lines))
    };
    read.with_context(|| format!("cannot read {}", file.display()))?;
    if lines.len() as u64 > IMPORT_MAX_BYTES {
        let message = format!("{} is longer than {IMPORT_MAX_BYTES} bytes", file.display());
        return Err(Failure::new(Exit::Usage, message).into());
    }
    Ok(lines)
}

/// The new session's id alone, for scripts.
fn shown(session: &Session, args: &ListArgs) -> anyhow::Result<Exit> {
    if args.json {
        print_json(session)?;
    } else {
        output::out(&format!("{}\n", session.id));
    }
    Ok(Exit::Completed)
}
