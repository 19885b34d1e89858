//! Patches of several files, in the two notations that models write: unified diffs and `*** Begin Patch`.

mod envelope;
mod hunks;
mod unified;

pub(crate) use hunks::apply;

/// Longest patch.
const PATCH_MAX_BYTES: usize = 8 * 1024 * 1024;
const FILES_MAX: usize = 1000;

/// What a patch does to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilePatch {
    pub(crate) path: String,
    pub(crate) action: FileAction,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileAction {
    Create {
        text: String,
        mode: Option<u32>,
    },
    Delete,
    /// Changes, and perhaps a new name.
    Update {
        rename_to: Option<String>,
        hunks: Vec<Hunk>,
        mode: Option<u32>,
    },
}

/// One passage of a file, before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hunk {
    /// Line of the old file where it begins, counted from 1, as far as the patch knows.
    pub(crate) start: Option<usize>,
    /// Lines to be passed first, each further down than the one before: `@@ class A`, `@@ def b`.
    pub(crate) anchors: Vec<String>,
    pub(crate) lines: Vec<Line>,
    /// The passage ends the file.
    pub(crate) at_end: bool,
    /// The old, the new file has no line end behind its last line.
    pub(crate) old_unended: bool,
    pub(crate) new_unended: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Keep(String),
    Remove(String),
    Add(String),
}

impl Hunk {
    /// Takes `\ No newline at end of file`, which is about the line before it.
    fn unend(&mut self) {
        match self.lines.last() {
            Some(Line::Remove(_)) => self.old_unended = true,
            Some(Line::Add(_)) => self.new_unended = true,
            _ => (self.old_unended, self.new_unended) = (true, true),
        }
    }
}

/// Why a text is no patch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the patch: {problem}")]
pub(crate) struct Malformed {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) problem: String,
}

impl Malformed {
    fn at(index: usize, problem: impl Into<String>) -> Self {
        Self { line: index + 1, problem: problem.into() }
    }
}

/// Reads a patch in either notation.
pub(crate) fn parse(patch: &str) -> Result<Vec<FilePatch>, Malformed> {
    if patch.len() > PATCH_MAX_BYTES {
        return Err(Malformed::at(0, format!("the patch is longer than {PATCH_MAX_BYTES} bytes")));
    }
    let lines: Vec<&str> = patch.lines().collect();
    // Each notation may stand in the files that the other one changes: the first line of either decides.
    let is_unified = |at: usize| unified::begins_file(&lines, at);
    let first = (0..lines.len()).find(|at| is_unified(*at) || envelope::is_structure(lines[*at]));
    let is_envelope = first.is_some_and(|at| !is_unified(at));
    let files = if is_envelope { envelope::parse(&lines)? } else { unified::parse(&lines)? };
    if files.is_empty() {
        return Err(Malformed::at(
            0,
            "it changes no file. Write a unified diff (--- a/file, +++ b/file, @@ -1,3 +1,4 @@) or *** Begin Patch / *** Update File: file / @@ / *** End Patch",
        ));
    }
    if files.len() > FILES_MAX {
        return Err(Malformed::at(0, format!("it changes {} files, at most {FILES_MAX}", files.len())));
    }
    Ok(files)
}

/// Lines as a text, each with its end.
fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests;
