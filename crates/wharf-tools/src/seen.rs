//! What a call would touch, looked at before it is decided. Nothing is changed by looking.

use std::path::Path;
use std::sync::Arc;

use wharf_protocol::tool::FileDiff;
use wharf_protocol::{Seen, ToolError};

use crate::CallContext;
use crate::blocking::seeing;
use crate::guard;
use crate::workspace::Workspace;

/// Paths that are looked into.
pub(crate) async fn reading(context: &CallContext, paths: Vec<String>) -> Seen {
    let workspace = Arc::clone(&context.workspace);
    seeing(move || found(&workspace, &paths)).await
}

/// Files that are written, moved or removed.
pub(crate) async fn writing(context: &CallContext, paths: Vec<String>) -> Seen {
    let workspace = Arc::clone(&context.workspace);
    seeing(move || written(&workspace, &paths)).await
}

/// The directory of a command. One may wait for the disk here.
pub(crate) fn running(workspace: &Workspace, directory: &str) -> Seen {
    let seen = found(workspace, &[directory.to_owned()]);
    let foreign = seen.paths.first().and_then(|path| workspace.foreign(Path::new(&path.name)));
    Seen { foreign, ..seen }
}

/// As [`writing`], where one may wait for the disk.
pub(crate) fn written(workspace: &Workspace, paths: &[String]) -> Seen {
    let seen = found(workspace, paths);
    Seen { guarded: workspace.guarded_of(&seen.paths), ..seen }
}

fn found(workspace: &Workspace, paths: &[String]) -> Seen {
    Seen { paths: paths.iter().filter_map(|path| workspace.seen(path)).collect(), ..Seen::default() }
}

/// With what would change.
pub(crate) fn with_preview(seen: Seen, diffs: Result<Vec<FileDiff>, ToolError>) -> Seen {
    Seen { preview: Some(guard::preview(diffs)), ..seen }
}
