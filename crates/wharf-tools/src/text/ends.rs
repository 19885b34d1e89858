//! The line ends of a file. Tools work on a text with `\n` alone; what each line had comes back when it is written.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp};

/// Finding the lines that stay among many that do not: behind that, more of them count as new.
const COMPARE_LIMIT: Duration = Duration::from_millis(300);

/// How the lines of a file end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ends {
    /// All in `\n`, or there are none.
    Lf,
    /// All in `\r\n`, and `\r` stands nowhere else.
    CrLf,
    Mixed(Arc<Mixed>),
}

/// A file that has both.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mixed {
    /// The text, all line ends folded.
    text: String,
    /// For each line end, whether it is `\r\n`.
    is_crlf: Vec<bool>,
}

impl Ends {
    /// The text with its line ends folded, and what they were.
    pub(super) fn fold(text: String) -> (String, Self) {
        let pairs = text.matches("\r\n").count();
        if pairs == 0 {
            return (text, Self::Lf);
        }
        let folded = text.replace("\r\n", "\n");
        if pairs == text.matches('\n').count() && pairs == text.matches('\r').count() {
            return (folded, Self::CrLf);
        }
        let ended = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let mixed = Mixed { text: folded.clone(), is_crlf: ended.map(|line| line.ends_with("\r\n")).collect() };
        (folded, Self::Mixed(Arc::new(mixed)))
    }

    /// A caller's words, which stand beside this file's text.
    pub(crate) fn words<'a>(&self, words: &'a str) -> Cow<'a, str> {
        match self {
            Self::Lf => words.into(),
            Self::CrLf | Self::Mixed(_) => words.replace("\r\n", "\n").into(),
        }
    }

    /// A changed text as it is stored: lines that stay end as they did, new ones as most do.
    pub(super) fn unfold(&self, text: &str) -> String {
        match self {
            Self::Lf => text.to_owned(),
            Self::CrLf => with_crlf(text),
            Self::Mixed(mixed) => mixed.unfold(text),
        }
    }

    /// A whole new text as it is stored: every line ends as most did.
    pub(super) fn unfold_whole(&self, text: &str) -> String {
        if self.is_mostly_crlf() { with_crlf(text) } else { text.to_owned() }
    }

    pub(crate) fn is_mostly_crlf(&self) -> bool {
        match self {
            Self::Lf => false,
            Self::CrLf => true,
            Self::Mixed(mixed) => mixed.count() > mixed.is_crlf.len() - mixed.count(),
        }
    }

    /// What a change by [`Ends::unfold`] means, where that needs a word.
    pub(crate) fn note(&self) -> Option<String> {
        let (mixed, most) = self.mixed()?;
        Some(format!(
            "its line ends are mixed ({mixed}): lines that stay keep theirs, new ones end in {most} as most do"
        ))
    }

    /// What a change by [`Ends::unfold_whole`] means, where that needs a word.
    pub(crate) fn note_whole(&self) -> Option<String> {
        if *self == Self::CrLf {
            return Some("its CRLF line ends were kept".to_owned());
        }
        let (mixed, most) = self.mixed()?;
        Some(format!("its line ends were mixed ({mixed}): they are {most} now, as most were"))
    }

    fn mixed(&self) -> Option<(String, &'static str)> {
        let Self::Mixed(mixed) = self else { return None };
        let (crlf, all) = (mixed.count(), mixed.is_crlf.len());
        if crlf == all {
            // A `\r` stands elsewhere; the line ends are all alike.
            return None;
        }
        let most = if self.is_mostly_crlf() { "CRLF" } else { "LF" };
        Some((format!("{crlf} CRLF, {} LF", all - crlf), most))
    }
}

impl Mixed {
    fn count(&self) -> usize {
        self.is_crlf.iter().filter(|is_crlf| **is_crlf).count()
    }

    fn unfold(&self, text: &str) -> String {
        let old: Vec<&str> = self.text.split_inclusive('\n').collect();
        let new: Vec<&str> = text.split_inclusive('\n').collect();
        let is_mostly_crlf = self.count() * 2 > self.is_crlf.len();
        let mut stored = String::with_capacity(text.len() + new.len());
        for (line, was) in new.iter().zip(matches(&old, &new)) {
            let Some(body) = line.strip_suffix('\n') else {
                stored.push_str(line);
                continue;
            };
            match was.and_then(|at| self.is_crlf.get(at)) {
                Some(is_crlf) => {
                    stored.push_str(body);
                    stored.push_str(if *is_crlf { "\r\n" } else { "\n" });
                }
                // The end that its author wrote is not doubled.
                None if is_mostly_crlf => {
                    stored.push_str(body.strip_suffix('\r').unwrap_or(body));
                    stored.push_str("\r\n");
                }
                None => stored.push_str(line),
            }
        }
        stored
    }
}

/// For each new line, the old one that it is.
fn matches(old: &[&str], new: &[&str]) -> Vec<Option<usize>> {
    let alike = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(new).take_while(alike).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(alike).count();
    let mut found: Vec<Option<usize>> = vec![None; new.len()];
    for (at, found) in found.iter_mut().enumerate().take(head) {
        *found = Some(at);
    }
    for back in 1..=tail {
        found[new.len() - back] = Some(old.len() - back);
    }
    let (old_middle, new_middle) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    if !old_middle.is_empty() && !new_middle.is_empty() {
        let deadline = Instant::now().checked_add(COMPARE_LIMIT);
        let ops = similar::capture_diff_slices_deadline(Algorithm::Myers, old_middle, new_middle, deadline);
        for op in ops {
            if let DiffOp::Equal { old_index, new_index, len } = op {
                for step in 0..len {
                    found[head + new_index + step] = Some(head + old_index + step);
                }
            }
        }
    }
    found
}

fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests;
