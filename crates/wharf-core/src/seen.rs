//! Which calls are looked at before they are decided, and what a decision binds them to. The core has no file system: it is told.

use wharf_protocol::tool::ToolSource;
use wharf_protocol::{ToolKind, ToolSpec};

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
