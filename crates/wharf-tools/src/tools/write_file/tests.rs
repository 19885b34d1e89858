//! Writing whole files.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::testing::Bench;

#[tokio::test]
async fn a_new_file_gets_its_directories() {
    let bench = Bench::new();
    let output = bench.call("write_file", json!({"path": "a/b/c.txt", "content": "one\ntwo\n"})).await.unwrap();
    assert_eq!(output.result, "created a/b/c.txt (2 lines, 8 bytes)");
    assert_eq!(output.diffs[0].old_text, None);
    assert_eq!(output.diffs[0].patch, "--- /dev/null\n+++ b/a/b/c.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n");
    assert_eq!(bench.names(), ["a", "a/b", "a/b/c.txt"]);
}

#[tokio::test]
async fn a_replaced_file_keeps_mode_mark_and_line_ends() {
    let bench = Bench::new();
    bench.write("run.sh", "\u{feff}old\r\nend\r\n");
    std::fs::set_permissions(bench.path("run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = bench.call("write_file", json!({"path": "run.sh", "content": "new\nend\n"})).await.unwrap();
    assert_eq!(bench.read("run.sh"), "\u{feff}new\r\nend\r\n");
    assert_eq!(std::fs::metadata(bench.path("run.sh")).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(
        output.result.contains("it stays UTF-8 with a byte order mark; its CRLF line ends were kept"),
        "{}",
        output.result
    );
    assert_eq!(output.diffs[0].patch, "--- a/run.sh\n+++ b/run.sh\n@@ -1,2 +1,2 @@\n-old\n+new\n end\n");
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let bench = Bench::new();
    bench.write("a", "a");
    for path in ["../x", "/etc/x", ".git/hooks/post-checkout", ".bashrc", "a/b", "new/", "."] {
        let told = bench.tell("write_file", json!({"path": path, "content": "x"})).await;
        assert!(told.starts_with("error: "), "{path}: {told}");
    }
    assert_eq!(bench.names(), ["a"]);
    let told = bench.tell("write_file", json!({"path": "p.json", "content": {"a": 1}})).await;
    assert!(told.starts_with("created p.json") && bench.read("p.json") == "{\n  \"a\": 1\n}\n", "{told}");
}

#[tokio::test]
async fn a_binary_can_be_replaced() {
    let bench = Bench::new();
    bench.write("b", b"\0\x01");
    let output = bench.call("write_file", json!({"path": "b", "content": "text"})).await.unwrap();
    assert_eq!(
        (bench.read("b").as_str(), output.diffs[0].patch.as_str()),
        ("text", "Binary files a/b and b/b differ\n")
    );
}

#[tokio::test]
async fn of_mixed_line_ends_those_that_most_lines_have_are_taken() {
    let (crlf, lf) = ("line\r\n".repeat(100), "line\n".repeat(100));
    for (old, new, stored, word) in [
        (format!("{crlf}last\n"), format!("{lf}new\n"), format!("{crlf}new\r\n"), "100 CRLF, 1 LF): they are CRLF now"),
        (format!("{lf}last\r\n"), format!("{lf}new\n"), format!("{lf}new\n"), "1 CRLF, 100 LF): they are LF now"),
        (format!("{crlf}a\r\nb\n"), "x\r\ny\n".to_owned(), "x\r\ny\r\n".to_owned(), "101 CRLF, 1 LF"),
    ] {
        let bench = Bench::new();
        bench.write("f", &old);
        let told = bench.tell("write_file", json!({"path": "f", "content": new})).await;
        assert_eq!(bench.read("f"), stored);
        assert!(told.contains(word), "{told}");
    }
}
