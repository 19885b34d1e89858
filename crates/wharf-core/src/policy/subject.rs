//! The forms of what a call is about that patterns are matched with.

use std::path::{Path, PathBuf};

use wharf_protocol::{SeenPath, ToolKind, ToolSpec};

use super::pattern::{is_match, is_match_by_words};
use crate::describe::{is_path_subject, normalize};

/// What a shell starts another command with, or writes a file with. A pattern that allows covers no more of them than it has.
const SHELL_OPERATORS: [&str; 5] = [";", "&", "|", "\n", ">"];

/// With these a shell puts something else in their place, of which the text says nothing: no pattern that allows covers them.
const SUBSTITUTIONS: [&str; 4] = ["$", "`", "<(", ">("];

/// One of a call's subjects.
pub(super) struct Subject {
    kind: ToolKind,
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
        Self { kind: spec.kind, written, paths, is_outside }
    }

    /// The file that a path leads to, symbolic links followed.
    pub(super) fn seen(seen: &SeenPath, cwd: &Path) -> Self {
        Self { kind: ToolKind::Other, written: seen.name.clone(), paths: seen.forms(cwd), is_outside: false }
    }

    /// A path by its text, of a tool that says nothing of what it is about.
    pub(super) fn path(text: &str, cwd: &Path) -> Self {
        let text = text.trim().strip_prefix("file://").unwrap_or(text.trim());
        let absolute = normalize(cwd, text);
        let mut paths = vec![absolute.to_string_lossy().into_owned()];
        paths
            .extend(absolute.strip_prefix(normalize(cwd, "")).ok().map(|inside| inside.to_string_lossy().into_owned()));
        Self { kind: ToolKind::Other, written: text.to_owned(), paths, is_outside: false }
    }

    /// Whether a pattern that allows covers the whole of it. `src/*` covers no `src/../../etc/passwd`, and `cargo *` no
    /// `cargo test; rm -rf /`. For commands this is a courtesy that keeps honest mistakes out: a shell has more ways to start a
    /// program than a pattern can know, and the sandbox is the boundary.
    pub(super) fn is_allowed_by(&self, pattern: &str) -> bool {
        let written = &self.written;
        if !self.paths.is_empty() {
            return self.paths.iter().any(|path| is_match(pattern, path));
        }
        if self.kind != ToolKind::Execute {
            return is_match(pattern, written);
        }
        let adds_operator = SHELL_OPERATORS.iter().any(|op| written.matches(op).count() > pattern.matches(op).count());
        let substitutes = SUBSTITUTIONS.iter().any(|mark| written.contains(mark));
        !adds_operator && !substitutes && is_match_by_words(pattern, written)
    }

    /// Whether a pattern that asks or denies covers any form or part of it.
    pub(super) fn is_touched_by(&self, pattern: &str) -> bool {
        let written = &self.written;
        is_match(pattern, written)
            || self.is_path_touched_by(pattern)
            || (self.kind == ToolKind::Execute
                && written
                    .split([';', '&', '|', '\n', '`', '(', ')', '{', '}'])
                    .any(|part| is_match(pattern, part.trim())))
    }

    /// The same for its paths alone.
    pub(super) fn is_path_touched_by(&self, pattern: &str) -> bool {
        self.paths.iter().any(|path| is_match(pattern, path))
            || (!self.paths.is_empty() && is_match(pattern, &self.written))
    }
}
