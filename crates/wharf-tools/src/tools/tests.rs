//! Globs as tools read them.

use serde_json::json;

use super::paths::Paths;
use super::*;
use crate::testing::Bench;

#[test]
fn a_pattern_without_a_slash_matches_at_any_depth() {
    let matches = |pattern: &str, path: &str| Paths::new(pattern).unwrap().has(Path::new(path));
    assert!(matches("*.rs", "a.rs") && matches("*.rs", "x/y/a.rs") && matches("./*.rs", "x/a.rs"));
    assert!(
        matches("src/*.rs", "src/a.rs") && !matches("src/*.rs", "src/x/a.rs") && !matches("src/*.rs", "y/src/a.rs")
    );
    assert!(matches("src/**/*.{ts,tsx}", "src/a.tsx") && matches("src/**/*.{ts,tsx}", "src/x/y/a.ts"));
    let told = Paths::new("a{").unwrap_err().to_string();
    assert!(told.contains("not a usable glob") && told.contains("Examples"), "{told}");
    assert!(Paths::new(" ").is_err());
}

#[tokio::test]
async fn every_file_tool_works_in_a_further_directory_by_absolute_paths() {
    let mut bench = Bench::new();
    bench.write("a.rs", "fn work() {}\n");
    let lib = bench.dir.path().canonicalize().unwrap().join("lib");
    std::fs::create_dir_all(lib.join("src/.git/info")).unwrap();
    std::fs::write(lib.join(".gitignore"), "/out\n").unwrap();
    for (file, text) in [("src/b.rs", "fn lib() {}\n"), ("out/c.rs", "fn lib() {}\n")] {
        std::fs::create_dir_all(lib.join(file).parent().unwrap()).unwrap();
        std::fs::write(lib.join(file), text).unwrap();
    }
    let workspace = Workspace::open_with(bench.path(""), std::slice::from_ref(&lib), &[]).unwrap();
    bench.workspace = workspace;
    let at = |file: &str| lib.join(file).to_str().unwrap().to_owned();
    let root = lib.to_str().unwrap();
    let read = bench.call("read_file", json!({ "path": at("src/b.rs") })).await.unwrap();
    assert_eq!(
        (read.result.as_str(), read.locations[0].path.as_str()),
        ("     1\tfn lib() {}\n", at("src/b.rs").as_str())
    );
    let listed = bench.tell("list_dir", json!({ "path": root })).await;
    assert_eq!(listed, format!("{root}/\n  .gitignore  5 B\n  out/\n  src/"));
    let matches = format!("{}\n1:fn lib() {{}}\n\n[1 matching line in 1 file]\n", at("src/b.rs"));
    assert_eq!(bench.tell("grep", json!({ "pattern": "fn lib", "path": root })).await, matches);
    assert_eq!(bench.tell("grep", json!({ "pattern": "fn lib", "path": at("src") })).await, matches);
    assert!(bench.tell("grep", json!({ "pattern": "fn lib" })).await.starts_with("no match"));
    assert_eq!(bench.tell("glob", json!({ "pattern": "*.rs", "path": root })).await, at("src/b.rs"));
    assert_eq!(bench.tell("glob", json!({ "pattern": at("**/*.rs") })).await, at("src/b.rs"));
    let edit = json!({ "path": at("src/b.rs"), "old_string": "lib", "new_string": "kit" });
    assert!(bench.tell("edit_file", edit).await.starts_with(&format!("edited {} at line 1", at("src/b.rs"))));
    let made = bench.tell("write_file", json!({ "path": at("new/d.rs"), "content": "x" })).await;
    assert!(made.starts_with(&format!("created {}", at("new/d.rs"))), "{made}");
    // One file of each directory, and one that moves from one to the other: all of it or nothing.
    let patch = format!(
        "*** Begin Patch\n*** Update File: a.rs\n-fn work() {{}}\n+fn worked() {{}}\n*** Update File: {}\n*** Move to: e.rs\n-fn kit() {{}}\n+fn moved() {{}}\n*** End Patch",
        at("src/b.rs")
    );
    let patched = bench.tell("apply_patch", json!({ "patch": patch })).await;
    assert!(patched.contains("M a.rs") && patched.contains(&format!("R {} -> e.rs", at("src/b.rs"))), "{patched}");
    assert_eq!((bench.read("a.rs").as_str(), bench.read("e.rs").as_str()), ("fn worked() {}\n", "fn moved() {}\n"));
    assert!(!lib.join("src/b.rs").exists());
    let protected = bench.tell("write_file", json!({ "path": at(".git/hooks/pre-commit"), "content": "x" })).await;
    assert!(protected.contains("protected"), "{protected}");
    assert_eq!(bench.tell("bash", json!({ "command": "pwd", "workdir": root })).await, format!("{root}\n"));
    let here = bench.workspace.root().display().to_string();
    assert_eq!(bench.tell("bash", json!({ "command": "pwd" })).await, format!("{here}\n"));
    let out = bench.tell("bash", json!({ "command": "pwd", "workdir": format!("{root}/..") })).await;
    assert!(out.contains("outside the workspace"), "{out}");
}
