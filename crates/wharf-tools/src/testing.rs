//! A workspace in a temporary directory, and calls in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use wharf_exec::supervisor::SupervisorProgram;
use wharf_protocol::rest::ContainmentSetting;
use wharf_protocol::{CallId, CallOutcome, SessionId};

use crate::{CallContext, Clients, Progress, Toolbox, ToolsConfig, Workspace};

/// The example of this crate that is its own supervisor; it is built along with the tests.
pub(crate) fn supervisor() -> SupervisorProgram {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples/supervisor");
    assert!(path.is_file(), "{} is not there: `cargo build -p wharf-tools --examples` makes it", path.display());
    SupervisorProgram { path }
}

fn environment() -> std::collections::BTreeMap<String, String> {
    std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME").collect()
}

pub(crate) struct Bench {
    /// Holds `work`, the workspace, and `out`, the output directory.
    pub(crate) dir: TempDir,
    pub(crate) workspace: Arc<Workspace>,
    pub(crate) toolbox: Toolbox,
    pub(crate) output_limit: usize,
    pub(crate) clients: Clients,
}

impl Bench {
    /// Commands are children of the test.
    pub(crate) fn new() -> Self {
        Self::with(None)
    }

    /// Commands run below a supervisor.
    pub(crate) fn supervised() -> Self {
        Self::with(Some(supervisor()))
    }

    /// The same, each in a process namespace of its own where this machine can make one.
    pub(crate) fn contained() -> Self {
        let environment = environment();
        let (supervisor, containment) = (Some(supervisor()), ContainmentSetting::Auto);
        let config = ToolsConfig { environment, supervisor, containment, ..ToolsConfig::default() };
        Self { toolbox: Toolbox::builtin(config), ..Self::supervised() }
    }

    fn with(supervisor: Option<SupervisorProgram>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        let workspace = Workspace::open(dir.path().join("work")).unwrap();
        let environment = environment();
        let toolbox = Toolbox::builtin(ToolsConfig { environment, supervisor, ..ToolsConfig::default() });
        Self { dir, workspace, toolbox, output_limit: 30_000, clients: Clients::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("work").join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8(std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// Every name in the workspace, to see that nothing was left behind.
    pub(crate) fn names(&self) -> Vec<String> {
        fn below(dir: &Path, base: &Path, names: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).unwrap().flatten() {
                names.push(entry.path().strip_prefix(base).unwrap().to_string_lossy().into_owned());
                if entry.file_type().unwrap().is_dir() {
                    below(&entry.path(), base, names);
                }
            }
        }
        let mut names = Vec::new();
        below(&self.path(""), &self.path(""), &mut names);
        names.sort();
        names
    }

    pub(crate) fn context(&self) -> (CallContext, Receiver<String>, CancellationToken) {
        let (progress, receiver) = Progress::channel();
        let cancel = CancellationToken::new();
        let context = CallContext {
            session_id: SessionId::from_bits(1),
            call_id: CallId::from_bits(2),
            workspace: Arc::clone(&self.workspace),
            guard: Arc::default(),
            clients: self.clients.clone(),
            cancel: cancel.clone(),
            progress,
            output_limit: self.output_limit,
            output_dir: self.dir.path().join("out"),
            commands: None,
            timeout_ms: 60_000,
        };
        (context, receiver, cancel)
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> CallOutcome {
        let (context, mut receiver, _cancel) = self.context();
        let tool = self.toolbox.get(tool).unwrap();
        let (output, ()) =
            tokio::join!(tool.run(arguments, context), async move { while receiver.recv().await.is_some() {} });
        output
    }

    /// The result, or the error's text.
    pub(crate) async fn tell(&self, tool: &str, arguments: Value) -> String {
        match self.call(tool, arguments).await {
            Ok(output) => output.result,
            Err(error) => format!("error: {error}"),
        }
    }
}
