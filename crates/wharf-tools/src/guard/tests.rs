//! Rules at use, what was judged, and what was shown.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::*;
use crate::testing::Bench;
use crate::{Seen, Tool};

struct NoEnv;

impl FileRules for NoEnv {
    fn denied(&self, name: &str, absolute: &str) -> Option<String> {
        (name.ends_with(".env") || absolute.ends_with(".env")).then(|| "rule deny * `*.env`".to_owned())
    }

    fn hidden(&self, name: &str, absolute: &str) -> Option<String> {
        self.denied(name, absolute)
    }
}

async fn look(bench: &Bench, tool: &str, arguments: &Value) -> Seen {
    let (context, _receiver, _cancel) = bench.context();
    let tool = bench.toolbox.get(tool).unwrap();
    tool.look(arguments, &context, true).await
}

async fn run(bench: &Bench, tool: &str, arguments: Value, guard: Arc<Guard>) -> String {
    let (mut context, _receiver, _cancel) = bench.context();
    context.workspace = context.workspace.guarded(Arc::clone(&guard));
    context.guard = guard;
    let tool: Arc<dyn Tool> = bench.toolbox.get(tool).unwrap();
    match tool.run(arguments, context).await {
        Ok(output) => output.result,
        Err(error) => format!("error: {error}"),
    }
}

fn rules() -> Arc<Guard> {
    Guard::new(Some(Box::new(NoEnv)), None, None)
}

fn names(seen: &Seen) -> Vec<&str> {
    seen.paths.iter().map(|path| path.name.as_str()).collect()
}

#[tokio::test]
async fn what_a_rule_denies_is_in_no_tools_reach_through_links_too() {
    let bench = Bench::new();
    bench.write(".env", "KEY=1\n").write("a/prod.env", "KEY=2\n").write("a/b.txt", "KEY=3\n");
    symlink(".env", bench.path("link.txt")).unwrap();
    symlink("a", bench.path("dir")).unwrap();
    for (tool, arguments) in [
        ("read_file", json!({ "path": ".env" })),
        ("read_file", json!({ "path": "link.txt" })),
        ("read_file", json!({ "path": "dir/../dir/prod.env" })),
        ("edit_file", json!({ "path": "link.txt", "old_string": "KEY", "new_string": "x" })),
        ("write_file", json!({ "path": "link.txt", "content": "x" })),
        ("write_file", json!({ "path": "new.env", "content": "x" })),
        ("grep", json!({ "pattern": "KEY", "path": "link.txt" })),
        ("apply_patch", json!({ "patch": "*** Begin Patch\n*** Delete File: .env\n*** End Patch" })),
        (
            "apply_patch",
            json!({ "patch": "*** Begin Patch\n*** Update File: a/b.txt\n*** Move to: c.env\n@@\n-KEY=3\n+x\n*** End Patch" }),
        ),
    ] {
        let told = run(&bench, tool, arguments.clone(), rules()).await;
        assert!(told.contains("not allowed (rule deny * `*.env`)"), "{tool} {arguments}: {told}");
    }
    assert_eq!((bench.read(".env").as_str(), bench.read("a/b.txt").as_str()), ("KEY=1\n", "KEY=3\n"));
    for (tool, arguments, note) in [
        ("grep", json!({ "pattern": "KEY" }), "[2 entries are left out by rule deny * `*.env`]"),
        ("grep", json!({ "pattern": "KEY", "glob": "*.env" }), "[2 entries are left out by rule deny * `*.env`]"),
        ("glob", json!({ "pattern": "**/*.env" }), "[2 entries are left out by rule deny * `*.env`]"),
        ("list_dir", json!({ "path": "dir" }), "[1 entry is left out by rule deny * `*.env`]"),
    ] {
        let told = run(&bench, tool, arguments.clone(), rules()).await;
        assert!(
            told.contains(note) && !told.contains("KEY=1") && !told.contains("prod.env"),
            "{tool} {arguments}: {told}"
        );
    }
    let hint = run(&bench, "read_file", json!({ "path": "a/prod.en" }), rules()).await;
    assert!(!hint.contains("prod.env"), "names are content too: {hint}");
}

#[tokio::test]
async fn a_link_that_comes_between_the_decision_and_the_use_does_not_help() {
    let bench = Bench::new();
    bench.write("src/a.txt", "one\n").write("secret/a.txt", "two\n");
    for (tool, arguments) in [
        ("read_file", json!({ "path": "src/a.txt" })),
        ("edit_file", json!({ "path": "src/a.txt", "old_string": "two", "new_string": "x" })),
        ("write_file", json!({ "path": "src/a.txt", "content": "x" })),
        ("write_file", json!({ "path": "src/new.txt", "content": "x" })),
        ("grep", json!({ "pattern": "two", "path": "src" })),
        ("list_dir", json!({ "path": "src" })),
        ("glob", json!({ "pattern": "*", "path": "src" })),
        ("bash", json!({ "command": "cat a.txt", "workdir": "src" })),
    ] {
        let seen = look(&bench, tool, &arguments).await;
        let judged = || seen.paths.iter().map(|path| path.absolute.clone()).collect();
        std::fs::rename(bench.path("src"), bench.path("src.old")).unwrap();
        symlink("secret", bench.path("src")).unwrap();
        let told = run(&bench, tool, arguments.clone(), Guard::new(None, Some(judged()), None)).await;
        assert!(told.contains("leads to another file than when this call was judged"), "{tool}: {told}");
        std::fs::remove_file(bench.path("src")).unwrap();
        std::fs::rename(bench.path("src.old"), bench.path("src")).unwrap();
        let told = run(&bench, tool, arguments, Guard::new(None, Some(judged()), None)).await;
        assert!(!told.contains("leads to another"), "{tool}: {told}");
        bench.write("src/a.txt", "one\n");
    }
    assert!(!bench.path("secret/new.txt").exists());
    assert_eq!(bench.read("secret/a.txt"), "two\n");
}

#[tokio::test]
async fn what_would_be_touched_is_seen() {
    let bench = Bench::new();
    bench.write("ci/deploy.sh", "x\n").write("src/a", "x\n");
    symlink("../ci", bench.path("src/ci")).unwrap();
    let seen = look(&bench, "write_file", &json!({ "path": "src/ci/deploy.sh", "content": "y\n" })).await;
    assert_eq!(names(&seen), ["ci/deploy.sh"]);
    let patch = "*** Begin Patch\n*** Update File: src/a\n*** Move to: src/ci/b\n@@\n-x\n+y\n*** End Patch";
    assert_eq!(names(&look(&bench, "apply_patch", &json!({ "patch": patch })).await), ["src/a", "ci/b"]);
    assert_eq!(names(&look(&bench, "grep", &json!({ "pattern": "x", "path": "src/ci" })).await), ["ci"]);
    assert_eq!(names(&look(&bench, "bash", &json!({ "command": "x", "cwd": "src/ci/" })).await), ["ci"]);
    assert_eq!(names(&look(&bench, "read_file", &json!({ "path": "../secret" })).await), [""; 0], "it cannot be used");
}

#[tokio::test]
async fn files_that_other_programs_run_or_trust_are_guarded() {
    let bench = Bench::new();
    bench
        .write("vendor/b/HEAD", "ref: x")
        .write("vendor/b/objects/x", "")
        .write("vendor/b/refs/x", "")
        .write(".vscode/x", "");
    symlink(".vscode", bench.path("innocent")).unwrap();
    for (path, is_guarded) in [
        (".envrc", true),
        ("deep/.ENVRC", true),
        (".vscode/tasks.json", true),
        (".VSCode/settings.json", true),
        ("innocent/tasks.json", true),
        (".husky/pre-commit", true),
        (".mcp.json", true),
        (".idea/runConfigurations/x.xml", true),
        (".cargo/config.toml", true),
        ("vendor/b/config", true),
        ("vendor/b/CONFIG", true),
        ("vendor/b/hooks/post-checkout", true),
        ("vendor/config", false),
        ("package.json", false),
        ("Makefile", false),
        (".github/workflows/ci.yml", false),
        ("config.toml", false),
        ("src/vscode/a", false),
    ] {
        let seen = look(&bench, "write_file", &json!({ "path": path, "content": "x" })).await;
        assert_eq!(!seen.guarded.is_empty(), is_guarded, "{path}: {seen:?}");
    }
    // A repository that a patch brings as a whole, or completes.
    let patch = "*** Begin Patch\n*** Add File: r/HEAD\n+x\n*** Add File: r/objects/x\n+x\n*** Add File: r/refs/x\n+x\n*** Add File: r/config\n+x\n*** End Patch";
    assert_eq!(look(&bench, "apply_patch", &json!({ "patch": patch })).await.guarded.len(), 4);
    let moved = "*** Begin Patch\n*** Update File: .vscode/x\n*** Move to: y\n@@\n+a\n*** End Patch";
    assert_eq!(look(&bench, "apply_patch", &json!({ "patch": moved })).await.guarded.len(), 1);
}

#[tokio::test]
async fn a_directory_with_a_repository_of_its_own_is_foreign() {
    let bench = Bench::new();
    bench.write(".git/HEAD", "x").write("a/b/x", "").write("vendor/c/.git/HEAD", "x").write("vendor/c/d/x", "");
    bench
        .write("v/HEAD", "ref")
        .write("v/objects/x", "")
        .write("v/refs/x", "")
        .write("v/config", "")
        .write("v/sub/x", "");
    for (workdir, foreign) in [
        (".", None),
        ("a/b", None),
        ("vendor", None),
        ("vendor/c", Some("vendor/c is a git repository of its own")),
        ("vendor/c/d", Some("vendor/c is a git repository of its own")),
        ("v", Some("v is a bare git repository")),
        ("v/sub/../sub", Some("v is a bare git repository")),
    ] {
        let seen = look(&bench, "bash", &json!({ "command": "git status", "workdir": workdir })).await;
        assert_eq!(seen.foreign.as_deref(), foreign, "{workdir}");
    }
}

#[tokio::test]
async fn what_was_shown_is_done_or_nothing() {
    let bench = Bench::new();
    let many: String = (1..=40).map(|line| format!("line {line}\n")).collect();
    let patch = "*** Begin Patch\n*** Update File: a\n@@\n-line 20\n+new\n*** End Patch";
    for (tool, arguments) in [
        ("edit_file", json!({ "path": "a", "old_string": "line 20\n", "new_string": "new\n" })),
        ("apply_patch", json!({ "patch": patch })),
        ("write_file", json!({ "path": "a", "content": many.replace("line 20\n", "new\n") })),
    ] {
        bench.write("a", &many);
        let preview = look(&bench, tool, &arguments).await.preview.unwrap();
        assert!(preview.diffs[0].patch.contains("-line 20\n+new\n"), "{tool}: {preview:?}");
        let guard = || Guard::new(None, None, preview.digest.clone());
        bench.write("a", many.replace("line 21\n", "theirs\n"));
        let told = run(&bench, tool, arguments.clone(), guard()).await;
        assert!(told.contains("has changed since this change was shown"), "{tool}: {told}");
        assert!(bench.read("a").contains("line 20\n"));
        if tool != "write_file" {
            // Elsewhere in the file: the change is the same.
            bench.write("a", format!("first\n{many}"));
            let told = run(&bench, tool, arguments.clone(), guard()).await;
            assert!(!told.contains("error"), "{tool}: {told}");
            assert!(bench.read("a").contains("new\n"));
        }
        bench.write("a", &many);
        assert!(!run(&bench, tool, arguments, guard()).await.contains("error"));
    }
    // A call that would have failed does nothing once it would not.
    let arguments = json!({ "path": "a", "old_string": "later", "new_string": "x" });
    let preview = look(&bench, "edit_file", &arguments).await.preview.unwrap();
    assert!(preview.problem.unwrap().contains("not in the file"));
    bench.write("a", "later\n");
    let told = run(&bench, "edit_file", arguments, Guard::new(None, None, preview.digest)).await;
    assert!(told.contains("has changed since"), "{told}");
}

#[test]
fn a_preview_has_a_size() {
    let diff = |path: &str, size: usize| FileDiff {
        path: path.to_owned(),
        old_text: None,
        new_text: Some("x\n".repeat(size / 2)),
        patch: "+x\n".repeat(size / 3),
    };
    let small = preview(Ok(vec![diff("/a", 100)]));
    assert_eq!((small.cut, small.diffs.len()), (0, 1));
    let large = preview(Ok(vec![diff("/a", 200_000)]));
    assert_eq!((large.cut, large.diffs[0].new_text.is_none()), (1, true));
    assert!(large.diffs[0].patch.ends_with("bytes of this diff are not shown\n"));
    let many = preview(Ok((0..500).map(|number| diff(&format!("/{number}"), 100)).collect()));
    assert_eq!((many.diffs.len(), many.cut), (PREVIEW_MAX_FILES, 400));
    let other =
        preview(Ok((0..500).map(|number| diff(&format!("/{number}"), if number == 499 { 60 } else { 100 })).collect()));
    assert_ne!(other.digest, many.digest, "what is not shown is compared all the same");
}
