//! A program that runs one command as a server does, below itself as supervisor; tests kill it.
//!
//! `supervisor serve WORKSPACE OUTPUT_DIR` reads a command from its input, shows what it puts out, and then its result.

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;
use wharf_protocol::{CallId, SessionId};
use wharf_tools::supervisor::SupervisorProgram;
use wharf_tools::{CallContext, Clients, Progress, Toolbox, ToolsConfig, Workspace};

fn main() -> ExitCode {
    if let Some(code) = wharf_tools::supervisor::entry(std::env::args_os()) {
        return code;
    }
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "serve", workspace, outputs] => serve(workspace.as_ref(), outputs.as_ref()),
        _ => ExitCode::FAILURE,
    }
}

#[tokio::main]
async fn serve(workspace: &Path, outputs: &Path) -> ExitCode {
    let mut command = String::new();
    let Ok(_) = std::io::stdin().read_to_string(&mut command) else { return ExitCode::FAILURE };
    let Ok(workspace) = Workspace::open(workspace) else { return ExitCode::FAILURE };
    let environment = std::env::vars().collect();
    let supervisor = Some(SupervisorProgram::this());
    let toolbox = Toolbox::builtin(ToolsConfig { environment, supervisor, ..ToolsConfig::default() });
    let Some(bash) = toolbox.get("bash") else { return ExitCode::FAILURE };
    let (progress, mut pieces) = Progress::channel();
    let context = CallContext {
        session_id: SessionId::from_bits(1),
        call_id: CallId::from_bits(1),
        workspace,
        guard: std::sync::Arc::default(),
        clients: Clients::default(),
        cancel: CancellationToken::new(),
        progress,
        output_limit: 30_000,
        output_dir: outputs.to_path_buf(),
        commands: None,
        timeout_ms: 600_000,
    };
    let show = async {
        while let Some(piece) = pieces.recv().await {
            print!("{piece}");
            let _ = std::io::stdout().flush();
        }
    };
    let (result, ()) = tokio::join!(bash.run(serde_json::json!({ "command": command }), context), show);
    println!("\n= {result:?}");
    ExitCode::SUCCESS
}
