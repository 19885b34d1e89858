//! The work whose cost is measured: each the same in every round.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;
use wharf_store::Logs;
use wharf_store::sqlite::{SqliteConfig, SqliteStore};
use wharf_testkit::process::WharfHome;

use crate::history::{database, template, write_long};
use crate::lab::{Lab, Server};
use crate::quick::gauge::Gauge;
use crate::reader::read_turn;

const SAY: &str = "[[say a few words of an answer]]";
const TURNS: usize = 10;
const LINE: &str = "* Keep the tests green, and say in the commit why the change is made.\n";
/// Files in a repository.
const FILES: usize = 200;
const TOOL_TURNS: usize = 5;
const DELTAS: usize = 5_000;
/// Sessions that stream at the pace of a model, each watched.
const CROWD: usize = 8;
const CROWD_DELTAS: usize = 20;
const CROWD_PER_SECOND: usize = 20;
const ATTACHES: usize = 10;
const LONG_EVENTS: usize = 4_000;
const LONG_SESSION: &str = "session-long";

/// Some work, and what one piece of it is.
pub struct Workload {
    pub name: &'static str,
    work: Work,
}

#[derive(Clone, Copy)]
enum Work {
    Turns,
    InstructedTurns,
    ToolTurns,
    Deltas { readers: usize },
    Crowd,
    Attach,
}

pub const WORKLOADS: &[Workload] = &[
    Workload { name: "short turn", work: Work::Turns },
    Workload { name: "short turn in a repository with AGENTS.md", work: Work::InstructedTurns },
    Workload { name: "turn with a tool call", work: Work::ToolTurns },
    Workload { name: "5,000 deltas to one reader", work: Work::Deltas { readers: 1 } },
    Workload { name: "5,000 deltas to ten readers", work: Work::Deltas { readers: 10 } },
    Workload { name: "crowd, a token", work: Work::Crowd },
    Workload { name: "attach in the middle of a long session", work: Work::Attach },
];

impl Workload {
    /// What one piece of the work costs.
    pub async fn cost(&self, gauge: &mut Gauge) -> Result<f64> {
        match self.work {
            Work::Turns => turns(gauge, None, SAY, TURNS).await,
            Work::InstructedTurns => {
                let repository = repository()?;
                turns(gauge, Some(&repository.path().join("inner")), SAY, TURNS).await
            }
            Work::ToolTurns => {
                let call = json!({ "path": "." });
                turns(gauge, None, &format!("[[tool list_dir {call}]]"), TOOL_TURNS).await
            }
            Work::Deltas { readers } => deltas(gauge, readers).await,
            Work::Crowd => crowd(gauge).await,
            Work::Attach => attach(gauge).await,
        }
    }
}

async fn turns(gauge: &mut Gauge, cwd: Option<&Path>, prompt: &str, count: usize) -> Result<f64> {
    let session = match cwd {
        Some(cwd) => gauge.server.create_session_in(cwd).await?,
        None => gauge.server.create_session().await?,
    };
    // The first turn makes what the later ones share.
    gauge.server.turn(&session, prompt).await?;
    gauge.begin()?;
    for _ in 0..count {
        gauge.server.turn(&session, prompt).await?;
    }
    Ok(gauge.end()? / count as f64)
}

/// A repository as people have them: instructions at its top and below, and some files that git knows.
fn repository() -> Result<TempDir> {
    let repository = tempfile::tempdir()?;
    let inner = repository.path().join("inner");
    fs::create_dir(&inner)?;
    for (directory, bytes) in [(repository.path(), 8 << 10), (inner.as_path(), 2 << 10)] {
        fs::write(directory.join("AGENTS.md"), LINE.repeat(bytes / LINE.len()))?;
    }
    for n in 0..FILES {
        fs::write(inner.join(format!("file-{n}")), "text\n")?;
    }
    for words in [
        &["init", "--quiet", "--initial-branch", "main"] as &[_],
        &["add", "."],
        &["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message", "x"],
    ] {
        let status = Command::new("git").current_dir(repository.path()).args(words).status().context("run git")?;
        ensure!(status.success(), "git {words:?}: {status}");
    }
    Ok(repository)
}

async fn deltas(gauge: &mut Gauge, readers: usize) -> Result<f64> {
    let session = gauge.server.create_session().await?;
    let mut reading = JoinSet::new();
    for _ in 0..readers {
        let mut watch = gauge.server.watch(&session, 0).await?;
        reading.spawn(async move { read_turn(&mut watch).await });
    }
    gauge.begin()?;
    gauge.server.prompt(&session, &format!("[[stream {DELTAS}]]")).await?;
    all_of(reading, DELTAS).await?;
    gauge.end()
}

async fn crowd(gauge: &mut Gauge) -> Result<f64> {
    let sessions = gauge.server.create_sessions(CROWD).await?;
    let mut reading = JoinSet::new();
    for session in &sessions {
        let mut watch = gauge.server.watch(session, 0).await?;
        reading.spawn(async move { read_turn(&mut watch).await });
    }
    gauge.begin()?;
    for session in &sessions {
        gauge.server.prompt(session, &format!("[[stream {CROWD_DELTAS} rate {CROWD_PER_SECOND}]]")).await?;
    }
    all_of(reading, CROWD_DELTAS).await?;
    Ok(gauge.end()? / (CROWD * CROWD_DELTAS) as f64)
}

async fn all_of(mut reading: JoinSet<Result<crate::reader::Tokens>>, deltas: usize) -> Result<()> {
    while let Some(read) = reading.join_next().await {
        let tokens = read??;
        ensure!(tokens.count == deltas, "{} tokens of {deltas}", tokens.count);
    }
    Ok(())
}

async fn attach(gauge: &mut Gauge) -> Result<f64> {
    let after = LONG_EVENTS as u64 / 2;
    first_after(&gauge.server, after).await?;
    gauge.begin()?;
    for _ in 0..ATTACHES {
        first_after(&gauge.server, after).await?;
    }
    Ok(gauge.end()? / ATTACHES as f64)
}

/// Attaches, and leaves with the first event.
async fn first_after(server: &Server, after: u64) -> Result<()> {
    let mut watch = server.watch(LONG_SESSION, after).await?;
    let frames = watch.until(|frame| frame.event != "connected").await?;
    let seq = frames.last().and_then(|frame| frame.seq());
    ensure!(seq == Some(after + 1), "attached after {after}, got {seq:?}");
    Ok(())
}

/// A state directory with a long session in it, which each round begins with.
pub struct Template(WharfHome);

impl Template {
    pub async fn make(lab: &Lab) -> Result<Self> {
        let Server { mut process, home } = lab.server().await;
        let turn = template(&process, &home).await?;
        process.stop().await;
        let store = SqliteStore::open(SqliteConfig::new(database(home.state.path())?))?;
        write_long(&*store, &LONG_SESSION.parse()?, &turn, LONG_EVENTS).await?;
        store.close().await;
        Ok(Self(home))
    }

    /// Fresh directories with the same state.
    pub fn copy(&self) -> Result<WharfHome> {
        let home = WharfHome::new();
        for entry in fs::read_dir(self.0.state.path())? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), home.state.path().join(entry.file_name())).context("copy the state")?;
            }
        }
        Ok(home)
    }
}
