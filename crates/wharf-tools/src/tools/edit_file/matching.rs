//! Finding the passage that an edit means: exactly, else by lines with forgiven white space, else the closest one.

use std::collections::HashMap;

/// A text after its edit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edited {
    pub(super) text: String,
    /// Where the replacements begin, counted from 1, in the new text.
    pub(super) lines: Vec<usize>,
    /// What had to be forgiven.
    pub(super) how: Option<&'static str>,
}

/// Why an edit has no one meaning.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    Empty,
    Same,
    /// The first of the lines, counted from 1.
    Several {
        lines: Vec<usize>,
        total: usize,
    },
    /// `closest`: numbered lines of the file. `numbered`: the text looks as if it had line numbers in it.
    NotFound {
        closest: Option<String>,
        numbered: bool,
    },
}

const LINES_LISTED: usize = 20;
const EXCERPT_CONTEXT: usize = 2;
const EXCERPT_LINES: usize = 30;
const EXCERPT_LINE_BYTES: usize = 300;
/// Comparisons spent on finding the closest passage.
const CLOSEST_BUDGET: usize = 4_000_000;

pub(super) fn edit(file: &str, old: &str, new: &str, all: bool) -> Result<Edited, Mismatch> {
    if old.is_empty() {
        return Err(Mismatch::Empty);
    }
    if old == new {
        return Err(Mismatch::Same);
    }
    let found: Vec<usize> = file.match_indices(old).map(|(at, _)| at).collect();
    if !found.is_empty() {
        if found.len() > 1 && !all {
            return Err(several(file, &found));
        }
        let spans = found.iter().map(|at| (*at, at + old.len(), new.to_owned())).collect();
        return Ok(replace(file, spans, None));
    }
    if let Some(result) = by_lines(file, old, new, all) {
        return result;
    }
    Err(Mismatch::NotFound { closest: closest(file, old), numbered: has_numbers(old) })
}

fn several(file: &str, found: &[usize]) -> Mismatch {
    let mut lines = Vec::new();
    let (mut line, mut from) = (1, 0);
    for at in found.iter().take(LINES_LISTED) {
        line += newlines(&file[from..*at]);
        from = *at;
        lines.push(line);
    }
    Mismatch::Several { lines, total: found.len() }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// Replaces spans, which are in order and apart.
fn replace(file: &str, spans: Vec<(usize, usize, String)>, how: Option<&'static str>) -> Edited {
    let mut text = String::with_capacity(file.len());
    let mut lines = Vec::with_capacity(spans.len());
    let (mut from, mut line) = (0, 1);
    for (start, end, new) in spans {
        line += newlines(&file[from..start]);
        lines.push(line);
        line += newlines(&new);
        text.push_str(&file[from..start]);
        text.push_str(&new);
        from = end;
    }
    text.push_str(&file[from..]);
    Edited { text, lines, how }
}

/// A line of the file and where it stands.
struct Line<'a> {
    text: &'a str,
    start: usize,
    /// Without its line end.
    end: usize,
}

fn lines_of(file: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    file.split_inclusive('\n')
        .map(|line| {
            let text = line.strip_suffix('\n').unwrap_or(line);
            let found = Line { text, start, end: start + text.len() };
            start += line.len();
            found
        })
        .collect()
}

/// Whole lines whose white space differs: at the end of lines, then at their beginning too.
fn by_lines(file: &str, old: &str, new: &str, all: bool) -> Option<Result<Edited, Mismatch>> {
    let file_lines = lines_of(file);
    // A line end before or behind the passage is no line of its own.
    let trimmed = old.trim_matches('\n');
    let old_lines: Vec<&str> = trimmed.split('\n').collect();
    if old_lines.iter().all(|line| line.trim().is_empty()) || old_lines.len() > file_lines.len() {
        return None;
    }
    let new = match (new.strip_suffix('\n'), old.ends_with('\n')) {
        (Some(new), true) => new,
        _ => new,
    };
    let new = new.trim_start_matches('\n');
    type Form = fn(&str) -> &str;
    let tiers: [(Form, &'static str); 2] = [
        (str::trim_end, "old_string matched only with white space at line ends ignored"),
        (str::trim, "old_string matched only with indentation ignored; new_string was indented to fit the file"),
    ];
    for (form, how) in tiers {
        let wanted: Vec<&str> = old_lines.iter().map(|line| form(line)).collect();
        let mut found: Vec<usize> = Vec::new();
        let mut at = 0;
        while at + wanted.len() <= file_lines.len() {
            if wanted.iter().zip(&file_lines[at..]).all(|(wanted, line)| form(line.text) == *wanted) {
                found.push(at);
                at += wanted.len();
            } else {
                at += 1;
            }
        }
        if found.is_empty() {
            continue;
        }
        if found.len() > 1 && !all {
            let lines = found.iter().take(LINES_LISTED).map(|at| at + 1).collect();
            return Some(Err(Mismatch::Several { lines, total: found.len() }));
        }
        let mut spans = Vec::with_capacity(found.len());
        for at in found {
            let matched = &file_lines[at..at + wanted.len()];
            let (mut start, mut end) = (matched[0].start, matched[matched.len() - 1].end);
            let mut text = indented(&old_lines, matched, new);
            if matched.iter().all(|line| line.text.ends_with('\r')) {
                text = text.replace("\r\n", "\n").replace('\n', "\r\n");
                // The last line's own `\r` stays before its `\n`.
                end -= 1;
            }
            if text.is_empty() {
                // Deleted lines take one line end with them.
                if file[end..].starts_with("\r\n") {
                    end += 2;
                } else if file[end..].starts_with('\n') {
                    end += 1;
                } else if file[..start].ends_with('\n') {
                    start -= 1;
                }
            }
            spans.push((start, end, text));
        }
        return Some(Ok(replace(file, spans, Some(how))));
    }
    None
}

/// `new` with the indentation that the file has where `old` has another one.
fn indented(old: &[&str], matched: &[Line<'_>], new: &str) -> String {
    let mut known: HashMap<&str, &str> = HashMap::new();
    let mut shifts: Vec<(&str, &str)> = Vec::new();
    for (old, line) in old.iter().zip(matched) {
        if old.trim().is_empty() {
            continue;
        }
        let (was, is) = (indentation(old), indentation(line.text));
        known.entry(was).or_insert(is);
        shifts.push((was, is));
    }
    if shifts.iter().all(|(was, is)| was == is) {
        return new.to_owned();
    }
    // All lines moved by the same prefix: so do lines whose indentation is new.
    let added = shifts.iter().try_fold(None, |prefix: Option<&str>, (was, is)| {
        let this = is.strip_suffix(*was)?;
        prefix.is_none_or(|prefix| prefix == this).then_some(Some(this))
    });
    let removed = shifts.iter().try_fold(None, |prefix: Option<&str>, (was, is)| {
        let this = was.strip_suffix(*is)?;
        prefix.is_none_or(|prefix| prefix == this).then_some(Some(this))
    });
    let reindent = |line: &str| -> String {
        if line.trim().is_empty() {
            return line.trim().to_owned();
        }
        let (was, rest) = line.split_at(indentation(line).len());
        if let Some(is) = known.get(was) {
            return format!("{is}{rest}");
        }
        if let Some(Some(prefix)) = added {
            return format!("{prefix}{was}{rest}");
        }
        if let Some(Some(prefix)) = removed
            && let Some(shorter) = was.strip_prefix(prefix)
        {
            return format!("{shorter}{rest}");
        }
        // Below the deepest line that is known, what is more stays as it was given.
        let base = known.keys().filter(|known| was.starts_with(**known)).max_by_key(|known| known.len());
        match base {
            Some(base) => format!("{}{}{rest}", known[base], &was[base.len()..]),
            None => line.to_owned(),
        }
    };
    new.split('\n').map(reindent).collect::<Vec<_>>().join("\n")
}

fn indentation(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

fn has_numbers(old: &str) -> bool {
    let mut lines = old.lines().filter(|line| !line.trim().is_empty()).peekable();
    lines.peek().is_some()
        && lines.all(|line| {
            let rest = line.trim_start().trim_start_matches(|letter: char| letter.is_ascii_digit());
            rest.len() < line.trim_start().len() && rest.starts_with(['\t', '|', '\u{2192}'])
        })
}

/// The passage of the file that is most like `old`, with line numbers.
fn closest(file: &str, old: &str) -> Option<String> {
    let file_lines: Vec<&str> = file.lines().map(str::trim).collect();
    let old_lines: Vec<&str> = old.trim_matches('\n').lines().map(str::trim).collect();
    if file_lines.is_empty() || old_lines.is_empty() {
        return None;
    }
    let window = old_lines.len().min(file_lines.len());
    let places = (file_lines.len() - window + 1).min(CLOSEST_BUDGET / window.max(1));
    let score = |at: &usize| {
        let same = |(old, line): (&&str, &&str)| usize::from(!old.is_empty() && old == line);
        old_lines.iter().zip(&file_lines[*at..]).map(same).sum::<usize>()
    };
    let best = (0..places).map(|at| (score(&at), at)).max_by_key(|(score, at)| (*score, usize::MAX - at))?;
    let at = if best.0 > 0 { best.1 } else { alike(&file_lines, &old_lines)? };
    Some(excerpt(file, at + 1, window))
}

/// The line that is most like the longest line of `old`, put so that the passages lie side by side.
fn alike(file: &[&str], old: &[&str]) -> Option<usize> {
    let (offset, wanted) = old.iter().enumerate().max_by_key(|(_, line)| line.len())?;
    let words = |line: &str| -> Vec<String> {
        line.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .filter(|word| word.len() > 1)
            .take(100)
            .map(str::to_lowercase)
            .collect()
    };
    let wanted = words(wanted);
    if wanted.is_empty() {
        return None;
    }
    let mut best = (0.0, 0);
    for (at, line) in file.iter().enumerate().take(CLOSEST_BUDGET / 100) {
        let has = words(line);
        let common = wanted.iter().filter(|word| has.contains(word)).count() as f64;
        let likeness = 2.0 * common / (wanted.len() + has.len()).max(1) as f64;
        if likeness > best.0 {
            best = (likeness, at);
        }
    }
    (best.0 >= 0.4).then(|| best.1.saturating_sub(offset))
}

/// `count` lines from `first` (counted from 1) and a few around them, numbered.
pub(super) fn excerpt(text: &str, first: usize, count: usize) -> String {
    let from = first.saturating_sub(EXCERPT_CONTEXT + 1);
    let count = count.max(1) + first.saturating_sub(1) - from + EXCERPT_CONTEXT;
    let mut excerpt = String::new();
    for (index, line) in text.lines().enumerate().skip(from).take(count.min(EXCERPT_LINES)) {
        let cut = line.floor_char_boundary(EXCERPT_LINE_BYTES);
        let more = if cut < line.len() { "..." } else { "" };
        excerpt.push_str(&format!("{:>6}\t{}{more}\n", index + 1, &line[..cut]));
    }
    if count > EXCERPT_LINES {
        excerpt.push_str("   ...\n");
    }
    excerpt
}
