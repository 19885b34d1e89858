//! Peer suites: programs that we did not write, driven by `tests/peers/SUITE/run.py` against the real binary.
//!
//! Each suite has a virtual environment of its own, made from its pinned `requirements.txt` and kept below the target
//! directory until that file changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::command::{program, root, succeed, succeed_within, target_dir};

/// A suite that takes longer hangs.
const SUITE_LIMIT: Duration = Duration::from_secs(600);

/// Suites that are not in the plan of the whole test command: what they install and start takes longer than all the others together.
const SLOW: [&str; 1] = ["wires"];

/// Which suites are run.
pub enum Plan<'a> {
    /// All but the slow ones.
    Short,
    /// Those named; without names all of them.
    Named(&'a [String]),
}

/// Runs suites, and prints how many passed.
pub fn run(plan: &Plan<'_>) -> Result<()> {
    let names = match plan {
        Plan::Short => &[],
        Plan::Named(names) => *names,
    };
    let all = suites()?;
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|suite| suite.name == **name)) {
        let known: Vec<&str> = all.iter().map(|suite| suite.name.as_str()).collect();
        bail!("no peer suite {unknown:?}; there are {}", known.join(", "));
    }
    let is_chosen = |suite: &&Suite| match plan {
        Plan::Short => !SLOW.contains(&suite.name.as_str()),
        Plan::Named([]) => true,
        Plan::Named(names) => names.contains(&suite.name),
    };
    let chosen: Vec<&Suite> = all.iter().filter(is_chosen).collect();
    if matches!(plan, Plan::Short) {
        println!("only with --peers: {}", SLOW.join(", "));
    }
    let mut failed = Vec::new();
    for suite in &chosen {
        println!("--- peer suite {}", suite.name);
        if let Err(error) = suite.run() {
            println!("FAIL {}: {error:#}", suite.name);
            failed.push(suite.name.as_str());
        }
    }
    println!("peers: {} passed, {} failed", chosen.len() - failed.len(), failed.len());
    ensure!(failed.is_empty(), "peer suites failed: {}", failed.join(", "));
    Ok(())
}

struct Suite {
    name: String,
    dir: PathBuf,
}

fn suites() -> Result<Vec<Suite>> {
    let dir = root().join("tests/peers");
    let mut suites = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
        let dir = entry?.path();
        if let Some(name) = dir.file_name().and_then(|name| name.to_str())
            && dir.join("run.py").is_file()
        {
            suites.push(Suite { name: name.to_owned(), dir: dir.clone() });
        }
    }
    suites.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(suites)
}

impl Suite {
    fn run(&self) -> Result<()> {
        let python = self.environment()?;
        let build = target_dir().join("debug");
        let mut command = program(python);
        command.arg("-u").arg(self.dir.join("run.py"));
        command.env("PEER_WHARF_BIN", build.join("wharf")).env("PEER_MODEL_BIN", build.join("scripted-model"));
        command.env("PYTHONPATH", root().join("tests/peers")).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        succeed_within(SUITE_LIMIT, &mut command)
    }

    /// The Python of the suite's environment, which is made where it is missing or old.
    fn environment(&self) -> Result<PathBuf> {
        let wanted = fs::read(self.dir.join("requirements.txt")).context("read requirements.txt")?;
        let dir = target_dir().join("peers").join(&self.name);
        let stamp = dir.join("requirements.txt");
        let python = dir.join("bin/python");
        if fs::read(&stamp).is_ok_and(|made| made == wanted) {
            return Ok(python);
        }
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        println!("making the environment of {}", self.name);
        succeed(program("python3").args(["-m", "venv"]).arg(&dir))?;
        install(&python, &self.dir.join("requirements.txt"))?;
        fs::write(&stamp, wanted)?;
        Ok(python)
    }
}

fn install(python: &Path, requirements: &Path) -> Result<()> {
    let mut pip = program(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"]).arg(requirements);
    succeed(&mut pip)
}
