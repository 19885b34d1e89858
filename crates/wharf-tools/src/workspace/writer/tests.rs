//! What a file has beside its content survives a change; and no failure costs the old content.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use rustix::fs::XattrFlags;
use serde_json::json;

use super::*;
use crate::testing::Bench;

fn change(bench: &Bench, name: &str, content: &str) -> Vec<String> {
    let mut prepared = bench.workspace.locate(name).unwrap().prepare(content.as_bytes(), None).unwrap();
    prepared.commit().unwrap();
    prepared.keep();
    prepared.lost()
}

fn inode(bench: &Bench, name: &str) -> u64 {
    std::fs::metadata(bench.path(name)).unwrap().ino()
}

fn clean(bench: &Bench) -> bool {
    !bench.names().iter().any(|name| name.contains("wharf-tmp"))
}

/// `user::rw- user:1234:rw- group::r-- mask::rw- other::---`, as the kernel stores it.
fn access_list() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 6, 1234), (4, 4, u32::MAX), (0x10, 6, u32::MAX), (0x20, 0, u32::MAX)];
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        list.extend(tag.to_le_bytes().into_iter().chain(rights.to_le_bytes()).chain(id.to_le_bytes()));
    }
    list
}

fn get(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 4096];
    let len = rustix::fs::getxattr(path, name, &mut buffer[..]).ok()?;
    buffer.truncate(len);
    Some(buffer)
}

#[test]
fn every_name_of_a_file_has_the_new_content() {
    let bench = Bench::new();
    bench.write("a", "old, and longer");
    std::fs::hard_link(bench.path("a"), bench.path("b")).unwrap();
    let was = inode(&bench, "a");
    assert_eq!(change(&bench, "a", "new"), Vec::<String>::new());
    assert_eq!((bench.read("a").as_str(), bench.read("b").as_str(), inode(&bench, "b")), ("new", "new", was));
    assert!(clean(&bench));
    // Taken back, as a patch does where another file fails.
    let mut prepared = bench.workspace.locate("b").unwrap().prepare(b"newer and much longer", Some(0o600)).unwrap();
    prepared.commit().unwrap();
    assert_eq!(bench.read("a"), "newer and much longer");
    drop(prepared);
    assert_eq!((bench.read("a").as_str(), inode(&bench, "a")), ("new", was));
    assert_eq!(std::fs::metadata(bench.path("a")).unwrap().permissions().mode() & 0o777, 0o644);
    assert!(clean(&bench));
    // Somebody else was there first.
    let mut prepared = bench.workspace.locate("a").unwrap().prepare(b"ours", None).unwrap();
    bench.write("a", "theirs, longer");
    assert!(prepared.commit().unwrap_err().to_string().contains("changed by somebody else"));
    drop(prepared);
    assert_eq!(bench.read("b"), "theirs, longer");
    assert!(clean(&bench));
}

#[test]
fn access_lists_and_attributes_go_over_to_the_new_file() {
    let bench = Bench::new();
    bench.write("a", "old");
    let path = bench.path("a");
    let set = |path: &Path, name: &str, value: &[u8]| rustix::fs::setxattr(path, name, value, XattrFlags::empty());
    if set(&path, "user.origin", b"here").is_err() || set(&path, "system.posix_acl_access", &access_list()).is_err() {
        eprintln!("no attributes on this file system: that case is passed over");
        return;
    }
    // What the directory gives to new files is not what the file had.
    set(&bench.path(""), "system.posix_acl_default", &access_list()).unwrap();
    bench.write("plain", "old");
    rustix::fs::removexattr(bench.path("plain"), "system.posix_acl_access").unwrap();
    for name in ["a", "plain"] {
        let mode = std::fs::metadata(bench.path(name)).unwrap().mode();
        assert_eq!(change(&bench, name, "new"), Vec::<String>::new());
        assert_eq!((bench.read(name).as_str(), std::fs::metadata(bench.path(name)).unwrap().mode()), ("new", mode));
    }
    assert_eq!(get(&path, "user.origin").as_deref(), Some(&b"here"[..]));
    assert_eq!(get(&path, "system.posix_acl_access"), Some(access_list()));
    assert_eq!(get(&bench.path("plain"), "system.posix_acl_access"), None);
    assert!(clean(&bench));
}

#[test]
fn the_rights_of_another_are_not_for_a_new_content() {
    let bench = Bench::new();
    for (name, linked) in [("a", false), ("b", true)] {
        bench.write(name, "old");
        if linked {
            std::fs::hard_link(bench.path(name), bench.path("c")).unwrap();
        }
        std::fs::set_permissions(bench.path(name), std::fs::Permissions::from_mode(0o4755)).unwrap();
        assert_eq!(change(&bench, name, "new"), [SPECIAL]);
        assert_eq!(std::fs::metadata(bench.path(name)).unwrap().mode() & 0o7777, 0o755, "{name}");
    }
}

#[tokio::test]
async fn a_file_that_is_mounted_is_written_where_it_is() {
    let bench = Bench::new();
    bench.write("a", "old\n").write("source", "old\n");
    let mounted = Command::new("mount").arg("--bind").args([bench.path("source"), bench.path("a")]).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("no permission to mount: that case is passed over");
        return;
    }
    let edited = bench.tell("edit_file", json!({"path": "a", "old_string": "old", "new_string": "new"})).await;
    let written = bench.tell("write_file", json!({"path": "a", "content": "newer\n"})).await;
    let patch = "*** Begin Patch\n*** Update File: a\n-newer\n+newest\n*** End Patch";
    let patched = bench.tell("apply_patch", json!({ "patch": patch })).await;
    let removed =
        bench.tell("apply_patch", json!({"patch": "*** Begin Patch\n*** Delete File: a\n*** End Patch"})).await;
    let source = bench.read("source");
    assert!(Command::new("umount").arg(bench.path("a")).status().unwrap().success());
    assert!(edited.starts_with("edited") && written.starts_with("replaced"), "{edited} {written}");
    assert!(patched.contains("M a"), "{patched}");
    assert_eq!(source, "newest\n");
    assert!(removed.contains("mount point") && !removed.contains("os error"), "{removed}");
    assert!(clean(&bench));
}

/// A child of this test that is another user, and does `work` there; false: that cannot be had here.
fn as_nobody(work: &str, dir: &Path) -> bool {
    let test = std::env::current_exe().unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        // Beyond a limit on their size, writing to files is an error and no signal.
        .args(["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(test)
        .args(["--exact", "--include-ignored", "--nocapture", "workspace::writer::tests::somebody_else_at_work"])
        .env("WHARF_TEST_WORK", work)
        .env("WHARF_TEST_DIR", dir)
        .output();
    match output {
        Ok(output) if output.status.success() => true,
        Ok(output) if rustix::process::geteuid().is_root() => {
            panic!("{work}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        }
        _ => {
            eprintln!("nobody else can be had here: that case is passed over");
            false
        }
    }
}

#[test]
#[ignore = "started by other tests, as another user"]
fn somebody_else_at_work() {
    let Some(dir) = std::env::var_os("WHARF_TEST_DIR") else { return };
    let workspace = super::super::Workspace::open(&dir).unwrap();
    let path = Path::new(&dir).join("a");
    let write = |content: &str| {
        let mut prepared = workspace.locate("a").unwrap().prepare(content.as_bytes(), None)?;
        prepared.commit()?;
        prepared.keep();
        assert_eq!(prepared.lost(), Vec::<String>::new());
        Ok::<(), PathError>(())
    };
    match std::env::var("WHARF_TEST_WORK").unwrap().as_str() {
        "write" => {
            write("new\n").unwrap();
            assert_eq!(std::fs::read_to_string(path).unwrap(), "new\n");
        }
        "refused" => {
            let told = write("new\n").unwrap_err().to_string();
            assert!(told.contains("read-only") && !told.contains("os error"), "{told}");
        }
        // More than a limit on the size of files lets through: like a full disk.
        "full" => {
            let limit = rustix::process::Rlimit { current: Some(4096), maximum: Some(4096) };
            rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
            let told = write(&"x".repeat(100_000)).unwrap_err().to_string();
            assert!(told.contains("too large") || told.contains("File"), "{told}");
            assert_eq!(std::fs::read_to_string(path).unwrap(), "old\n");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_file_of_somebody_else_stays_theirs() {
    let bench = Bench::new();
    let open = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(bench.dir.path(), 0o755);
    for (work, directory, file) in [
        // Both may be written: a rename would take the file over.
        ("write", 0o777, 0o666),
        // Nothing can be made beside it.
        ("write", 0o755, 0o666),
        // Where only the owner may rename.
        ("write", 0o1777, 0o666),
        ("refused", 0o777, 0o644),
        ("full", 0o755, 0o666),
        ("full", 0o777, 0o666),
    ] {
        bench.write("a", "old\n");
        open(&bench.path(""), directory);
        open(&bench.path("a"), file);
        let was = std::fs::metadata(bench.path("a")).unwrap();
        if !as_nobody(work, &bench.path("")) {
            return;
        }
        let now = std::fs::metadata(bench.path("a")).unwrap();
        assert_eq!((now.ino(), now.uid(), now.gid(), now.mode()), (was.ino(), was.uid(), was.gid(), was.mode()));
        assert!(clean(&bench), "{work} {directory:o}");
    }
}

#[test]
fn a_running_program_is_replaced_as_it_cannot_be_overwritten() {
    let bench = Bench::new();
    std::fs::copy("/bin/sleep", bench.path("a")).unwrap();
    std::fs::hard_link(bench.path("a"), bench.path("b")).unwrap();
    let mut running = Command::new(bench.path("a")).arg("60").spawn().unwrap();
    let mut prepared = bench.workspace.locate("a").unwrap().prepare(b"new", None).unwrap();
    prepared.commit().unwrap();
    prepared.keep();
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(prepared.lost(), [LINKS]);
    assert_eq!(bench.read("a"), "new");
    assert!(clean(&bench));
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;
    use crate::text::Text;

    proptest! {
        #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::default() })]

        /// Whatever the file was and however it is written: what was meant is what is there, or what was there before.
        #[test]
        fn what_was_meant_is_what_is_there(
            old in "[ab\r\n]{0,40}",
            new in "[abc\n]{0,60}",
            is_linked: bool,
            is_kept: bool,
        ) {
            let bench = Bench::new();
            bench.write("a", &old);
            if is_linked {
                std::fs::hard_link(bench.path("a"), bench.path("b")).unwrap();
            }
            let mut place = bench.workspace.locate("a").unwrap();
            let file = Text::decode(&place.read(1000).unwrap()).unwrap();
            let meant = file.encode(&new);
            let mut prepared = place.prepare(&meant, None).unwrap();
            prepared.commit().unwrap();
            prop_assert_eq!(std::fs::read(bench.path("a")).unwrap(), &meant[..]);
            if is_kept {
                prepared.keep();
            }
            drop(prepared);
            let wanted = if is_kept { meant } else { old.into_bytes() };
            prop_assert_eq!(std::fs::read(bench.path("a")).unwrap(), &wanted[..]);
            if is_linked {
                prop_assert_eq!(std::fs::read(bench.path("b")).unwrap(), wanted);
            }
            prop_assert!(clean(&bench));
        }
    }
}
