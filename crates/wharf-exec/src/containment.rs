//! A process namespace for a command, where the machine has one and its owner wants it: then the kernel itself ends
//! everything in it with its first process, also where server, supervisor and keeper are all killed at once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use wharf_protocol::rest::{Containment, ContainmentSetting};

/// How long the program that makes namespaces may take to show that it can.
const TRY_LIMIT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Everything as it is outside, but the processes.
const NAMESPACE: [&str; 11] =
    ["--unshare-pid", "--die-with-parent", "--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc", "--"];

/// Whether commands get a process namespace, found out once, by trying.
#[derive(Debug)]
pub struct Namespaces {
    setting: ContainmentSetting,
    path: String,
    is_supervised: bool,
    found: OnceLock<Result<PathBuf, String>>,
}

impl Namespaces {
    /// `path`: where programs are looked for.
    pub fn new(setting: ContainmentSetting, path: &str, is_supervised: bool) -> Self {
        Self { setting, path: path.to_owned(), is_supervised, found: OnceLock::new() }
    }

    /// The program that a command is run by; `None`: it is run as it is. `Err` says why it must not run. Blocks when it is
    /// asked for the first time.
    pub fn program(&self) -> Result<Option<PathBuf>, String> {
        match (self.setting, self.found()) {
            (ContainmentSetting::None, _) => Ok(None),
            (_, Ok(program)) => Ok(Some(program.clone())),
            (ContainmentSetting::Auto, Err(_)) => Ok(None),
            (ContainmentSetting::Require, Err(reason)) => Err(reason.clone()),
        }
    }

    /// What is to be told of it.
    pub fn describe(&self) -> Containment {
        let setting = self.setting;
        if setting == ContainmentSetting::None {
            return Containment { setting, active: false, reason: None };
        }
        Containment { setting, active: self.found().is_ok(), reason: self.found().as_ref().err().cloned() }
    }

    fn found(&self) -> &Result<PathBuf, String> {
        self.found.get_or_init(|| {
            if self.setting == ContainmentSetting::None {
                return Err("it is not wanted".to_owned());
            }
            if !self.is_supervised {
                return Err("this program has no exec supervisor".to_owned());
            }
            let found = find(&self.path).and_then(|program| attempt(&program).map(|()| program));
            if let Err(reason) = &found {
                tracing::warn!(%reason, setting = setting_name(self.setting), "commands get no process namespace");
            }
            found
        })
    }
}

/// The arguments with which `bwrap` runs a command.
pub fn arguments(program: &Path, arguments: Vec<String>) -> Vec<String> {
    let command = std::iter::once(program.to_string_lossy().into_owned()).chain(arguments);
    NAMESPACE.iter().map(|&argument| argument.to_owned()).chain(command).collect()
}

fn setting_name(setting: ContainmentSetting) -> &'static str {
    match setting {
        ContainmentSetting::None => "none",
        ContainmentSetting::Auto => "auto",
        ContainmentSetting::Require => "require",
    }
}

fn find(path: &str) -> Result<PathBuf, String> {
    // A relative entry would be looked up in the workspace.
    let directories = path.split(':').map(Path::new).filter(|directory| directory.is_absolute());
    let mut all = directories.chain([Path::new("/usr/bin"), Path::new("/usr/local/bin"), Path::new("/bin")]);
    let found = all.find_map(|directory| Some(directory.join("bwrap")).filter(|program| program.is_file()));
    found.ok_or_else(|| "bubblewrap (`bwrap`) is not installed".to_owned())
}

/// Machines differ in what they let a user do, and versions say nothing about it.
fn attempt(program: &Path) -> Result<(), String> {
    let refused = |why: String| format!("{} cannot make a process namespace here: {why}", program.display());
    let mut child = Command::new(program)
        .args(NAMESPACE)
        .arg("/bin/true")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| refused(error.to_string()))?;
    let until = Instant::now() + TRY_LIMIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(refused(status.to_string())),
            Ok(None) if Instant::now() < until => std::thread::sleep(LOOK_EVERY),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(refused(format!("it did not answer within {TRY_LIMIT:?}")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is found out, and what follows from it.

    use super::*;

    /// A directory with a `bwrap` that does this.
    fn machine(script: &str) -> tempfile::TempDir {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("bwrap");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        dir
    }

    #[test]
    fn a_machine_that_refuses_is_told_and_obeyed() {
        let dir = machine("#!/bin/sh\nexit 1\n");
        let path = dir.path().to_str().unwrap();
        let of = |setting| Namespaces::new(setting, path, true);
        assert_eq!(of(ContainmentSetting::None).program(), Ok(None));
        assert_eq!(of(ContainmentSetting::Auto).program(), Ok(None));
        let told = of(ContainmentSetting::Require).program().unwrap_err();
        assert!(told.contains("cannot make a process namespace here"), "{told}");
        let described = of(ContainmentSetting::Auto).describe();
        assert!(!described.active && described.reason.is_some(), "{described:?}");
        assert_eq!(of(ContainmentSetting::None).describe().reason, None);
    }

    #[test]
    fn a_machine_that_can_is_asked_once() {
        let dir = machine("#!/bin/sh\necho x >> \"$(dirname \"$0\")/asked\"\n");
        let namespaces = Namespaces::new(ContainmentSetting::Auto, dir.path().to_str().unwrap(), true);
        for _ in 0..3 {
            assert_eq!(namespaces.program(), Ok(Some(dir.path().join("bwrap"))));
        }
        assert!(namespaces.describe().active);
        assert_eq!(std::fs::read_to_string(dir.path().join("asked")).unwrap(), "x\n");
        let alone = Namespaces::new(ContainmentSetting::Require, dir.path().to_str().unwrap(), false);
        assert!(alone.program().is_err());
    }
}
