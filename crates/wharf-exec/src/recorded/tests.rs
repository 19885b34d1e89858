//! What a dead server's command came to.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use wharf_protocol::CallId;

use super::*;
use crate::spool::Status;
use crate::wire::Ended;

fn call() -> CallId {
    CallId::from_bits(7)
}

fn status(ended: Option<Ended>) -> Status {
    Status { id: call().to_string(), started_ms: 1_000, output: format!("{}.txt", call()), ended }
}

fn ended(end: wire::End, bytes: u64) -> Ended {
    let output = format!("{}.txt", call());
    Ended { at_ms: 1_250, end, bytes, kept_bytes: bytes, output, strays: 0, survivors: 0 }
}

#[test]
fn an_end_that_was_written_down_is_the_outcome() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(format!("{}.txt", call())), "built\n").unwrap();
    status(Some(ended(wire::End::Exited { code: 3 }, 6))).write(dir.path(), false).unwrap();
    let found = recorded(dir.path(), &call(), 30_000).unwrap();
    let finished = found.finished.unwrap();
    assert_eq!((finished.end, finished.captured.text.as_str()), (End::Exited(ExitStatus::from_raw(3 << 8)), "built\n"));
    assert_eq!((found.duration_ms, found.output.as_str()), (250, "built\n"));

    status(Some(ended(wire::End::TimedOut, 6))).write(dir.path(), false).unwrap();
    let found = recorded(dir.path(), &call(), 30_000).unwrap();
    assert_eq!((found.finished.unwrap().end, found.duration_ms), (End::TimedOut, 250));
}

#[test]
fn a_command_that_was_cut_off_has_only_its_output() {
    let dir = tempfile::tempdir().unwrap();
    assert!(recorded(dir.path(), &call(), 30_000).is_none());
    fs::write(dir.path().join(format!("{}.txt", call())), "so far\n").unwrap();
    for status in [status(None), status(Some(ended(wire::End::Abandoned, 7)))] {
        status.write(dir.path(), false).unwrap();
        let found = recorded(dir.path(), &call(), 30_000).unwrap();
        assert!(found.finished.is_none() && found.output == "so far\n");
    }
    fs::write(Status::path(dir.path(), call().as_str()), "{\"call_id\"").unwrap();
    assert!(recorded(dir.path(), &call(), 30_000).is_none());
}

#[test]
fn what_is_on_the_log_is_forgotten_here() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(format!("{}.txt", call()));
    fs::write(&file, "x".repeat(30_000)).unwrap();
    status(None).write(dir.path(), false).unwrap();
    forget(dir.path(), &call(), 30_000);
    assert!(file.exists() && recorded(dir.path(), &call(), 30_000).is_none());
    fs::write(&file, "short").unwrap();
    status(None).write(dir.path(), false).unwrap();
    forget(dir.path(), &call(), 30_000);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
