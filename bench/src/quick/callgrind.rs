//! A server below callgrind, and how many instructions it has executed: the same on a busy machine and on a quiet one.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use wharf_testkit::Workspace;

/// Counts are written to a file when they are asked for.
const DUMP_LIMIT: Duration = Duration::from_secs(20);
const POLL_EVERY: Duration = Duration::from_millis(2);
/// Tells the program that it need not execute itself once more to hide its environment: there is no such descriptor, and it
/// goes on with the variables that it has. Below valgrind it could not find itself.
pub const STAY: (&str, &str) = ("WHARF_SEALED_ENVIRONMENT", "none");

/// Whether callgrind is installed and works here.
pub fn is_there() -> bool {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "true"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Where one server's counts are written.
pub struct Counter {
    files: Workspace,
    dumps: usize,
}

impl Counter {
    pub fn new() -> Self {
        Self { files: Workspace::new(), dumps: 0 }
    }

    /// What the server is to be run by.
    pub fn runner(&self) -> Vec<OsString> {
        let mut file = OsString::from("--callgrind-out-file=");
        file.push(self.base());
        // One thread at a time, in turn: otherwise one of them may have to wait for long, and more comes together than usual.
        vec!["valgrind".into(), "--tool=callgrind".into(), "--fair-sched=yes".into(), file]
    }

    fn base(&self) -> PathBuf {
        self.files.path().join("count")
    }

    /// Instructions since the last time, or since the start.
    pub fn take(&mut self, pid: u32) -> Result<f64> {
        self.dumps += 1;
        let mut asking = Command::new("vgdb");
        asking.arg(format!("--pid={pid}")).arg("dump").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let asked = asking.status().context("run vgdb, which comes with valgrind")?;
        ensure!(asked.success(), "vgdb: {asked}");
        let written = self.base().with_extension(self.dumps.to_string());
        let deadline = Instant::now() + DUMP_LIMIT;
        loop {
            if let Some(total) = total(&written)? {
                return Ok(total);
            }
            ensure!(Instant::now() < deadline, "callgrind wrote no count");
            std::thread::sleep(POLL_EVERY);
        }
    }
}

/// The last line of a finished file.
fn total(path: &PathBuf) -> Result<Option<f64>> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    for line in BufReader::new(file).lines() {
        if let Some(count) = line?.strip_prefix("totals:") {
            return Ok(Some(count.trim().parse().context("a count")?));
        }
    }
    Ok(None)
}
