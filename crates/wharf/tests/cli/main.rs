//! The binary as a user meets it: real processes, a state directory of their own, the built-in demo model.

#![allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod acp;
mod ask;
mod attach;
#[cfg(target_os = "linux")]
mod commands;
mod config;
mod copies;
#[cfg(target_os = "linux")]
mod hidden;
mod init;
mod listing;
mod mcp;
mod newer;
mod refusals;
mod serve;
mod signals;
mod transports;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// For a child to do what it must; nothing waits so long in good order.
const PATIENCE: Duration = Duration::from_secs(30);

/// A user's home, state and workspace, none of them the real ones.
pub struct Home {
    dir: TempDir,
}

/// What a command came to.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["home", "workspace"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join("workspace/notes.txt"), "first line\nsecond line\n").unwrap();
        Self { dir }
    }

    pub fn workspace(&self) -> PathBuf {
        self.dir.path().join("workspace")
    }

    /// Where the user's own settings are.
    pub fn user(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The binary with an environment of its own, in the workspace, without input.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path().join("home"))
            .env("WHARF_STATE_DIR", self.state())
            .env("WHARF_MODEL", "demo")
            .current_dir(self.workspace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        finish(self.command(args).spawn().unwrap())
    }

    pub fn run_with_input(&self, args: &[&str], input: &str) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        // The child may end before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        finish(child)
    }

    /// A server of this home, up and found.
    pub fn serve(&self, args: &[&str]) -> Running {
        self.serve_at(0, args)
    }

    pub fn serve_at(&self, port: u16, args: &[&str]) -> Running {
        let log = std::fs::File::create(self.dir.path().join("serve.log")).unwrap();
        let mut command = self.command(&[&["serve", "--port", &port.to_string()], args].concat());
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let running = Running { child, log: self.dir.path().join("serve.log") };
        until("the server is announced", || {
            let text = std::fs::read(self.state().join("server.json")).unwrap_or_default();
            serde_json::from_slice::<Value>(&text).is_ok_and(|found| found["pid"] == running.child.id())
        });
        running
    }

    pub fn discovery(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.state().join("server.json")).unwrap()).unwrap()
    }

    pub fn sessions(&self) -> Vec<Value> {
        let listed = self.run(&["sessions", "--json"]);
        assert_eq!(listed.code, Some(0), "{}", listed.err);
        let page: Value = serde_json::from_str(&listed.out).unwrap();
        page["sessions"].as_array().unwrap().clone()
    }
}

/// A server that does not outlive its test.
pub struct Running {
    pub child: Child,
    log: PathBuf,
}

impl Running {
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end; its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        let mut code = None;
        until("the server ends", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        code.and_then(|status| status.code())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds; the wait itself is no assertion about time.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "gave up waiting until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a child, and ends one that hangs.
pub fn finish(child: Child) -> Ran {
    let id = child.id().to_string();
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        if waiting.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-9", &id]).status();
        }
    });
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    drop(done);
    guard.join().unwrap();
    Ran {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

pub fn mode_of(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
