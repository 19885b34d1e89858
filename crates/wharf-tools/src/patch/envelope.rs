//! The notation between `*** Begin Patch` and `*** End Patch`.

use super::{Action, FilePatch, Hunk, Line, Malformed, joined};

const END: &str = "*** End Patch";

pub(super) fn parse(lines: &[&str]) -> Result<Vec<FilePatch>, Malformed> {
    let mut files = Vec::new();
    let mut at = lines.iter().position(|line| line.trim() == "*** Begin Patch").map_or(0, |begin| begin + 1);
    while at < lines.len() {
        let line = lines[at].trim_end();
        if line == END {
            break;
        }
        if line.trim().is_empty() || line.starts_with("```") {
            at += 1;
        } else if let Some(path) = line.strip_prefix("*** Add File: ") {
            let start = at + 1;
            at = section_end(lines, start);
            files.push(FilePatch { path: name(path, start - 1)?, action: added(&lines[start..at], start)? });
        } else if let Some(path) = line.strip_prefix("*** Delete File: ") {
            files.push(FilePatch { path: name(path, at)?, action: Action::Delete });
            at += 1;
        } else if let Some(path) = line.strip_prefix("*** Update File: ") {
            let start = at + 1;
            at = section_end(lines, start);
            files.push(FilePatch { path: name(path, start - 1)?, action: updated(&lines[start..at], start)? });
        } else {
            return Err(Malformed::at(
                at,
                format!("expected *** Add File: , *** Update File: , *** Delete File: or {END}, found {line:.100?}"),
            ));
        }
    }
    Ok(files)
}

fn name(path: &str, at: usize) -> Result<String, Malformed> {
    let path = path.trim();
    if path.is_empty() { Err(Malformed::at(at, "the path is missing")) } else { Ok(path.to_owned()) }
}

/// Where the next file's part begins.
fn section_end(lines: &[&str], start: usize) -> usize {
    let is_header = |line: &&str| {
        line.trim_end() == END
            || ["*** Add File: ", "*** Delete File: ", "*** Update File: "].iter().any(|it| line.starts_with(it))
    };
    lines[start..].iter().position(is_header).map_or(lines.len(), |offset| start + offset)
}

fn added(lines: &[&str], start: usize) -> Result<Action, Malformed> {
    let mut text = Vec::with_capacity(lines.len());
    let last = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    for (index, line) in lines[..last].iter().enumerate() {
        match line.strip_prefix('+') {
            Some(line) => text.push(line),
            None if line.is_empty() => text.push(""),
            None => {
                return Err(Malformed::at(start + index, "every line of an added file begins with +"));
            }
        }
    }
    Ok(Action::Create { text: joined(text.into_iter()), mode: None })
}

fn updated(lines: &[&str], start: usize) -> Result<Action, Malformed> {
    let mut rename_to = None;
    let mut hunks: Vec<Hunk> = Vec::new();
    let mut hunk = Hunk::default();
    let last = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    for (index, line) in lines[..last].iter().enumerate() {
        if let Some(path) = line.strip_prefix("*** Move to: ") {
            rename_to = Some(name(path, start + index)?);
        } else if line.trim_end() == "*** End of File" {
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
    Ok(Action::Update { rename_to, hunks, mode: None })
}
