//! A process with an engine is killed while a command runs; another engine takes the session up.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::json;
use tempfile::TempDir;
use wharf_protocol::command::CommandOutputQuery;
use wharf_protocol::event::{CallErrorReason, CommandEnded, ToolCallComplete, ToolCallError};
use wharf_protocol::{CommandStatus, Event, EventBody, EventKind, Seq, SessionId, TurnId, TurnStatus};
use wharf_store::sqlite::{SqliteConfig, SqliteStore};
use wharf_testkit::process::processes_with;

use crate::support::{Step, TestEngine};

struct Server {
    process: Child,
    home: Arc<TempDir>,
    session: SessionId,
    turn: TurnId,
}

impl Server {
    fn run(command: &str) -> Self {
        let home = Arc::new(tempfile::tempdir().unwrap());
        for name in ["work", "state"] {
            std::fs::create_dir(home.path().join(name)).unwrap();
        }
        let test = std::env::current_exe().unwrap();
        let program = test.ancestors().nth(2).unwrap().join("examples/crash_server");
        let mut process =
            Command::new(program).arg(home.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(command.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (session, turn) = line.trim().split_once(' ').unwrap();
        Self { process, home, session: session.parse().unwrap(), turn: turn.parse().unwrap() }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn wait_for_file(&self, name: &str) {
        let path = self.home.path().join("work").join(name);
        wait_for(name, || path.exists());
    }

    /// Whether the keeper has written down an end.
    fn has_ended(&self) -> bool {
        let outputs = self.home.path().join("state/outputs").join(self.session.as_str());
        let files = std::fs::read_dir(outputs).into_iter().flatten().flatten();
        let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
        texts.into_iter().any(|text| text.contains("\"ended\""))
    }

    /// Kills it, and lets another engine go on; the log once the turn has ended.
    async fn kill_and_go_on(&mut self) -> Vec<Event> {
        self.signal(Signal::KILL);
        self.process.wait().unwrap();
        let store = SqliteStore::open(SqliteConfig::new(self.home.path().join("state/wharf.db"))).unwrap();
        let next = TestEngine::at(Arc::clone(&self.home), store, |_| {}).await;
        next.model.say([Step::Text("went on")]);
        let turn = next.access.wait_turn(&self.session, &self.turn).await.unwrap();
        assert_eq!((turn.status, turn.response.as_deref()), (TurnStatus::Completed, Some("went on")));
        let log = next.log(&self.session).await;
        next.stop().await;
        log
    }

    fn outputs(&self) -> usize {
        std::fs::read_dir(self.home.path().join("state/outputs").join(self.session.as_str())).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

fn completed(log: &[Event]) -> Vec<&ToolCallComplete> {
    log.iter()
        .filter_map(|event| match &event.body {
            EventBody::ToolCallComplete(done) => Some(done),
            _ => None,
        })
        .collect()
}

fn failed(log: &[Event]) -> Vec<&ToolCallError> {
    log.iter()
        .filter_map(|event| match &event.body {
            EventBody::ToolCallError(failed) => Some(failed),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_was_cut_off_is_told_with_all_its_output_and_leaves_nothing() {
    let mark = format!("{}.77", 100_000 + std::process::id());
    let command = format!(
        "echo run >> runs; seq 2000; (setsid sleep {mark} &) ; touch ready; trap '' TERM; sleep {mark}; sleep {mark}"
    );
    let mut server = Server::run(&command);
    server.wait_for_file("ready");
    let log = server.kill_and_go_on().await;
    let [error] = failed(&log)[..] else { panic!("{log:?}") };
    assert_eq!(error.reason, CallErrorReason::Interrupted);
    let all: String = (1..=2000).map(|number| format!("{number}\n")).collect();
    assert_eq!(error.output, all);
    assert_eq!(processes_with(&mark), Vec::<u32>::new());
    assert_eq!(std::fs::read_to_string(server.home.path().join("work/runs")).unwrap(), "run\n");
    assert_eq!((completed(&log).len(), server.outputs()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_had_ended_when_the_server_died_has_its_true_outcome() {
    let mut server = Server::run("touch ready; until [ -e go ]; do :; done; echo built; exit 3");
    server.wait_for_file("ready");
    // It hangs, and its command ends meanwhile.
    server.signal(Signal::STOP);
    std::fs::write(server.home.path().join("work/go"), "").unwrap();
    wait_for("the command's end", || server.has_ended());
    let log = server.kill_and_go_on().await;
    let [done] = completed(&log)[..] else { panic!("{log:?}") };
    assert_eq!((done.result.as_str(), done.exit_code), ("built\n[exit code 3]", Some(3)));
    assert_eq!((failed(&log).len(), server.outputs()), (0, 0));
}

fn ended(log: &[Event]) -> Vec<&CommandEnded> {
    log.iter()
        .filter_map(|event| match &event.body {
            EventBody::CommandEnded(ended) => Some(ended),
            _ => None,
        })
        .collect()
}

/// Kills the server once the turn that started a background command is over, and lets another engine look.
async fn kill_between_turns(server: &mut Server) -> (TestEngine, Vec<Event>) {
    server.signal(Signal::KILL);
    server.process.wait().unwrap();
    let store = SqliteStore::open(SqliteConfig::new(server.home.path().join("state/wharf.db"))).unwrap();
    let next = TestEngine::at(Arc::clone(&server.home), store, |_| {}).await;
    // By itself: nobody asks for the session.
    next.wait_for(&server.session, Seq::ZERO, EventKind::CommandEnded).await;
    let log = next.log(&server.session).await;
    (next, log)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_background_command_dies_with_its_server_and_has_one_end() {
    let mark = format!("{}.78", 100_000 + std::process::id());
    let line =
        format!("echo so far; echo run >> runs; (setsid sleep {mark} &) ; trap '' TERM; touch ready; sleep {mark}; :");
    let mut server = Server::run(&json!({ "command": line, "background": true }).to_string());
    server.wait_for_file("ready");
    let (next, log) = kill_between_turns(&mut server).await;
    assert_eq!(processes_with(&mark), Vec::<u32>::new());
    let [end] = ended(&log)[..] else { panic!("{log:?}") };
    assert_eq!((end.status, end.output_bytes), (CommandStatus::Interrupted, 7));
    let query = CommandOutputQuery { offset: Some(0), ..CommandOutputQuery::default() };
    let output = next.access.command_output(&server.session, &end.command_id, query).await.unwrap();
    assert_eq!((output.content.as_str(), output.status), ("so far\n", CommandStatus::Interrupted));
    next.stop().await;
    // Once more: what has its end gets no other, and nothing runs again.
    let store = SqliteStore::open(SqliteConfig::new(server.home.path().join("state/wharf.db"))).unwrap();
    let third = TestEngine::at(Arc::clone(&server.home), store, |_| {}).await;
    assert_eq!(ended(&third.log(&server.session).await).len(), 1);
    assert_eq!(std::fs::read_to_string(server.home.path().join("work/runs")).unwrap(), "run\n");
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_background_command_that_ended_while_its_server_hung_has_its_true_end() {
    let line = "touch ready; until [ -e go ]; do :; done; echo built; exit 3";
    let mut server = Server::run(&json!({ "command": line, "background": true }).to_string());
    server.wait_for_file("ready");
    server.signal(Signal::STOP);
    std::fs::write(server.home.path().join("work/go"), "").unwrap();
    wait_for("the command's end", || server.has_ended());
    let (next, log) = kill_between_turns(&mut server).await;
    let [end] = ended(&log)[..] else { panic!("{log:?}") };
    assert_eq!((end.status, end.exit_code, end.output_bytes), (CommandStatus::Exited, Some(3), 6));
    next.stop().await;
}
