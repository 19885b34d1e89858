//! Files that are replaced, made, linked, changed meanwhile, or refused.

use std::os::unix::fs::symlink;

use super::*;

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

#[test]
fn a_file_is_replaced_with_its_permissions_and_the_old_one_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("settings.json");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let written = Change::read(&path).unwrap().write("new", false).unwrap();
    let backup = written.backup.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(fs::read_to_string(&backup).unwrap(), "old");
    assert_eq!((mode(&path), mode(&backup)), (0o640, 0o640));
    Change::read(&path).unwrap().write("newer", false).unwrap();
    assert_eq!(names(dir.path()), ["settings.json", "settings.json.wharf-backup", "settings.json.wharf-backup-2"]);
    assert_eq!(fs::read_to_string(&backup).unwrap(), "old", "no old file is written over");
}

#[test]
fn a_new_file_comes_with_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/tool");
    assert!(Change::read(&path).unwrap().write("#!/bin/sh\n", true).unwrap().backup.is_none());
    assert_eq!(mode(&path), 0o755);
}

#[test]
fn links_stay_links() {
    let dir = tempfile::tempdir().unwrap();
    let dotfiles = dir.path().join("dotfiles");
    fs::create_dir(&dotfiles).unwrap();
    fs::write(dotfiles.join("zed.json"), "old").unwrap();
    let path = dir.path().join("settings.json");
    symlink("hop", &path).unwrap();
    symlink("dotfiles/zed.json", dir.path().join("hop")).unwrap();
    let change = Change::read(&path).unwrap();
    change.write("new", false).unwrap();
    assert!(path.is_symlink() && dir.path().join("hop").is_symlink());
    assert_eq!(fs::read_to_string(dotfiles.join("zed.json")).unwrap(), "new");
    assert_eq!(change.linked_to(&path), Some(dotfiles.join("zed.json")));
    assert_eq!(names(&dotfiles), ["zed.json", "zed.json.wharf-backup"]);
    // One that leads to nothing yet.
    let dangling = dir.path().join("dangling");
    symlink("dotfiles/later.json", &dangling).unwrap();
    Change::read(&dangling).unwrap().write("made", false).unwrap();
    assert!(dangling.is_symlink());
    assert_eq!(fs::read_to_string(dotfiles.join("later.json")).unwrap(), "made");
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    symlink(&two, &one).unwrap();
    symlink(&one, &two).unwrap();
    assert!(Change::read(&one).unwrap_err().to_string().contains("leads to itself"));
}

#[test]
fn what_another_program_wrote_meanwhile_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("settings.json");
    fs::write(&path, "old").unwrap();
    let change = Change::read(&path).unwrap();
    fs::write(&path, "theirs").unwrap();
    let error = change.write("ours", false).err().unwrap();
    assert!(error.to_string().contains("meanwhile"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    assert_eq!(names(dir.path()), ["settings.json"], "nothing is left behind");
}

#[test]
fn what_is_no_text_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("settings.json");
    fs::write(&path, b"a\nb\xff").unwrap();
    assert!(format!("{:#}", Change::read(&path).unwrap_err()).contains("line 2: it is not UTF-8"));
    fs::write(&path, vec![b' '; 5 << 20]).unwrap();
    assert!(format!("{:#}", Change::read(&path).unwrap_err()).contains("longer than"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(format!("{:#}", Change::read(&path).unwrap_err()).contains("not a file"));
}
