//! The built-in tools, one a file.

mod apply_patch;
mod ask_user;
mod bash;
mod command_input;
mod command_list;
mod command_output;
mod command_stop;
mod edit_file;
mod glob;
mod grep;
mod list_dir;
mod paths;
mod read_file;
mod think;
mod todo;
mod typed;
mod write_file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wharf_exec::containment::Namespaces;
use wharf_exec::environment;
use wharf_exec::supervisor::SupervisorProgram;
use wharf_protocol::rest::ContainmentSetting;
use wharf_protocol::tool::Location;
use wharf_protocol::{CallOutcome, ToolOutput};

use crate::blocking::{Stop, look};
use crate::{CallContext, Tool, Workspace};
use typed::tool;

/// Longest run of a tool that only handles files.
const FILE_TIMEOUT_MS: u64 = 60_000;

/// How long a search reads. What was not found by then is left out, and the result says so.
const SEARCH_LIMIT: Duration = Duration::from_secs(30);

/// Largest file that is changed or compared.
const FILE_MAX_BYTES: u64 = 32 * 1024 * 1024;

/// What the built-in tools need to know.
#[derive(Debug, Clone)]
pub struct ToolsConfig {
    /// The server's environment; commands get an allow-list out of it.
    pub environment: BTreeMap<String, String>,
    /// Further variables that commands may see.
    pub pass_environment: Vec<String>,
    /// Longest run of a command.
    pub bash_timeout_ms: u64,
    /// What runs commands so that none outlives this process. Without it they are this process's own children, and survive
    /// where it is killed. Linux only.
    pub supervisor: Option<SupervisorProgram>,
    /// Whether commands get a process namespace of their own.
    pub containment: ContainmentSetting,
}

impl Default for ToolsConfig {
    fn default() -> Self {
        Self {
            environment: BTreeMap::new(),
            pass_environment: Vec::new(),
            bash_timeout_ms: 600_000,
            supervisor: None,
            containment: ContainmentSetting::None,
        }
    }
}

pub(crate) fn builtin(config: ToolsConfig, namespaces: Arc<Namespaces>) -> Vec<Arc<dyn Tool>> {
    vec![
        tool(apply_patch::ApplyPatch),
        tool(ask_user::AskUser),
        tool(bash::Bash::new(config, namespaces)),
        tool(command_input::CommandInputTool),
        tool(command_list::CommandListTool),
        tool(command_output::CommandOutputTool),
        tool(command_stop::CommandStopTool),
        tool(edit_file::EditFile),
        tool(glob::Glob),
        tool(grep::Grep),
        tool(list_dir::ListDir),
        tool(read_file::ReadFile),
        tool(think::Think),
        tool(todo::Todo),
        tool(write_file::WriteFile),
    ]
}

/// Runs a search that reads for as long as [`SEARCH_LIMIT`]; what is too long for the model goes into a file.
async fn searched(
    context: &CallContext,
    search: impl FnOnce(&Workspace, &Stop) -> CallOutcome + Send + 'static,
) -> CallOutcome {
    let stop = Stop::new(&context.cancel).within(SEARCH_LIMIT);
    let workspace = Arc::clone(&context.workspace);
    let found = look(&context.cancel, move || search(&workspace, &stop)).await?;
    let bounded = crate::output::bounded(found.result, context).await;
    Ok(ToolOutput { truncated: bounded.truncated || found.truncated, locations: found.locations, ..bounded })
}

/// The program that runs commands.
pub(crate) fn shell(config: &ToolsConfig) -> PathBuf {
    bash::shell(&environment::allowed(&config.environment, &config.pass_environment))
}

fn location(workspace: &Workspace, rel: &Path, line: Option<u64>) -> Location {
    Location { path: workspace.absolute_text(rel), line: line.and_then(|line| u32::try_from(line).ok()) }
}

#[cfg(test)]
mod tests;
