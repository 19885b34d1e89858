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
        "a.rs\n2:two Foo\n\nb/c.txt\n1:foo\n\n[2 matching lines in 2 files]\n[not searched: 1 binary file (bin)]\n"
    );
    assert_eq!(
        bench.tell("grep", json!({"pattern": "foo$", "mode": "content", "context": "1"})).await,
        "b/c.txt\n1:foo\n2-bar\n\n[1 matching line in 1 file]\n[not searched: 1 binary file (bin)]\n"
    );
    assert_eq!(
        bench.tell("grep", json!({"pattern": "oo", "output_mode": "files_with_matches"})).await,
        "a.rs\nb/c.txt\n[not searched: 1 binary file (bin)]\n"
    );
    assert_eq!(
        bench.tell("grep", json!({"pattern": "oo|one", "mode": "count", "glob": "*.rs"})).await,
        "a.rs: 2\n\n[2 matching lines in 1 file]\n"
    );
    assert_eq!(
        bench.tell("grep", json!({"pattern": "oo", "mode": "files", "path": ".", "glob": "!*.rs"})).await,
        "b/c.txt\n[not searched: 1 binary file (bin)]\n"
    );
    assert_eq!(
        bench.tell("grep", json!({"pattern": "foo", "path": "b/c.txt"})).await,
        "b/c.txt\n1:foo\n\n[1 matching line in 1 file]\n"
    );
    assert_eq!(bench.tell("grep", json!({"pattern": "foo", "path": "no", "mode": "files"})).await, "no/foo\n");
    assert_eq!(
        bench.tell("grep", json!({"pattern": "zzz"})).await,
        "no match for zzz\n[not searched: 1 binary file (bin); 1 ignored entry (no)]\n"
    );
    assert_eq!(
        bench.tell("grep", json!({"pattern": "one\\ntwo", "multiline": true})).await,
        "a.rs\n1:one\n2:two Foo\n\n[2 matching lines in 1 file]\n[not searched: 1 binary file (bin)]\n"
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
    assert!(
        long.len() < 700 && long.contains("[line cut, from byte 99505] ") && long.contains("yhit\n"),
        "{}",
        long.len()
    );
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

#[tokio::test]
async fn what_read_file_reads_is_searched() {
    let bench = Bench::new();
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("x\nneedle\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let late = format!("{}needle\n\0\nneedle\n", "line\n".repeat(3000));
    bench.write("late.log", &late).write("early", b"a\0\nneedle\n").write("utf16", utf16);
    assert_eq!(
        bench.tell("grep", json!({"pattern": "needle", "mode": "count"})).await,
        "late.log: 2\nutf16: 1\n\n[3 matching lines in 2 files]\n[not searched: 1 binary file (early)]\n"
    );
    for mode in ["content", "files", "count"] {
        let told = bench.tell("grep", json!({"pattern": "needle", "path": "early", "mode": mode})).await;
        assert_eq!(told, "no match for needle\n[not searched: 1 binary file (early)]\n");
    }
    let told = bench.tell("grep", json!({"pattern": "needle", "path": "late.log"})).await;
    assert!(told.contains("3001:needle\n3003:needle\n"), "{told}");
}

#[tokio::test]
async fn what_was_not_searched_is_told() {
    let bench = Bench::new();
    bench.write("a.txt", "x").write("lib/b.txt", "x").write(".gitignore", "lib\n");
    bench.write("long", "y".repeat(17 << 20));
    std::os::unix::fs::symlink("a.txt", bench.path("link")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bench.path("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert_eq!(
        bench.tell("grep", json!({"pattern": "zzz"})).await,
        "no match for zzz\n[not searched: 1 file not to its end, for a very long line (long); 1 pipe, socket or device (pipe); \
         1 ignored entry (lib); 1 symbolic link (link)]\n"
    );
    assert_eq!(
        bench.tell("grep", json!({"pattern": "zzz", "glob": "*.py"})).await,
        "no match for zzz: no file that could be searched matches *.py\n[not searched: 1 ignored entry (lib)]\n"
    );
    assert_eq!(
        bench.tell("glob", json!({"pattern": "b.*"})).await,
        "no file matches b.* in ./\n[not searched: 1 ignored entry (lib)]"
    );
}

#[tokio::test]
async fn a_match_in_a_long_line_is_shown() {
    let bench = Bench::new();
    let (x, y) = ("x".repeat(5000), "y".repeat(5000));
    bench
        .write("one", format!("{x}hit{y}\n"))
        .write("ends", format!("{x}hit\r\n"))
        .write("two", format!("first\n{x}second{y}\n"));
    let told = bench.tell("grep", json!({"pattern": "hit", "path": "one"})).await;
    assert!(
        told.contains("xxhityy") && told.contains("1:[line cut, from byte 4851] x") && told.contains("y [line cut]\n"),
        "{told}"
    );
    for pattern in ["hit$", "x+hit"] {
        let told = bench.tell("grep", json!({"pattern": pattern, "path": "ends"})).await;
        assert!(
            told.contains("[1 matching line in 1 file]")
                && told.contains(if pattern == "hit$" { "xxhit\n" } else { "x [line cut]\n" }),
            "{told}"
        );
    }
    let told = bench.tell("grep", json!({"pattern": "first\\nx+second", "multiline": true, "path": "two"})).await;
    assert!(told.contains("1:first\n2:x") && told.len() < 700, "{told}");
    let told = bench.tell("grep", json!({"pattern": "second|first", "path": "two"})).await;
    assert!(told.contains("1:first\n2:[line cut, from byte 4851] ") && told.contains("xsecondy"), "{told}");
}

#[tokio::test]
async fn paths_with_brackets_are_found() {
    let bench = Bench::new();
    bench.write("app/[id]/page.tsx", "hit\n").write("app/(group)/page.tsx", "hit\n").write("app/i/page.tsx", "hit\n");
    let told = bench.tell("grep", json!({"pattern": "hit", "glob": "app/[id]/*.tsx", "mode": "files"})).await;
    assert_eq!(told, "app/[id]/page.tsx\napp/i/page.tsx\n");
    let told = bench.tell("grep", json!({"pattern": "hit", "glob": "!app/[id]/*", "mode": "files"})).await;
    assert_eq!(told, "app/(group)/page.tsx\n");
    assert_eq!(bench.tell("glob", json!({"pattern": "app/(group)/*"})).await, "app/(group)/page.tsx");
    assert!(bench.tell("glob", json!({"pattern": "app/[id]/page.tsx"})).await.contains("app/[id]/page.tsx"));
}

#[tokio::test]
async fn hostile_patterns_are_refused_in_few_words() {
    let bench = bench();
    for pattern in [
        "(".repeat(20_000),
        format!("{}a{}", "(".repeat(900), ")".repeat(900)),
        format!("{}a{}", "[".repeat(900), "]".repeat(900)),
        format!("a{}", "*".repeat(1500)),
        "(a{1000}){1000}".to_owned(),
        "((a{500}|b){500}|c){500}".to_owned(),
        "(\\pL{100}){100}".to_owned(),
        format!("{}x", "(|a){1000}".repeat(900)),
        "(((){1000}){1000}){1000}x".to_owned(),
        "a{4294967296}".to_owned(),
        format!("(?i){}", "\\w{1000}".repeat(50)),
    ] {
        for multiline in [false, true] {
            let told = bench.tell("grep", json!({"pattern": pattern, "multiline": multiline})).await;
            assert!(told.starts_with("error: ") || told.starts_with("no match"), "{told:.300}");
            assert!(told.len() < 2000, "{}", told.len());
        }
    }
    let braces = format!("{}a{}", "{".repeat(300), "}".repeat(300));
    for told in [
        bench.tell("glob", json!({"pattern": braces})).await,
        bench.tell("grep", json!({"pattern": "a", "glob": braces})).await,
    ] {
        assert!(told.contains("more than 64 opening brackets") && !told.contains("panic"), "{told}");
    }
}

mod fuzz {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_pattern_makes_it_panic(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "(", ")", "[", "]", "{", "}", "{2,}", "{30}", "|", "*", "+", "?", "^", "$", "\\", "\\b", "\\w", "\\pL", "(?i)", "(?x)", "#", ".",
                "a", "é", "[^", "-", "&&", "\\n", "\\r", "(?:", "(?P<n>", "\0",
            ]), 0..30),
            text in "[ab\r\n\0é]{0,40}",
            multiline: bool,
        ) {
            let arguments = json!({"pattern": parts.concat(), "multiline": multiline});
            let bench = Bench::new();
            bench.write("f", text);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let told = runtime.block_on(bench.tell("grep", arguments));
            proptest::prop_assert!(!told.contains("crashed"), "{}", told);
        }
    }
}
