//! Patches on files: all or nothing.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;
use crate::testing::Bench;

const PATCH: &str = "*** Begin Patch\n*** Update File: a.txt\n@@\n-one\n+uno\n*** Update File: b.txt\n*** Move to: moved/b.txt\n@@\n-two\n+due\n*** Delete File: c.txt\n*** Add File: new/deep/d.txt\n+four\n*** End Patch";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("a.txt", "one\r\nrest\r\n").write("b.txt", "two\n").write("c.txt", "three\n");
    std::fs::set_permissions(bench.path("b.txt"), std::fs::Permissions::from_mode(0o755)).unwrap();
    bench
}

#[tokio::test]
async fn every_file_is_changed() {
    let bench = bench();
    let output = bench.call("apply_patch", json!({"input": PATCH})).await.unwrap();
    assert_eq!(output.result, "the patch is applied:\nM a.txt\nR b.txt -> moved/b.txt\nD c.txt\nA new/deep/d.txt");
    assert_eq!(bench.names(), ["a.txt", "moved", "moved/b.txt", "new", "new/deep", "new/deep/d.txt"]);
    assert_eq!((bench.read("a.txt").as_str(), bench.read("moved/b.txt").as_str()), ("uno\r\nrest\r\n", "due\n"));
    assert_eq!(std::fs::metadata(bench.path("moved/b.txt")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(output.diffs.len(), 5);
    let deleted = output.diffs.iter().find(|diff| diff.path.ends_with("c.txt")).unwrap();
    assert_eq!(
        (deleted.new_text.clone(), deleted.patch.as_str()),
        (None, "--- a/c.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-three\n")
    );
}

#[tokio::test]
async fn a_part_that_does_not_fit_changes_nothing() {
    let bench = bench();
    let before = bench.names();
    for (bad, why) in [
        ("*** Update File: a.txt\n@@\n-nope\n+x\n", "these lines are not in the file"),
        ("*** Update File: missing.txt\n@@\n-a\n+x\n", "missing.txt: not found"),
        ("*** Add File: a.txt\n+x\n", "exists already"),
        ("*** Delete File: ../x\n", "outside the workspace"),
        ("*** Add File: .git/hooks/pre-commit\n+x\n", "protected"),
        ("*** Update File: a.txt\n*** Move to: c.txt\n", "exists already"),
    ] {
        let patch = format!("*** Begin Patch\n*** Add File: first\n+x\n{bad}*** End Patch");
        let told = bench.tell("apply_patch", json!({ "patch": patch })).await;
        assert!(told.contains(why) && told.contains("Nothing was changed"), "{bad}: {told}");
        assert_eq!(bench.names(), before, "{bad}");
    }
}

#[tokio::test]
async fn a_failure_on_the_way_takes_everything_back() {
    let bench = bench();
    let before = bench.names();
    let plan = Plan::make(&bench.workspace, parse(PATCH).unwrap(), BTreeMap::new()).unwrap();
    // By its name the last file but one to be put in place.
    bench.write("c.txt", "changed by somebody");
    let stop = Stop::new(&tokio_util::sync::CancellationToken::new());
    let committed = plan.prepare(&bench.workspace, None, &stop).map(|mut ready| ready.disk.commit());
    let committed = committed.map(|done| done.map_err(|error| nothing_changed(error.into())));
    let told = committed.unwrap().unwrap_err();
    assert!(told.to_string().contains("c.txt: the file was changed by somebody else"), "{told}");
    assert!(told.to_string().ends_with("Nothing was changed"));
    assert_eq!(bench.names(), before);
    assert_eq!((bench.read("a.txt").as_str(), bench.read("b.txt").as_str()), ("one\r\nrest\r\n", "two\n"));
    assert_eq!(std::fs::metadata(bench.path("b.txt")).unwrap().permissions().mode() & 0o777, 0o755);
}

#[tokio::test]
async fn a_file_may_be_named_twice() {
    let bench = bench();
    let patch = "--- a/b.txt\n+++ b/b.txt\n@@ -1 +1 @@\n-two\n+2\n--- a/b.txt\n+++ b/b.txt\n@@ -1 +1,2 @@\n 2\n+3\n";
    bench.call("apply_patch", json!({ "patch": patch })).await.unwrap();
    assert_eq!(bench.read("b.txt"), "2\n3\n");
    assert!(!bench.names().iter().any(|name| name.contains("wharf-tmp")));
}
