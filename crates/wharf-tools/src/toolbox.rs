//! The tools that agents have, by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_exec::containment::Namespaces;
use wharf_protocol::ToolSpec;
use wharf_protocol::rest::{Containment, ContainmentSetting};

use crate::Tool;
use crate::tools::{self, ToolsConfig};

/// The tools that agents have, by name.
#[derive(Clone)]
pub struct Toolbox {
    tools: BTreeMap<String, Arc<dyn Tool>>,
    specs: Arc<[Arc<ToolSpec>]>,
    namespaces: Arc<Namespaces>,
    shell: Option<PathBuf>,
}

impl Toolbox {
    /// The built-in tools. Without a supervisor this process adopts the orphans of its descendants from here on, so that
    /// none escapes.
    #[must_use]
    pub fn builtin(mut config: ToolsConfig) -> Self {
        config.supervisor = config.supervisor.filter(|_| cfg!(target_os = "linux"));
        if config.supervisor.is_none() {
            wharf_exec::adopt_orphans();
        }
        let path = config.environment.get("PATH").map_or("", String::as_str);
        let namespaces = Arc::new(Namespaces::new(config.containment, path, config.supervisor.is_some()));
        let shell = Some(tools::shell(&config));
        Self { namespaces: Arc::clone(&namespaces), shell, ..tools::builtin(config, namespaces).into_iter().collect() }
    }

    /// The program that runs commands.
    #[must_use]
    pub fn shell(&self) -> Option<&Path> {
        self.shell.as_deref()
    }

    /// Whether commands get a process namespace of their own, and why not. Blocks when it is asked for the first time.
    #[must_use]
    pub fn containment(&self) -> Containment {
        self.namespaces.describe()
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.tools.get(name).map(Arc::clone)
    }

    /// All tools' specs, by name.
    #[must_use]
    pub fn specs(&self) -> Arc<[Arc<ToolSpec>]> {
        Arc::clone(&self.specs)
    }

    /// These tools and `more`; a tool of the same name replaces the one here.
    #[must_use]
    pub fn with(self, more: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        Self { namespaces: self.namespaces, shell: self.shell, ..self.tools.into_values().chain(more).collect() }
    }
}

impl FromIterator<Arc<dyn Tool>> for Toolbox {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Tool>>>(tools: I) -> Self {
        let tools: BTreeMap<_, _> = tools.into_iter().map(|tool| (tool.spec().name.clone(), tool)).collect();
        let specs = tools.values().map(|tool| Arc::clone(tool.spec())).collect();
        let namespaces = Arc::new(Namespaces::new(ContainmentSetting::None, "", false));
        Self { tools, specs, namespaces, shell: None }
    }
}

impl std::fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.tools.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
