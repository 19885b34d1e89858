//! Calls in words: titles, places, questions. And paths, as far as text alone tells.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use wharf_foreign::visible;
use wharf_protocol::tool::{Location, ToolSource};
use wharf_protocol::{ToolKind, ToolSpec};

/// Longest title of a call, in characters.
const TITLE_MAX_CHARS: usize = 120;

/// So many lines of what would run are quoted in a question: head and tail, so that nothing pushes our own words out of sight. The whole
/// stands in the question's `arguments`.
const QUESTION_MAX_LINES: usize = 8;

/// So many further arguments are named in a question, each with so many bytes.
const QUESTION_ARGUMENTS: usize = 12;
const ARGUMENT_MAX_BYTES: usize = 200;

/// So many values of arguments are looked at for paths; a call with more has the first ones looked at.
const VALUES_MAX: usize = 10_000;

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

/// The paths of a call that lead out of the session's directories, as far as text tells.
pub(crate) fn paths_outside(spec: &ToolSpec, subjects: &[String], cwd: &Path, further: &[PathBuf]) -> Vec<String> {
    if !is_path_subject(spec) {
        return Vec::new();
    }
    let is_outside = |path: &&String| {
        let absolute = normalize(cwd, path.trim());
        !absolute.starts_with(normalize(cwd, "")) && !further.iter().any(|further| absolute.starts_with(further))
    };
    subjects.iter().filter(is_outside).map(|path| visible::line(path, 4_096)).collect()
}

/// One line for people.
pub(crate) fn title(spec: &ToolSpec, subjects: &[String]) -> String {
    match subjects {
        [] => shorten(&visible::text(&spec.name), TITLE_MAX_CHARS),
        subjects => {
            let text = format!("{} {}", spec.name, one_line(&subjects.join(", ")));
            shorten(&visible::text(&shorten(&text, TITLE_MAX_CHARS)), TITLE_MAX_CHARS)
        }
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

/// What is asked of the clients: what would run, and why it is asked. Foreign text stands on one line with our words only where it is one
/// line itself and short; else each line of it is marked, so that none passes for ours.
pub(crate) fn question(spec: &ToolSpec, subjects: &[String], arguments: &Value, cwd: &Path, reason: &str) -> String {
    let subject = if subjects.is_empty() { arguments.to_string() } else { subjects.join(", ") };
    let lines = visible::head_and_tail(subject.trim(), QUESTION_MAX_LINES);
    let cwd = visible::line(&cwd.to_string_lossy(), 1_024);
    let (name, reason) = (visible::line(&spec.name, 200), visible::line(reason, 1_024));
    let further = further_arguments(spec, subjects, arguments);
    match lines.as_slice() {
        [line] => format!("Run {name} in {cwd}: {line}{further} ({reason})"),
        lines => {
            let quoted: String = lines.iter().map(|line| format!("\n  | {line}")).collect();
            format!("Run {name} in {cwd}:{quoted}\n{} ({reason})", further.trim_start())
        }
    }
}

/// The arguments beside the subject, which change what would run: a directory, a time limit, whether it goes on in the background. Long
/// texts of an edit are not among them: its diff shows them.
fn further_arguments(spec: &ToolSpec, subjects: &[String], arguments: &Value) -> String {
    let Some(arguments) = arguments.as_object().filter(|_| !subjects.is_empty()) else { return String::new() };
    let is_edit = matches!(spec.kind, ToolKind::Edit | ToolKind::Delete | ToolKind::Move);
    let said = arguments.iter().filter(|(name, value)| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => {
            !is_edit && !subjects.contains(text) && !matches!(name.as_str(), "description" | "explanation")
        }
        _ => true,
    });
    let mut shown: Vec<String> = said
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            format!("{}={}", visible::line(name, 80), visible::line(&value, ARGUMENT_MAX_BYTES))
        })
        .collect();
    if shown.len() > QUESTION_ARGUMENTS {
        let more = shown.len() - QUESTION_ARGUMENTS;
        shown.truncate(QUESTION_ARGUMENTS);
        shown.push(format!("{more} more"));
    }
    if shown.is_empty() { String::new() } else { format!(" [{}]", shown.join(", ")) }
}

/// A hash of how somebody else describes a tool: what an answer about the tool was given for. Our own tools do not change under a session.
pub(crate) fn definition(spec: &ToolSpec) -> Option<String> {
    if spec.source == ToolSource::Builtin {
        return None;
    }
    let mut hash = Sha256::new();
    for part in [&spec.name, &spec.description, &spec.parameters.to_string()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The paths in the arguments of a tool that does not say what it is about, as far as the arguments' names tell.
pub(crate) fn path_arguments(arguments: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut left: Vec<(bool, &Value)> = vec![(false, arguments)];
    for _ in 0..VALUES_MAX {
        let Some((is_path, value)) = left.pop() else { break };
        match value {
            Value::Object(fields) => left.extend(fields.iter().map(|(name, value)| (names_path(name), value))),
            Value::Array(values) => left.extend(values.iter().map(|value| (is_path, value))),
            Value::String(text) if is_path => found.push(text.clone()),
            _ => {}
        }
    }
    found
}

fn names_path(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["path", "file", "uri", "directory", "folder", "source", "destination"].iter().any(|word| name.contains(word))
        || name == "dir"
}

/// The beginning of a text that is not what it should be.
pub(crate) fn excerpt(text: &str) -> String {
    shorten(&visible::text(&one_line(text)), EXCERPT_MAX_CHARS)
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
