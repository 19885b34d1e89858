//! The real `wharf` program in a directory of its own, and a look at the machine's processes.

mod scan;

pub use scan::{cpu_time, memory_kib, processes_with};

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::http::Client;
use crate::wait::wait_until;
use crate::workspace::Workspace;

/// How long a server may take to say where it listens; much for one that runs below another program.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a server may take to stop when asked: its own grace, and some.
const STOP_LIMIT: Duration = Duration::from_secs(40);

/// The program under test: `TEST_WHARF_BIN`, or the one beside the tests' own directory.
///
/// # Panics
/// When there is none; the message says how to build it.
#[must_use]
pub fn wharf_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("TEST_WHARF_BIN") {
        return path.into();
    }
    // target/PROFILE/deps/test-HASH, or target/PROFILE/program
    let own = std::env::current_exe().unwrap_or_default();
    let found = own.ancestors().skip(1).take(2).map(|dir| dir.join("wharf")).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no wharf program beside {}: cargo build -p wharf", own.display()))
}

/// A server to be started.
#[derive(Debug, Clone)]
pub struct WharfBuilder {
    /// `None`: `wharf_binary`.
    binary: Option<PathBuf>,
    /// The program that runs it, and that program's arguments: none, or a profiler.
    runner: Vec<OsString>,
    state_dir: PathBuf,
    work_dir: PathBuf,
    model_url: Option<String>,
    permission: String,
    auth: String,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl WharfBuilder {
    /// A server with the built-in demo model that asks for no permission.
    #[must_use]
    pub fn new(state_dir: &Path, work_dir: &Path) -> Self {
        Self {
            binary: None,
            runner: Vec::new(),
            state_dir: state_dir.to_owned(),
            work_dir: work_dir.to_owned(),
            model_url: None,
            permission: "full".to_owned(),
            auth: "key".to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Another program than `wharf_binary`.
    #[must_use]
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// A program, with arguments, that runs the server below it as the same process: a profiler.
    #[must_use]
    pub fn runner(mut self, words: &[OsString]) -> Self {
        self.runner = words.to_vec();
        self
    }

    /// The base URL of an OpenAI-compatible server, for example `ScriptedModel::url`.
    #[must_use]
    pub fn model_url(mut self, url: impl Into<String>) -> Self {
        self.model_url = Some(url.into());
        self
    }

    /// The permission mode: `full` where this is not called.
    #[must_use]
    pub fn permission(mut self, mode: &str) -> Self {
        self.permission = mode.to_owned();
        self
    }

    /// `key`, or `none`.
    #[must_use]
    pub fn auth(mut self, auth: &str) -> Self {
        self.auth = auth.to_owned();
        self
    }

    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    /// When it does not; the message holds what it wrote.
    pub async fn start(self) -> WharfProcess {
        let mut process = match self.spawn() {
            Ok(process) => process,
            Err(error) => panic!("start {}: {error}", self.program().display()),
        };
        process.wait_until_healthy().await;
        process
    }

    /// The same for a server that may die before it answers.
    pub async fn try_start(self) -> Result<WharfProcess, NotStarted> {
        let mut process = self.spawn().map_err(|error| NotStarted {
            ended: None,
            reason: format!("start {}: {error}", self.program().display()),
        })?;
        process.until_healthy().await.map(|()| process)
    }

    fn program(&self) -> PathBuf {
        self.binary.clone().unwrap_or_else(wharf_binary)
    }

    fn spawn(&self) -> io::Result<WharfProcess> {
        fs::create_dir_all(&self.state_dir)?;
        // Left by a server that was killed: it would name the wrong port.
        match fs::remove_file(self.state_dir.join("server.json")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let log = self.state_dir.join("test-output.log");
        let output = File::options().create(true).append(true).open(&log)?;
        let mut command = match self.runner.split_first() {
            Some((runner, arguments)) => {
                let mut command = Command::new(runner);
                command.args(arguments).arg(self.program());
                command
            }
            None => Command::new(self.program()),
        };
        command.args(["serve", "--host", "127.0.0.1", "--port", "0", "--permission", &self.permission]);
        command.args(["--auth", &self.auth]).arg("--work-dir").arg(&self.work_dir);
        match &self.model_url {
            Some(url) => command.args(["--model", "openai/scripted", "--base-url", url]),
            None => command.args(["--model", "demo"]),
        };
        command.args(&self.arguments);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(name);
        }
        // The developer's own configuration stays out of it.
        command.env("XDG_CONFIG_HOME", &self.state_dir).env_remove("WHARF_CONFIG");
        command.env("WHARF_STATE_DIR", &self.state_dir).env("OPENAI_API_KEY", "sk-test").envs(self.environment.clone());
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let started = Instant::now();
        let child = command.spawn()?;
        Ok(WharfProcess { child, started, log, builder: self.clone(), url: String::new(), key: None })
    }
}

/// A server that did not come to answer.
#[derive(Debug)]
pub struct NotStarted {
    /// How it ended; `None` where it was too slow, or is no program.
    pub ended: Option<ExitStatus>,
    /// With what the server wrote.
    pub reason: String,
}

/// A running server. It is killed when this is dropped.
#[derive(Debug)]
pub struct WharfProcess {
    child: Child,
    started: Instant,
    log: PathBuf,
    builder: WharfBuilder,
    url: String,
    key: Option<String>,
}

impl WharfProcess {
    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When the process was begun.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// A client with the server's key.
    #[must_use]
    pub fn client(&self) -> Client {
        let client = Client::new(&self.url);
        match &self.key {
            Some(key) => client.with_key(key),
            None => client,
        }
    }

    /// What the server wrote so far, also before a restart.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `kill -9`, now.
    ///
    /// # Panics
    /// When the process cannot be awaited.
    #[expect(clippy::expect_used, reason = "an own child can be killed and awaited")]
    pub fn kill(&mut self) {
        self.child.kill().expect("kill the server");
        self.child.wait().expect("await the server's end");
    }

    /// Starts it again, with the same state and arguments.
    pub async fn restart(mut self) -> Self {
        // Ended already, if `kill` or `stop` was called: both may be repeated.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.builder.clone().start().await
    }

    /// Asks the server to end.
    pub fn terminate(&self) {
        // Gone already: that is what was wanted.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
    }

    /// Asks the server to end and waits until it has.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn stop(&mut self) -> ExitStatus {
        self.terminate();
        let mut ended = None;
        wait_until("the server's end after SIGTERM", STOP_LIMIT, || {
            ended = self.child.try_wait().ok().flatten();
            ended.is_some()
        })
        .await;
        ended.unwrap_or_default()
    }

    /// How the server ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// # Panics
    /// When the server ends, or does not answer in time.
    async fn wait_until_healthy(&mut self) {
        if let Err(failed) = self.until_healthy().await {
            panic!("{}", failed.reason);
        }
    }

    async fn until_healthy(&mut self) -> Result<(), NotStarted> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if self.try_discover() && self.is_healthy().await {
                return Ok(());
            }
            let ended = self.ended();
            if ended.is_some() || Instant::now() > deadline {
                let reason = format!("the server did not start ({ended:?}):\n{}", self.output());
                return Err(NotStarted { ended, reason });
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn is_healthy(&self) -> bool {
        self.client().get("/health").await.is_ok_and(|answer| answer.status == 200)
    }

    fn try_discover(&mut self) -> bool {
        let state = &self.builder.state_dir;
        let Ok(text) = fs::read(state.join("server.json")) else { return false };
        let Ok(found) = serde_json::from_slice::<Value>(&text) else { return false };
        let Some(url) = found["url"].as_str() else { return false };
        self.url = url.trim_end_matches('/').to_owned();
        let key = found["key_file"].as_str().map_or_else(|| state.join("key"), PathBuf::from);
        self.key = fs::read_to_string(key).ok().map(|key| key.trim().to_owned());
        true
    }
}

impl Drop for WharfProcess {
    fn drop(&mut self) {
        // Ended already, if a test killed or stopped it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server with directories of its own, removed in the end.
#[derive(Debug)]
pub struct WharfHome {
    pub state: Workspace,
    pub work: Workspace,
}

impl WharfHome {
    #[must_use]
    pub fn new() -> Self {
        Self { state: Workspace::new(), work: Workspace::new() }
    }

    #[must_use]
    pub fn server(&self) -> WharfBuilder {
        WharfBuilder::new(self.state.path(), self.work.path())
    }
}

impl Default for WharfHome {
    fn default() -> Self {
        Self::new()
    }
}
