//! A program that runs one command as a server does, below itself as supervisor; tests kill it.
//!
//! `exec_server serve WORKSPACE OUTPUT_DIR` reads a command from its input, shows what it puts out, and then how it ended.

#![allow(clippy::disallowed_methods, reason = "it is a program")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use wharf_exec::supervisor::{self, Supervisor, SupervisorProgram};
use wharf_exec::{Execution, Progress, RunContext, environment};
use wharf_protocol::CallId;

fn main() -> ExitCode {
    if let Some(code) = supervisor::entry(std::env::args_os()) {
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
    let Ok(directory) = File::open(workspace) else { return ExitCode::FAILURE };
    let execution = Execution {
        program: "/bin/bash".into(),
        arguments: vec!["-c".to_owned(), command],
        directory: OwnedFd::from(directory),
        environment: environment::allowed(&std::env::vars().collect(), &[]),
        contained: false,
        timeout: None,
    };
    let supervisor = Arc::new(Supervisor::new(SupervisorProgram::this()));
    let (progress, mut pieces) = Progress::channel();
    let context = RunContext {
        call_id: CallId::from_bits(1),
        cancel: CancellationToken::new(),
        progress,
        output_limit: 30_000,
        output_dir: outputs.to_path_buf(),
    };
    let run = async {
        let finished = execution.run(Some(&supervisor), &context).await;
        drop(context);
        finished
    };
    let show = async {
        while let Some(piece) = pieces.recv().await {
            print!("{piece}");
            let _ = std::io::stdout().flush();
        }
    };
    let (finished, ()) = tokio::join!(run, show);
    match finished {
        Ok(finished) => println!("\n= {:?}, {} left", finished.end, finished.strays),
        Err(error) => println!("\n= {error}"),
    }
    ExitCode::SUCCESS
}
