//! What a call would touch, looked at before it is decided. Nothing is changed by looking.

use std::path::Path;

use wharf_protocol::permission::Preview;
use wharf_protocol::tool::FileDiff;

use crate::guard;
use crate::workspace::Workspace;
use crate::{ToolError, name};

/// What a call would touch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The files and directories that it would use, symbolic links followed.
    pub paths: Vec<SeenPath>,
    /// Those of them that a person should see before they are written.
    pub guarded: Vec<Guarded>,
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
pub struct Guarded {
    pub path: String,
    /// The part of the path that it is guarded for, in lower case.
    pub name: String,
    pub why: String,
}

impl Seen {
    /// Paths that are looked into.
    pub(crate) fn reading<'a>(workspace: &Workspace, paths: impl IntoIterator<Item = &'a str>) -> Self {
        Self { paths: paths.into_iter().filter_map(|path| workspace.seen(path)).collect(), ..Self::default() }
    }

    /// Files that are written, moved or removed.
    pub(crate) fn writing<'a>(workspace: &Workspace, paths: impl IntoIterator<Item = &'a str>) -> Self {
        let seen = Self::reading(workspace, paths);
        Self { guarded: workspace.guarded_of(&seen.paths), ..seen }
    }

    /// The directory of a command.
    pub(crate) fn running(workspace: &Workspace, directory: &str) -> Self {
        let seen = Self::reading(workspace, [directory]);
        let foreign = seen.paths.first().and_then(|path| workspace.foreign(Path::new(&path.name)));
        Self { foreign, ..seen }
    }

    pub(crate) fn with_preview(self, diffs: Result<Vec<FileDiff>, ToolError>) -> Self {
        Self { preview: Some(guard::preview(diffs)), ..self }
    }
}

impl SeenPath {
    pub(crate) fn new(relative: &Path, absolute: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let judged = |path: &Path| name::judged(path.as_os_str().as_bytes());
        Self { name: judged(relative), absolute: judged(absolute) }
    }
}
