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
mod write_file;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use bash::outcome as bash_outcome;
use schemars::JsonSchema;
use wharf_exec::containment::Namespaces;
use wharf_exec::environment;
use wharf_protocol::tool::{Location, ToolSource};
use wharf_protocol::{ToolKind, ToolSpec};

use crate::{Tool, ToolsConfig, Workspace};

/// Longest run of a tool that only handles files.
const FILE_TIMEOUT_MS: u64 = 60_000;

/// Largest file that is changed or compared.
const FILE_MAX_BYTES: u64 = 32 * 1024 * 1024;

pub(crate) fn builtin(config: ToolsConfig, namespaces: Arc<Namespaces>) -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(apply_patch::ApplyPatch::new()),
        Arc::new(ask_user::AskUser::new()),
        Arc::new(bash::Bash::new(config, namespaces)),
        Arc::new(command_input::CommandInput::new()),
        Arc::new(command_list::CommandList::new()),
        Arc::new(command_output::CommandOutput::new()),
        Arc::new(command_stop::CommandStop::new()),
        Arc::new(edit_file::EditFile::new()),
        Arc::new(glob::Glob::new()),
        Arc::new(grep::Grep::new()),
        Arc::new(list_dir::ListDir::new()),
        Arc::new(read_file::ReadFile::new()),
        Arc::new(think::Think::new()),
        Arc::new(todo::Todo::new()),
        Arc::new(write_file::WriteFile::new()),
    ]
}

/// The program that runs commands.
pub(crate) fn shell(config: &ToolsConfig) -> PathBuf {
    bash::shell(&environment::allowed(&config.environment, &config.pass_environment))
}

/// What a built-in tool says of itself; the schema comes from its arguments.
struct About {
    name: &'static str,
    description: &'static str,
    category: &'static str,
    kind: ToolKind,
    read_only: bool,
    subject: Option<&'static str>,
    timeout_ms: u64,
}

impl About {
    fn with_arguments<T: JsonSchema>(self) -> Arc<ToolSpec> {
        Arc::new(ToolSpec {
            name: self.name.into(),
            description: self.description.into(),
            category: self.category.into(),
            kind: self.kind,
            source: ToolSource::Builtin,
            read_only: self.read_only,
            subject: self.subject.map(str::to_owned),
            parameters: crate::arguments::schema::<T>(),
            timeout_ms: self.timeout_ms,
        })
    }
}

fn location(workspace: &Workspace, rel: &Path, line: Option<u64>) -> Location {
    Location { path: workspace.absolute_text(rel), line: line.and_then(|line| u32::try_from(line).ok()) }
}

/// `rel` as a result names it.
pub(crate) fn shown(rel: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    match rel.as_os_str().as_bytes() {
        b"" => ".".into(),
        bytes => crate::name::shown(bytes),
    }
}

#[cfg(test)]
mod tests;
