//! Listings.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde_json::json;

use crate::testing::Bench;

#[tokio::test]
async fn entries_are_sorted_and_described() {
    let bench = Bench::new();
    bench.write("b/c.txt", "12345").write("a.txt", "").write("target/x", "").write(".gitignore", "target/\n");
    std::os::unix::fs::symlink("a.txt", bench.path("link")).unwrap();
    std::fs::write(bench.path("").join(OsStr::from_bytes(b"bad\xff\nname")), "").unwrap();
    assert_eq!(
        bench.tell("list_dir", json!({"depth": 2})).await,
        "./\n  .gitignore  8 B\n  a.txt  0 B\n  b/\n    c.txt  5 B\n  bad\\xff\\nname  0 B\n  link -> a.txt\n  target/  (ignored, not listed)"
    );
    assert_eq!(bench.tell("list_dir", json!({"path": "target"})).await, "target/\n  x  0 B");
    assert!(bench.tell("list_dir", json!({"path": "a.txt"})).await.contains("read_file shows a file"));
    assert!(bench.tell("list_dir", json!({"path": ".."})).await.contains("outside the workspace"));
}
