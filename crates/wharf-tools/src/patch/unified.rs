//! Unified diffs, as `diff -u` and git write them, and as models write them: with wrong counts and bare blank lines.

use super::{FileAction, FilePatch, Hunk, Line, Malformed};

pub(super) fn parse(lines: &[&str]) -> Result<Vec<FilePatch>, Malformed> {
    let mut reader = Reader { lines, at: 0 };
    let mut files = Vec::new();
    while reader.at < lines.len() {
        let line = lines[reader.at];
        if begins_file(lines, reader.at) {
            files.push(reader.file()?);
        } else if line.starts_with("@@ ") {
            return Err(Malformed::at(reader.at, "a hunk without a file: --- and +++ lines must come before it"));
        } else {
            // Between files anything may stand: a commit's message, `Index:` lines, a fence.
            reader.at += 1;
        }
    }
    Ok(files)
}

/// Whether the part of a file begins at the line `at`.
pub(super) fn begins_file(lines: &[&str], at: usize) -> bool {
    lines[at].starts_with("diff --git ") || Reader { lines, at }.is_header()
}

struct Reader<'a> {
    lines: &'a [&'a str],
    at: usize,
}

/// What the lines above the hunks say.
#[derive(Debug, Default)]
struct Header {
    old: Option<String>,
    new: Option<String>,
    git_name: Option<String>,
    rename_from: Option<String>,
    rename_to: Option<String>,
    created: bool,
    deleted: bool,
    mode: Option<u32>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> &str {
        self.lines.get(self.at + ahead).copied().unwrap_or("")
    }

    /// `--- x` and `+++ y`.
    fn is_header(&self) -> bool {
        self.peek(0).starts_with("--- ") && self.peek(1).starts_with("+++ ")
    }

    fn file(&mut self) -> Result<FilePatch, Malformed> {
        let start = self.at;
        let header = self.header()?;
        let mut hunks = Vec::new();
        while self.at < self.lines.len() {
            if self.peek(0).starts_with("@@") {
                hunks.push(self.hunk()?);
            } else if self.peek(0).trim().is_empty() && self.peek(1).starts_with("@@") {
                self.at += 1;
            } else {
                break;
            }
        }
        header.patch(hunks, start)
    }

    fn header(&mut self) -> Result<Header, Malformed> {
        let mut header = Header::default();
        if let Some(names) = self.peek(0).strip_prefix("diff --git ") {
            header.git_name = git_name(names);
            self.at += 1;
            while self.at < self.lines.len() && !self.is_header() {
                let line = self.lines[self.at];
                if line.trim().is_empty() && self.peek(1).starts_with("--- ") {
                    self.at += 1;
                    continue;
                }
                if line.starts_with("diff --git ") || line.starts_with("@@") || line.trim().is_empty() {
                    break;
                }
                if let Some(mode) = line.strip_prefix("new file mode ") {
                    header.created = true;
                    header.mode = self.mode(mode)?;
                } else if let Some(mode) = line.strip_prefix("new mode ") {
                    header.mode = self.mode(mode)?;
                } else if line.starts_with("deleted file mode ") {
                    header.deleted = true;
                } else if let Some(path) = line.strip_prefix("rename from ") {
                    header.rename_from = Some(unquoted(path));
                } else if let Some(path) = line.strip_prefix("rename to ") {
                    header.rename_to = Some(unquoted(path));
                } else if line.starts_with("copy from ") || line.starts_with("copy to ") {
                    return Err(Malformed::at(self.at, "copies are not supported: write the copy as a new file"));
                } else if line.starts_with("GIT binary patch") || line.starts_with("Binary files ") {
                    return Err(Malformed::at(self.at, "binary files cannot be patched"));
                }
                self.at += 1;
            }
        }
        if self.is_header() {
            header.old = Some(path_of(&self.peek(0)[4..]));
            header.new = Some(path_of(&self.peek(1)[4..]));
            self.at += 2;
        }
        Ok(header)
    }

    fn mode(&self, text: &str) -> Result<Option<u32>, Malformed> {
        match u32::from_str_radix(text.trim(), 8) {
            Ok(mode) if mode & 0o170_000 == 0o120_000 => {
                Err(Malformed::at(self.at, "symbolic links cannot be patched; use bash"))
            }
            Ok(mode) => Ok(Some(mode & 0o777)),
            Err(_) => Err(Malformed::at(self.at, "a mode is an octal number, like 100644")),
        }
    }

    fn hunk(&mut self) -> Result<Hunk, Malformed> {
        let first = self.lines[self.at];
        let mut hunk = Hunk { start: start_of(first), ..Hunk::default() };
        let mut counts = counts_of(first);
        // Blank lines at its end that lack the sign of a line that stays.
        let mut bare = 0;
        self.at += 1;
        while self.at < self.lines.len() {
            let line = self.lines[self.at];
            let inside = counts.is_none_or(|(old, new)| old > 0 || new > 0);
            let next_file = self.is_header() && self.peek(2).starts_with("@@");
            // A removed `-- x` above an added `++ y` looks like a header: inside the counts three lines decide.
            let is_other = ["diff --git ", "@@ ", "Index: ", "```"].iter().any(|start| line.starts_with(start));
            if is_other || next_file {
                break;
            }
            // Behind the last hunk a mail has its signature.
            if !inside && (self.is_header() || line.trim_end() == "--") {
                break;
            }
            let (sign, rest) = line.split_at_checked(1).unwrap_or((" ", ""));
            let spent = match sign {
                " " if line.is_empty() && !inside => break,
                _ if !inside && !matches!(sign, " " | "-" | "+" | "\\") => break,
                " " => {
                    hunk.lines.push(Line::Keep(rest.to_owned()));
                    (1, 1)
                }
                "-" => {
                    hunk.lines.push(Line::Remove(rest.to_owned()));
                    (1, 0)
                }
                "+" => {
                    hunk.lines.push(Line::Add(rest.to_owned()));
                    (0, 1)
                }
                "\\" => {
                    hunk.unend();
                    (0, 0)
                }
                _ if counts.is_none() => break,
                _ => {
                    let problem = format!("expected a line that begins with a blank, +, - or @@, found {line:.100?}");
                    return Err(Malformed::at(self.at, problem));
                }
            };
            bare = if line.is_empty() { bare + 1 } else { 0 };
            counts = counts.map(|(old, new)| (old.saturating_sub(spent.0), new.saturating_sub(spent.1)));
            self.at += 1;
        }
        // A blank line without its sign stands between two files, hunks or texts as often as in one, whatever the counts say. As
        // it stays, the hunk only needs it where nothing else says where new lines go.
        let kept = hunk.lines.len() - bare;
        let is_placed = hunk.lines[..kept].iter().any(|line| !matches!(line, Line::Add(_)));
        if counts.is_none() {
            // Without counts also one with its sign is one between files.
            while hunk.lines.last() == Some(&Line::Keep(String::new())) {
                hunk.lines.pop();
            }
        } else if is_placed || counts_of(first).is_some_and(|(old, _)| old == 0) {
            hunk.lines.truncate(kept);
        }
        if hunk.lines.is_empty() {
            return Err(Malformed::at(self.at.saturating_sub(1), "the hunk is empty"));
        }
        Ok(hunk)
    }
}

impl Header {
    fn patch(self, hunks: Vec<Hunk>, at: usize) -> Result<FilePatch, Malformed> {
        const NOWHERE: &str = "/dev/null";
        let created = self.created || self.old.as_deref() == Some(NOWHERE);
        let deleted = self.deleted || self.new.as_deref() == Some(NOWHERE);
        // `a/` and `b/` are git's own, unless a directory has that name on both sides.
        let is_prefixed = |path: &Option<String>, prefix: &str| {
            path.as_deref().is_none_or(|path| path == NOWHERE || path.starts_with(prefix))
        };
        let strip = is_prefixed(&self.old, "a/") && is_prefixed(&self.new, "b/");
        let plain = |path: Option<String>, prefix: &str| {
            path.filter(|path| path != NOWHERE).map(|path| match path.strip_prefix(prefix) {
                Some(rest) if strip => rest.to_owned(),
                _ => path,
            })
        };
        let (old, new) = (plain(self.old, "a/"), plain(self.new, "b/"));
        let missing = || Malformed::at(at, "the file's name is missing");
        if created && deleted {
            return Err(Malformed::at(at, "a file cannot be created and deleted at once"));
        }
        if created {
            let path = new.or(self.git_name).ok_or_else(missing)?;
            let unended = hunks.last().is_some_and(|hunk| hunk.new_unended);
            let mut text = String::new();
            for line in hunks.iter().flat_map(|hunk| &hunk.lines) {
                match line {
                    Line::Add(line) => text.extend([line, "\n"]),
                    // Models leave the sign of a blank line out.
                    Line::Keep(line) if line.is_empty() => text.push('\n'),
                    Line::Keep(_) | Line::Remove(_) => {
                        return Err(Malformed::at(at, "a new file has only lines that begin with +"));
                    }
                }
            }
            if unended {
                text.pop();
            }
            return Ok(FilePatch { path, action: FileAction::Create { text, mode: self.mode } });
        }
        let path = self.rename_from.or(old).or_else(|| new.clone()).or(self.git_name).ok_or_else(missing)?;
        if deleted {
            return Ok(FilePatch { path, action: FileAction::Delete });
        }
        let rename_to = self.rename_to.or(new).filter(|new| *new != path);
        if hunks.is_empty() && rename_to.is_none() && self.mode.is_none() {
            return Err(Malformed::at(at, format!("no change of {path} follows")));
        }
        Ok(FilePatch { path, action: FileAction::Update { rename_to, hunks, mode: self.mode } })
    }
}

/// The old file's first line in `@@ -12,3 +12,4 @@`.
pub(super) fn start_of(line: &str) -> Option<usize> {
    let old = line.strip_prefix("@@ -")?.split([' ', ',']).next()?;
    old.parse().ok()
}

/// Lines of the old and the new file in `@@ -12,3 +12,4 @@`.
fn counts_of(line: &str) -> Option<(usize, usize)> {
    let ranges = line.strip_prefix("@@ -")?.split(" @@").next()?;
    let (old, new) = ranges.split_once(" +")?;
    let count = |range: &str| match range.split_once(',') {
        Some((_, count)) => count.trim().parse().ok(),
        None => Some(1),
    };
    Some((count(old)?, count(new)?))
}

/// The path of a `---` or `+++` line: a time stamp may follow a tab.
fn path_of(text: &str) -> String {
    let text = text.trim_end();
    if text.starts_with('"') {
        return unquoted(text);
    }
    text.split('\t').next().unwrap_or(text).trim_end().to_owned()
}

/// The one name in `a/x b/x`, where both are the same.
fn git_name(names: &str) -> Option<String> {
    let names = names.trim();
    if names.starts_with('"') {
        let path = unquoted(names);
        return path.strip_prefix("a/").map(str::to_owned).or(Some(path));
    }
    let middle = names.len() / 2;
    if !names.is_char_boundary(middle) || names.as_bytes().get(middle) != Some(&b' ') {
        return None;
    }
    let (old, new) = (&names[..middle], &names[middle + 1..]);
    let old = old.strip_prefix("a/")?;
    (new.strip_prefix("b/")? == old).then(|| old.to_owned())
}

/// A path that git has put in quotes: `"a/f\303\251"`.
fn unquoted(text: &str) -> String {
    let text = text.trim();
    let Some(rest) = text.strip_prefix('"') else { return text.to_owned() };
    let mut bytes = Vec::with_capacity(rest.len());
    let mut letters = rest.bytes();
    while let Some(byte) = letters.next() {
        match byte {
            b'"' => break,
            b'\\' => match letters.next() {
                Some(b'n') => bytes.push(b'\n'),
                Some(b't') => bytes.push(b'\t'),
                Some(b'r') => bytes.push(b'\r'),
                Some(digit @ b'0'..=b'7') => {
                    let mut value = u32::from(digit - b'0');
                    for _ in 0..2 {
                        let Some(next) = letters.clone().next().filter(|next| matches!(next, b'0'..=b'7')) else {
                            break;
                        };
                        value = value * 8 + u32::from(next - b'0');
                        letters.next();
                    }
                    bytes.push((value & 0xff) as u8);
                }
                Some(other) => bytes.push(other),
                None => break,
            },
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
