//! `bash`: one command in the workspace.

mod background;
mod in_terminal;
mod script;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(super) use background::{ending, unavailable};
use schemars::JsonSchema;
use script::Shell;
use serde::Deserialize;
use wharf_protocol::{CallOutcome, Seen, TerminalSize, ToolError, ToolKind};

use super::typed::{About, Subject, TypedTool};
use crate::arguments::lenient;
use crate::blocking::seeing;
use crate::workspace::OpenDir;
use crate::{CallContext, TerminalCommand, ToolsConfig, Workspace, seen};
use wharf_exec::commands::Launch;
use wharf_exec::containment::{self, Namespaces};
use wharf_exec::supervisor::Supervisor;
use wharf_exec::{Execution, environment};

/// The kernel takes no longer argument.
const COMMAND_MAX_BYTES: usize = 120 * 1024;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// The command line.
    #[serde(alias = "cmd", alias = "script", alias = "commandLine")]
    command: String,
    /// Time limit.
    #[serde(default, alias = "timeout", deserialize_with = "lenient::number")]
    #[schemars(with = "Option<u64>", range(min = 1))]
    timeout_ms: Option<u64>,
    /// Directory to run in; default: the workspace.
    #[serde(default, alias = "cwd", alias = "working_directory", alias = "directory")]
    workdir: Option<String>,
    /// Let it go on after this call, as a background command with an id: for servers and watchers.
    #[serde(default, deserialize_with = "lenient::flag")]
    background: bool,
    /// Run it in a terminal, for programs that need one; command_input types into it.
    #[serde(default, alias = "tty", alias = "pty", deserialize_with = "lenient::flag")]
    terminal: bool,
    /// Keep the input of a background command open for command_input.
    #[serde(default, alias = "stdin", deserialize_with = "lenient::flag")]
    input: bool,
    /// What it is for, in a few words.
    #[serde(default, rename = "description", alias = "explanation")]
    _description: Option<String>,
}

pub(super) struct Bash {
    timeout_ms: u64,
    shell: PathBuf,
    environment: Vec<(String, String)>,
    supervisor: Option<Arc<Supervisor>>,
    namespaces: Arc<Namespaces>,
}

impl Bash {
    pub(super) fn new(config: ToolsConfig, namespaces: Arc<Namespaces>) -> Self {
        let timeout_ms = config.bash_timeout_ms;
        let environment = environment::allowed(&config.environment, &config.pass_environment);
        let shell = shell(&environment);
        let supervisor = config.supervisor.map(|program| Arc::new(Supervisor::new(program)));
        Self { timeout_ms, shell, environment, supervisor, namespaces }
    }

    /// The program that runs commands in a namespace of their own, where that is wanted.
    async fn namespace(&self) -> Result<Option<PathBuf>, ToolError> {
        let namespaces = Arc::clone(&self.namespaces);
        let found = tokio::task::spawn_blocking(move || namespaces.program()).await;
        let found = found.map_err(|_| ToolError::stopped())?;
        found.map_err(|reason| {
            ToolError::Failed(format!(
                "the configuration requires containment, and it cannot be had: {reason}. Nothing was run."
            ))
        })
    }

    /// The command for the shell of an attached client.
    fn terminal_command(&self, command: String, directory: PathBuf) -> TerminalCommand {
        TerminalCommand {
            // Another machine may have it elsewhere.
            program: self.shell.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            arguments: vec!["-c".into(), command],
            environment: environment::quiet(),
            directory,
            output_limit: in_terminal::KEPT_BYTES,
        }
    }

    /// The command for a shell of ours.
    async fn execution(
        &self,
        command: String,
        directory: OwnedFd,
        timeout: Option<Duration>,
    ) -> Result<Execution, ToolError> {
        let for_shell = vec!["-c".to_owned(), command];
        let (program, arguments, contained) = match self.namespace().await? {
            Some(program) => (program, containment::arguments(&self.shell, for_shell), true),
            None => (self.shell.clone(), for_shell, false),
        };
        Ok(Execution { program, arguments, contained, directory, environment: self.environment.clone(), timeout })
    }
}

/// bash, or what every system has.
pub(super) fn shell(environment: &[(String, String)]) -> PathBuf {
    let path = environment.iter().find(|(name, _)| name == "PATH").map_or("", |(_, path)| path);
    // A relative entry would be looked up in the workspace.
    let directories = path.split(':').map(Path::new).filter(|directory| directory.is_absolute());
    directories
        .chain([Path::new("/bin"), Path::new("/usr/bin"), Path::new("/usr/local/bin")])
        .map(|directory| directory.join("bash"))
        .find(|program| program.is_file())
        .unwrap_or_else(|| "/bin/sh".into())
}

impl TypedTool for Bash {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "bash",
            description: "Run a command with bash in the workspace; gives its output and exit code. Processes that it leaves are stopped when it ends; what is to go on (a server, a watcher) is started with background=true and read with command_output.",
            category: "shell",
            kind: ToolKind::Execute,
            read_only: false,
            subject: Some(Subject { name: "command", of: |arguments| &arguments.command }),
            timeout_ms: self.timeout_ms,
        }
    }

    async fn look(&self, arguments: Arguments, context: &CallContext, _: bool) -> Seen {
        let is_ours = arguments.background || arguments.terminal || arguments.input;
        // In an editor's terminal the programs are those of another environment, if not of another machine.
        let is_elsewhere = !is_ours && context.clients.that(|offers| offers.terminal).is_some();
        let path = self.environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
        let shell = Shell { path: path.filter(|_| !is_elsewhere), is_bash: self.shell.ends_with("bash") };
        let workspace = Arc::clone(&context.workspace);
        seeing(move || {
            let seen = seen::running(&workspace, found_workdir(&workspace, arguments.workdir.as_deref()));
            script::looked_at(&workspace, &arguments.command, &shell, seen)
        })
        .await
    }

    async fn run(&self, arguments: Arguments, context: CallContext) -> CallOutcome {
        let Arguments { command, workdir, timeout_ms, background: outlives_call, terminal, input, .. } = arguments;
        check(&command)?;
        if context.cancel.is_cancelled() {
            return Err(ToolError::stopped());
        }
        let OpenDir { fd: directory, rel } = directory(&context.workspace, workdir.as_deref())?;
        // The engine enforces the call's own limit; a shorter one is ours.
        let asked_ms = timeout_ms.map(|asked| asked.clamp(1, context.timeout_ms.max(1)));
        let timeout = asked_ms.map(Duration::from_millis);
        // What goes on after the call, or is typed into, needs our keeper: an editor's terminal gives neither.
        if !(outlives_call || terminal || input)
            && let Some(host) = context.clients.that(|offers| offers.terminal)
        {
            let command = self.terminal_command(command, context.workspace.absolute(&rel));
            return in_terminal::run(host, command, timeout, &context).await;
        }
        let execution = self.execution(command.clone(), directory, timeout).await?;
        if outlives_call || terminal {
            let launch = Launch {
                execution,
                supervisor: self.supervisor.clone().ok_or_else(background::unavailable)?,
                command,
                directory: context.workspace.absolute_text(&rel),
                terminal: terminal.then(TerminalSize::default),
                takes_input: input || terminal,
                timeout_ms: if outlives_call { timeout_ms } else { asked_ms.or(Some(context.timeout_ms)) },
            };
            return match outlives_call {
                true => background::start(launch, &context).await,
                false => background::follow(launch, &context).await,
            };
        }
        if input {
            return Err(ToolError::Failed("only a background command keeps its input open".into()));
        }
        let finished = execution
            .run(self.supervisor.as_ref(), &context.for_commands())
            .await
            .map_err(|error| ToolError::Failed(format!("the command could not be run: {error}")))?;
        finished.outcome(asked_ms.unwrap_or(context.timeout_ms), context.output_limit)
    }
}

fn check(command: &str) -> Result<(), ToolError> {
    let refused = |words: String| Err(ToolError::Failed(words));
    match command.len() {
        _ if command.trim().is_empty() => refused("the command is empty".into()),
        _ if command.contains('\0') => refused("the command contains a NUL byte".into()),
        len if len > COMMAND_MAX_BYTES => {
            refused(format!("the command has {len} bytes, at most {COMMAND_MAX_BYTES}; write a script file and run it"))
        }
        _ => Ok(()),
    }
}

fn directory(workspace: &Workspace, workdir: Option<&str>) -> Result<OpenDir, ToolError> {
    Ok(workspace.open_dir(found_workdir(workspace, workdir))?)
}

/// The directory that is meant: a blank beside a path is mostly a slip, and sometimes a part of the name.
fn found_workdir<'w>(workspace: &Workspace, given: Option<&'w str>) -> &'w str {
    let (path, trimmed) = (workdir(given), workdir(given).trim());
    let is_slip = trimmed != path && workspace.open_dir(path).is_err() && workspace.open_dir(trimmed).is_ok();
    if is_slip { trimmed } else { path }
}

fn workdir(given: Option<&str>) -> &str {
    given.filter(|path| !path.trim().is_empty()).unwrap_or(".")
}

#[cfg(test)]
mod tests;
