//! Finding files by name.

use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::testing::Bench;

#[tokio::test]
async fn newest_first_without_what_is_ignored() {
    let bench = Bench::new();
    bench.write(".gitignore", "/out\n*.log\n!keep.log\n").write("sub/.gitignore", "no.rs\n");
    let files = ["src/old.rs", "src/new.rs", "sub/no.rs", "out/x.rs", "a.log", "keep.log", ".git/x.rs", ".hidden/h.rs"];
    for (age, name) in files.iter().rev().enumerate() {
        bench.write(name, "");
        let file = std::fs::File::options().write(true).open(bench.path(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + age as u64)).unwrap();
    }
    assert_eq!(bench.tell("glob", json!({"pattern": "*.rs"})).await, "src/old.rs\nsrc/new.rs\n.hidden/h.rs");
    assert_eq!(bench.tell("glob", json!({"pattern": "*.log"})).await, "keep.log");
    assert_eq!(
        bench.tell("glob", json!({"pattern": "*.rs", "path": "src", "limit": 1})).await,
        "src/old.rs\n[1 of 2 files; make the pattern narrower]"
    );
    assert_eq!(bench.tell("glob", json!({"pattern": "*.rs", "path": "out"})).await, "out/x.rs");
    assert_eq!(
        bench.tell("glob", json!({"pattern": "*.py"})).await,
        "no file matches *.py in ./\n[not searched: 3 ignored entries (a.log, out, sub/no.rs)]"
    );
    let absolute = format!("{}/src/n*.rs", bench.workspace.root().display());
    assert_eq!(bench.tell("glob", json!({"pattern": absolute})).await, "src/new.rs");
}
