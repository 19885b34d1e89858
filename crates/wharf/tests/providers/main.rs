//! Providers that the user describes, through the real binary: profiles beside each other, keys, wires, and what is said when something is
//! wrong.

#![allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cost;
mod errors;
mod images;
mod keys;
mod listing;
mod wires;
mod wizard;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// For a command to end; nothing waits so long in good order.
const PATIENCE: Duration = Duration::from_secs(60);

/// One installation: a home with a configuration, a state directory, a workspace.
pub struct Installation {
    dir: TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Installation {
    pub fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["home/.config/wharf", "workspace"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let installation = Self { dir };
        installation.configure(config);
        installation
    }

    pub fn configure(&self, config: &str) {
        std::fs::write(self.config_file(), config).unwrap();
    }

    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("home/.config/wharf/config.toml")
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn workspace(&self) -> PathBuf {
        self.dir.path().join("workspace")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The binary with an environment of its own.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("WHARF_STATE_DIR", self.state())
            .current_dir(self.workspace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub async fn run(&self, args: &[&str]) -> Ran {
        finish(self.command(args)).await
    }

    /// One prompt to a model, in a process of its own.
    pub async fn ask(&self, model: &str, more: &[&str]) -> Ran {
        let args = ["ask", "--mode", "embedded", "--unattended", "--model", model, "Say hello."];
        self.run(&[&args[..], more].concat()).await
    }
}

/// Runs a command to its end, without holding up the servers that this test runs beside it.
pub async fn finish(command: Command) -> Ran {
    let mut command = tokio::process::Command::from(command);
    let ended = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await;
    let Output { status, stdout, stderr } = ended.expect("the command hangs").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}
