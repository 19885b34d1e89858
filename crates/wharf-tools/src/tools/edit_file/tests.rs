//! Edits, exact and forgiving.

use serde_json::json;

use super::*;
use crate::testing::Bench;

async fn edited(file: &str, old: &str, new: &str) -> (String, String) {
    let bench = Bench::new();
    bench.write("f", file);
    let told = bench.tell("edit_file", json!({"path": "f", "old_string": old, "new_string": new})).await;
    (bench.read("f"), told)
}

#[tokio::test]
async fn an_exact_passage_is_replaced() {
    let (file, told) = edited("a\nb\nc\n", "b", "x\ny").await;
    assert_eq!(file, "a\nx\ny\nc\n");
    assert!(told.starts_with("edited f at line 2\n") && told.contains("     3\ty"), "{told}");
}

#[tokio::test]
async fn line_ends_are_kept() {
    assert_eq!(edited("a\r\nb\r\nc\r\n", "a\nb\n", "x\ny\nz\n").await.0, "x\r\ny\r\nz\r\nc\r\n");
    let (mixed, told) = edited("a\r\nb\r\nc\n", "a\nb\n", "x\ny\n").await;
    assert_eq!(mixed, "x\r\ny\r\nc\n");
    assert!(told.contains("its line ends are mixed (2 CRLF, 1 LF)"), "{told}");
    let mixed = format!("{}last\n", "line\r\n".repeat(100));
    assert_eq!(edited(&mixed, "last", "last\nnew").await.0, format!("{}last\nnew\r\n", "line\r\n".repeat(100)));
    assert_eq!(edited(&mixed, "e\nlast", "e\nx\nlast").await.0, format!("{}x\r\nlast\n", "line\r\n".repeat(100)));
}

#[tokio::test]
async fn white_space_is_forgiven_and_said() {
    let (file, told) = edited("fn a() {   \n    b();\n}\n", "fn a() {\n    b();\n}\n", "fn a() {}\n").await;
    assert_eq!(file, "fn a() {}\n");
    assert!(told.contains("Note: old_string matched only with white space at line ends ignored"), "{told}");
    let (file, told) = edited(
        "mod m {\n    fn a() {\n        b();\n    }\n}\n",
        "fn a() {\n    b();\n}",
        "fn a() {\n    if c {\n        b();\n    }\n}",
    )
    .await;
    assert_eq!(file, "mod m {\n    fn a() {\n        if c {\n            b();\n        }\n    }\n}\n");
    assert!(told.contains("indentation ignored"), "{told}");
    let (file, _) = edited("\tif x:\n\t\ty()\n", "if x:\n    y()", "if x:\n    y()\n    z()").await;
    assert_eq!(file, "\tif x:\n\t\ty()\n\t\tz()\n");
}

#[tokio::test]
async fn deleted_lines_leave_no_gap() {
    assert_eq!(edited("a\nb  \nc\n", "b\n", "").await.0, "a\nc\n");
    assert_eq!(edited("a\nb\nc\n", "b\n", "").await.0, "a\nc\n");
}

#[tokio::test]
async fn what_has_no_one_meaning_is_refused_with_help() {
    let (file, told) = edited("a\nb\na\n", "a", "x").await;
    assert_eq!(file, "a\nb\na\n");
    assert!(told.contains("found 2 times, at lines 1, 3") && told.contains("replace_all"), "{told}");
    let (_, told) = edited("fn first() {}\nfn second(x: u8) {}\n", "fn second(y: u8) {}", "z").await;
    assert!(told.contains("closest passage") && told.contains("     2\tfn second(x: u8) {}"), "{told}");
    let (_, told) = edited("a\nb\n", "     1\ta\n     2\tb", "z").await;
    assert!(told.contains("leave them out"), "{told}");
    assert!(edited("a", "", "x").await.1.contains("old_string is empty"));
    assert!(edited("a", "a", "a").await.1.contains("are the same"));
    let bench = Bench::new();
    bench.write("latin", b"gr\xfcn").write("main.rs", "");
    let told = bench.tell("edit_file", json!({"path": "latin", "old_string": "n", "new_string": "m"})).await;
    assert!(told.contains("byte 2 is not UTF-8"), "{told}");
    let told = bench.tell("edit_file", json!({"path": "mian.rs", "old_string": "n", "new_string": "m"})).await;
    assert!(told.contains("did you mean main.rs") && told.contains("write_file creates"), "{told}");
}

#[tokio::test]
async fn every_occurrence_can_be_replaced() {
    let bench = Bench::new();
    bench.write("f", "a b a\na\n");
    let arguments = json!({"path": "f", "old_str": "a", "new_str": "xx", "replace_all": "true"});
    assert!(bench.tell("edit_file", arguments).await.starts_with("edited f: 3 replacements"));
    assert_eq!(bench.read("f"), "xx b xx\nxx\n");
}

proptest::proptest! {
    #[test]
    fn nothing_panics(file in "[ab \t\r\n]{0,60}", old in "[ab \t\r\n]{0,20}", new in "[ab \t\r\n]{0,20}", all: bool) {
        let _ = matching::edit(&file, &old, &new, all);
    }
}
