//! What is new in an output that is looked at again and again.

use super::*;

#[test]
fn what_is_new_is_found_behind_what_was_seen() {
    let lines = |from: u32, to: u32| (from..to).map(|at| format!("line {at}\n")).collect::<String>();
    assert_eq!(news("", "a"), "a");
    assert_eq!(news("a", "ab"), "b");
    assert_eq!(news("ab", "ab"), "");
    // The beginning went away.
    assert_eq!(news(&lines(0, 500), &lines(300, 510)), lines(500, 510));
    // A line was written anew.
    assert_eq!(news("done: 10%", "done: 20%"), "20%");
    // All of it went away meanwhile: the end is told.
    assert_eq!(news(&lines(0, 10), &"ü".repeat(20_000)).len(), UNCLEAR_BYTES);
}
