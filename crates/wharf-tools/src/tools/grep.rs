//! `grep`: lines of files that match a regular expression, by ripgrep's libraries.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use globset::GlobMatcher;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkMatch};
use rustix::fs::FileType;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wharf_protocol::tool::Location;
use wharf_protocol::{ToolKind, ToolSpec};

use super::{About, FILE_TIMEOUT_MS, glob_matcher, location, shown};
use crate::arguments::lenient;
use crate::blocking::{Stop, Why, look, stopped};
use crate::output::floor;
use crate::workspace::{Shown, Step, Walk, WalkEnd};
use crate::{CallContext, Tool, ToolError, ToolOutput, Workspace};

const MATCHES_DEFAULT: u64 = 200;
const MATCHES_MAX: u64 = 5000;
const CONTEXT_MAX: u64 = 50;
const LINE_MAX_BYTES: usize = 500;
const PATTERN_MAX_BYTES: usize = 16 * 1024;
/// Compiled size of a pattern; what is beyond is refused, which bounds the time per byte searched.
const PATTERN_SIZE_LIMIT: usize = 8 * 1024 * 1024;
const PATTERN_NEST_LIMIT: u32 = 100;
/// Longest line, and largest file of a search over lines, that is held in memory.
const HEAP_LIMIT: usize = 16 * 1024 * 1024;
const COLLECTED_MAX_BYTES: usize = 1024 * 1024;
const LOCATIONS_MAX: usize = 20;
const TIME_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Regular expression, Rust syntax.
    #[serde(alias = "regex", alias = "query", alias = "search")]
    pattern: String,
    /// Directory or file; default: the workspace.
    #[serde(default = "here", alias = "dir", alias = "directory", alias = "file_path")]
    path: String,
    /// Only files that match, e.g. `src/**/*.ts`; `!` negates.
    #[serde(default, alias = "include", alias = "include_pattern", alias = "file_pattern")]
    glob: Option<String>,
    /// `content` (default): lines; `files`: names; `count`: numbers.
    #[serde(default, alias = "output_mode")]
    mode: Mode,
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
enum Mode {
    #[default]
    Content,
    #[serde(alias = "files_with_matches", alias = "file")]
    Files,
    Count,
}

fn here() -> String {
    ".".into()
}

pub(super) struct Grep {
    spec: Arc<ToolSpec>,
}

impl Grep {
    pub(super) fn new() -> Self {
        let about = About {
            name: "grep",
            description: "Search file contents with a regular expression; binary files and what .gitignore names are left out.",
            category: "search",
            kind: ToolKind::Search,
            read_only: true,
            subject: Some("pattern"),
            timeout_ms: FILE_TIMEOUT_MS,
        };
        Self { spec: about.with_arguments::<Arguments>() }
    }
}

#[async_trait]
impl Tool for Grep {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    fn subjects(&self, arguments: &Value) -> Vec<String> {
        let arguments = crate::arguments::parse::<Arguments>(&self.spec, arguments.clone());
        arguments.map(|arguments| vec![arguments.pattern]).unwrap_or_default()
    }

    async fn run(&self, arguments: Value, context: CallContext) -> Result<ToolOutput, ToolError> {
        let mut arguments: Arguments = crate::arguments::parse(&self.spec, arguments)?;
        if arguments.path.is_empty() {
            arguments.path = here();
        }
        let stop = Stop::new(&context.cancel).within(TIME_LIMIT);
        let workspace = Arc::clone(&context.workspace);
        let found = look(&context.cancel, move || search(&workspace, &arguments, &stop)).await?;
        let bounded = crate::output::bounded(found.result, &context).await;
        Ok(ToolOutput { truncated: bounded.truncated || found.truncated, locations: found.locations, ..bounded })
    }
}

/// Which files a search reads.
struct Filter {
    matcher: GlobMatcher,
    wanted: bool,
}

fn search(workspace: &Workspace, arguments: &Arguments, stop: &Stop) -> Result<ToolOutput, ToolError> {
    let matcher = matcher(arguments)?;
    let filter = match arguments.glob.as_deref().map(str::trim).filter(|glob| !glob.is_empty()) {
        Some(glob) => Some(match glob.strip_prefix('!') {
            Some(glob) => Filter { matcher: glob_matcher(glob)?, wanted: false },
            None => Filter { matcher: glob_matcher(glob)?, wanted: true },
        }),
        None => None,
    };
    let lines = |lines: Option<u64>| lines.or(arguments.context).unwrap_or(0).min(CONTEXT_MAX) as usize;
    let (before, after) = match arguments.mode {
        Mode::Content => (lines(arguments.before), lines(arguments.after)),
        Mode::Files | Mode::Count => (0, 0),
    };
    let mut searcher = SearcherBuilder::new()
        .line_number(true)
        .before_context(before)
        .after_context(after)
        .multi_line(arguments.multiline)
        .binary_detection(BinaryDetection::quit(0))
        .heap_limit(Some(HEAP_LIMIT))
        .build();
    let limit = arguments.limit.unwrap_or(MATCHES_DEFAULT).clamp(1, MATCHES_MAX);
    let mut found = Found { mode: arguments.mode, limit, ..Found::default() };
    let end = if workspace.kind(&arguments.path)? == FileType::Directory {
        let start = workspace.open_dir(&arguments.path)?;
        let base = start.rel.clone();
        let walk = Walk { workspace, stop, max_depth: usize::MAX, ignored: Shown::No };
        walk.run(start, &mut |entry| {
            if entry.kind != FileType::RegularFile {
                return Step::Continue;
            }
            let below = entry.rel.strip_prefix(&base).unwrap_or(entry.rel);
            if filter.as_ref().is_some_and(|filter| filter.matcher.is_match(below) != filter.wanted) {
                return Step::Continue;
            }
            let Some(file) = entry.open() else { return Step::Continue };
            found.file(&mut searcher, &matcher, file, location(workspace, entry.rel, None), &shown(entry.rel), stop);
            if found.full() { Step::End } else { Step::Continue }
        })?
    } else {
        let open = workspace.open_file(&arguments.path)?;
        let name = shown(&open.rel);
        found.file(&mut searcher, &matcher, open.file, location(workspace, &open.rel, None), &name, stop);
        match stop.reached() {
            Some(why) => WalkEnd::Stopped(why),
            None if found.full() => WalkEnd::Enough,
            None => WalkEnd::Complete,
        }
    };
    if end == WalkEnd::Stopped(Why::Cancelled) {
        return Err(stopped());
    }
    Ok(found.output(&arguments.pattern, end))
}

fn matcher(arguments: &Arguments) -> Result<RegexMatcher, ToolError> {
    let pattern = &arguments.pattern;
    if pattern.is_empty() {
        return Err(ToolError::Failed("the pattern is empty".into()));
    }
    if pattern.len() > PATTERN_MAX_BYTES {
        return Err(ToolError::Failed(format!("the pattern is longer than {PATTERN_MAX_BYTES} bytes")));
    }
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
        ToolError::Failed(format!("the pattern cannot be used: {error}. {hint}"))
    })
}

/// What a search has found so far.
#[derive(Debug, Default)]
struct Found {
    mode: Mode,
    limit: u64,
    text: String,
    /// Matching lines, or files.
    shown: u64,
    matches: u64,
    files: u64,
    /// Files whose search ended with an error: a line too long to hold, a file that cannot be read.
    unread: Vec<String>,
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
        file: File,
        place: Location,
        name: &str,
        stop: &Stop,
    ) {
        let before = self.text.len();
        let mut hits = Hits { found: self, lines: 0, first: None };
        let searched = searcher.search_reader(matcher, Interruptible { file, stop }, &mut hits);
        let (lines, first) = (hits.lines, hits.first);
        if searched.is_err() && stop.reached().is_none() && self.unread.len() < LOCATIONS_MAX {
            self.unread.push(name.to_owned());
        }
        if lines == 0 {
            self.text.truncate(before);
            return;
        }
        self.files += 1;
        self.matches += lines;
        if self.locations.len() < LOCATIONS_MAX {
            self.locations.push(Location { line: first.and_then(|line| u32::try_from(line).ok()), ..place });
        }
        match self.mode {
            Mode::Content => {
                let separator = if before == 0 { "" } else { "\n" };
                self.text.insert_str(before, &format!("{separator}{name}\n"));
            }
            Mode::Files => {
                self.shown += 1;
                self.text.push_str(&format!("{name}\n"));
            }
            Mode::Count => {
                self.shown += 1;
                self.text.push_str(&format!("{name}: {lines}\n"));
            }
        }
    }

    fn output(self, pattern: &str, end: WalkEnd) -> ToolOutput {
        let truncated = end != WalkEnd::Complete;
        let plural = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let mut result = self.text;
        if self.matches == 0 {
            let cut: String = pattern.chars().take(200).collect();
            result = format!("no match for {cut}\n");
        } else if self.mode != Mode::Files || truncated {
            let lines = plural(self.matches, "matching line", "matching lines");
            let files = plural(self.files, "file", "files");
            let more = if end == WalkEnd::Enough { "; there are more: raise limit or narrow the search" } else { "" };
            match self.mode {
                Mode::Files => result.push_str(&format!("[{files}{more}]\n")),
                Mode::Content | Mode::Count => result.push_str(&format!("\n[{lines} in {files}{more}]\n")),
            }
        }
        if matches!(end, WalkEnd::Stopped(_)) {
            let seconds = TIME_LIMIT.as_secs();
            result.push_str(&format!("[the search was stopped after {seconds} s; narrow it by path or glob]\n"));
        }
        if !self.unread.is_empty() {
            let names = self.unread.join(", ");
            result
                .push_str(&format!("[not searched to the end, for very long lines or lack of permission: {names}]\n"));
        }
        ToolOutput { result, truncated, locations: self.locations, ..ToolOutput::default() }
    }
}

/// Takes the hits in one file.
struct Hits<'a> {
    found: &'a mut Found,
    /// Matching lines.
    lines: u64,
    first: Option<u64>,
}

impl Hits<'_> {
    fn push(&mut self, number: Option<u64>, mark: char, bytes: &[u8]) {
        let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n');
        for (number, line) in (number.unwrap_or(0)..).zip(lines) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let start = String::from_utf8_lossy(&line[..line.len().min(LINE_MAX_BYTES + 4)]);
            let cut = if line.len() > LINE_MAX_BYTES { floor(&start, LINE_MAX_BYTES) } else { start.len() };
            let more = if line.len() > LINE_MAX_BYTES { " [line cut]" } else { "" };
            self.found.text.push_str(&format!("{number}{mark}{}{more}\n", &start[..cut]));
        }
    }
}

impl Sink for Hits<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, hit: &SinkMatch<'_>) -> Result<bool, io::Error> {
        self.lines += hit.lines().count() as u64;
        self.first = self.first.or(hit.line_number());
        match self.found.mode {
            Mode::Files => Ok(false),
            Mode::Count => Ok(true),
            Mode::Content => {
                self.found.shown += 1;
                self.push(hit.line_number(), ':', hit.bytes());
                Ok(!self.found.full())
            }
        }
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> Result<bool, io::Error> {
        if self.found.mode == Mode::Content {
            self.push(context.line_number(), '-', context.bytes());
        }
        Ok(true)
    }

    fn context_break(&mut self, _: &Searcher) -> Result<bool, io::Error> {
        if self.found.mode == Mode::Content {
            self.found.text.push_str("--\n");
        }
        Ok(true)
    }
}

/// A file whose reading ends when the search has to: also where nothing matches, and nobody would look at the clock.
struct Interruptible<'a> {
    file: File,
    stop: &'a Stop,
}

impl Read for Interruptible<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.reached().is_some() {
            return Err(io::Error::other("stopped"));
        }
        self.file.read(buffer)
    }
}

#[cfg(test)]
mod tests;
