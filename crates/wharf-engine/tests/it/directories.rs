//! The directories that a session's tools reach, and what in them is out of reach.

use std::path::Path;

use serde_json::{Value, json};
use wharf_protocol::SessionId;
use wharf_protocol::rest::{CreateSession, ExecuteTool};
use wharf_store::memory::MemoryStore;

use crate::support::TestEngine;

impl TestEngine {
    /// What the tool says, whether it succeeds or not.
    async fn told(&self, session: &SessionId, tool: &str, arguments: Value) -> String {
        let request = ExecuteTool { session_id: session.clone(), arguments };
        self.engine.execute_tool(tool, request, &self.caller).await.unwrap().result
    }

    async fn session_in(&self, cwd: &Path) -> SessionId {
        let request = CreateSession { cwd: Some(cwd.to_owned()), ..CreateSession::default() };
        self.engine.create_session(request, &self.caller).await.unwrap().id
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
