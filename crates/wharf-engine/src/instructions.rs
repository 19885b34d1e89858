//! What a model is told before anything is said: sections, each from a source of its own.

use std::path::PathBuf;
use std::sync::Arc;

use wharf_protocol::{Agent, Session};

/// Whom the instructions are for.
pub(crate) struct Addressee<'a> {
    pub(crate) agent: &'a Agent,
    pub(crate) session: &'a Session,
}

/// Has something to tell the models of sessions.
///
/// It is asked by a session's owner, when the session is loaded and when its agent, its directories or the configuration change: it
/// waits for nothing and reads no files. What may change in between stands on the log (`actor/surroundings.rs`).
pub(crate) trait InstructionSource: Send + Sync {
    /// A section, without space around it; none where there is nothing to say. The same text as long as nothing has changed, so that
    /// providers can cache it.
    fn section(&self, to: &Addressee<'_>) -> Option<String>;
}

/// All sources, in the order in which their sections stand.
pub(crate) struct Instructions(Vec<Box<dyn InstructionSource>>);

impl Instructions {
    /// `shell` is what runs commands.
    pub(crate) fn new(shell: Option<PathBuf>) -> Self {
        Self(vec![Box::new(OfAgent), Box::new(OfWorkspace { shell })])
    }

    pub(crate) fn text(&self, to: &Addressee<'_>) -> Arc<str> {
        let sections: Vec<String> = self.0.iter().filter_map(|source| source.section(to)).collect();
        sections.join("\n\n").into()
    }
}

/// What the agent's profile says.
struct OfAgent;

impl InstructionSource for OfAgent {
    fn section(&self, to: &Addressee<'_>) -> Option<String> {
        Some(to.agent.instructions.clone())
    }
}

/// What the agent has to know of where it works.
struct OfWorkspace {
    shell: Option<PathBuf>,
}

impl InstructionSource for OfWorkspace {
    fn section(&self, to: &Addressee<'_>) -> Option<String> {
        let (session, os) = (to.session, std::env::consts::OS);
        let mut text = format!("Workspace: {}\n", session.cwd.display());
        if !session.additional_directories.is_empty() {
            let further: Vec<String> =
                session.additional_directories.iter().map(|path| path.display().to_string()).collect();
            text.push_str(&format!("Further directories, by absolute paths: {}\n", further.join(", ")));
        }
        text.push_str(&format!("Operating system: {os}"));
        let runs_commands = to.agent.tools.iter().any(|tool| tool == "bash");
        if let Some(shell) = self.shell.as_ref().filter(|_| runs_commands) {
            text.push_str(&format!("\nShell: {}", shell.display()));
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests;
