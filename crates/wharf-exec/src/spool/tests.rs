//! Files of an output.

use std::fs;

use super::*;

const CALL: &str = "call";

#[test]
fn a_spool_keeps_head_and_tail_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for (len, chunk) in [(0, 1), (99, 7), (100, 100), (101, 1), (126, 13), (1_000, 7), (1_003, 1_003), (150, 50)] {
        let bytes: Vec<u8> = (0..len).map(|at| b'a' + (at % 26) as u8).collect();
        let mut spool = Spool::create(&dir.path().join(format!("{len}-{chunk}")), CALL, 100).unwrap();
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
    let spool = Spool::create(&dir, CALL, 100).unwrap();
    let status = StatusFile { id: CALL.into(), started_ms: 1_000, output: "call.txt".into(), ended: None };
    status.write(&dir, true).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!((mode(&dir.join(spool.name())), mode(&StatusFile::path(&dir, CALL))), (0o600, 0o600));
}
