//! How ends are told.

use super::*;

#[test]
fn statuses_are_told_in_words() {
    let told = |raw: i32| describe(ExitStatus::from_raw(raw));
    assert_eq!(told(0), (0, None));
    assert_eq!(told(3 << 8), (3, Some("exit code 3".into())));
    assert_eq!(told(11), (139, Some("killed by signal 11 (SIGSEGV, invalid memory access)".into())));
    assert_eq!(told(64), (192, Some("killed by signal 64".into())));
}
