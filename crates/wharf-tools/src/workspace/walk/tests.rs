//! Trees that strangers made.

use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::Bench;

/// What a walk of everything sees, and what it says that it missed.
fn walked(bench: &Bench) -> (Vec<PathBuf>, String) {
    let stop = Stop::new(&CancellationToken::new());
    let walk = Walk { workspace: &bench.workspace, stop: &stop, max_depth: usize::MAX, ignored: Shown::No };
    let mut seen = Vec::new();
    let walked = walk
        .run(bench.workspace.open_dir(".").unwrap(), &mut |entry| {
            seen.push(entry.rel.to_path_buf());
            Step::Continue
        })
        .unwrap();
    assert_eq!(walked.end, WalkEnd::Complete);
    (seen, walked.missed.notes(false))
}

fn braces(times: usize) -> String {
    format!("{}a{}", "{".repeat(times), "}".repeat(times))
}

#[tokio::test]
async fn an_ignore_file_cannot_end_the_process() {
    for name in [".gitignore", ".ignore", "sub/.gitignore", ".git/info/exclude"] {
        for line in
            [braces(20_000), braces(1000), "{".repeat(20_000), "[".repeat(4000), "**/".repeat(1300), "(".repeat(9000)]
        {
            let bench = Bench::new();
            bench.write("sub/kept", "a").write("sub/lost", "a").write(name, format!("{line}\nlost\n"));
            for (tool, arguments) in [
                ("grep", json!({"pattern": "a", "mode": "files", "glob": "sub/*"})),
                ("glob", json!({"pattern": "sub/*"})),
                ("list_dir", json!({"path": "sub", "depth": 2})),
            ] {
                let told = bench.tell(tool, arguments).await;
                assert!(told.contains("kept"), "{tool}: {told}");
                assert_eq!(told.matches("ignore files ignore less than they say").count(), 1, "{tool}: {told}");
                assert!(told.contains("line 1: it ") && told.len() < 600, "{tool}: {told}");
                if tool != "list_dir" {
                    assert!(!told.contains("lost"), "{tool}: {told}");
                }
            }
        }
    }
}

#[test]
fn many_patterns_are_cut_off_and_told() {
    let alternatives = format!("{{{}}}\n", (0..600).map(|n| format!("n{n}")).collect::<Vec<_>>().join(","));
    let wild: String = (0..20_000).map(|n| format!("*w{n}*\n")).collect();
    for (content, note) in [
        (alternatives.repeat(80), "too many patterns are in force"),
        (wild, "too many patterns are in force"),
        ("a\n".repeat(100_000), "too many patterns are in force"),
        (format!("lost\n{}", "#".repeat(300_000)), "is longer than 256 KiB"),
    ] {
        let bench = Bench::new();
        bench.write("kept", "").write("lost", "").write(".gitignore", format!("lost\n{content}"));
        let (seen, note_told) = walked(&bench);
        assert_eq!(seen, [PathBuf::from(".gitignore"), PathBuf::from("kept")]);
        assert!(note_told.contains(note), "{note_told}");
    }
}

#[test]
fn the_budget_is_that_of_the_way_and_comes_back() {
    let bench = Bench::new();
    let half: String = (0..1200).map(|n| format!("*w{n}*{}\n", "x".repeat(30))).collect();
    for directory in ["a", "b", "c", "c/d"] {
        bench
            .write(&format!("{directory}/.gitignore"), format!("{half}lost\n"))
            .write(&format!("{directory}/lost"), "");
    }
    let (seen, note) = walked(&bench);
    assert!(!seen.iter().any(|path| path.ends_with("a/lost") || path.ends_with("b/lost")), "{seen:?}");
    assert_eq!(note.matches("too many patterns").count(), 1, "{note}");
    assert!(note.contains("c/d/.gitignore from line"), "{note}");
}

#[test]
fn what_is_too_deep_is_told() {
    let bench = Bench::new();
    bench.write("top", "");
    let mut dir = rustix::fs::open(bench.path(""), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..10_000 {
        rustix::fs::mkdirat(&dir, "d", Mode::from_raw_mode(0o777)).unwrap();
        dir = rustix::fs::openat(&dir, "d", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let (seen, note) = walked(&bench);
    assert_eq!(seen.len(), 101);
    assert!(note.starts_with("[not searched: 1 directory that lies too deep (d/d/"), "{note}");
    let long = Bench::new();
    let mut dir = rustix::fs::open(long.path(""), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let name = "n".repeat(250);
    for _ in 0..20 {
        rustix::fs::mkdirat(&dir, &name, Mode::from_raw_mode(0o777)).unwrap();
        dir = rustix::fs::openat(&dir, &name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let (seen, note) = walked(&long);
    assert_eq!(seen.len(), 16);
    assert!(note.contains("lies too deep"), "{note}");
    // Too deep for the removal of a temporary directory, which goes down by recursion.
    remove(&bench.path("d"));
}

/// Moves what is below up, level by level, until a plain removal can do the rest.
fn remove(top: &Path) {
    let spare = top.with_extension("spare");
    loop {
        let mut below = top.to_path_buf();
        below.extend(["d"; 200]);
        let is_deep = below.is_dir();
        if is_deep {
            rustix::fs::renameat(CWD, &below, CWD, &spare).unwrap();
        }
        std::fs::remove_dir_all(top).unwrap();
        if !is_deep {
            return;
        }
        std::fs::rename(&spare, top).unwrap();
    }
}

mod fuzz {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_ignore_file_makes_it_panic(
            lines in proptest::collection::vec(proptest::collection::vec(proptest::sample::select(vec![
                "{", "}", "[", "]", ",", "*", "**", "/", "?", "!", "^", "-", "\\", "#", "a", "é", "\u{feff}", " ", ".", "\0", "\t", "\r",
            ]), 0..30), 0..20),
        ) {
            let bench = Bench::new();
            let content: Vec<String> = lines.iter().map(|line| line.concat()).collect();
            bench.write(".gitignore", content.join("\n")).write("a/é", "").write("b", "");
            let _ = walked(&bench);
        }

        #[test]
        fn no_bytes_make_it_panic(content in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let bench = Bench::new();
            bench.write(".gitignore", content).write("a/b", "");
            let _ = walked(&bench);
        }
    }
}
