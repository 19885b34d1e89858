//! What a reader gets of an output that grows.

use super::*;

fn byte(at: u64) -> u8 {
    b'a' + (at % 26) as u8
}

fn bytes(from: u64, to: u64) -> Vec<u8> {
    (from..to).map(byte).collect()
}

#[test]
fn the_newest_bytes_are_kept_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for (len, chunk) in [(0, 1), (99, 7), (100, 100), (101, 1), (250, 13), (1_000, 7), (1_003, 1_003)] {
        let id = format!("{len}-{chunk}");
        let mut ring = Ring::create(dir.path(), &id, 100).unwrap();
        bytes(0, len).chunks(chunk).for_each(|chunk| ring.push(chunk));
        let path = dir.path().join(name(&id));
        let first = len.saturating_sub(100);
        let all = read(&path, Some(0), 1_000).unwrap();
        assert_eq!(all, Piece { offset: first, bytes: bytes(first, len), first, total: len }, "{id}");
        let newest = read(&path, None, 10).unwrap();
        let from = len.saturating_sub(10);
        assert_eq!((newest.offset, newest.bytes), (from, bytes(from, len)), "{id}");
        let ahead = read(&path, Some(len + 5), 10).unwrap();
        assert_eq!((ahead.offset, ahead.bytes.len()), (len, 0));
    }
}

#[test]
fn a_reader_beside_the_writer_never_gets_a_wrong_byte() {
    let dir = tempfile::tempdir().unwrap();
    let mut ring = Ring::create(dir.path(), "x", 1_000).unwrap();
    let path = dir.path().join(name("x"));
    let total = 400_000;
    let writer = std::thread::spawn(move || {
        let mut at = 0;
        while at < total {
            let end = (at + 1 + at % 97).min(total);
            ring.push(&bytes(at, end));
            at = end;
        }
    });
    let (mut at, mut seen) = (0, 0_u64);
    while at < total {
        let piece = read(&path, Some(at), 300).unwrap();
        assert!(piece.offset >= at);
        let end = piece.offset + piece.bytes.len() as u64;
        assert_eq!(piece.bytes, bytes(piece.offset, end));
        seen += piece.bytes.len() as u64;
        at = end;
    }
    writer.join().unwrap();
    assert!(seen > 0);
}

#[test]
fn another_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.out"), [7; 200]).unwrap();
    assert!(read(&dir.path().join("x.out"), None, 10).is_err());
    std::fs::write(dir.path().join("y.out"), "short").unwrap();
    assert!(read(&dir.path().join("y.out"), None, 10).is_err());
}
