//! The forms of what a call is about that patterns are matched with.

use std::path::{Path, PathBuf};

use wharf_protocol::{SeenPath, ToolSpec};

use super::pattern::is_match;
use crate::describe::{is_path_subject, normalize};

/// One of a call's subjects.
pub(super) struct Subject {
    /// As the model wrote it, without the space around it.
    written: String,
    /// For paths: seen from the workspace, if inside it, and absolute; without `.` and `..`.
    paths: Vec<String>,
    /// A path that leads out of the session's directories, as far as text tells.
    pub(super) is_outside: bool,
}

impl Subject {
    /// By text alone.
    pub(super) fn new(spec: &ToolSpec, text: &str, cwd: &Path, further: &[PathBuf]) -> Self {
        let written = text.trim().to_owned();
        let (mut paths, mut is_outside) = (Vec::new(), false);
        if is_path_subject(spec) {
            let absolute = normalize(cwd, &written);
            match absolute.strip_prefix(normalize(cwd, "")) {
                Ok(inside) => paths.push(inside.to_string_lossy().into_owned()),
                Err(_) => is_outside = !further.iter().any(|directory| absolute.starts_with(directory)),
            }
            paths.push(absolute.to_string_lossy().into_owned());
        }
        Self { written, paths, is_outside }
    }

    /// The file that a path leads to, symbolic links followed.
    pub(super) fn seen(seen: &SeenPath, cwd: &Path) -> Self {
        Self { written: seen.name.clone(), paths: seen.forms(cwd), is_outside: false }
    }

    /// A path by its text, of a tool that says nothing of what it is about.
    pub(super) fn path(text: &str, cwd: &Path) -> Self {
        let text = text.trim().strip_prefix("file://").unwrap_or(text.trim());
        let absolute = normalize(cwd, text);
        let mut paths = vec![absolute.to_string_lossy().into_owned()];
        paths
            .extend(absolute.strip_prefix(normalize(cwd, "")).ok().map(|inside| inside.to_string_lossy().into_owned()));
        Self { written: text.to_owned(), paths, is_outside: false }
    }

    /// Whether a pattern that allows covers the whole of it. `src/*` covers no `src/../../etc/passwd`.
    pub(super) fn is_allowed_by(&self, pattern: &str) -> bool {
        match self.paths.as_slice() {
            [] => is_match(pattern, &self.written),
            paths => paths.iter().any(|path| is_match(pattern, path)),
        }
    }

    /// Whether a pattern that asks or denies covers any form of it.
    pub(super) fn is_touched_by(&self, pattern: &str) -> bool {
        is_match(pattern, &self.written) || self.is_path_touched_by(pattern)
    }

    /// The same for the parts of a shell command that is not understood, as far as its text tells.
    pub(super) fn is_roughly_touched_by(&self, pattern: &str) -> bool {
        self.written
            .split([';', '&', '|', '\n', '`', '(', ')', '{', '}', '\'', '"', '='])
            .any(|part| is_match(pattern, part.split_whitespace().collect::<Vec<_>>().join(" ").as_str()))
    }

    /// The same for its paths alone.
    pub(super) fn is_path_touched_by(&self, pattern: &str) -> bool {
        self.paths.iter().any(|path| is_match(pattern, path))
            || (!self.paths.is_empty() && is_match(pattern, &self.written))
    }
}
