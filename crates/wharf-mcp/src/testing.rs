//! Calls in a temporary directory.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use wharf_exec::supervisor::SupervisorProgram;
use wharf_protocol::{CallId, SessionId};
use wharf_tools::{CallContext, Clients, Progress, Toolbox, ToolsConfig, Workspace};

/// The example of this crate, an MCP server and its own supervisor; it is built along with the tests.
pub(crate) fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples/mcp_server");
    assert!(path.is_file(), "{} is not there: `cargo build -p wharf-mcp --examples` makes it", path.display());
    path
}

pub(crate) fn supervisor() -> SupervisorProgram {
    SupervisorProgram { path: program() }
}

pub(crate) struct Bench {
    dir: TempDir,
    workspace: Arc<Workspace>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        let workspace = Workspace::open(dir.path().join("work")).unwrap();
        Self { dir, workspace }
    }

    pub(crate) fn context(&self) -> (CallContext, Receiver<String>, CancellationToken) {
        let (progress, receiver) = Progress::channel();
        let cancel = CancellationToken::new();
        let context = CallContext {
            session_id: SessionId::from_bits(1),
            call_id: CallId::from_bits(2),
            workspace: Arc::clone(&self.workspace),
            guard: Arc::default(),
            clients: Clients::default(),
            cancel: cancel.clone(),
            progress,
            output_limit: 30_000,
            output_dir: self.dir.path().join("out"),
            commands: None,
            timeout_ms: 60_000,
        };
        (context, receiver, cancel)
    }

    /// What a command puts out, below a supervisor.
    pub(crate) async fn in_bash(&self, command: &str) -> String {
        let toolbox = Toolbox::builtin(ToolsConfig { supervisor: Some(supervisor()), ..ToolsConfig::default() });
        let (context, mut pieces, _cancel) = self.context();
        let bash = toolbox.get("bash").unwrap();
        let run = bash.run(json!({ "command": command }), context);
        let (output, ()) = tokio::join!(run, async { while pieces.recv().await.is_some() {} });
        output.unwrap().result
    }
}
