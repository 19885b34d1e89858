//! `grep`: lines of files that match a regular expression, by ripgrep's libraries.

mod excerpt;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use grep_matcher::Matcher;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkMatch};
use rustix::fs::FileType;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wharf_foreign::pattern::REGEX;
use wharf_protocol::tool::Location;
use wharf_protocol::{CallOutcome, Seen, ToolError, ToolKind, ToolOutput};

use super::paths::Paths;
use super::typed::{About, Subject, TypedTool};
use super::{FILE_TIMEOUT_MS, SEARCH_LIMIT, location, searched};
use crate::arguments::lenient;
use crate::blocking::{Stop, Why};
use crate::text::{Encoding, binary_kind};
use crate::workspace::{Closed, Missed, Shown, Step, Walk, WalkEnd, Walked};
use crate::{CallContext, Workspace, name, seen};

const MATCHES_DEFAULT: u64 = 200;
const MATCHES_MAX: u64 = 5000;
const CONTEXT_MAX: u64 = 50;
/// Compiled size of a pattern; what is beyond is refused, which bounds the time per byte searched.
const PATTERN_SIZE_LIMIT: usize = 4 * 1024 * 1024;
const PATTERN_NEST_LIMIT: u32 = 100;
/// What of a file decides whether it is text, as in `read_file`.
const START_BYTES: u64 = 8 * 1024;
/// Longest line, and largest file of a search over lines, that is held in memory.
const HEAP_LIMIT: usize = 16 * 1024 * 1024;
const COLLECTED_MAX_BYTES: usize = 1024 * 1024;
const LOCATIONS_MAX: usize = 20;
/// Nobody looks at the clock while a piece of a file is searched: the pieces are small where the pattern is slow.
const PIECE_MIN_BYTES: usize = 4 * 1024;
const PIECE_SLOW: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Regular expression, Rust syntax.
    #[serde(alias = "regex", alias = "query", alias = "search")]
    pattern: String,
    /// Directory or file; default: the workspace.
    #[serde(
        default = "lenient::here",
        alias = "dir",
        alias = "directory",
        alias = "file_path",
        deserialize_with = "lenient::directory"
    )]
    #[schemars(with = "String")]
    path: String,
    /// Only files that match, e.g. `src/**/*.ts`; `!` negates.
    #[serde(default, alias = "include", alias = "include_pattern", alias = "file_pattern")]
    glob: Option<String>,
    /// `content` (default): lines; `files`: names; `count`: numbers.
    #[serde(default, alias = "output_mode")]
    mode: OutputMode,
    /// Ignore case.
    #[serde(default, alias = "-i", alias = "ignore_case", deserialize_with = "lenient::flag")]
    case_insensitive: bool,
    /// Lines around each match.
    #[serde(default, alias = "-C", alias = "context_lines", deserialize_with = "lenient::number")]
    #[schemars(with = "Option<u64>", range(max = 50))]
    context: Option<u64>,
    /// Match across lines.
    #[serde(default, deserialize_with = "lenient::flag")]
    multiline: bool,
    /// Most results; default 200.
    #[serde(default, alias = "max_results", alias = "head_limit", deserialize_with = "lenient::number")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 5000))]
    limit: Option<u64>,
    // Models know these from the program; `context` covers them, and line numbers always come.
    #[serde(default, rename = "-A", alias = "after", deserialize_with = "lenient::number")]
    #[schemars(skip)]
    after: Option<u64>,
    #[serde(default, rename = "-B", alias = "before", deserialize_with = "lenient::number")]
    #[schemars(skip)]
    before: Option<u64>,
    #[serde(default, rename = "-n", alias = "line_numbers")]
    #[schemars(skip)]
    _numbers: Option<Value>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OutputMode {
    #[default]
    Content,
    #[serde(alias = "files_with_matches", alias = "file")]
    Files,
    Count,
}

pub(super) struct Grep;

impl TypedTool for Grep {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "grep",
            description: "Search file contents with a regular expression; binary files and what .gitignore names are left out.",
            category: "search",
            kind: ToolKind::Search,
            read_only: true,
            subject: Some(Subject { name: "pattern", of: |arguments| &arguments.pattern }),
            timeout_ms: FILE_TIMEOUT_MS,
        }
    }

    async fn look(&self, arguments: Arguments, context: &CallContext, _: bool) -> Seen {
        seen::reading(context, vec![arguments.path]).await
    }

    async fn run(&self, arguments: Arguments, context: CallContext) -> CallOutcome {
        searched(&context, move |workspace, stop| search(workspace, &arguments, stop)).await
    }
}

/// Which files a search reads.
struct Filter<'a> {
    glob: &'a str,
    paths: Paths,
    wanted: bool,
}

fn search(workspace: &Workspace, arguments: &Arguments, stop: &Stop) -> CallOutcome {
    let matcher = matcher(arguments)?;
    let filter = match arguments.glob.as_deref().map(str::trim).filter(|glob| !glob.is_empty()) {
        Some(glob) => Some(match glob.strip_prefix('!') {
            Some(inner) => Filter { glob, paths: Paths::new(inner)?, wanted: false },
            None => Filter { glob, paths: Paths::new(glob)?, wanted: true },
        }),
        None => None,
    };
    let lines = |lines: Option<u64>| lines.or(arguments.context).unwrap_or(0).min(CONTEXT_MAX) as usize;
    let (before, after) = match arguments.mode {
        OutputMode::Content => (lines(arguments.before), lines(arguments.after)),
        OutputMode::Files | OutputMode::Count => (0, 0),
    };
    let mut searcher = SearcherBuilder::new()
        .line_number(true)
        .before_context(before)
        .after_context(after)
        .multi_line(arguments.multiline)
        .binary_detection(BinaryDetection::none())
        .heap_limit(Some(HEAP_LIMIT))
        .build();
    let limit = arguments.limit.unwrap_or(MATCHES_DEFAULT).clamp(1, MATCHES_MAX);
    let mut found = Found { mode: arguments.mode, limit, ..Found::default() };
    let end = if workspace.kind(&arguments.path)? == FileType::Directory {
        let start = workspace.open_dir(&arguments.path)?;
        let base = start.rel.clone();
        let walk = Walk { workspace, stop, max_depth: usize::MAX, ignored: Shown::No };
        let Walked { end, missed } = walk.run(start, &mut |entry| {
            let below = entry.rel.strip_prefix(&base).unwrap_or(entry.rel);
            let is_wanted = || filter.as_ref().is_none_or(|filter| filter.paths.has(below) == filter.wanted);
            if entry.kind == FileType::Directory || !is_wanted() {
                return Step::Continue;
            }
            match entry.kind {
                FileType::RegularFile => match entry.open() {
                    Ok(file) => found.file(&mut searcher, &matcher, file, workspace, entry.rel, stop),
                    Err(Closed::Unreadable) => found.missed.unreadable.add(entry.rel),
                    Err(Closed::Gone) => {}
                },
                FileType::Symlink => found.missed.links.add(entry.rel),
                _ => found.missed.special.add(entry.rel),
            }
            if found.full() { Step::End } else { Step::Continue }
        })?;
        found.missed.join(missed);
        end
    } else {
        let open = workspace.open_file(&arguments.path)?;
        found.file(&mut searcher, &matcher, open.file, workspace, &open.rel, stop);
        match stop.reached() {
            Some(why) => WalkEnd::Stopped(why),
            None if found.full() => WalkEnd::Enough,
            None => WalkEnd::Complete,
        }
    };
    if end == WalkEnd::Stopped(Why::Cancelled) {
        return Err(ToolError::stopped());
    }
    let mut output = found.output(&arguments.pattern, filter.map(|filter| filter.glob), end);
    if let Some(note) = workspace.left_out() {
        output.result.push_str(&format!("{note}\n"));
    }
    Ok(output)
}

fn matcher(arguments: &Arguments) -> Result<RegexMatcher, ToolError> {
    let pattern = &arguments.pattern;
    if pattern.is_empty() {
        return Err(ToolError::Failed("the pattern is empty".into()));
    }
    REGEX.check(pattern).map_err(|error| ToolError::Failed(format!("the pattern cannot be used: {error}")))?;
    let mut builder = RegexMatcherBuilder::new();
    builder
        .case_insensitive(arguments.case_insensitive)
        .multi_line(true)
        .size_limit(PATTERN_SIZE_LIMIT)
        .dfa_size_limit(PATTERN_SIZE_LIMIT)
        .nest_limit(PATTERN_NEST_LIMIT);
    if !arguments.multiline {
        // In this order: `crlf` alone would make the searcher look for `\r\n`.
        builder.crlf(true).line_terminator(Some(b'\n'));
    }
    builder.build(pattern).map_err(|error| {
        let hint = if pattern.contains("\\n") && !arguments.multiline {
            "Set multiline to match across lines."
        } else {
            "Look-around and back-references are not supported; escape literal ( ) [ ] { } . * + ? with a backslash."
        };
        // The library repeats the pattern.
        let error: String = error.to_string().chars().take(1000).collect();
        ToolError::Failed(format!("the pattern cannot be used: {error}. {hint}"))
    })
}

/// What a search has found so far.
#[derive(Debug, Default)]
struct Found {
    mode: OutputMode,
    limit: u64,
    text: String,
    /// Matching lines, or files.
    shown: u64,
    matches: u64,
    files: u64,
    /// Files that were looked at.
    searched: u64,
    missed: Missed,
    locations: Vec<Location>,
}

impl Found {
    fn full(&self) -> bool {
        self.shown >= self.limit || self.text.len() >= COLLECTED_MAX_BYTES
    }

    fn file(
        &mut self,
        searcher: &mut Searcher,
        matcher: &RegexMatcher,
        mut file: File,
        workspace: &Workspace,
        rel: &Path,
        stop: &Stop,
    ) {
        let mut start = Vec::new();
        if (&mut file).take(START_BYTES).read_to_end(&mut start).is_err() {
            return self.missed.unreadable.add(rel);
        }
        let is_utf16 = matches!(Encoding::of(&start), Encoding::Utf16Le | Encoding::Utf16Be);
        if !is_utf16 && binary_kind(&start).is_some() {
            return self.missed.binary.add(rel);
        }
        self.searched += 1;
        let name = name::of(rel);
        let before = self.text.len();
        let mut hits = Hits { found: self, matcher, lines: 0, first: None };
        let file = Interruptible::new(io::Cursor::new(start).chain(file), stop);
        let searched = searcher.search_reader(matcher, file, &mut hits);
        let (lines, first) = (hits.lines, hits.first);
        if searched.is_err() && stop.reached().is_none() {
            self.missed.unfinished.add(rel);
        }
        if lines == 0 {
            self.text.truncate(before);
            return;
        }
        self.files += 1;
        self.matches += lines;
        if self.locations.len() < LOCATIONS_MAX {
            self.locations.push(location(workspace, rel, first));
        }
        match self.mode {
            OutputMode::Content => {
                let separator = if before == 0 { "" } else { "\n" };
                self.text.insert_str(before, &format!("{separator}{name}\n"));
            }
            OutputMode::Files => {
                self.shown += 1;
                self.text.push_str(&format!("{name}\n"));
            }
            OutputMode::Count => {
                self.shown += 1;
                self.text.push_str(&format!("{name}: {lines}\n"));
            }
        }
    }

    fn output(self, pattern: &str, glob: Option<&str>, end: WalkEnd) -> ToolOutput {
        let truncated = end != WalkEnd::Complete;
        let plural = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let mut result = self.text;
        if self.matches == 0 {
            let cut: String = pattern.chars().take(200).collect();
            result = format!("no match for {cut}\n");
            if let Some(glob) = glob.filter(|_| self.searched == 0) {
                let glob: String = glob.chars().take(200).collect();
                result = format!("no match for {cut}: no file that could be searched matches {glob}\n");
            }
        } else if self.mode != OutputMode::Files || truncated {
            let lines = plural(self.matches, "matching line", "matching lines");
            let files = plural(self.files, "file", "files");
            let more = if end == WalkEnd::Enough { "; there are more: raise limit or narrow the search" } else { "" };
            match self.mode {
                OutputMode::Files => result.push_str(&format!("[{files}{more}]\n")),
                OutputMode::Content | OutputMode::Count => result.push_str(&format!("\n[{lines} in {files}{more}]\n")),
            }
        }
        if matches!(end, WalkEnd::Stopped(_)) {
            let seconds = SEARCH_LIMIT.as_secs();
            result.push_str(&format!("[the search was stopped after {seconds} s; narrow it by path or glob]\n"));
        }
        result.push_str(&self.missed.notes(self.matches == 0));
        ToolOutput { result, truncated, locations: self.locations, ..ToolOutput::default() }
    }
}

/// Takes the hits in one file.
struct Hits<'a> {
    found: &'a mut Found,
    matcher: &'a RegexMatcher,
    /// Matching lines.
    lines: u64,
    first: Option<u64>,
}

impl Hits<'_> {
    fn push(&mut self, number: Option<u64>, mark: char, bytes: &[u8]) {
        let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n');
        let mut begin = 0;
        for (number, line) in (number.unwrap_or(0)..).zip(lines) {
            let end = begin + line.len();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let shown = excerpt::of(line, || self.position(bytes, begin, line));
            self.found.text.push_str(&format!("{number}{mark}{shown}\n"));
            begin = end + 1;
        }
    }

    /// Where the match in a long line is, of the lines `bytes` that belong together; a line around it has none.
    fn position(&self, bytes: &[u8], begin: usize, line: &[u8]) -> Option<(usize, usize)> {
        let end = begin + line.len();
        let hit = self.matcher.find_at(bytes, begin).ok().flatten().filter(|hit| hit.start() < end);
        if let Some(hit) = hit {
            return Some((hit.start().saturating_sub(begin), hit.end().min(end).saturating_sub(begin)));
        }
        // It began above this line, or needs the line's end to be the text's.
        self.matcher.find(line).ok().flatten().map(|hit| (hit.start(), hit.end()))
    }
}

impl Sink for Hits<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, hit: &SinkMatch<'_>) -> Result<bool, io::Error> {
        self.lines += hit.lines().count() as u64;
        self.first = self.first.or(hit.line_number());
        match self.found.mode {
            OutputMode::Files => Ok(false),
            OutputMode::Count => Ok(true),
            OutputMode::Content => {
                self.found.shown += 1;
                self.push(hit.line_number(), ':', hit.bytes());
                Ok(!self.found.full())
            }
        }
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> Result<bool, io::Error> {
        if self.found.mode == OutputMode::Content {
            self.push(context.line_number(), '-', context.bytes());
        }
        Ok(true)
    }

    fn context_break(&mut self, _: &Searcher) -> Result<bool, io::Error> {
        if self.found.mode == OutputMode::Content {
            self.found.text.push_str("--\n");
        }
        Ok(true)
    }
}

/// A file whose reading ends when the search has to: also where nothing matches, and nobody would look at the clock.
struct Interruptible<'a, R> {
    reader: R,
    stop: &'a Stop,
    /// Most bytes of the next piece, and when the last one was handed out.
    room: usize,
    last: Option<Instant>,
}

impl<'a, R> Interruptible<'a, R> {
    fn new(reader: R, stop: &'a Stop) -> Self {
        Self { reader, stop, room: PIECE_MIN_BYTES, last: None }
    }
}

impl<R: Read> Read for Interruptible<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.reached().is_some() {
            return Err(io::Error::other("stopped"));
        }
        if let Some(last) = self.last {
            self.room = if last.elapsed() > PIECE_SLOW { PIECE_MIN_BYTES } else { self.room.saturating_mul(4) };
        }
        let room = buffer.len().min(self.room);
        let read = self.reader.read(&mut buffer[..room]);
        self.last = Some(Instant::now());
        read
    }
}

#[cfg(test)]
mod tests;
