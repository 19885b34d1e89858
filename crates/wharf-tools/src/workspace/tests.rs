//! Ways out of the workspace, and that none of them leads out.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::testing::Bench;

fn told<T>(result: Result<T, PathError>) -> String {
    match result {
        Ok(_) => "fine".into(),
        Err(error) => error.to_string(),
    }
}

/// A workspace, and a secret beside it.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("src/a.txt", "inside").write("real/.keep", "");
    std::fs::write(bench.dir.path().join("secret"), "secret").unwrap();
    // A name that begins like the workspace's.
    std::fs::create_dir(bench.dir.path().join("work-evil")).unwrap();
    std::fs::write(bench.dir.path().join("work-evil/a"), "evil").unwrap();
    symlink("../secret", bench.path("out")).unwrap();
    symlink("..", bench.path("up")).unwrap();
    symlink(bench.dir.path().join("secret"), bench.path("absolute")).unwrap();
    symlink("/proc/self/root", bench.path("magic")).unwrap();
    symlink("src/a.txt", bench.path("in")).unwrap();
    symlink("circle", bench.path("circle")).unwrap();
    symlink("real", bench.path("dirlink")).unwrap();
    bench
}

#[test]
fn every_way_out_is_refused_for_reading_and_writing() {
    let bench = bench();
    let (evil, secret) = (bench.dir.path().join("work-evil/a"), bench.dir.path().join("secret"));
    let dotted = format!("{}/../secret", bench.path("").display());
    let ways = [
        "../secret",
        "src/../../secret",
        "out",
        "up/secret",
        "absolute",
        "/etc/passwd",
        "~/.ssh/id_rsa",
        "src/../../work/../secret",
        &dotted,
        evil.to_str().unwrap(),
        secret.to_str().unwrap(),
        "up/work/../secret",
    ];
    for way in ways {
        for answer in [told(bench.workspace.open_file(way)), told(bench.workspace.locate(way))] {
            assert!(answer.contains("the path is outside the workspace"), "{way}: {answer}");
        }
    }
    for way in ["magic/etc/passwd", "circle", "/proc/self/root/etc/passwd", "/proc/self/fd/0", "", " ", "a\0b"] {
        assert_ne!(told(bench.workspace.open_file(way)), "fine", "{way}");
        assert_ne!(told(bench.workspace.locate(way)), "fine", "{way}");
        assert_ne!(told(bench.workspace.open_dir(way)), "fine", "{way}");
    }
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "secret");
}

#[test]
fn ways_that_stay_inside_are_fine() {
    let bench = bench();
    let absolute = bench.workspace.root().join("src/a.txt");
    for way in ["src/a.txt", "./src/a.txt", "src/../src/a.txt", "in", "up/work/src/a.txt", absolute.to_str().unwrap()] {
        if way.starts_with("up") {
            // It leaves and comes back: the kernel does not follow it out in the first place.
            assert!(told(bench.workspace.open_file(way)).contains("outside"));
            continue;
        }
        assert_eq!(bench.workspace.open_file(way).unwrap().rel, Path::new("src/a.txt"), "{way}");
        assert_eq!(bench.workspace.locate(way).unwrap().rel(), Path::new("src/a.txt"), "{way}");
    }
    assert_eq!(bench.workspace.resolve("in").unwrap(), absolute);
    assert_eq!(bench.workspace.resolve("dirlink/new").unwrap(), bench.workspace.root().join("real/new"));
    assert_eq!(bench.workspace.resolve(".").unwrap(), bench.workspace.root());
}

#[test]
fn a_link_swapped_in_while_paths_resolve_never_leads_out() {
    let bench = bench();
    let stop = AtomicBool::new(false);
    let (door, parked, out) = (bench.path("door"), bench.path("parked"), bench.dir.path().join("outside"));
    std::fs::create_dir(&door).unwrap();
    std::fs::write(door.join("file"), "inside").unwrap();
    std::fs::create_dir(&out).unwrap();
    symlink("../outside", &parked).unwrap();
    std::fs::write(out.join("file"), "outside").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, &door, CWD, &parked, rustix::fs::RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..2000 {
            if let Ok(mut open) = bench.workspace.open_file("door/file") {
                let mut text = String::new();
                io::Read::read_to_string(&mut open.file, &mut text).unwrap();
                assert_eq!(text, "inside");
            }
            if let Ok(place) = bench.workspace.locate("door/written")
                && let Ok(mut prepared) = place.prepare(b"x", None)
                && prepared.commit().is_ok()
            {
                prepared.keep();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let outside: Vec<_> = std::fs::read_dir(&out).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(outside, ["file"]);
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let bench = bench();
    let status = std::process::Command::new("mkfifo").arg(bench.path("pipe")).status().unwrap();
    assert!(status.success());
    let _socket = std::os::unix::net::UnixListener::bind(bench.path("socket")).unwrap();
    assert!(told(bench.workspace.open_file("pipe")).contains("a named pipe, not a regular file"));
    assert!(told(bench.workspace.open_file("socket")).contains("a socket"));
    assert!(told(bench.workspace.open_file("src")).contains("a directory"));
    assert!(told(bench.workspace.locate("pipe")).contains("a named pipe"));
    assert!(told(bench.workspace.locate("src")).contains("a directory"));
    assert!(told(bench.workspace.locate("src/a.txt/b")).contains("no directory"));
    let device = rustix::fs::mknodat(
        CWD,
        bench.path("null"),
        FileType::CharacterDevice,
        Mode::from_raw_mode(0o666),
        rustix::fs::makedev(1, 3),
    );
    if device.is_ok() {
        assert!(told(bench.workspace.open_file("null")).contains("a device"));
    } else {
        eprintln!("no permission to make a device: that case is passed over");
    }
}

#[test]
fn files_that_start_programs_are_protected_by_what_they_are() {
    let bench = bench();
    bench.write(".git/config", "[core]").write(".git/hooks/x", "").write("deep/.GIT/config", "");
    symlink(".git/hooks", bench.path("innocent")).unwrap();
    symlink(".git/config", bench.path("notes.txt")).unwrap();
    for path in [
        ".git/config",
        ".git/hooks/pre-commit",
        "innocent/pre-commit",
        "notes.txt",
        "src/../.git/config",
        "deep/.GIT/config",
        ".wharf/config.toml",
        "new/.wharf/x",
        ".bashrc",
        "home/.zshenv",
        ".config/fish/config.fish",
        ".ssh/authorized_keys",
        "sub/.git",
    ] {
        assert!(told(bench.workspace.locate(path)).contains("protected"), "{path}");
    }
    for path in [".gitignore", ".github/workflows/ci.yml", "git/config", "bashrc", ".config/app.toml"] {
        assert_eq!(told(bench.workspace.locate(path)), "fine", "{path}");
    }
}

#[test]
fn our_own_directories_are_masked() {
    let bench = bench();
    bench.write("state/token", "key");
    symlink("state", bench.path("alias")).unwrap();
    let workspace = Workspace::open_with(bench.path(""), &[], &[bench.path("state")]).unwrap();
    for path in ["state/token", "alias/token", "state"] {
        assert!(
            told(workspace.open_dir(path)).contains("Wharf's own state")
                || told(workspace.open_file(path)).contains("Wharf's own state"),
            "{path}"
        );
    }
    assert!(told(workspace.locate("state/new")).contains("Wharf's own state"));
    assert_eq!(told(workspace.open_file("state/toke")), "state/toke: not found");
}

#[test]
fn what_is_ours_is_masked_before_it_is_there_and_behind_links() {
    let bench = bench();
    bench.write("dotfiles/ours.toml", "key");
    std::fs::create_dir(bench.path("config")).unwrap();
    symlink("../dotfiles/ours.toml", bench.path("config/config.toml")).unwrap();
    let masked = [bench.path("dirlink/later"), bench.path("config"), bench.path("config/config.toml")];
    let workspace = Workspace::open_with(bench.path(""), &[], &masked).unwrap();
    bench.write("real/later/token", "key");
    for path in ["real/later/token", "dirlink/later/token", "dotfiles/ours.toml", "config/config.toml"] {
        assert!(told(workspace.open_file(path)).contains("Wharf's own state"), "{path}");
        assert!(told(workspace.locate(path)).contains("Wharf's own state"), "{path}");
    }
    assert_eq!(told(workspace.open_file("real/.keep")), "fine");
}

#[test]
fn without_openat2_links_and_dots_are_refused() {
    let bench = bench();
    let mut workspace = Arc::into_inner(Workspace::open(bench.path("")).unwrap()).unwrap();
    workspace.has_openat2 = false;
    assert_eq!(workspace.open_file("src/a.txt").unwrap().rel, Path::new("src/a.txt"));
    assert_eq!(workspace.open_dir(".").unwrap().rel, Path::new(""));
    for path in ["out", "in", "up/secret", "dirlink/.keep", "../secret", "src/../in", "magic"] {
        assert_ne!(told(workspace.open_file(path)), "fine", "{path}");
        assert_ne!(told(workspace.locate(path)), "fine", "{path}");
    }
}

#[test]
fn a_change_keeps_mode_and_links_and_leaves_no_rest() {
    let bench = bench();
    bench.write("run.sh", "old");
    std::fs::set_permissions(bench.path("run.sh"), std::fs::Permissions::from_mode(0o750)).unwrap();
    symlink("run.sh", bench.path("link.sh")).unwrap();
    let mut prepared = bench.workspace.locate("link.sh").unwrap().prepare(b"new", None).unwrap();
    prepared.commit().unwrap();
    prepared.keep();
    drop(prepared);
    assert_eq!(bench.read("run.sh"), "new");
    assert!(bench.path("link.sh").is_symlink());
    assert_eq!(std::fs::metadata(bench.path("run.sh")).unwrap().permissions().mode() & 0o777, 0o750);
    assert!(!bench.names().iter().any(|name| name.contains("wharf-tmp")));
}

#[test]
fn a_change_that_is_not_kept_is_taken_back() {
    let bench = bench();
    bench.write("kept", "old");
    std::fs::set_permissions(bench.path("kept"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let before = bench.names();
    let inode = |bench: &Bench| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(bench.path("kept")).unwrap());
    let was = inode(&bench);
    for (path, content) in [("kept", Some("new")), ("kept", None), ("made/in/here", Some("x"))] {
        let place = bench.workspace.locate(path).unwrap();
        let mut prepared = match content {
            Some(content) => place.prepare(content.as_bytes(), None).unwrap(),
            None => place.prepare_removal().unwrap(),
        };
        prepared.commit().unwrap();
        assert_ne!(bench.names(), before);
        drop(prepared);
        assert_eq!(bench.names(), before, "{path}");
        assert_eq!((bench.read("kept").as_str(), inode(&bench)), ("old", was));
    }
}

#[test]
fn a_change_by_somebody_else_is_noticed() {
    let bench = bench();
    let mut place = bench.workspace.locate("src/a.txt").unwrap();
    place.read(100).unwrap();
    let mut prepared = place.prepare(b"ours", None).unwrap();
    bench.write("src/a.txt", "theirs, longer");
    assert!(told(prepared.commit()).contains("changed by somebody else"));
    drop(prepared);
    assert_eq!(bench.read("src/a.txt"), "theirs, longer");
    let mut prepared = bench.workspace.locate("src/new").unwrap().prepare(b"ours", None).unwrap();
    bench.write("src/new", "theirs");
    assert!(told(prepared.commit()).contains("changed by somebody else"));
    drop(prepared);
    assert_eq!(bench.read("src/new"), "theirs");
}

#[test]
fn a_missing_file_has_neighbours() {
    let bench = bench();
    bench.write("src/main_loop.rs", "").write("src/Config.toml", "");
    assert_eq!(
        told(bench.workspace.open_file("src/main_lop.rs")),
        "src/main_lop.rs: not found; did you mean src/main_loop.rs?"
    );
    assert_eq!(
        told(bench.workspace.open_file("src/config.toml")),
        "src/config.toml: not found; did you mean src/Config.toml?"
    );
    assert_eq!(
        told(bench.workspace.open_file("none/x")),
        "none/x: not found; the directory none does not exist either"
    );
}

/// The same workspace with a directory `lib` beside it, and one whose name begins like that.
fn with_further() -> (Bench, PathBuf) {
    let bench = bench();
    let lib = bench.dir.path().canonicalize().unwrap().join("lib");
    for directory in ["lib/src", "lib/.git/hooks", "lib-evil"] {
        std::fs::create_dir_all(bench.dir.path().join(directory)).unwrap();
    }
    std::fs::write(lib.join("src/b.txt"), "further").unwrap();
    std::fs::write(bench.dir.path().join("lib-evil/a"), "evil").unwrap();
    symlink("../secret", lib.join("out")).unwrap();
    symlink("../work/src/a.txt", lib.join("across")).unwrap();
    symlink(&lib, bench.path("across")).unwrap();
    symlink("../lib/src/b.txt", bench.path("over")).unwrap();
    symlink("src", lib.join("alias")).unwrap();
    let workspace = Workspace::open_with(bench.path(""), std::slice::from_ref(&lib), &[]).unwrap();
    (Bench { workspace, ..bench }, lib)
}

#[test]
fn files_of_a_further_directory_have_absolute_names() {
    let (bench, lib) = with_further();
    let (workspace, named) = (&bench.workspace, lib.join("src/b.txt"));
    for way in ["src/b.txt", "./src/../src/b.txt", "alias/b.txt"] {
        let way = format!("{}/{way}", lib.display());
        assert_eq!(workspace.open_file(&way).unwrap().rel, named, "{way}");
        assert_eq!(workspace.locate(&way).unwrap().rel(), named, "{way}");
        assert_eq!(workspace.resolve(&way).unwrap(), named, "{way}");
    }
    assert_eq!(workspace.open_dir(lib.to_str().unwrap()).unwrap().rel, lib);
    assert_eq!(
        workspace.open_file("src/a.txt").unwrap().rel,
        Path::new("src/a.txt"),
        "relative ones stay what they were"
    );
    let inside = workspace.root().join("src/a.txt");
    assert_eq!(workspace.open_file(inside.to_str().unwrap()).unwrap().rel, Path::new("src/a.txt"));
    let missing = told(workspace.open_file(&format!("{}/src/c.txt", lib.display())));
    assert!(missing.ends_with(&format!("did you mean {}?", named.display())), "{missing}");
}

#[test]
fn no_way_leads_out_of_a_further_directory() {
    let (bench, lib) = with_further();
    let (work, lib) = (bench.workspace.root().display(), lib.display());
    for way in [
        format!("{lib}/../secret"),
        format!("{lib}/out"),
        format!("{lib}-evil/a"),
        format!("{work}-evil/a"),
        // Into another directory of the session: a link leads nowhere but into its own.
        format!("{lib}/across"),
        format!("{lib}/../work/src/a.txt"),
        "across/src/b.txt".to_owned(),
        "over".to_owned(),
        "../lib/src/b.txt".to_owned(),
    ] {
        for answer in [told(bench.workspace.open_file(&way)), told(bench.workspace.locate(&way))] {
            let roots = format!("outside the workspace {work} and the further directories {lib}. Only");
            assert!(answer.contains(&roots), "{way}: {answer}");
        }
    }
}

#[test]
fn every_directory_is_protected_and_masked_alike() {
    let (bench, lib) = with_further();
    std::fs::create_dir(lib.join("state")).unwrap();
    std::fs::write(lib.join("state/key"), "key").unwrap();
    symlink(".git/hooks", lib.join("innocent")).unwrap();
    for path in [".git/hooks/pre-commit", "innocent/pre-commit", ".bashrc", "deep/.ssh/config"] {
        let path = format!("{}/{path}", lib.display());
        assert!(told(bench.workspace.locate(&path)).contains("protected"), "{path}");
    }
    let masked = [lib.join("state")];
    let workspace = Workspace::open_with(bench.path(""), std::slice::from_ref(&lib), &masked).unwrap();
    assert!(told(workspace.open_file(&format!("{}/state/key", lib.display()))).contains("Wharf's own state"));
    // The directory around the workspace: what it protects and names does not depend on the way to it.
    let around = bench.workspace.root().parent().unwrap().to_path_buf();
    bench.write("src/.git/config", "");
    let inner = Workspace::open_with(bench.path("src/.git"), &[bench.workspace.root().to_path_buf(), around], &[]);
    let inner = inner.unwrap();
    assert!(told(inner.locate("config")).contains("protected"));
    let absolute = bench.workspace.root().join("src/.git/config");
    assert_eq!(inner.open_file(absolute.to_str().unwrap()).unwrap().rel, Path::new("config"));
}

#[test]
fn a_directory_that_is_gone_costs_only_itself() {
    let (bench, lib) = with_further();
    let other = bench.dir.path().canonicalize().unwrap().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("c.txt"), "there").unwrap();
    std::fs::rename(&lib, bench.dir.path().join("moved")).unwrap();
    let open = || Workspace::open_with(bench.path(""), &[lib.clone(), other.clone()], &[]).unwrap();
    let path = format!("{}/src/b.txt", lib.display());
    let gone = open();
    let told_of = told(gone.open_file(&path));
    assert!(told_of.contains(&format!("the directory {} cannot be used: No such file", lib.display())), "{told_of}");
    assert_eq!(told(gone.locate(&path)), told_of);
    assert_eq!(told(gone.open_file(other.join("c.txt").to_str().unwrap())), "fine");
    assert_eq!(told(gone.open_file("src/a.txt")), "fine");
    // A link in its place leads elsewhere.
    symlink(bench.dir.path().join("moved"), &lib).unwrap();
    assert!(told(open().open_file(&path)).contains("a symbolic link has taken its place"));
    std::fs::remove_file(&lib).unwrap();
    std::fs::rename(bench.dir.path().join("moved"), &lib).unwrap();
    assert_eq!(told(open().open_file(&path)), "fine");
}

/// Every entry of the workspace, by the bytes of its name.
fn raw(bench: &Bench, name: &[u8], content: &str) {
    use std::os::unix::ffi::OsStrExt;
    let path = bench.path("").join(std::ffi::OsStr::from_bytes(name));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

#[tokio::test]
async fn every_name_that_a_tool_prints_is_taken_by_every_tool() {
    use serde_json::json;
    let names: [&[u8]; 9] = [
        b"bad\xff.txt",
        b"line\nend.txt",
        b"tab\tand\x1b[31m.txt",
        br"back\slash.txt",
        br"literal\xff.txt",
        br"literal\n.txt",
        b"d\xff/in\xfe.txt",
        "bidi\u{202e}txt".as_bytes(),
        b" ",
    ];
    for name in names {
        let bench = Bench::new();
        raw(&bench, name, "needle\n");
        let listed = bench.tell("glob", json!({ "pattern": "**" })).await;
        let printed = listed.lines().next().unwrap();
        let read = bench.tell("read_file", json!({ "path": printed })).await;
        assert_eq!(read, "     1\tneedle\n", "{printed}");
        let edit = json!({ "path": printed, "old_string": "needle", "new_string": "thread" });
        assert!(bench.tell("edit_file", edit).await.starts_with(&format!("edited {printed}")), "{printed}");
        let found = bench.tell("grep", json!({ "pattern": "thread", "mode": "files" })).await;
        assert_eq!(found.trim_end_matches('\n'), printed);
        let patch = format!("*** Begin Patch\n*** Update File: {printed}\n-thread\n+wool\n*** End Patch");
        if !printed.trim().is_empty() {
            let told = bench.tell("apply_patch", json!({ "patch": patch })).await;
            assert!(told.contains(&format!("M {printed}")), "{told}");
        }
        let write = json!({ "path": printed, "content": "whole\n" });
        assert!(bench.tell("write_file", write).await.starts_with("replaced"), "{printed}");
        let files = bench.names().len();
        assert_eq!(files, if name.contains(&b'/') { 2 } else { 1 }, "{printed}: no twin was made");
    }
}

#[test]
fn of_two_readings_the_printed_one_counts_first() {
    let bench = Bench::new();
    raw(&bench, b"a\n", "a line end");
    raw(&bench, br"a\n", "a backslash");
    let size = |path: &str| bench.workspace.open_file(path).unwrap().stat.st_size;
    assert_eq!((size(r"a\n"), size(r"a\\n")), (10, 11));
    // What git or a user says of a file is its name as it is.
    raw(&bench, br"src\new", "x");
    assert_eq!((size(r"src\new"), size(r"src\\new")), (1, 1));
    // What is not there is made as it was said, and what is an escape of a way out is none.
    assert_eq!(bench.workspace.locate(r"new\d+\x").unwrap().rel(), Path::new(r"new\d+\x"));
    for way in [r"\x2e\x2e/secret", r"\u{2e}\u{2e}/secret", r"..\x2fsecret"] {
        assert!(told(bench.workspace.open_file(way)).contains("not found"), "{way}");
    }
}

#[test]
fn a_name_is_found_in_either_normal_form() {
    let bench = Bench::new();
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    for (stored, given) in [(composed, decomposed), (decomposed, composed)] {
        let bench = Bench::new();
        bench.write(&format!("{stored}/\u{e9}o\u{308}.txt"), "x");
        let found = bench.workspace.open_file(&format!("{given}/e\u{301}\u{f6}.txt")).unwrap();
        assert_eq!(found.rel, Path::new(&format!("{stored}/\u{e9}o\u{308}.txt")));
        let new = bench.workspace.locate(&format!("{given}/new.txt")).unwrap();
        assert_eq!(new.rel(), Path::new(&format!("{stored}/new.txt")), "no second directory");
        let absolute = bench.workspace.root().join(given);
        assert_eq!(bench.workspace.open_dir(absolute.to_str().unwrap()).unwrap().rel, Path::new(stored));
    }
    // Each is itself where both are there.
    bench.write(composed, "1").write(decomposed, "2");
    assert_eq!(bench.workspace.open_file(composed).unwrap().rel, Path::new(composed));
    assert_eq!(bench.workspace.open_file(decomposed).unwrap().rel, Path::new(decomposed));
    // A third form between two is nobody's.
    bench.write("\u{e9}e\u{301}", "1").write("e\u{301}\u{e9}", "2");
    assert!(told(bench.workspace.open_file("\u{e9}\u{e9}")).contains("not found"));
    // What only looks alike is another file.
    assert!(told(bench.workspace.open_file("ca\u{fb00}e\u{301}")).contains("not found"));
}

#[test]
fn a_further_directory_is_known_by_its_printed_name() {
    use std::os::unix::ffi::OsStrExt;
    let bench = bench();
    let home = bench.dir.path().canonicalize().unwrap();
    for name in [&b"lib\xff"[..], "lib\u{e9}".as_bytes()] {
        let lib = home.join(std::ffi::OsStr::from_bytes(name));
        std::fs::create_dir(&lib).unwrap();
        std::fs::write(lib.join("a"), "x").unwrap();
        let workspace = Workspace::open_with(bench.path(""), std::slice::from_ref(&lib), &[]).unwrap();
        let printed = workspace.absolute_text(&lib.join("a")).replace('\u{e9}', "e\u{301}");
        assert_eq!(workspace.open_file(&printed).unwrap().rel, lib.join("a"), "{printed}");
        assert!(told(workspace.open_file(&printed.replace("/lib", "/lic"))).contains("outside"), "{printed}");
    }
}

#[test]
fn a_directory_named_like_a_home_is_reached_by_its_name() {
    let bench = bench();
    assert!(told(bench.workspace.open_file("~/a")).contains("outside"));
    bench.write("~/a", "x");
    assert_eq!(bench.workspace.open_file("~/a").unwrap().rel, Path::new("~/a"));
}
