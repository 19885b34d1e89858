//! Applying hunks to a text: where they say, else where their lines are found, forgiving white space last.

use super::{Hunk, Line};

/// A text after its hunks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) text: String,
    /// What had to be forgiven, for the model.
    pub(crate) notes: Vec<String>,
}

/// Lines compared until a place is given up: hostile patches must not cost minutes.
const BUDGET: usize = 50_000_000;

type Form = fn(&str) -> &str;
const FORMS: [(Form, Option<&str>); 3] = [
    (|line| line, None),
    (str::trim_end, Some("white space at line ends ignored")),
    (str::trim, Some("indentation ignored")),
];

/// Applies `hunks` to `text`, all or none. The error is for the model.
pub(crate) fn apply(text: &str, hunks: &[Hunk]) -> Result<Applied, String> {
    let mut ended = text.is_empty() || text.ends_with('\n');
    let body = text.strip_suffix('\n').unwrap_or(text);
    let mut lines: Vec<String> =
        if text.is_empty() { Vec::new() } else { body.split('\n').map(str::to_owned).collect() };
    let mut notes = Vec::new();
    let mut budget = BUDGET;
    // Hunks come in order; what is before the cursor is settled.
    let mut cursor = 0;
    let mut shift: isize = 0;
    for (index, hunk) in hunks.iter().enumerate() {
        let number = index + 1;
        let old: Vec<&str> = hunk
            .lines
            .iter()
            .filter_map(|line| match line {
                Line::Keep(text) | Line::Remove(text) => Some(text.as_str()),
                Line::Add(_) => None,
            })
            .collect();
        let floor = anchored(&lines, cursor, &hunk.anchors, number)?;
        let expected = hunk.start.map(|start| {
            // A hunk without old lines goes behind the line that it names.
            let start = if old.is_empty() { start } else { start.saturating_sub(1) };
            start.saturating_add_signed(shift).min(lines.len())
        });
        let (at, tolerated) = if old.is_empty() {
            let place = if hunk.at_end { None } else { expected.or((!hunk.anchors.is_empty()).then_some(floor)) };
            (place.unwrap_or(lines.len()).max(cursor), None)
        } else {
            find(&lines, &old, floor, expected, hunk.at_end, &mut budget)
                .ok_or_else(|| not_found(&lines, &old, number, cursor, budget))?
        };
        if let Some(tolerated) = tolerated {
            notes.push(format!("hunk {number} matched with {tolerated}"));
        }
        if let Some(expected) = expected
            && expected != at
        {
            notes.push(format!("hunk {number} was found at line {} instead of {}", at + 1, expected + 1));
        }
        let is_last = at + old.len() == lines.len();
        let new = replacement(&lines[at..at + old.len()], hunk);
        let added = new.len();
        shift += at as isize - expected.unwrap_or(at) as isize + added as isize - old.len() as isize;
        lines.splice(at..at + old.len(), new);
        cursor = at + added;
        if is_last && (hunk.old_unended || hunk.new_unended) {
            ended = !hunk.new_unended;
        }
    }
    let mut text = lines.join("\n");
    if ended && !lines.is_empty() {
        text.push('\n');
    }
    Ok(Applied { text, notes })
}

/// The new lines; those that stay are taken from the file, which may have other white space than the patch.
fn replacement(old: &[String], hunk: &Hunk) -> Vec<String> {
    // In a file of mixed line ends an added line gets those of its neighbours.
    let carriage = !old.is_empty() && old.iter().all(|line| line.ends_with('\r'));
    let mut here = old.iter();
    let mut new = Vec::with_capacity(hunk.lines.len());
    for line in &hunk.lines {
        match line {
            Line::Keep(_) => new.extend(here.next().cloned()),
            Line::Remove(_) => {
                here.next();
            }
            Line::Add(text) if carriage && !text.ends_with('\r') => new.push(format!("{text}\r")),
            Line::Add(text) => new.push(text.clone()),
        }
    }
    new
}

/// The line behind the anchors.
fn anchored(lines: &[String], from: usize, anchors: &[String], number: usize) -> Result<usize, String> {
    let mut at = from;
    for anchor in anchors {
        let wanted = anchor.trim();
        let exact = |line: &String| line.trim() == wanted;
        let part = |line: &String| line.contains(wanted);
        let below = &lines[at.min(lines.len())..];
        let found = below.iter().position(exact).or_else(|| below.iter().position(part));
        match found {
            Some(offset) => at += offset + 1,
            None => return Err(format!("hunk {number}: the line \"@@ {anchor}\" is not in the file below line {at}")),
        }
    }
    Ok(at)
}

fn find(
    lines: &[String],
    old: &[&str],
    floor: usize,
    expected: Option<usize>,
    at_end: bool,
    budget: &mut usize,
) -> Option<(usize, Option<&'static str>)> {
    let last = lines.len().checked_sub(old.len())?;
    for (form, tolerated) in FORMS {
        let mut fits = |at: usize| {
            let mut compared = 0;
            let fits = lines[at..].iter().zip(old).all(|(line, wanted)| {
                compared += 1;
                form(line) == form(wanted)
            });
            *budget = budget.saturating_sub(compared);
            fits && *budget > 0
        };
        if at_end && last >= floor && fits(last) {
            return Some((last, tolerated));
        }
        let found = match expected {
            // The nearest place, as the line number may be wrong by a little.
            Some(expected) => {
                let expected = expected.clamp(floor.min(last), last);
                (0..=last)
                    .flat_map(|distance| [expected.checked_sub(distance), expected.checked_add(distance)])
                    .flatten()
                    .filter(|at| (floor..=last).contains(at))
                    .find(|at| fits(*at))
            }
            None => (floor..=last).find(|at| fits(*at)),
        };
        // The line behind an anchor may be the anchor itself, repeated as context.
        let found = found.or_else(|| floor.checked_sub(1).filter(|at| *at <= last && fits(*at)));
        if let Some(at) = found {
            return Some((at, tolerated));
        }
    }
    None
}

fn not_found(lines: &[String], old: &[&str], number: usize, cursor: usize, budget: usize) -> String {
    if budget == 0 {
        return format!("hunk {number}: the search for its place took too long; give smaller hunks with line numbers");
    }
    let first = old.iter().find(|line| !line.trim().is_empty()).copied().unwrap_or("");
    let alike: Vec<String> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| !first.is_empty() && line.trim() == first.trim())
        .map(|(at, _)| (at + 1).to_string())
        .take(5)
        .collect();
    let hint = if alike.is_empty() {
        "its first line is nowhere in the file".to_owned()
    } else {
        format!("its first line is at {}, but the lines behind it differ", alike.join(", "))
    };
    let behind = if cursor > 0 { format!(" below line {cursor}") } else { String::new() };
    let shown: Vec<String> = old.iter().take(6).map(|line| format!("  {line:.200}")).collect();
    format!(
        "hunk {number}: these lines are not in the file{behind}: {hint}. Read the file again.\n{}",
        shown.join("\n")
    )
}
