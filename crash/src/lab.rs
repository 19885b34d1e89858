//! What outlives the server that is killed: its directories, the model, the proxies on both sides of it.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wharf_testkit::process::{WharfHome, processes_with};
use wharf_testkit::{Client, FaultProxy, Faults, WharfProcess};

use crate::check::{Violation, check_syncs, count_effects};
use crate::clients::Rest;
use crate::plan::{HelperKill, Kill};

/// How long what a dead server had started may live.
const ORPHAN_LIMIT: Duration = Duration::from_secs(2);

/// Towards clients: one connection in five suffers.
const CLIENT_FAULTS: Faults = Faults { cut: 80, delay: 80, halve: 40 };
/// Towards the model, where a broken reply costs a pause before the next attempt.
const MODEL_FAULTS: Faults = Faults { cut: 20, delay: 60, halve: 10 };

pub struct Lab {
    wharf: PathBuf,
    home: WharfHome,
    model: Model,
    to_model: FaultProxy,
    pub to_server: FaultProxy,
    /// Stands in the environment of every stubborn child.
    pub mark: String,
    pub mistake: Option<String>,
    starts: u64,
}

/// The scripted model, as a process of its own.
struct Model {
    child: Child,
    url: String,
}

impl Lab {
    pub async fn open(wharf: PathBuf, model: PathBuf, seed: u64, mistake: Option<String>) -> Result<Self> {
        let model = Model::start(&model)?;
        let to_model = FaultProxy::start(MODEL_FAULTS, seed).await?;
        let authority = model.url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        to_model.set_target(Some(authority.parse().context("the model's address")?));
        let to_server = FaultProxy::start(CLIENT_FAULTS, seed).await?;
        let home = WharfHome::new();
        fs::write(home.work.path().join("effects.log"), "")?;
        fs::write(home.work.path().join("AGENTS.md"), "Count what you do.\n")?;
        let mark = format!("crash-{}-{seed:x}", std::process::id());
        Ok(Self { wharf, home, model, to_model, to_server, mark, mistake, starts: 0 })
    }

    /// Starts a server that dies as `kill` says, if it meets that point. `Ok(None)`: it died before it answered.
    pub async fn start(
        &mut self,
        kill: Option<&Kill>,
        helper: Option<&HelperKill>,
        interrupt: bool,
    ) -> Result<Option<WharfProcess>> {
        self.starts += 1;
        let mut orders = vec![format!("trace={}", self.trace().display())];
        orders.extend(self.mistake.iter().map(|name| format!("mistake={name}")));
        match kill {
            Some(Kill::At { point, count }) => orders.push(format!("kill={point}@{count}")),
            Some(Kill::For { point, subject }) => orders.push(format!("kill={point}/{subject}")),
            Some(Kill::After(_)) | None => {}
        }
        if let Some(HelperKill::At { point, count }) = helper {
            orders.push(format!("kill={point}@{count}"));
        }
        let server = self.home.server().binary(&self.wharf).model_url(format!("http://{}/v1", self.to_model.address()));
        let server = server
            .env("WHARF_RECOVERY", if interrupt { "interrupt" } else { "continue" })
            .env("WHARF_FAILPOINTS", orders.join(";"))
            .env("WHARF_SERVER_ALLOWED_HOSTS", self.to_server.address().to_string())
            .env("WHARF_LIMITS_REQUESTS_PER_SECOND", "0");
        match server.try_start().await {
            Ok(process) => {
                let address = process.url().trim_start_matches("http://").parse().context("the server's address")?;
                self.to_server.set_target(Some(address));
                Ok(Some(process))
            }
            Err(failed) => {
                let was_killed = failed.ended.is_some_and(|status| status.signal() == Some(9));
                ensure!(was_killed, "{}", failed.reason);
                Ok(None)
            }
        }
    }

    /// A way to the server for requests: through the proxy, or past it.
    pub fn rest(&self, server: &WharfProcess, through_proxy: bool) -> Result<Rest> {
        let address: SocketAddr = match through_proxy {
            true => self.to_server.address(),
            false => server.url().trim_start_matches("http://").parse().context("the server's address")?,
        };
        Ok(Rest { address, key: server.key().unwrap_or_default().to_owned() })
    }

    /// After a server's death: waits until nothing is left that it had started, and says what was. Whatever still lives is
    /// killed.
    pub async fn bury(&self) -> Option<String> {
        let deadline = Instant::now() + ORPHAN_LIMIT;
        loop {
            let left = processes_with(&self.mark);
            if left.is_empty() {
                return None;
            }
            if Instant::now() > deadline {
                let lines: Vec<String> = left.iter().map(|pid| describe(*pid)).collect();
                self.kill_marked();
                return Some(lines.join("; "));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills one process of this name that the server has started.
    pub fn kill_helper(&self, server: &WharfProcess, name: &str) {
        let Ok(server_id) = i32::try_from(server.pid()) else { return };
        let all = processes();
        let below = |pid: i32, of: i32| all.iter().any(|(it, parent, _)| *it == pid && *parent == of);
        let supervisors: Vec<i32> = all
            .iter()
            .filter(|(pid, _, comm)| comm == "exec-supervisor" && below(*pid, server_id))
            .map(|(pid, ..)| *pid)
            .collect();
        let found = all
            .iter()
            .find(|(pid, parent, comm)| comm == name && (supervisors.contains(pid) || supervisors.contains(parent)));
        if let Some(pid) = found.and_then(|(pid, ..)| Pid::from_raw(*pid)) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Ends what a dead server left, where nothing watches over it yet.
    pub fn kill_marked(&self) {
        for _ in 0..50 {
            let left = processes_with(&self.mark);
            if left.is_empty() {
                return;
            }
            for pid in left.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).unwrap_or(0))) {
                // It may have ended by itself.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }

    pub fn effects(&self) -> Result<HashMap<String, usize>> {
        Ok(count_effects(&fs::read_to_string(self.home.work.path().join("effects.log"))?))
    }

    fn trace(&self) -> PathBuf {
        self.home.state.path().join("sync.trace")
    }

    /// Checks the order of commits, syncs and acknowledgements since the last call.
    pub fn check_syncs(&self) -> Result<Vec<Violation>> {
        let violations = check_syncs(&fs::read_to_string(self.trace()).unwrap_or_default());
        // Every server that wrote to it is dead or about to be; the next one begins a new one.
        fs::write(self.trace(), "")?;
        Ok(violations)
    }

    /// What the model found wrong with the histories that it was given.
    pub async fn check_histories(&self) -> Result<Vec<Violation>> {
        let histories: Value = Client::new(&self.model.url).get_json("/v1/histories").await?;
        let invalid = histories["invalid"].as_array().cloned().unwrap_or_default();
        Ok(invalid.iter().map(|why| Violation { check: "valid_history", what: why.to_string() }).collect())
    }

    /// The last lines that the servers wrote.
    pub fn server_output(&self) -> String {
        let text = fs::read_to_string(self.home.state.path().join("test-output.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Servers that were started.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// Connections through both proxies, and how many of them suffered.
    pub fn connections(&self) -> (u64, u64) {
        let (to_server, to_model) = (self.to_server.counts(), self.to_model.counts());
        (to_server.0 + to_model.0, to_server.1 + to_model.1)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.kill_marked();
    }
}

impl Model {
    fn start(binary: &PathBuf) -> Result<Self> {
        let mut command = Command::new(binary);
        let mut child = command.arg("--check").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut url = String::new();
        let output = child.stdout.take().context("the model's output")?;
        BufReader::new(output).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // Ended already, if it could not go on.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Number, parent and name of every process.
fn processes() -> Vec<(i32, i32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (open, close) = (stat.find('(')?, stat.rfind(')')?);
        let parent = stat[close + 1..].split_whitespace().nth(1)?.parse().ok()?;
        Some((pid, parent, stat[open + 1..close].to_owned()))
    })
    .collect()
}

fn describe(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    format!("{pid} {}", line.chars().take(80).collect::<String>())
}
