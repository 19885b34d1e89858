//! Where a server keeps its state: a small file system of its own, where this machine lets us make one.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use wharf_testkit::WharfBuilder;

/// Set in a test that was started again in namespaces of its own, where it may mount.
const INSIDE: &str = "TEST_INSIDE_NAMESPACE";

/// A state directory and a workspace.
pub struct Place {
    dir: TempDir,
    mounts: Vec<PathBuf>,
    loops: Vec<String>,
}

/// How a test may run.
pub enum Mounts {
    /// Here.
    Allowed,
    /// It ran, in a process that may.
    Elsewhere,
    /// Nowhere.
    Refused,
}

impl Mounts {
    /// Runs the test in a process that may mount, if this one may not.
    pub fn for_test(name: &str) -> Self {
        let here = tempfile::tempdir().unwrap();
        if mount(&["-t", "tmpfs", "-o", "size=1m", "none"], here.path()) {
            assert!(run("umount", &[here.path().to_str().unwrap()]));
            return Self::Allowed;
        }
        if std::env::var_os(INSIDE).is_some() || !run("unshare", &["-rm", "true"]) {
            return Self::Refused;
        }
        let test = std::env::current_exe().unwrap();
        let mut command = Command::new("unshare");
        command.arg("-rm").arg(test).args(["--exact", name, "--nocapture"]).env(INSIDE, "1");
        assert!(command.status().unwrap().success(), "{name} failed in its own namespace");
        Self::Elsewhere
    }
}

impl Place {
    /// On the disk that everything is on.
    pub fn plain() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["state", "work"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir, mounts: Vec::new(), loops: Vec::new() }
    }

    /// In memory, so many megabytes.
    pub fn small(megabytes: u32) -> Self {
        let mut place = Self::plain();
        let state = place.state();
        assert!(mount(&["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=700"), "none"], &state));
        place.mounts.push(state);
        place
    }

    /// A file system of its own on a file, which becomes read-only when something is wrong with it. `None`: not on this machine.
    pub fn on_loop(megabytes: u64) -> Option<(Self, String)> {
        let mut place = Self::plain();
        let image = place.dir.path().join("image");
        File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        let image = image.to_str().unwrap().to_owned();
        if !run("mkfs.ext4", &["-q", &image]) {
            return None;
        }
        let device = output("losetup", &["-f", "--show", &image])?;
        place.loops.push(device.clone());
        let state = place.state();
        if !mount(&["-o", "errors=remount-ro", &device], &state) {
            return None;
        }
        fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        place.mounts.push(state);
        Some((place, device))
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    pub fn database(&self) -> PathBuf {
        self.state().join("wharf.db")
    }

    pub fn beside(&self, suffix: &str) -> PathBuf {
        self.state().join(format!("wharf.db{suffix}"))
    }

    pub fn server(&self) -> WharfBuilder {
        WharfBuilder::new(&self.state(), &self.work()).binary(env!("CARGO_BIN_EXE_wharf"))
    }

    /// A command on this state, with its exit code, output and errors.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.dir.path()).env("WHARF_STATE_DIR", self.state()).env("WHARF_MODEL", "demo");
        let output = command.current_dir(self.work()).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Takes all the room there is.
    pub fn fill(&self) {
        let mut filler = File::create(self.state().join("filler")).unwrap();
        for size in [64 << 10, 4096, 1] {
            while filler.write_all(&vec![7; size]).is_ok() {}
        }
    }

    pub fn empty(&self) {
        fs::remove_file(self.state().join("filler")).unwrap();
    }

    pub fn unmount(&mut self) {
        for path in self.mounts.drain(..).rev() {
            assert!(run("umount", &[path.to_str().unwrap()]), "unmount {}", path.display());
        }
    }

    pub fn mount_again(&mut self, device: &str) {
        let state = self.state();
        assert!(mount(&["-o", "errors=remount-ro", device], &state));
        self.mounts.push(state);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for path in self.mounts.drain(..).rev() {
            // Whoever still uses it keeps it until then.
            run("umount", &["-l", path.to_str().unwrap_or_default()]);
        }
        for device in &self.loops {
            run("losetup", &["-d", device]);
        }
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    run("mount", &[arguments, &[at.to_str().unwrap()]].concat())
}

/// Whether a program is there and succeeds.
pub fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
