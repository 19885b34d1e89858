//! What a dead server's command came to.

use std::fs;

use wharf_protocol::{CallId, CommandStatus, ToolError, ToolOutput};

use super::*;
use crate::spool::StatusFile;
use crate::wire::{self, EndReport};

fn call() -> CallId {
    CallId::from_bits(7)
}

fn status(ended: Option<EndReport>) -> StatusFile {
    StatusFile { id: call().to_string(), started_ms: 1_000, output: format!("{}.txt", call()), ended }
}

fn ended(end: wire::HowEnded, bytes: u64) -> EndReport {
    let output = format!("{}.txt", call());
    EndReport { at_ms: 1_250, end, bytes, kept_bytes: bytes, output, strays: 0, survivors: 0 }
}

#[test]
fn an_end_that_was_written_down_is_the_outcome() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(format!("{}.txt", call())), "built\n").unwrap();
    status(Some(ended(wire::HowEnded::Exited { code: 3 }, 6))).write(dir.path(), false).unwrap();
    let found = recorded(dir.path(), &call(), 30_000).unwrap();
    let exited = ToolOutput { exit_code: Some(3), ..ToolOutput::text("built\n[exit code 3]") };
    assert_eq!(found, RecordedCall { outcome: Some(Ok(exited)), output: "built\n".into(), duration_ms: 250 });

    status(Some(ended(wire::HowEnded::TimedOut, 6))).write(dir.path(), false).unwrap();
    let found = recorded(dir.path(), &call(), 30_000).unwrap();
    let timed_out = ToolError::TimedOut { after_ms: 250, output: "built\n".into() };
    assert_eq!((found.outcome, found.duration_ms), (Some(Err(timed_out)), 250));
}

#[test]
fn a_command_that_was_cut_off_has_only_its_output() {
    let dir = tempfile::tempdir().unwrap();
    assert!(recorded(dir.path(), &call(), 30_000).is_none());
    fs::write(dir.path().join(format!("{}.txt", call())), "so far\n").unwrap();
    for status in [status(None), status(Some(ended(wire::HowEnded::Abandoned, 7)))] {
        status.write(dir.path(), false).unwrap();
        let found = recorded(dir.path(), &call(), 30_000).unwrap();
        assert!(found.outcome.is_none() && found.output == "so far\n");
    }
    fs::write(StatusFile::path(dir.path(), call().as_str()), "{\"call_id\"").unwrap();
    assert!(recorded(dir.path(), &call(), 30_000).is_none());
}

/// Status files byte for byte as earlier versions have written them: a server that is replaced while commands run finds these.
#[test]
fn files_of_earlier_versions_are_read() {
    const EXITED: &str = r#"{"id":"ID","started_ms":1000,"output":"ID.txt","ended":{"at_ms":1250,"end":{"how":"exited","code":0},"bytes":6,"kept_bytes":6,"output":"ID.txt","strays":2,"survivors":0}}"#;
    // The first of them knew calls only.
    const NAMED_BY_CALL: &str = r#"{"call_id":"ID","started_ms":1000,"output":"ID.txt","ended":{"at_ms":1250,"end":{"how":"signalled","signal":9},"bytes":6,"kept_bytes":6,"output":"ID.txt","strays":0,"survivors":0}}"#;
    const TIMED_OUT: &str = r#"{"id":"ID","started_ms":1000,"output":"ID.txt","ended":{"at_ms":1250,"end":{"how":"timed_out"},"bytes":6,"kept_bytes":6,"output":"ID.txt","strays":0,"survivors":0}}"#;
    const CANCELLED: &str = r#"{"id":"ID","started_ms":1000,"output":"ID.txt","ended":{"at_ms":1250,"end":{"how":"cancelled"},"bytes":6,"kept_bytes":6,"output":"ID.txt","strays":0,"survivors":0}}"#;
    const RUNNING: &str = r#"{"id":"ID","started_ms":1000,"output":"ID.txt"}"#;

    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(format!("{}.txt", call())), "built\n").unwrap();
    let put = |id: &str, bytes: &str| fs::write(StatusFile::path(dir.path(), id), bytes.replace("ID", id)).unwrap();
    let outcome = |bytes: &str| {
        put(call().as_str(), bytes);
        recorded(dir.path(), &call(), 30_000).unwrap().outcome
    };
    let exited = |code, text: &str| Some(Ok(ToolOutput { exit_code: Some(code), ..ToolOutput::text(text) }));
    assert_eq!(outcome(EXITED), exited(0, "built\n[2 background processes left by the command were stopped]"));
    let killed = "built\n[killed by signal 9 (SIGKILL, killed, perhaps for lack of memory)]";
    assert_eq!(outcome(NAMED_BY_CALL), exited(137, killed));
    let timed_out = ToolError::TimedOut { after_ms: 250, output: "built\n".into() };
    assert_eq!(outcome(TIMED_OUT), Some(Err(timed_out)));
    assert_eq!((outcome(CANCELLED), outcome(RUNNING)), (None, None));

    let command = CommandId::from_bits(7);
    let end = |bytes: &str| {
        put(command.as_str(), bytes);
        recorded_command(dir.path(), &command)
    };
    let over = |status, exit_code, error: Option<&str>| CommandEnd {
        status,
        exit_code,
        error: error.map(str::to_owned),
        duration_ms: Some(250),
        output_bytes: 6,
    };
    assert_eq!(end(EXITED), over(CommandStatus::Exited, Some(0), None));
    assert_eq!(end(TIMED_OUT), over(CommandStatus::TimedOut, None, Some("it ran into its time limit")));
    assert_eq!(end(CANCELLED), over(CommandStatus::Stopped, None, None));
    assert_eq!(end(RUNNING), CommandEnd::interrupted("the server died", 0));
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
