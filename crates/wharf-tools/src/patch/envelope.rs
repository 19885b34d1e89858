//! The notation between `*** Begin Patch` and `*** End Patch`.

use super::{FileAction, FilePatch, Hunk, Line, Malformed, joined};

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
const END_OF_FILE: &str = "*** End of File";
const ADD: &str = "*** Add File:";
const DELETE: &str = "*** Delete File:";
const UPDATE: &str = "*** Update File:";
const MOVE: &str = "*** Move to:";
const FENCE: &str = "```";

pub(super) fn parse(lines: &[&str]) -> Result<Vec<FilePatch>, Malformed> {
    let mut files = Vec::new();
    // What is said before the patch is no part of it.
    let mut at = lines.iter().position(|line| is_structure(line)).unwrap_or(lines.len());
    while at < lines.len() {
        let line = lines[at].trim_end();
        if is_marker(line, END) {
            // Some models write a patch for each file.
            let next = lines[at..].iter().position(|line| is_marker(line, BEGIN));
            at = next.map_or(lines.len(), |offset| at + offset);
        } else if line.trim().is_empty() || line.starts_with(FENCE) || is_marker(line, BEGIN) {
            at += 1;
        } else if let Some(path) = line.strip_prefix(ADD) {
            let start = at + 1;
            at = section_end(lines, start);
            files.push(FilePatch { path: name(path, start - 1)?, action: added(&lines[start..at], start)? });
        } else if let Some(path) = line.strip_prefix(DELETE) {
            files.push(FilePatch { path: name(path, at)?, action: FileAction::Delete });
            at += 1;
        } else if let Some(path) = line.strip_prefix(UPDATE) {
            let start = at + 1;
            at = section_end(lines, start);
            files.push(FilePatch { path: name(path, start - 1)?, action: updated(&lines[start..at], start)? });
        } else {
            return Err(Malformed::at(
                at,
                format!("expected {ADD} , {UPDATE} , {DELETE} or {END}, found {line:.100?}"),
            ));
        }
    }
    Ok(files)
}

/// Whether a line is `marker`, in column 1: in another one it is a line of a file. Some models end a marker with stars as it
/// begins.
fn is_marker(line: &str, marker: &str) -> bool {
    let line = line.trim_end();
    line == marker || line.strip_suffix("***").is_some_and(|line| line.trim_end() == marker)
}

fn is_file_header(line: &str) -> bool {
    [ADD, DELETE, UPDATE].iter().any(|header| line.starts_with(header))
}

/// Whether a line is no line of a file: it begins or ends a patch, or a file's part of it.
pub(super) fn is_structure(line: &str) -> bool {
    is_file_header(line) || is_marker(line, BEGIN) || is_marker(line, END)
}

fn name(path: &str, at: usize) -> Result<String, Malformed> {
    let path = path.trim();
    let path = path.strip_suffix(" ***").map_or(path, str::trim_end);
    if path.is_empty() { Err(Malformed::at(at, "the path is missing")) } else { Ok(path.to_owned()) }
}

/// Where the next file's part begins.
fn section_end(lines: &[&str], start: usize) -> usize {
    let ends = |line: &&str| is_structure(line) || line.starts_with(FENCE);
    lines[start..].iter().position(ends).map_or(lines.len(), |offset| start + offset)
}

fn added(lines: &[&str], start: usize) -> Result<FileAction, Malformed> {
    let mut text = Vec::with_capacity(lines.len());
    let mut is_ended = true;
    let last = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    for (index, line) in lines[..last].iter().enumerate() {
        match line.strip_prefix('+') {
            Some(line) => text.push(line),
            None if line.is_empty() => text.push(""),
            None if line.starts_with("\\ ") => is_ended = false,
            None if is_marker(line, END_OF_FILE) => {}
            None => {
                return Err(Malformed::at(start + index, "every line of an added file begins with +"));
            }
        }
    }
    let mut text = joined(text.into_iter());
    if !is_ended {
        text.pop();
    }
    Ok(FileAction::Create { text, mode: None })
}

fn updated(lines: &[&str], start: usize) -> Result<FileAction, Malformed> {
    let mut rename_to = None;
    let mut hunks: Vec<Hunk> = Vec::new();
    let mut hunk = Hunk::default();
    let last = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    for (index, line) in lines[..last].iter().enumerate() {
        if let Some(path) = line.strip_prefix(MOVE) {
            rename_to = Some(name(path, start + index)?);
        } else if is_marker(line, END_OF_FILE) {
            hunk.at_end = true;
        } else if let Some(anchor) = line.strip_prefix("@@") {
            if !hunk.lines.is_empty() {
                hunks.push(std::mem::take(&mut hunk));
            }
            hunk.start = super::unified::start_of(line).or(hunk.start);
            let anchor = anchor.trim().trim_end_matches("@@").trim();
            if !anchor.is_empty() && hunk.start.is_none() {
                hunk.anchors.push(anchor.to_owned());
            }
        } else {
            let line = match line.split_at_checked(1) {
                Some(("+", rest)) => Line::Add(rest.to_owned()),
                Some(("-", rest)) => Line::Remove(rest.to_owned()),
                Some((" ", rest)) => Line::Keep(rest.to_owned()),
                Some(("\\", _)) => {
                    hunk.unend();
                    continue;
                }
                None if line.is_empty() => Line::Keep(String::new()),
                _ => {
                    let problem = format!("expected a line that begins with a blank, +, - or @@, found {line:.100?}");
                    return Err(Malformed::at(start + index, problem));
                }
            };
            hunk.lines.push(line);
        }
    }
    if !hunk.lines.is_empty() {
        hunks.push(hunk);
    }
    if hunks.is_empty() && rename_to.is_none() {
        return Err(Malformed::at(start.saturating_sub(1), "there is no change below it"));
    }
    Ok(FileAction::Update { rename_to, hunks, mode: None })
}
