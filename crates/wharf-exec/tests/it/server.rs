//! A process that runs one command as a server does, and may be killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use wharf_exec::recorded;
use wharf_protocol::CallId;
use wharf_testkit::process::processes_with;

/// Within this everything is dead once a server has died.
pub const DEAD_WITHIN: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(20);

/// The server, and the mark that every process of its command carries among its arguments.
pub struct Server {
    process: Child,
    output: BufReader<ChildStdout>,
    dir: TempDir,
    pub mark: String,
}

impl Server {
    /// Runs a command in which `MARK` stands for the mark; `nap` is a script that sleeps with it and is deaf to SIGTERM.
    pub fn run(command: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        let number = dir
            .path()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .bytes()
            .fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)) % 1_000_000_000);
        let mark = format!("{}.{number}", 100_000 + std::process::id());
        std::fs::write(dir.path().join("work/nap"), format!("trap '' TERM HUP\necho $$ >> here\nsleep {mark}\n"))
            .unwrap();
        let test = std::env::current_exe().unwrap();
        let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples/exec_server");
        let mut process = Command::new(program)
            .arg("serve")
            .args([dir.path().join("work"), dir.path().join("out")])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdin.take().unwrap().write_all(command.replace("MARK", &mark).as_bytes()).unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output, dir, mark }
    }

    pub fn id(&self) -> i32 {
        i32::try_from(self.process.id()).unwrap()
    }

    pub fn work(&self, name: &str) -> PathBuf {
        self.dir.path().join("work").join(name)
    }

    /// Reads the command's output up to a line.
    pub fn read_to(&mut self, wanted: &str) {
        let mut line = String::new();
        while line.trim_end() != wanted {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the server ended before it said {wanted}");
        }
    }

    /// All that is left of the output, and the result.
    pub fn read_all(&mut self) -> String {
        let mut all = String::new();
        self.output.read_to_string(&mut all).unwrap();
        all
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_raw(self.id()).unwrap(), signal).unwrap();
    }

    pub fn signal_group(&self, signal: Signal) {
        rustix::process::kill_process_group(Pid::from_raw(self.id()).unwrap(), signal).unwrap();
    }

    /// Waits for the server's end; since when it is dead.
    pub fn dead(&mut self) -> Instant {
        self.process.wait().unwrap();
        Instant::now()
    }

    pub fn recorded(&self) -> Option<wharf_protocol::RecordedCall> {
        recorded(&self.dir.path().join("out"), &CallId::from_bits(1), 30_000)
    }

    /// Waits until nothing of the command lives, and no process of ours; how long that took.
    pub fn all_gone(&self, since: Instant, ours: &[i32]) -> Duration {
        wait_for("the command's processes to die", || {
            processes_with(&self.mark).is_empty() && ours.iter().all(|pid| !is_alive(*pid))
        });
        since.elapsed()
    }

    /// The supervisor and the one keeper.
    pub fn helpers(&self) -> (i32, i32) {
        let mut found = None;
        wait_for("a supervisor and its keeper", || {
            let supervisor = child_named(self.id(), "exec-supervisor");
            found = supervisor.and_then(|pid| Some((pid, child_named(pid, "exec-keeper")?)));
            found.is_some()
        });
        found.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn signal(pid: i32, signal: Signal) {
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < until, "waited {LIMIT:?} in vain for {what}");
        std::thread::yield_now();
    }
}

/// State, parent: what `/proc/PID/stat` says behind the name.
fn stat(pid: i32) -> Option<(String, i32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

pub fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// Children that have ended and that nobody has taken note of.
pub fn zombies_of(parent: i32) -> usize {
    pids().filter_map(stat).filter(|(state, of)| state == "Z" && *of == parent).count()
}

fn child_named(parent: i32, name: &str) -> Option<i32> {
    pids().find(|pid| {
        let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        comm.trim_end() == name && stat(*pid).is_some_and(|(_, of)| of == parent)
    })
}

fn pids() -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
