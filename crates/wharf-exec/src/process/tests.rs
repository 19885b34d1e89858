//! Reading the process table.

use super::*;

#[test]
fn a_name_may_hold_anything() {
    let stat = b"42 (a) b) R (x) S 7 40 39 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 1\n";
    let process = parse_stat(42, stat);
    let wanted = Process { pid: 42, parent: 7, group: 40, session: 39, start: 12345, zombie: false };
    assert_eq!(process, Some(wanted));
}

#[test]
fn what_is_no_stat_is_no_process() {
    for stat in [&b""[..], b"1 (a", b"1 (a) Z", b"1 (a) Z x 1 1", b"\xff)\xff"] {
        assert_eq!(parse_stat(1, stat), None);
    }
}

#[test]
fn this_process_is_in_the_table() {
    let ours = rustix::process::getpid().as_raw_pid();
    assert!(processes().iter().any(|process| process.pid == ours && !process.zombie));
}
