//! Frames and files.

use std::fs;

use wharf_protocol::CallId;

use super::recorded::{forget, recorded};
use super::spool::{Spool, Status};
use super::wire::{End, Ended, Frames, frame};
use crate::ToolError;

fn call() -> CallId {
    CallId::from_bits(7)
}

fn status(ended: Option<Ended>) -> Status {
    Status { id: call().to_string(), started_ms: 1_000, output: format!("{}.txt", call()), ended }
}

fn ended(end: End, bytes: u64) -> Ended {
    let output = format!("{}.txt", call());
    Ended { at_ms: 1_250, end, bytes, kept_bytes: bytes, output, strays: 0, survivors: 0 }
}

#[test]
fn frames_survive_any_cut() {
    let all = [frame(1, b"one").unwrap(), frame(2, b"").unwrap(), frame(3, b"three").unwrap()].concat();
    for cut in 0..=all.len() {
        let mut frames = Frames::default();
        let mut seen = Vec::new();
        for part in [&all[..cut], &all[cut..]] {
            frames.push(part);
            while let Some(frame) = frames.next().unwrap() {
                seen.push(frame);
            }
        }
        assert_eq!(seen, [(1, b"one".to_vec()), (2, Vec::new()), (3, b"three".to_vec())]);
    }
}

#[test]
fn a_frame_that_claims_too_much_is_refused() {
    let mut frames = Frames::default();
    frames.push(&[1, 0xff, 0xff, 0xff, 0xff]);
    assert!(frames.next().is_err());
}

#[test]
fn a_spool_keeps_head_and_tail_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for (len, chunk) in [(0, 1), (99, 7), (100, 100), (101, 1), (126, 13), (1_000, 7), (1_003, 1_003), (150, 50)] {
        let bytes: Vec<u8> = (0..len).map(|at| b'a' + (at % 26) as u8).collect();
        let mut spool = Spool::create(&dir.path().join(format!("{len}-{chunk}")), call().as_str(), 100).unwrap();
        bytes.chunks(chunk).for_each(|chunk| spool.push(chunk));
        let kept = spool.finish();
        let file = fs::read(dir.path().join(format!("{len}-{chunk}")).join(spool.name())).unwrap();
        if len <= 100 {
            assert_eq!((kept, &file), (len as u64, &bytes));
            continue;
        }
        let note = format!("\n[... {} bytes left out here ...]\n", len - 100);
        let wanted = [&bytes[..75], note.as_bytes(), &bytes[len - 25..]].concat();
        assert_eq!((kept, String::from_utf8(file)), (100, String::from_utf8(wanted)), "{len} by {chunk}");
    }
}

#[test]
fn only_its_owner_reads_a_spool() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("out");
    let spool = Spool::create(&dir, call().as_str(), 100).unwrap();
    status(None).write(&dir, true).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!((mode(&dir.join(spool.name())), mode(&Status::path(&dir, call().as_str()))), (0o600, 0o600));
}

#[test]
fn an_end_that_was_written_down_is_the_outcome() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(format!("{}.txt", call())), "built\n").unwrap();
    status(Some(ended(End::Exited { code: 3 }, 6))).write(dir.path(), false).unwrap();
    let found = recorded(dir.path(), &call(), 30_000).unwrap();
    let output = found.outcome.unwrap().unwrap();
    assert_eq!((output.result.as_str(), output.exit_code), ("built\n[exit code 3]", Some(3)));
    assert_eq!((found.duration_ms, found.output.as_str()), (250, "built\n"));

    status(Some(ended(End::TimedOut, 6))).write(dir.path(), false).unwrap();
    let found = recorded(dir.path(), &call(), 30_000).unwrap();
    assert_eq!(found.outcome, Some(Err(ToolError::TimedOut { after_ms: 250, output: "built\n".into() })));
}

#[test]
fn a_command_that_was_cut_off_has_only_its_output() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(recorded(dir.path(), &call(), 30_000), None);
    fs::write(dir.path().join(format!("{}.txt", call())), "so far\n").unwrap();
    for status in [status(None), status(Some(ended(End::Abandoned, 7)))] {
        status.write(dir.path(), false).unwrap();
        let found = recorded(dir.path(), &call(), 30_000).unwrap();
        assert_eq!((found.outcome, found.output.as_str()), (None, "so far\n"));
    }
    fs::write(Status::path(dir.path(), call().as_str()), "{\"call_id\"").unwrap();
    assert_eq!(recorded(dir.path(), &call(), 30_000), None);
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
