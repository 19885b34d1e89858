//! `read_file`: lines of a text file with their numbers, or an image.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wharf_foreign::image::{self, BadImage, Format, Header};
use wharf_protocol::{CallOutcome, ContentBlock, Seen, ToolError, ToolKind, ToolOutput};

use super::typed::{About, Subject, TypedTool};
use super::{FILE_TIMEOUT_MS, location};
use crate::arguments::lenient;
use crate::blocking::{Stop, Why, look};
use crate::editor::{Buffer, Want};
use crate::text::{Encoding, binary_kind, utf16};
use crate::workspace::{OpenFile, PathError};
use crate::{CallContext, Workspace, name, seen};

const LINES_DEFAULT: u64 = 2000;
/// Longer lines are cut.
const LINE_MAX_BYTES: usize = 2000;
/// UTF-16 is decoded as a whole.
const UTF16_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// How far lines are counted behind those that are shown.
const COUNT_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Kept free in the limit for notes.
const NOTES_BYTES: usize = 400;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// The file, in the workspace.
    #[serde(alias = "file_path", alias = "filename", alias = "file", alias = "filePath", alias = "target_file")]
    path: String,
    /// First line, from 1.
    #[serde(default, alias = "start_line", alias = "start", deserialize_with = "lenient::number")]
    #[schemars(with = "Option<u64>", range(min = 1))]
    offset: Option<u64>,
    /// Most lines; default 2000.
    #[serde(default, alias = "max_lines", alias = "lines", deserialize_with = "lenient::number")]
    #[schemars(with = "Option<u64>", range(min = 1))]
    limit: Option<u64>,
}

pub(super) struct ReadFile;

impl TypedTool for ReadFile {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "read_file",
            description: "Read a file: text with line numbers (not part of the file), or an image.",
            category: "files",
            kind: ToolKind::Read,
            read_only: true,
            subject: Some(Subject { name: "path", of: |arguments| &arguments.path }),
            timeout_ms: FILE_TIMEOUT_MS,
        }
    }

    async fn look(&self, arguments: Arguments, context: &CallContext, _: bool) -> Seen {
        seen::reading(context, vec![arguments.path]).await
    }

    async fn run(&self, arguments: Arguments, context: CallContext) -> CallOutcome {
        let (workspace, limit) = (Arc::clone(&context.workspace), context.output_limit);
        let stop = Stop::new(&context.cancel);
        if let Some(Buffer { rel, text, .. }) = Buffer::open(&context, &arguments.path, Want::Look).await? {
            return look(&context.cancel, move || listed(&workspace, &rel, &text, &arguments, limit, &stop)).await;
        }
        look(&context.cancel, move || read(&workspace, &arguments, limit, &stop)).await
    }
}

fn read(workspace: &Workspace, arguments: &Arguments, limit: usize, stop: &Stop) -> CallOutcome {
    let mut open = workspace.open_file(&arguments.path).map_err(|error| match error {
        PathError::Kind { what: "a directory", .. } => {
            ToolError::Failed(format!("{error}; list_dir shows what is in a directory"))
        }
        error => error.into(),
    })?;
    let name = name::of(&open.rel);
    let failed = |error: io::Error| ToolError::Failed(format!("{name}: {error}"));
    let size = u64::try_from(open.stat.st_size).unwrap_or(0);
    let mut start = Vec::new();
    (&mut open.file).take(8 * 1024).read_to_end(&mut start).map_err(failed)?;
    if start.is_empty() {
        return Ok(empty(workspace, &open.rel));
    }
    if Format::of(&start).is_some() {
        return image(workspace, open, start);
    }
    let encoding = Encoding::of(&start);
    let is_utf16 = matches!(encoding, Encoding::Utf16Le | Encoding::Utf16Be);
    if !is_utf16 && let Some(kind) = binary_kind(&start) {
        return Err(ToolError::Failed(format!("{name}: this is {kind} of {size} bytes, not text")));
    }
    let range = Range::of(arguments, limit);
    let body = start[encoding.mark_len()..].to_vec();
    let listing = if is_utf16 {
        if size > UTF16_MAX_BYTES {
            let text = format!("{name}: a UTF-16 file of {size} bytes is too large; at most {UTF16_MAX_BYTES}");
            return Err(ToolError::Failed(text));
        }
        let mut bytes = body;
        open.file.take(UTF16_MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
        let text = utf16(&bytes, encoding)
            .ok_or_else(|| ToolError::Failed(format!("{name}: this is binary data of {size} bytes, not text")))?;
        range.list(text.as_bytes(), stop)
    } else {
        let reader = io::Cursor::new(body).chain(open.file);
        range.list(BufReader::with_capacity(64 * 1024, reader), stop)
    };
    let listing = listing.map_err(failed)?;
    range.output(listing, workspace, &open.rel, arguments, (encoding, limit), stop)
}

fn empty(workspace: &Workspace, rel: &Path) -> ToolOutput {
    let locations = vec![location(workspace, rel, None)];
    ToolOutput { result: "(the file is empty)".into(), locations, ..ToolOutput::default() }
}

/// The lines of a text that an editor has.
fn listed(
    workspace: &Workspace,
    rel: &Path,
    text: &str,
    arguments: &Arguments,
    limit: usize,
    stop: &Stop,
) -> CallOutcome {
    if text.is_empty() {
        return Ok(empty(workspace, rel));
    }
    let encoding = Encoding::of(text.as_bytes());
    let range = Range::of(arguments, limit);
    let listing = range.list(&text.as_bytes()[encoding.mark_len()..], stop);
    let listing = listing.map_err(|error| ToolError::Failed(format!("{}: {error}", name::of(rel))))?;
    range.output(listing, workspace, rel, arguments, (encoding, limit), stop)
}

/// An image as it is: it is made fit for the model when that is asked.
fn image(workspace: &Workspace, open: OpenFile, start: Vec<u8>) -> CallOutcome {
    let name = name::of(&open.rel);
    let mut bytes = start;
    open.file
        .take((image::MAX_BYTES as u64 + 1).saturating_sub(bytes.len() as u64))
        .read_to_end(&mut bytes)
        .map_err(|error| ToolError::Failed(format!("{name}: {error}")))?;
    let header = image::look(&bytes).map_err(|error| {
        // What was read ends where it became too much.
        let error = match error {
            BadImage::TooLarge { .. } => BadImage::TooLarge { bytes: usize::try_from(open.stat.st_size).unwrap_or(0) },
            error => error,
        };
        ToolError::Failed(format!("{name}: this image cannot be shown: {error}"))
    })?;
    let Header { format, width, height } = header;
    let media_type = format.media_type().to_owned();
    Ok(ToolOutput {
        result: format!("{name}: a {format} image of {width}x{height} pixels, {} bytes", bytes.len()),
        content: vec![ContentBlock::Image { data: image::encode(&bytes), mime_type: media_type, uri: None }],
        locations: vec![location(workspace, &open.rel, None)],
        ..ToolOutput::default()
    })
}

/// Which lines to show, in at most `room` bytes.
#[derive(Debug, Clone, Copy)]
struct Range {
    first: u64,
    count: u64,
    room: usize,
}

/// Numbered lines.
#[derive(Debug, Default)]
struct Listing {
    text: String,
    /// First and last line in `text`.
    shown: Option<(u64, u64)>,
    /// Lines that were counted; all of the file if `counted_all`.
    lines: u64,
    counted_all: bool,
    full: bool,
    /// Lines shown that hold bytes which are no UTF-8.
    bad_lines: u64,
}

impl Range {
    fn of(arguments: &Arguments, limit: usize) -> Self {
        Self {
            first: arguments.offset.unwrap_or(1).max(1),
            count: arguments.limit.unwrap_or(LINES_DEFAULT).max(1),
            room: limit.saturating_sub(NOTES_BYTES),
        }
    }

    fn output(
        &self,
        listing: Listing,
        workspace: &Workspace,
        rel: &Path,
        arguments: &Arguments,
        (encoding, limit): (Encoding, usize),
        stop: &Stop,
    ) -> CallOutcome {
        if stop.reached() == Some(Why::Cancelled) {
            return Err(ToolError::stopped());
        }
        if listing.shown.is_none() {
            let (name, first, lines) = (name::of(rel), self.first, listing.lines);
            let s = if lines == 1 { "" } else { "s" };
            let text = format!("{name}: offset {first} is beyond the end, the file has {lines} line{s}");
            return Err(ToolError::Failed(text));
        }
        let mut result = listing.text.clone();
        for note in listing.notes(self, encoding) {
            result.push_str(&format!("[{note}]\n"));
        }
        result.truncate(result.floor_char_boundary(limit));
        Ok(ToolOutput {
            result,
            truncated: listing.is_partial(),
            locations: vec![location(workspace, rel, arguments.offset.filter(|line| *line > 0))],
            ..ToolOutput::default()
        })
    }

    fn list(&self, mut reader: impl BufRead, stop: &Stop) -> io::Result<Listing> {
        let mut listing = Listing { lines: 0, ..Listing::default() };
        let mut line: Vec<u8> = Vec::new();
        let mut line_len = 0u64;
        let mut read = 0u64;
        loop {
            let chunk = reader.fill_buf()?;
            if chunk.is_empty() {
                if line_len > 0 {
                    self.line(&mut listing, &line, line_len);
                }
                listing.counted_all = true;
                return Ok(listing);
            }
            let (part, ends) = match chunk.iter().position(|byte| *byte == b'\n') {
                Some(at) => (&chunk[..=at], true),
                None => (chunk, false),
            };
            let room = LINE_MAX_BYTES + 4 - line.len().min(LINE_MAX_BYTES + 4);
            line.extend_from_slice(&part[..part.len().min(room)]);
            let len = part.len();
            line_len += len as u64;
            read += len as u64;
            reader.consume(len);
            if ends {
                self.line(&mut listing, &line, line_len);
                line.clear();
                line_len = 0;
            }
            let past = listing.full || listing.lines >= self.first.saturating_add(self.count);
            if (past && read > COUNT_MAX_BYTES) || stop.reached().is_some() {
                return Ok(listing);
            }
        }
    }

    fn line(&self, listing: &mut Listing, start: &[u8], len: u64) {
        listing.lines += 1;
        let number = listing.lines;
        if listing.full || number < self.first || number - self.first >= self.count {
            return;
        }
        let is_cut = len > start.len() as u64 || start.len() > LINE_MAX_BYTES + 2;
        let body = start.strip_suffix(b"\n").unwrap_or(start);
        let body = body.strip_suffix(b"\r").unwrap_or(body);
        let decoded = String::from_utf8_lossy(body);
        // A cut may fall into a character: that is no fault of the file's.
        let intact = if is_cut { &decoded[..decoded.floor_char_boundary(LINE_MAX_BYTES)] } else { &decoded };
        let mut text = format!("{number:>6}\t{intact}");
        if is_cut {
            text.push_str(&format!(" [line cut, it has {len} bytes]"));
        }
        text.push('\n');
        if listing.text.len() + text.len() > self.room {
            listing.full = true;
            if listing.shown.is_some() {
                return;
            }
            text.truncate(text.floor_char_boundary(self.room));
        }
        if matches!(decoded, std::borrow::Cow::Owned(_)) && intact.contains(char::REPLACEMENT_CHARACTER) {
            listing.bad_lines += 1;
        }
        listing.text.push_str(&text);
        listing.shown = Some((listing.shown.map_or(number, |(first, _)| first), number));
    }
}

impl Listing {
    fn is_partial(&self) -> bool {
        !self.counted_all || self.shown.is_some_and(|(_, last)| last < self.lines)
    }

    fn notes(&self, range: &Range, encoding: Encoding) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some((first, last)) = self.shown
            && (self.is_partial() || range.first > 1)
        {
            let of = if self.counted_all { self.lines.to_string() } else { format!("more than {}", self.lines) };
            let more = if self.is_partial() { format!("; continue with offset={}", last + 1) } else { String::new() };
            notes.push(format!("lines {first}-{last} of {of}{more}"));
        }
        if let Some(name) = encoding.name() {
            notes.push(format!("the file is {name}; changes keep that"));
        }
        if self.bad_lines > 0 {
            notes.push(format!("{} of these lines hold bytes that are not UTF-8, shown as \u{fffd}", self.bad_lines));
        }
        notes
    }
}

#[cfg(test)]
mod tests;
