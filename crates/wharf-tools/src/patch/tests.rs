//! Patches as they are written, well and badly.

use super::*;

fn update(patch: &str, text: &str) -> Result<String, String> {
    let files = parse(patch).map_err(|error| error.to_string())?;
    match &files[..] {
        [FilePatch { action: FileAction::Update { hunks, .. }, .. }] => apply(text, hunks).map(|applied| applied.text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_git_diff_of_several_files_is_read() {
    let patch = "diff --git a/x.rs b/x.rs\nindex 1..2 100644\n--- a/x.rs\n+++ b/x.rs\n@@ -1,2 +1,2 @@ fn main\n a\n-b\n+c\n\
        diff --git a/new b/new\nnew file mode 100755\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+hi\n\\ No newline at end of file\n\
        diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
        diff --git a/old name b/new name\nsimilarity index 100%\nrename from old name\nrename to new name\n\
        diff --git a/m.sh b/m.sh\nold mode 100644\nnew mode 100755\n";
    let files = parse(patch).unwrap();
    let told: Vec<String> = files
        .iter()
        .map(|file| match &file.action {
            FileAction::Create { text, mode } => format!("create {} {text:?} {mode:?}", file.path),
            FileAction::Delete => format!("delete {}", file.path),
            FileAction::Update { rename_to, hunks, mode } => {
                format!("update {} {rename_to:?} {} {mode:?}", file.path, hunks.len())
            }
        })
        .collect();
    assert_eq!(
        told,
        [
            "update x.rs None 1 None",
            "create new \"hi\" Some(493)",
            "delete gone",
            "update old name Some(\"new name\") 0 None",
            "update m.sh None 0 Some(493)",
        ]
    );
}

#[test]
fn names_are_unquoted_and_prefixes_go() {
    let path = |patch: &str| parse(patch).unwrap()[0].path.clone();
    assert_eq!(path("--- \"a/f\\303\\251\"\n+++ \"b/f\\303\\251\"\n@@ -1 +1 @@\n-a\n+b\n"), "fé");
    assert_eq!(path("--- x/y.c\t2026-01-01 00:00\n+++ x/y.c\t2026-01-02\n@@ -1 +1 @@\n-a\n+b\n"), "x/y.c");
    assert_eq!(path("--- a/y\n+++ a/y\n@@ -1 +1 @@\n-a\n+b\n"), "a/y");
}

#[test]
fn hunks_are_found_where_their_lines_are() {
    let text = "1\n2\n3\n4\n5\n6\n7\n8\n";
    let head = "--- a/f\n+++ b/f\n";
    // Right, with a wrong line number, with wrong counts, with a bare blank line behind it.
    for hunk in [
        "@@ -3,2 +3,2 @@\n 3\n-4\n+x\n",
        "@@ -7,2 +7,2 @@\n 3\n-4\n+x\n",
        "@@ -3,9 +3,1 @@\n 3\n-4\n+x\n",
        "@@ -3,2 +3,2 @@\n 3\n-4\n+x\n\n",
    ] {
        assert_eq!(update(&format!("{head}{hunk}"), text).unwrap(), "1\n2\n3\nx\n5\n6\n7\n8\n", "{hunk}");
    }
    assert_eq!(update(&format!("{head}@@ -2,0 +3,1 @@\n+new\n"), text).unwrap(), "1\n2\nnew\n3\n4\n5\n6\n7\n8\n");
    let two = "@@ -1,2 +1,3 @@\n 1\n+1.5\n 2\n@@ -7,2 +8,1 @@\n 7\n-8\n";
    assert_eq!(update(&format!("{head}{two}"), text).unwrap(), "1\n1.5\n2\n3\n4\n5\n6\n7\n");
    let told = update(&format!("{head}@@ -1,2 +1,2 @@\n 3\n-nope\n+x\n"), text).unwrap_err();
    assert!(told.contains("hunk 1: these lines are not in the file: its first line is at 3"), "{told}");
    // The nearest of two places.
    assert_eq!(update(&format!("{head}@@ -4,1 +4,1 @@\n-a\n+x\n"), "a\nb\nb\na\n").unwrap(), "a\nb\nb\nx\n");
}

#[test]
fn the_end_of_a_file_is_kept_or_changed() {
    let head = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n";
    assert_eq!(update(&format!("{head}-a\n+b\n"), "a").unwrap(), "b");
    assert_eq!(update(&format!("{head}-a\n\\ No newline at end of file\n+b\n"), "a").unwrap(), "b\n");
    assert_eq!(update(&format!("{head}-a\n+b\n\\ No newline at end of file\n"), "a\n").unwrap(), "b");
    assert_eq!(update("--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+b\n", "").unwrap(), "b\n");
}

#[test]
fn a_removed_comment_is_no_header() {
    let patch = "--- a/f.sql\n+++ b/f.sql\n@@ -1,2 +1,2 @@\n--- old\n+++ new\n x\n";
    assert_eq!(update(patch, "-- old\nx\n").unwrap(), "++ new\nx\n");
}

#[test]
fn the_other_notation_is_read_too() {
    let patch = "```\n*** Begin Patch\n*** Update File: a.py\n*** Move to: b.py\n@@ class B\n@@ def f\n-    return 1\n+    return 2\n*** Add File: n.txt\n+one\n+\n+two\n*** Delete File: gone\n*** End Patch\n```";
    let files = parse(patch).unwrap();
    assert_eq!(files.len(), 3);
    assert_eq!(files[1].action, FileAction::Create { text: "one\n\ntwo\n".into(), mode: None });
    let FileAction::Update { rename_to, hunks, .. } = &files[0].action else { panic!("{files:?}") };
    assert_eq!(rename_to.as_deref(), Some("b.py"));
    let text = "class A\n  def f\n    return 1\nclass B\n  def f\n    return 1\n";
    assert_eq!(apply(text, hunks).unwrap().text, "class A\n  def f\n    return 1\nclass B\n  def f\n    return 2\n");
    let end = "*** Begin Patch\n*** Update File: f\n@@\n-a\n+z\n*** End of File\n*** End Patch";
    assert_eq!(update(end, "a\nb\na\n").unwrap(), "a\nb\nz\n");
}

#[test]
fn white_space_is_forgiven_and_the_files_own_stays() {
    let patch = "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n";
    assert_eq!(update(patch, "a  \nb\t\nd \n").unwrap(), "a  \nc\nd \n");
    assert_eq!(update(patch, "a\r\nb\r\nd\r\nx\n").unwrap(), "a\r\nc\r\nd\r\nx\n");
}

#[test]
fn what_is_no_patch_is_told_by_line() {
    let told = |patch: &str| parse(patch).unwrap_err().to_string();
    assert!(told("hello").contains("it changes no file"));
    assert!(told("@@ -1 +1 @@\n-a\n+b\n").starts_with("line 1 of the patch: a hunk without a file"));
    assert!(told("*** Begin Patch\n*** Update File: a\n@@\n?x\n").starts_with("line 4 of the patch: expected a line"));
    assert!(told("*** Begin Patch\n*** Rename File: a\n").contains("line 2"));
    assert!(told("diff --git a/x b/x\nGIT binary patch\n").contains("binary"));
    assert!(
        told("diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+y\n")
            .contains("symbolic")
    );
}

#[test]
fn markers_end_as_models_end_them() {
    for (begin, end) in [
        ("*** Begin Patch ***", "*** End Patch ***"),
        ("*** Begin Patch", "*** End Patch ***  "),
        ("*** Begin Patch***", "*** End Patch\t"),
        ("Here it is:\n\n```diff\n*** Begin Patch", "```"),
        ("apply_patch <<'EOF'\n*** Begin Patch", "*** End Patch\nEOF"),
        ("  *** Begin Patch", "  "),
        ("", ""),
    ] {
        let patch = format!("{begin}\n*** Update File: f ***\n@@\n-a\n+b\n{end}\n");
        let files = parse(&patch).unwrap();
        assert_eq!((files.len(), files[0].path.as_str()), (1, "f"), "{patch}");
        assert_eq!(update(&patch, "a\n").unwrap(), "b\n", "{patch}");
        assert_eq!(update(&patch.replace('\n', "\r\n"), "a\n").unwrap(), "b\n", "{patch}");
    }
    let part = |name: &str| format!("*** Begin Patch\n*** Update File: {name}\n@@\n-a\n+b\n*** End Patch\n");
    assert_eq!(parse(&format!("{}and\n{}", part("f"), part("g"))).unwrap().len(), 2);
    let unended = "*** Begin Patch\n*** Update File: f\n@@\n-a\n+b\n\\ No newline at end of file\n*** End Patch";
    assert_eq!(update(unended, "a\n").unwrap(), "b");
}

#[test]
fn a_marker_counts_in_column_one() {
    let patch = "--- a/f.md\n+++ b/f.md\n@@ -1,4 +1,4 @@\n *** Begin Patch\n-*** Update File: x\n+*** Update File: y\n \
        *** End Patch\n  *** Add File: z\n";
    assert_eq!(
        update(patch, "*** Begin Patch\n*** Update File: x\n*** End Patch\n *** Add File: z\n").unwrap(),
        "*** Begin Patch\n*** Update File: y\n*** End Patch\n *** Add File: z\n"
    );
    // The other way round.
    let patch =
        "*** Begin Patch\n*** Update File: f\n@@\n---- a/x\n-+++ b/x\n+*** End Patch\n *** Begin Patch\n*** End Patch";
    assert_eq!(update(patch, "--- a/x\n+++ b/x\n*** Begin Patch\n").unwrap(), "*** End Patch\n*** Begin Patch\n");
    // A commit's message may speak of patches.
    let git = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n*** End Patch\n";
    assert_eq!(update(git, "a\n").unwrap(), "b\n");
}

#[test]
fn blank_lines_between_files_belong_to_none() {
    let next = "--- a/g\n+++ b/g\n@@ -1 +1 @@\n-1\n+2\n";
    for (counts, blank) in
        [("-1,3 +1,3", "\n"), ("-1,2 +1,2", "\n"), ("-1,4 +1,4", "\n\n"), ("-1,9 +1,9", "\n"), ("-1 +1", "\n\n")]
    {
        for next in [
            next.to_owned(),
            format!("diff --git a/g b/g\n{next}"),
            format!("Index: g\n{next}"),
            format!("```\n\n```diff\n{next}"),
        ] {
            for end in ["\n", "\r\n"] {
                let patch = format!("--- a/f\n+++ b/f\n@@ {counts} @@\n a\n-b\n+c\n{blank}{next}").replace('\n', end);
                let files = parse(&patch).unwrap_or_else(|error| panic!("{error}: {patch}"));
                assert_eq!(files.len(), 2, "{patch}");
                let FileAction::Update { hunks, .. } = &files[0].action else { panic!("{patch}") };
                assert_eq!(apply("a\nb\n", hunks).unwrap().text, "a\nc\n", "{patch}");
            }
        }
    }
    // Where it is all that says where the new lines go, and where it is in the middle, it counts.
    let head = "--- a/f\n+++ b/f\n";
    assert_eq!(update(&format!("{head}@@ -2,1 +2,2 @@\n+new\n\n"), "a\n\nb\n").unwrap(), "a\nnew\n\nb\n");
    assert_eq!(update(&format!("{head}@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n"), "a\n\nb\n").unwrap(), "a\n\nc\n");
}

#[test]
fn what_stands_around_a_diff_is_passed_over() {
    let mail = "From 1 Mon\nSubject: x\n---\n f | 2 +-\n\ndiff --git a/f b/f\nindex 1..2\n\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n-- \n2.39.0\n\n";
    assert_eq!(update(mail, "a\n").unwrap(), "b\n");
    let fenced = "```diff\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-a\n+b\n```\n";
    assert_eq!(update(fenced, "a\n").unwrap(), "b\n");
    let plain = "diff --git a/f b/f\n@@ -1,2 +1,1 @@\n-a\n+b\n";
    assert_eq!(update(plain, "a\n").unwrap(), "b\n");
    let empty = parse("diff --git a/new b/new\nnew file mode 100644\nindex 0000000..e69de29\n").unwrap();
    assert_eq!(empty[0].action, FileAction::Create { text: String::new(), mode: Some(0o644) });
    let both = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n";
    assert_eq!(update(both, "a").unwrap(), "b");
}

mod fuzz {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(patch in "(?s).{0,300}") {
            let _ = parse(&patch);
        }

        #[test]
        fn no_arrangement_of_patch_lines_makes_it_panic(
            lines in proptest::collection::vec(proptest::sample::select(vec![
                "*** Begin Patch", "*** Update File: a", "*** Add File: b", "*** Delete File: c", "*** Move to: d",
                "*** End of File", "*** End Patch", "*** Begin Patch ***", "*** End Patch ***", " *** Begin Patch", "```", "-- ",
                "Index: x", "*** Add File:", "@@", "@@ x", "@@ -1,2 +1,2 @@", "@@ -99999999999999999999 +1 @@",
                "@@ -18446744073709551615,1 +1 @@", "@@ -0,0 +1 @@", "--- a/x", "+++ b/x", "--- /dev/null", "+++ /dev/null", "diff --git a/x b/x",
                "diff --git \"a/x\\3", "rename from x", "rename to y", "new file mode 100644", "+a", "-a", " a", "", "\\ No newline", "é",
            ]), 0..14),
            text in "[ab\r\n]{0,12}",
        ) {
            if let Ok(files) = parse(&lines.join("\n")) {
                for file in files {
                    if let FileAction::Update { hunks, .. } = file.action {
                        let _ = apply(&text, &hunks);
                    }
                }
            }
        }

        #[test]
        fn a_diff_of_two_texts_leads_from_one_to_the_other(old in "([abc]{0,2}\n){0,12}[ab]{0,1}", new in "([abc]{0,2}\n){0,12}[ab]{0,1}") {
            let diff = similar::TextDiff::from_lines(old.as_str(), new.as_str());
            let patch = diff.unified_diff().context_radius(3).header("a/f", "b/f").to_string();
            if !patch.is_empty() && !old.is_empty() && !new.is_empty() {
                proptest::prop_assert_eq!(update(&patch, &old).unwrap(), new, "{}", patch);
            }
        }
    }
}
