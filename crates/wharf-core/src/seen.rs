//! What a call would touch, as whoever runs it sees it before it is decided. The core has no file system: it is told.

use std::path::Path;

use wharf_protocol::permission::Preview;
use wharf_protocol::tool::ToolSource;
use wharf_protocol::{ToolKind, ToolSpec};

/// What a call would touch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The files and directories that it would use, symbolic links followed.
    pub paths: Vec<SeenPath>,
    /// Those of them that a person should see before they are written.
    pub guarded: Vec<GuardedPath>,
    /// Why the directory that a command would run in is not just a part of the workspace.
    pub foreign: Option<String>,
    /// What it would change; only where that was asked for.
    pub preview: Option<Preview>,
}

/// A file or directory, symbolic links followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPath {
    /// Relative in the session's `cwd`, absolute in a further directory.
    pub name: String,
    pub absolute: String,
}

/// A file that another program runs or trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardedPath {
    pub path: String,
    /// The part of the path that it is guarded for: a rule that allows has to name it.
    pub name: String,
    pub why: String,
}

/// What a call is bound to when it runs: it touches what was judged, and does what was shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bound {
    /// The files and directories that were judged; `None`: the call was judged by its text.
    pub paths: Option<Vec<String>>,
    /// Of the change that was shown and approved.
    pub digest: Option<String>,
    /// A person has said yes to this very call, or a rule that allows: what rules ask about is not kept from it.
    pub is_approved: bool,
}

impl SeenPath {
    /// The texts that patterns are matched with.
    #[must_use]
    pub fn forms(&self, cwd: &Path) -> Vec<String> {
        let mut forms = vec![self.name.clone()];
        for form in [cwd.join(&self.name).to_string_lossy().into_owned(), self.absolute.clone()] {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        forms
    }
}

/// Whether a call of this tool is looked at before it is decided.
pub(crate) fn is_looked_at(spec: &ToolSpec) -> bool {
    is_file_tool(spec) || (spec.source == ToolSource::Builtin && spec.kind == ToolKind::Execute)
}

/// What a call of this tool sees depends on what the calls before it do.
pub(crate) fn is_file_tool(spec: &ToolSpec) -> bool {
    spec.source == ToolSource::Builtin
        && matches!(spec.kind, ToolKind::Read | ToolKind::Edit | ToolKind::Delete | ToolKind::Move | ToolKind::Search)
}

/// Whether a question about a call of this tool shows what would change.
pub(crate) fn is_previewed(spec: &ToolSpec) -> bool {
    spec.source == ToolSource::Builtin && matches!(spec.kind, ToolKind::Edit | ToolKind::Delete | ToolKind::Move)
}
