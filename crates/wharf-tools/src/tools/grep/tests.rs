//! Searching contents.

use serde_json::json;

use crate::testing::Bench;

fn bench() -> Bench {
    let bench = Bench::new();
    bench
        .write("a.rs", "one\ntwo Foo\nthree\n")
        .write("b/c.txt", "foo\r\nbar\n")
        .write("bin", b"foo\0foo")
        .write("no/foo", "foo")
        .write(".gitignore", "no/\n");
    bench
}

#[tokio::test]
async fn each_mode_tells_what_it_says() {
    let bench = bench();
    assert_eq!(
        bench.tell("grep", json!({"pattern": "foo", "-i": true})).await,
        "a.rs\n2:two Foo\n\nb/c.txt\n1:foo\n\n[2 matching lines in 2 files]\n"
    );
    assert_eq!(
        bench.tell("grep", json!({"pattern": "foo$", "mode": "content", "context": "1"})).await,
        "b/c.txt\n1:foo\n2-bar\n\n[1 matching line in 1 file]\n"
    );
    assert_eq!(
        bench.tell("grep", json!({"pattern": "oo", "output_mode": "files_with_matches"})).await,
        "a.rs\nb/c.txt\n"
    );
    assert_eq!(
        bench.tell("grep", json!({"pattern": "oo|one", "mode": "count", "glob": "*.rs"})).await,
        "a.rs: 2\n\n[2 matching lines in 1 file]\n"
    );
    assert_eq!(
        bench.tell("grep", json!({"pattern": "oo", "mode": "files", "path": ".", "glob": "!*.rs"})).await,
        "b/c.txt\n"
    );
    assert_eq!(
        bench.tell("grep", json!({"pattern": "foo", "path": "b/c.txt"})).await,
        "b/c.txt\n1:foo\n\n[1 matching line in 1 file]\n"
    );
    assert_eq!(bench.tell("grep", json!({"pattern": "foo", "path": "no", "mode": "files"})).await, "no/foo\n");
    assert_eq!(bench.tell("grep", json!({"pattern": "zzz"})).await, "no match for zzz\n");
    assert_eq!(
        bench.tell("grep", json!({"pattern": "one\\ntwo", "multiline": true})).await,
        "a.rs\n1:one\n2:two Foo\n\n[2 matching lines in 1 file]\n"
    );
}

#[tokio::test]
async fn limits_hold_and_are_told() {
    let bench = bench();
    bench.write("many", "hit\n".repeat(1000)).write("long", format!("x{}hit\n", "y".repeat(100_000)));
    let output = bench.call("grep", json!({"pattern": "hit", "path": "many", "limit": 3})).await.unwrap();
    assert_eq!(
        output.result,
        "many\n1:hit\n2:hit\n3:hit\n\n[3 matching lines in 1 file; there are more: raise limit or narrow the search]\n"
    );
    assert!(output.truncated);
    let long = bench.tell("grep", json!({"pattern": "hit", "path": "long"})).await;
    assert!(long.len() < 700 && long.contains("[line cut]"), "{}", long.len());
    for pattern in ["(", "(?=x)", "((a{1000}){1000}){1000}", "", "a\\nb"] {
        let told = bench.tell("grep", json!({"pattern": pattern})).await;
        assert!(told.starts_with("error: "), "{pattern}: {told}");
    }
    assert!(bench.tell("grep", json!({"pattern": "x", "path": "/etc"})).await.contains("outside the workspace"));
}

#[tokio::test]
async fn links_are_not_followed_out() {
    let bench = bench();
    std::fs::write(bench.dir.path().join("secret"), "foo secret").unwrap();
    std::os::unix::fs::symlink("../secret", bench.path("link")).unwrap();
    std::os::unix::fs::symlink("..", bench.path("up")).unwrap();
    assert!(!bench.tell("grep", json!({"pattern": "foo"})).await.contains("secret"));
}
