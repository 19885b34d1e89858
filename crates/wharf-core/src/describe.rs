//! Calls in words: titles, places, questions. And paths, as far as text alone tells.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use wharf_protocol::ToolKind;
use wharf_protocol::ToolSpec;
use wharf_protocol::tool::Location;

/// Longest title of a call, in characters.
const TITLE_MAX_CHARS: usize = 120;

/// So much of a call's subject is quoted in a question, in characters: enough to judge a command by.
const QUESTION_MAX_CHARS: usize = 2_000;

/// So much of arguments that cannot be read is quoted, in characters.
const EXCERPT_MAX_CHARS: usize = 200;

/// The argument that says what a call is about, as text.
pub(crate) fn subject_text(spec: &ToolSpec, arguments: &Value) -> Option<String> {
    match arguments.get(spec.subject.as_deref()?)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        // The tool will refuse it; a rule that denies must see it none the less.
        other => Some(other.to_string()),
    }
}

/// The subjects name files or directories.
pub(crate) fn is_path_subject(spec: &ToolSpec) -> bool {
    match &spec.subject {
        Some(name) => name == "path" || name.ends_with("_path"),
        // A patch names its files inside.
        None => matches!(spec.kind, ToolKind::Edit | ToolKind::Delete | ToolKind::Move),
    }
}

/// One line for people.
pub(crate) fn title(spec: &ToolSpec, subjects: &[String]) -> String {
    match subjects {
        [] => shorten(&spec.name, TITLE_MAX_CHARS),
        subjects => shorten(&format!("{} {}", spec.name, one_line(&subjects.join(", "))), TITLE_MAX_CHARS),
    }
}

/// The files that a call is about.
pub(crate) fn locations(spec: &ToolSpec, subjects: &[String], cwd: &Path) -> Vec<Location> {
    let is_file_tool =
        matches!(spec.kind, ToolKind::Read | ToolKind::Edit | ToolKind::Delete | ToolKind::Move | ToolKind::Search);
    if !is_file_tool || !is_path_subject(spec) {
        return Vec::new();
    }
    let place = |path: &String| Location { path: normalize(cwd, path).to_string_lossy().into_owned(), line: None };
    subjects.iter().map(place).collect()
}

/// What is asked of the clients: what would run, and why it is asked.
pub(crate) fn question(spec: &ToolSpec, subjects: &[String], arguments: &Value, cwd: &Path, reason: &str) -> String {
    let subject = if subjects.is_empty() { arguments.to_string() } else { subjects.join(", ") };
    let subject = shorten(subject.trim(), QUESTION_MAX_CHARS);
    format!("Run {} in {}: {subject} ({reason})", spec.name, cwd.display())
}

/// The beginning of a text that is not what it should be.
pub(crate) fn excerpt(text: &str) -> String {
    shorten(&one_line(text), EXCERPT_MAX_CHARS)
}

/// `path` seen from `cwd`, without `.` and `..`; the file system is not asked.
pub(crate) fn normalize(cwd: &Path, path: &str) -> PathBuf {
    let mut out = PathBuf::new();
    for component in cwd.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => out.push(component),
        }
    }
    out
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shorten(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => text.to_owned(),
        Some(_) => {
            let cut = text.char_indices().nth(max_chars - 1).map_or(text.len(), |(at, _)| at);
            format!("{}…", &text[..cut])
        }
    }
}
