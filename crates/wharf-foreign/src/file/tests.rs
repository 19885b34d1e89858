//! Regular files up to a limit; pipes, devices, links and huge files refused.

use std::path::PathBuf;

use rustix::fs::{FileType, Mode};

use super::*;

fn place(name: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    (dir, path)
}

#[test]
fn a_regular_file_is_read_up_to_its_limit() {
    let (_dir, path) = place("key");
    std::fs::write(&path, "\u{feff}wharf_abc\n").unwrap();
    assert_eq!(read_text(&path, 13).unwrap(), "wharf_abc\n");
    assert_eq!(read_text(&path, 12).unwrap_err().to_string(), "is larger than 12 bytes");
    std::fs::write(&path, b"\xff").unwrap();
    assert_eq!(read_text(&path, 12).unwrap_err().to_string(), "is not UTF-8");
}

#[test]
fn what_is_no_regular_file_is_an_error_at_once() {
    let (dir, path) = place("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for path in
        [path.as_path(), &link, dir.path(), Path::new("/dev/zero"), Path::new("/dev/tty0"), Path::new("/dev/null")]
    {
        let error = read_text(path, 100);
        assert!(error.is_err(), "{}: {error:?}", path.display());
    }
    assert_eq!(read_text(&path, 100).unwrap_err().to_string(), "is not a regular file");
    assert_eq!(read_text(dir.path(), 100).unwrap_err().kind(), io::ErrorKind::IsADirectory);
}

#[test]
fn a_huge_file_is_refused_before_it_is_read() {
    let (_dir, path) = place("huge");
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(read_text(&path, 1 << 20).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn a_link_is_refused_where_none_may_be() {
    let (dir, path) = place("file");
    std::fs::write(&path, "x").unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(open(&link).is_ok() && open_no_link(&path).is_ok());
    assert!(open_no_link(&link).is_err());
}
