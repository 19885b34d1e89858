//! A session's deltas while another session works in a repository that wants to do harm: how much later they come.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::lab::{Lab, Server, percentile};
use crate::reader::read_turn;
use crate::table::{Figure, Table};

/// One delta each 5 ms.
const PER_SECOND: usize = 200;
/// Files and directories of the repository that are read and edited by name, at most.
const NAMES: usize = 200;
/// Calls of one reply of the model.
const CALLS: usize = 8;

pub async fn measure(lab: &Lab, seconds: usize, table: &mut Table) -> Result<()> {
    let server = lab.server().await;
    let repository = server.home.work.path().join("hostile");
    let kind = make(&repository)?;
    let streaming = server.create_session().await?;
    let working = server.create_session_in(&repository).await?;
    stream(&server, &streaming, 1).await?;
    let mut alone = stream(&server, &streaming, seconds).await?;
    let prompts = prompts(&repository);
    let work = async {
        // Round after round, until the other session is done: then this is dropped, and the session cancelled with its server.
        for (round, prompt) in prompts.iter().cycle().enumerate() {
            if let Err(error) = server.turn(&working, prompt).await {
                return (round, error);
            }
        }
        std::future::pending().await
    };
    let mut beside = tokio::select! {
        delays = stream(&server, &streaming, seconds) => delays?,
        (round, error) = work => {
            table.fault(format!("the hostile session's turn {round} was not answered: {error:#}"));
            return Ok(());
        }
    };
    for (what, part, target) in [("p50", 0.5, "-"), ("p99", 0.99, "2x")] {
        let other = ("alone", Figure::seconds(percentile(&mut alone, part)));
        let what = format!("delay per delta beside {kind}, {what}");
        table.compare(&what, Figure::seconds(percentile(&mut beside, part)), other, target);
    }
    Ok(())
}

/// The delays of a paced turn, in seconds.
async fn stream(server: &Server, session: &str, seconds: usize) -> Result<Vec<f64>> {
    let after = server.last_seq(session).await?;
    let mut watch = server.watch(session, after).await?;
    server.prompt(session, &format!("[[stamps {} rate {PER_SECOND}]]", seconds * PER_SECOND)).await?;
    Ok(read_turn(&mut watch).await?.delays)
}

/// The repository of the fault tests, or a small one where it cannot be made; says which.
fn make(repository: &Path) -> Result<&'static str> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/faults/hostile.py");
    let made = Command::new("python3").arg(script).arg(repository).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if made.is_ok_and(|made| made.success()) {
        return Ok("a hostile repository");
    }
    small(repository).context("the small hostile repository")?;
    Ok("a small hostile repository")
}

fn small(repository: &Path) -> Result<()> {
    let braces = format!("{}a{}\n", "{".repeat(20_000), "}".repeat(20_000));
    std::fs::create_dir_all(repository.join("deep"))?;
    std::fs::write(repository.join(".gitignore"), &braces)?;
    std::fs::write(repository.join("deep/.ignore"), "*/**/".repeat(2_000))?;
    std::fs::write(repository.join("line.txt"), "needle ".repeat(1 << 20))?;
    std::fs::write(repository.join("nul.txt"), b"\0needle\n".repeat(100_000))?;
    std::fs::write(repository.join("nested.json"), "[".repeat(1 << 20))?;
    std::os::unix::fs::symlink("..", repository.join("deep/up"))?;
    let mut directory = repository.join("deep");
    for _ in 0..200 {
        directory.push("d");
        std::fs::create_dir(&directory)?;
    }
    for number in 0..2_000 {
        std::fs::write(repository.join(format!("deep/file-{number}.txt")), format!("needle {number}\n"))?;
    }
    Ok(())
}

/// Prompts whose calls list, search, read and edit all over the repository.
fn prompts(repository: &Path) -> Vec<String> {
    let names = names(repository);
    let mut calls = vec![
        call("list_dir", &json!({ "path": "." })),
        call("glob", &json!({ "pattern": "**/*" })),
        call("glob", &json!({ "pattern": "{".repeat(300) })),
        call("grep", &json!({ "pattern": "needle" })),
        call("grep", &json!({ "pattern": "(a+)+$" })),
        call("bash", &json!({ "command": "git status; yes | head -c 20000000", "timeout_ms": 5_000 })),
    ];
    for name in &names {
        calls.push(call("list_dir", &json!({ "path": name })));
        calls.push(call("grep", &json!({ "pattern": "needle", "path": name })));
        calls.push(call("read_file", &json!({ "path": name })));
        calls.push(call("edit_file", &json!({ "path": name, "old_string": "needle", "new_string": "needles" })));
    }
    calls.chunks(CALLS).map(|calls| format!("[[tools {}]]", Value::from(calls.to_vec()))).collect()
}

fn call(name: &str, arguments: &Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

/// Without following links, and without going deeper than needed.
fn names(repository: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut directories: Vec<PathBuf> = vec![repository.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if found.len() >= NAMES {
                return found;
            }
            let path = entry.path();
            if let Some(name) = path.strip_prefix(repository).ok().and_then(Path::to_str) {
                found.push(name.to_owned());
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(path);
            }
        }
    }
    found
}
