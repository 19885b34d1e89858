//! `bash`: one command in the workspace.

mod background;
mod in_terminal;
mod script;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub(super) use background::{ending, unavailable};
use schemars::JsonSchema;
use script::Shell;
use serde::Deserialize;
use serde_json::Value;
use wharf_protocol::{Seen, TerminalSize, ToolKind, ToolSpec};

use super::About;
use crate::arguments::lenient;
use crate::blocking::seeing;
use crate::workspace::OpenDir;
use crate::{CallContext, TerminalCommand, Tool, ToolError, ToolOutput, ToolsConfig, Workspace, seen};
use wharf_exec::commands::Launch;
use wharf_exec::containment::{self, Namespaces};
use wharf_exec::supervisor::Supervisor;
use wharf_exec::{End, Execution, Finished, environment};

/// The kernel takes no longer argument.
const COMMAND_MAX_BYTES: usize = 120 * 1024;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
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
    spec: Arc<ToolSpec>,
    shell: PathBuf,
    environment: Vec<(String, String)>,
    supervisor: Option<Arc<Supervisor>>,
    namespaces: Arc<Namespaces>,
}

impl Bash {
    pub(super) fn new(config: ToolsConfig, namespaces: Arc<Namespaces>) -> Self {
        let about = About {
            name: "bash",
            description: "Run a command with bash in the workspace; gives its output and exit code. Processes that it leaves are stopped when it ends; what is to go on (a server, a watcher) is started with background=true and read with command_output.",
            category: "shell",
            kind: ToolKind::Execute,
            read_only: false,
            subject: Some("command"),
            timeout_ms: config.bash_timeout_ms,
        };
        let environment = environment::allowed(&config.environment, &config.pass_environment);
        let shell = shell(&environment);
        let supervisor = config.supervisor.map(|program| Arc::new(Supervisor::new(program)));
        Self { spec: about.with_arguments::<Arguments>(), shell, environment, supervisor, namespaces }
    }
}

impl Bash {
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
}

/// bash, or what every system has.
fn shell(environment: &[(String, String)]) -> PathBuf {
    let path = environment.iter().find(|(name, _)| name == "PATH").map_or("", |(_, path)| path);
    // A relative entry would be looked up in the workspace.
    let directories = path.split(':').map(Path::new).filter(|directory| directory.is_absolute());
    directories
        .chain([Path::new("/bin"), Path::new("/usr/bin"), Path::new("/usr/local/bin")])
        .map(|directory| directory.join("bash"))
        .find(|program| program.is_file())
        .unwrap_or_else(|| "/bin/sh".into())
}

#[async_trait]
impl Tool for Bash {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    fn subjects(&self, arguments: &Value) -> Vec<String> {
        let arguments = crate::arguments::parse::<Arguments>(&self.spec, arguments.clone());
        arguments.map(|arguments| vec![arguments.command]).unwrap_or_default()
    }

    async fn look(&self, arguments: &Value, context: &CallContext, _: bool) -> Seen {
        let Ok(arguments) = crate::arguments::parse::<Arguments>(&self.spec, arguments.clone()) else {
            return Seen::default();
        };
        let workspace = Arc::clone(&context.workspace);
        let is_ours = arguments.background || arguments.terminal || arguments.input;
        // In an editor's terminal the programs are those of another environment, if not of another machine.
        let is_elsewhere = !is_ours && context.clients.that(|offers| offers.terminal).is_some();
        let path = self.environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
        let shell = Shell { path: path.filter(|_| !is_elsewhere), is_bash: self.shell.ends_with("bash") };
        seeing(move || {
            let seen = seen::running(&workspace, workdir(arguments.workdir.as_deref()));
            script::looked_at(&workspace, &arguments.command, &shell, seen)
        })
        .await
    }

    async fn run(&self, arguments: Value, context: CallContext) -> Result<ToolOutput, ToolError> {
        let arguments: Arguments = crate::arguments::parse(&self.spec, arguments)?;
        let command = arguments.command;
        if command.trim().is_empty() {
            return Err(ToolError::Failed("the command is empty".into()));
        }
        if command.contains('\0') {
            return Err(ToolError::Failed("the command contains a NUL byte".into()));
        }
        if command.len() > COMMAND_MAX_BYTES {
            let len = command.len();
            let text =
                format!("the command has {len} bytes, at most {COMMAND_MAX_BYTES}; write a script file and run it");
            return Err(ToolError::Failed(text));
        }
        if context.cancel.is_cancelled() {
            return Err(ToolError::stopped());
        }
        let OpenDir { fd: directory, rel } = directory(&context.workspace, arguments.workdir.as_deref())?;
        // The engine enforces the call's own limit; a shorter one is ours.
        let timeout = arguments.timeout_ms.map(|asked| asked.clamp(1, context.timeout_ms.max(1)));
        let Arguments { background: outlives_call, terminal, input, .. } = arguments;
        let line = command.clone();
        // What goes on after the call, or is typed into, needs our keeper: an editor's terminal gives neither.
        if !(outlives_call || terminal || input)
            && let Some(host) = context.clients.that(|offers| offers.terminal)
        {
            let command = TerminalCommand {
                // Another machine may have it elsewhere.
                program: self.shell.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                arguments: vec!["-c".into(), command],
                environment: environment::quiet(),
                directory: context.workspace.absolute(&rel),
                output_limit: in_terminal::KEPT_BYTES,
            };
            return in_terminal::run(host, command, timeout.map(Duration::from_millis), &context).await;
        }
        let namespace = self.namespace().await?;
        let contained = namespace.is_some();
        let arguments_of_shell = vec!["-c".to_owned(), command];
        let (program, arguments_of_program) = match namespace {
            Some(program) => (program, containment::arguments(&self.shell, arguments_of_shell)),
            None => (self.shell.clone(), arguments_of_shell),
        };
        let execution = Execution {
            program,
            arguments: arguments_of_program,
            contained,
            directory,
            environment: self.environment.clone(),
            timeout: timeout.map(Duration::from_millis),
        };
        if outlives_call || terminal {
            let launch = Launch {
                execution,
                supervisor: self.supervisor.clone().ok_or_else(background::unavailable)?,
                command: line,
                directory: context.workspace.absolute_text(&rel),
                terminal: terminal.then(TerminalSize::default),
                takes_input: input || terminal,
                timeout_ms: if outlives_call { arguments.timeout_ms } else { timeout.or(Some(context.timeout_ms)) },
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
        outcome(finished, timeout.unwrap_or(context.timeout_ms), context.output_limit)
    }
}

fn directory(workspace: &Workspace, workdir: Option<&str>) -> Result<OpenDir, ToolError> {
    let path = self::workdir(workdir);
    // A blank beside a path is mostly a slip, and sometimes a part of the name.
    Ok(workspace.open_dir(path).or_else(|error| match path.trim() {
        trimmed if trimmed != path => workspace.open_dir(trimmed),
        _ => Err(error),
    })?)
}

fn workdir(given: Option<&str>) -> &str {
    given.filter(|path| !path.trim().is_empty()).unwrap_or(".")
}

pub(crate) fn outcome(finished: Finished, after_ms: u64, limit: usize) -> Result<ToolOutput, ToolError> {
    let Finished { end, captured, strays, survivors } = finished;
    let mut text = captured.text;
    if text.is_empty() && matches!(end, End::Exited(_)) {
        text.push_str("(no output)");
    }
    let mut note = |words: String| {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("[{words}]"));
    };
    let mut exit_code = None;
    if let End::Exited(status) = end {
        let (code, words) = wharf_exec::describe(status);
        exit_code = Some(code);
        if let Some(words) = words {
            note(words);
        }
        if strays > 0 {
            let (es, were) = if strays == 1 { ("", "was") } else { ("es", "were") };
            note(format!("{strays} background process{es} left by the command {were} stopped"));
        }
    }
    if survivors > 0 {
        note(format!("{survivors} processes could not be stopped: they run as another user"));
    }
    text.truncate(text.floor_char_boundary(limit));
    match end {
        End::Exited(_) => Ok(ToolOutput {
            result: text,
            exit_code,
            truncated: captured.truncated,
            output_file: captured.file,
            ..ToolOutput::default()
        }),
        End::TimedOut => Err(ToolError::TimedOut { after_ms, output: text }),
        End::Cancelled => Err(ToolError::Stopped { output: text }),
    }
}

#[cfg(test)]
mod tests;
