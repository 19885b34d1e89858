//! What is remembered, and for how long.

use super::*;

#[test]
fn it_outlives_the_process_and_ends_with_the_release() {
    let dir = tempfile::tempdir().unwrap();
    let (session, id) = ("s-1".parse::<SessionId>().unwrap(), acp::TerminalId::new("term-1"));
    let terminals = Terminals::new(dir.path().join("terminals"));
    terminals.opened(&session, &id);
    assert!(terminals.left(&session).is_empty(), "it is in use");
    // Another process.
    assert_eq!(Terminals::new(dir.path().join("terminals")).left(&session), ["term-1"]);
    terminals.closed(&session, &id, false);
    assert_eq!(terminals.left(&session), ["term-1"], "its client was not told");
    for _ in 0..REFUSALS {
        assert_eq!(terminals.left(&session).len(), 1);
        terminals.refused(&session, "term-1");
    }
    assert!(terminals.left(&session).is_empty());
    terminals.opened(&session, &id);
    terminals.closed(&session, &id, true);
    assert_eq!(fs::read_dir(dir.path().join("terminals")).unwrap().count(), 0);
}

#[test]
fn there_are_not_too_many_and_a_damaged_file_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let session = "s-1".parse::<SessionId>().unwrap();
    let terminals = Terminals::new(dir.path().to_owned());
    for number in 0..REMEMBERED + 10 {
        let id = acp::TerminalId::new(format!("term-{number}"));
        terminals.opened(&session, &id);
        terminals.closed(&session, &id, false);
    }
    terminals.opened(&session, &acp::TerminalId::new("x".repeat(ID_BYTES + 1)));
    let left = terminals.left(&session);
    assert_eq!((left.len(), left[0].as_str()), (REMEMBERED, "term-10"));
    for text in ["", "{", "[{}]", "[[[[", "\u{0}"] {
        fs::write(terminals.file(&session), text).unwrap();
        assert!(terminals.left(&session).is_empty(), "{text:?}");
    }
}
