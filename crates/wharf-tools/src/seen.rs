//! What a call would touch, looked at before it is decided. Nothing is changed by looking.

use std::path::Path;

use wharf_protocol::tool::FileDiff;
use wharf_protocol::{Seen, ToolError};

use crate::guard;
use crate::workspace::Workspace;

/// Paths that are looked into.
pub(crate) fn reading<'a>(workspace: &Workspace, paths: impl IntoIterator<Item = &'a str>) -> Seen {
    Seen { paths: paths.into_iter().filter_map(|path| workspace.seen(path)).collect(), ..Seen::default() }
}

/// Files that are written, moved or removed.
pub(crate) fn writing<'a>(workspace: &Workspace, paths: impl IntoIterator<Item = &'a str>) -> Seen {
    let seen = reading(workspace, paths);
    Seen { guarded: workspace.guarded_of(&seen.paths), ..seen }
}

/// The directory of a command.
pub(crate) fn running(workspace: &Workspace, directory: &str) -> Seen {
    let seen = reading(workspace, [directory]);
    let foreign = seen.paths.first().and_then(|path| workspace.foreign(Path::new(&path.name)));
    Seen { foreign, ..seen }
}

/// With what would change.
pub(crate) fn with_preview(seen: Seen, diffs: Result<Vec<FileDiff>, ToolError>) -> Seen {
    Seen { preview: Some(guard::preview(diffs)), ..seen }
}
