//! The directories that a session's tools reach, and what in them is out of reach.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use wharf_engine::EngineError;
use wharf_protocol::rest::{CreateSession, ExecuteTool, SessionQuery, UpdateSession};
use wharf_protocol::{Mode, Rule, RuleAction, SessionId};
use wharf_store::memory::MemoryStore;
use wharf_store::sqlite::{SqliteConfig, SqliteStore};

use crate::support::TestEngine;

impl TestEngine {
    /// What the tool says, whether it succeeds or not.
    async fn told(&self, session: &SessionId, tool: &str, arguments: Value) -> String {
        let request = ExecuteTool { session_id: session.clone(), arguments };
        self.access.execute_tool(tool, request).await.unwrap().result
    }

    async fn session_in(&self, cwd: &Path) -> SessionId {
        let request = CreateSession { cwd: Some(cwd.to_owned()), ..CreateSession::default() };
        self.access.create_session(request).await.unwrap().id
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_that_holds_our_own_directories_shows_nothing_of_them() {
    let user = tempfile::tempdir().unwrap();
    let home = user.path().canonicalize().unwrap();
    for directory in ["state", "config", "project"] {
        std::fs::create_dir(home.join(directory)).unwrap();
    }
    for file in ["state/key", "config/config.toml", "project/wharf.toml", "project/main.rs"] {
        std::fs::write(home.join(file), "needle").unwrap();
    }
    std::os::unix::fs::symlink("state", home.join("innocent")).unwrap();
    let test = TestEngine::with(MemoryStore::new(), |config| {
        config.state_dir = home.join("state");
        config.masked = vec![home.join("config"), home.join("project/wharf.toml")];
    })
    .await;
    let session = test.session_in(&home).await;
    for path in ["state/key", "innocent/key", "config/config.toml", "project/wharf.toml"] {
        let absolute = home.join(path);
        for path in [path, absolute.to_str().unwrap()] {
            let read = test.told(&session, "read_file", json!({ "path": path })).await;
            assert!(read.contains("protected: it belongs to Wharf's own state"), "{path}: {read}");
            let written = test.told(&session, "write_file", json!({ "path": path, "content": "x" })).await;
            assert!(written.contains("protected: it belongs to Wharf's own state"), "{path}: {written}");
        }
    }
    let missing = test.told(&session, "read_file", json!({ "path": "state/kex" })).await;
    assert!(!missing.contains("state/key"), "names are not told either: {missing}");
    for path in ["state", "innocent"] {
        for tool in ["list_dir", "grep", "glob"] {
            let told = test.told(&session, tool, json!({ "path": path, "pattern": "needle" })).await;
            assert!(told.contains("protected") || told.contains("unknown"), "{tool} {path}: {told}");
        }
    }
    let found = test.told(&session, "grep", json!({ "pattern": "needle", "mode": "files" })).await;
    assert_eq!(found.trim(), "project/main.rs");
    assert_eq!(test.told(&session, "glob", json!({ "pattern": "**/*.toml" })).await, "no file matches **/*.toml in ./");
    let listed = test.told(&session, "list_dir", json!({ "depth": 2 })).await;
    assert!(!listed.contains("key") && !listed.contains("config") && !listed.contains("wharf.toml"), "{listed}");
    assert_eq!(std::fs::read_to_string(home.join("state/key")).unwrap(), "needle");
}

/// A directory with `name` in it, under its real path.
fn directory(names: &[&str]) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().canonicalize().unwrap();
    for name in names {
        std::fs::create_dir_all(real.join(name)).unwrap();
        std::fs::write(real.join(name).join("file.txt"), "content").unwrap();
    }
    (dir, real)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn further_directories_are_real_distinct_and_allowed() {
    let (_dir, home) = directory(&["work/inner", "lib/inner", "other", "work-evil"]);
    let (_outside, outside) = directory(&["x"]);
    std::os::unix::fs::symlink("lib", home.join("alias")).unwrap();
    std::os::unix::fs::symlink(&outside, home.join("out")).unwrap();
    let test = TestEngine::with(MemoryStore::new(), |config| config.allowed_roots = vec![home.clone()]).await;
    let create = async |wanted: Vec<std::path::PathBuf>| {
        let cwd = Some(home.join("work"));
        let request = CreateSession { cwd, additional_directories: wanted, ..CreateSession::default() };
        test.access.create_session(request).await
    };
    let at = |names: &[&str]| names.iter().map(|name| home.join(name)).collect::<Vec<_>>();
    for (wanted, found) in [
        (at(&["other", "lib"]), at(&["other", "lib"])),
        (at(&["alias", "lib", "lib/."]), at(&["lib"])),
        (at(&["work", "work/inner", "work-evil"]), at(&["work-evil"])),
        (at(&["lib/inner", "other", "lib"]), at(&["other", "lib"])),
        (at(&["lib", "lib/inner"]), at(&["lib"])),
        // Around the workspace: it holds all others.
        (at(&["lib", ""]), vec![home.clone()]),
    ] {
        let made = create(wanted.clone()).await.unwrap();
        assert_eq!(made.additional_directories, found, "{wanted:?}");
        assert_eq!(test.access.session(&made.id).await.unwrap().additional_directories, found);
    }
    let before = test.access.sessions(SessionQuery::default()).await.unwrap().total;
    let session = create(at(&["lib"])).await.unwrap().id;
    let many = vec![home.join("lib"); 17];
    for (bad, reason) in [
        (vec!["relative".into()], "relative is not an absolute path".to_owned()),
        (at(&["lib", "none"]), format!("{}: No such file or directory (os error 2)", home.join("none").display())),
        (at(&["lib/inner/file.txt"]), format!("{}/file.txt is not a directory", home.join("lib/inner").display())),
        (at(&["out"]), format!("{} is outside the allowed directories", home.join("out").display())),
        (vec![outside.clone()], format!("{} is outside the allowed directories", outside.display())),
        (many, "17 directories; at most 16 are taken".to_owned()),
    ] {
        let change = UpdateSession { additional_directories: Some(bad.clone()), ..UpdateSession::default() };
        let changed = test.access.update_session(&session, change).await;
        for refused in [create(bad.clone()).await, changed] {
            let Err(EngineError::Invalid { field: "additional_directories", reason: told }) = refused else {
                panic!("{bad:?}: {refused:?}")
            };
            assert_eq!(told, reason);
        }
    }
    assert_eq!(test.access.sessions(SessionQuery::default()).await.unwrap().total, before + 1, "nothing was made");
    assert_eq!(test.access.session(&session).await.unwrap().additional_directories, at(&["lib"]));
    assert_eq!(test.kinds(&session).await, ["session.created"], "nothing was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_counts_at_once_is_told_to_the_model_and_stays() {
    let (_dir, home) = directory(&["lib", "other"]);
    let (lib, other) = (home.join("lib"), home.join("other"));
    let kept = Arc::new(tempfile::tempdir().unwrap());
    let store = || SqliteStore::open(SqliteConfig::new(kept.path().join("wharf.db"))).unwrap();
    let test = TestEngine::at(Arc::clone(&kept), store(), |_| {}).await;
    let request = CreateSession { additional_directories: vec![lib.clone()], ..CreateSession::default() };
    let session = test.access.create_session(request).await.unwrap().id;
    let path = |directory: &Path| json!({ "path": directory.join("file.txt") });
    assert!(test.told(&session, "read_file", path(&lib)).await.contains("content"));
    let refused = test.told(&session, "read_file", path(&other)).await;
    assert!(refused.contains(&format!("and the further directories {}", lib.display())), "{refused}");
    test.turn(&session, "one").await;
    let set = async |all: Vec<std::path::PathBuf>| {
        let change = UpdateSession { additional_directories: Some(all), ..UpdateSession::default() };
        test.access.update_session(&session, change).await.unwrap()
    };
    let before = test.access.session(&session).await.unwrap().last_seq;
    assert_eq!(set(vec![lib.clone()]).await.last_seq, before, "the same is no change");
    assert_eq!(set(vec![other.clone()]).await.additional_directories, std::slice::from_ref(&other));
    assert!(test.told(&session, "read_file", path(&other)).await.contains("content"));
    assert!(test.told(&session, "read_file", path(&lib)).await.contains("outside the workspace"));
    test.turn(&session, "two").await;
    set(Vec::new()).await;
    test.turn(&session, "three").await;
    let systems: Vec<String> = {
        let requests = test.model.requests.lock().unwrap();
        requests.iter().map(|request| request.system.to_string()).collect()
    };
    let line = |directory: &Path| format!("Further directories, by absolute paths: {}\n", directory.display());
    assert!(systems[0].contains(&line(&lib)) && systems[1].contains(&line(&other)), "{systems:?}");
    assert!(!systems[2].contains("Further"));
    // Gone after a restart: it costs only itself, and may stay while others are added.
    set(vec![lib.clone(), other.clone()]).await;
    test.stop().await;
    std::fs::rename(&lib, home.join("moved")).unwrap();
    let next = TestEngine::at(Arc::clone(&kept), store(), |_| {}).await;
    let gone = next.told(&session, "read_file", path(&lib)).await;
    assert!(gone.contains(&format!("the directory {} cannot be used: No such file", lib.display())), "{gone}");
    assert!(next.told(&session, "read_file", path(&other)).await.contains("content"));
    assert!(next.told(&session, "write_file", json!({ "path": "a.txt", "content": "x" })).await.contains("created"));
    let all = vec![lib.clone(), other.clone(), home.join("moved")];
    let change = UpdateSession { additional_directories: Some(all.clone()), ..UpdateSession::default() };
    assert_eq!(next.access.update_session(&session, change).await.unwrap().additional_directories, all);
    std::fs::create_dir(&lib).unwrap();
    std::fs::write(lib.join("file.txt"), "back").unwrap();
    assert!(next.told(&session, "read_file", path(&lib)).await.contains("back"), "it is looked for again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_files_are_hidden_in_further_directories_too() {
    let (_dir, home) = directory(&["state", "config"]);
    let test = TestEngine::with(MemoryStore::new(), |config| {
        config.state_dir = home.join("state");
        config.masked = vec![home.join("config")];
    })
    .await;
    let request = CreateSession { additional_directories: vec![home.clone()], ..CreateSession::default() };
    let session = test.access.create_session(request).await.unwrap().id;
    for directory in ["state", "config"] {
        let read = test.told(&session, "read_file", json!({ "path": home.join(directory).join("file.txt") })).await;
        assert!(read.contains("protected: it belongs to Wharf's own state"), "{read}");
    }
    let found = test.told(&session, "grep", json!({ "pattern": "content", "path": home })).await;
    assert_eq!(found.trim(), "no match for content");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_in_further_directories_are_edits_in_the_workspace() {
    let (_dir, home) = directory(&["lib", "other"]);
    let test = TestEngine::with(MemoryStore::new(), |config| {
        config.default_mode = Mode::AutoEdit;
        config.unattended_permission_timeout_ms = 20;
        config.rules = vec![Rule {
            action: RuleAction::Deny,
            tool: "write_file".to_owned(),
            pattern: Some(format!("{}/secret*", home.join("lib").display())),
        }];
    })
    .await;
    let request = CreateSession { additional_directories: vec![home.join("lib")], ..CreateSession::default() };
    let session = test.access.create_session(request).await.unwrap().id;
    let write = |path: &str| json!({ "path": home.join(path), "content": "x" });
    assert!(test.told(&session, "write_file", write("lib/new.txt")).await.contains("created"));
    assert!(test.told(&session, "write_file", write("lib/x/../secret.txt")).await.contains("not allowed (rule deny"));
    test.told(&session, "write_file", write("other/new.txt")).await;
    assert!(test.kinds(&session).await.contains(&"permission.requested"));
    assert!(!home.join("other/new.txt").exists() && !home.join("lib/secret.txt").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_works_in_the_directory_that_has_the_name_now() {
    let (_dir, home) = directory(&["proj"]);
    let (proj, old) = (home.join("proj"), home.join("old"));
    let test = TestEngine::with(MemoryStore::new(), |config| config.default_mode = Mode::Full).await;
    let session = test.session_in(&proj).await;
    let write = |name: &str| json!({ "path": name, "content": "x" });
    assert!(test.told(&session, "write_file", write("one")).await.contains("created"));
    // A fresh clone.
    std::fs::rename(&proj, &old).unwrap();
    std::fs::create_dir(&proj).unwrap();
    assert!(test.told(&session, "write_file", write("two")).await.contains("created"));
    assert!(proj.join("two").exists() && !old.join("two").exists());
    assert_eq!(test.told(&session, "bash", json!({ "command": "ls" })).await, "two\n");
    assert!(test.told(&session, "read_file", json!({ "path": proj.join("two") })).await.contains('x'));
    // Removed: said, and no empty listing; made again: found.
    std::fs::remove_dir_all(&proj).unwrap();
    for (tool, arguments) in [("list_dir", json!({})), ("bash", json!({ "command": "ls" })), ("write_file", write("x"))]
    {
        let told = test.told(&session, tool, arguments).await;
        assert!(
            told.contains(&format!("the workspace {} cannot be used: it is gone", proj.display())),
            "{tool}: {told}"
        );
    }
    std::fs::create_dir(&proj).unwrap();
    assert!(test.told(&session, "list_dir", json!({})).await.ends_with("is empty"));
    // Moved elsewhere, with a link in its place.
    std::fs::remove_dir(&proj).unwrap();
    std::os::unix::fs::symlink(&old, &proj).unwrap();
    assert!(test.told(&session, "write_file", write("three")).await.contains("created"));
    assert!(old.join("three").exists());
    // What is there is no directory.
    std::fs::remove_file(&proj).unwrap();
    std::fs::write(&proj, "file").unwrap();
    assert!(test.told(&session, "list_dir", json!({})).await.contains("Not a directory"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_that_leads_out_of_the_allowed_directories_is_not_used() {
    let (_dir, home) = directory(&["R/x", "R/y", "R/deep/x", "outside/x"]);
    let test = TestEngine::with(MemoryStore::new(), |config| {
        config.default_mode = Mode::Full;
        config.allowed_roots = vec![home.join("R")];
    })
    .await;
    let (plain, deep) = (test.session_in(&home.join("R/x")).await, test.session_in(&home.join("R/deep/x")).await);
    assert!(test.told(&plain, "read_file", json!({ "path": "file.txt" })).await.contains("content"));
    // The directory itself, and one on the way to it.
    std::fs::rename(home.join("R/x"), home.join("R/was")).unwrap();
    std::os::unix::fs::symlink("../outside", home.join("R/x")).unwrap();
    std::fs::rename(home.join("R/deep"), home.join("R/was-deep")).unwrap();
    std::os::unix::fs::symlink(home.join("outside"), home.join("R/deep")).unwrap();
    for session in [&plain, &deep] {
        for (tool, arguments) in [
            ("read_file", json!({ "path": "file.txt" })),
            ("list_dir", json!({})),
            ("grep", json!({ "pattern": "content" })),
            ("write_file", json!({ "path": "new", "content": "x" })),
            ("bash", json!({ "command": "touch ran" })),
            ("bash", json!({ "command": "touch ran", "background": true })),
        ] {
            let told = test.told(session, tool, arguments).await;
            assert!(told.contains("leads out of the allowed directories"), "{tool}: {told}");
        }
    }
    let names = |path: &str| std::fs::read_dir(home.join(path)).unwrap().flatten().count();
    assert_eq!((names("outside"), names("outside/x")), (1, 1), "nothing was made there");
    // A link that stays inside is followed.
    std::fs::remove_file(home.join("R/x")).unwrap();
    std::os::unix::fs::symlink("y", home.join("R/x")).unwrap();
    assert!(test.told(&plain, "write_file", json!({ "path": "new", "content": "x" })).await.contains("created"));
    assert!(home.join("R/y/new").exists());
}
