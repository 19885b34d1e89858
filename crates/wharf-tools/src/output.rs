//! Results within a limit: the head and the tail of what was put out, the whole of it in a file of ours.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::{CallContext, ToolError, ToolOutput};

/// Most bytes that one call may leave in its output file.
pub(crate) const OUTPUT_FILE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Files of one call: a call that runs again after a crash must not overwrite the first one's output.
const NAMES_PER_CALL: u32 = 16;

/// `result` as an output within the call's limit; what does not fit goes into a file.
pub(crate) async fn bounded(result: String, context: &CallContext) -> ToolOutput {
    if result.len() <= context.output_limit {
        return ToolOutput { result, ..ToolOutput::default() };
    }
    let limit = context.output_limit;
    let directory = context.output_dir.clone();
    let call = context.call_id.clone();
    let work = move || {
        let kept = OUTPUT_FILE_MAX_BYTES.min(result.len() as u64) as usize;
        let file = create(&directory, call.as_str())
            .and_then(|(mut file, path)| file.write_all(&result.as_bytes()[..kept]).map(|()| path));
        let file = file.map_err(|error| tracing::warn!(call.id = %call, %error, "could not keep a tool's output")).ok();
        let text = cut(&result, limit, file.as_deref());
        Ok(ToolOutput { result: text, truncated: true, output_file: file, ..ToolOutput::default() })
    };
    crate::blocking::change(work).await.unwrap_or_else(|error: ToolError| ToolOutput {
        result: error.to_string(),
        truncated: true,
        ..ToolOutput::default()
    })
}

impl ToolOutput {
    /// The same with what is to be known besides.
    #[must_use]
    pub(crate) fn noted(mut self, notes: &[String]) -> Self {
        for note in notes {
            let joint = if self.result.ends_with('\n') { "" } else { "\n" };
            self.result.push_str(&format!("{joint}Note: {note}"));
        }
        self
    }
}

/// A new file of ours that nobody else may read.
pub(crate) fn create_named(directory: &Path, name: &str) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    // `create_new` follows no link.
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(directory.join(name))
}

/// A new file of ours for the output of `call`; nobody else may read it.
pub(crate) fn create(directory: &Path, call: &str) -> io::Result<(File, PathBuf)> {
    for number in 1..=NAMES_PER_CALL {
        let name = if number == 1 { format!("{call}.txt") } else { format!("{call}-{number}.txt") };
        match create_named(directory, &name) {
            Ok(file) => return Ok((file, directory.join(name))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many output files of one call"))
}

/// Head and tail of `text` in at most `limit` bytes, with a note between them of what is missing.
pub(crate) fn cut(text: &str, limit: usize, file: Option<&Path>) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let (head, tail) = halves(limit, file);
    let head = floor(text, head);
    let tail = ceil(text, text.len() - tail).max(head);
    joined(&text[..head], &text[tail..], (tail - head) as u64, file, limit)
}

/// How many bytes of head and of tail fit into `limit` beside the note between them.
pub(crate) fn halves(limit: usize, file: Option<&Path>) -> (usize, usize) {
    let room = limit.saturating_sub(note(u64::MAX, file).len());
    (room / 2, room / 2)
}

/// `head`, a note that `missing` bytes are left out, and `tail`.
pub(crate) fn joined(head: &str, tail: &str, missing: u64, file: Option<&Path>, limit: usize) -> String {
    let mut text = format!("{head}{}{tail}", note(missing, file));
    // A limit below the note's own length is no setting that anyone has; it still holds.
    text.truncate(floor(&text, limit));
    text
}

fn note(missing: u64, file: Option<&Path>) -> String {
    match file {
        Some(file) => format!("\n[... {missing} bytes left out here; all of it is in {} ...]\n", file.display()),
        None => format!("\n[... {missing} bytes left out here ...]\n"),
    }
}

/// The last character boundary at or before `at`.
pub(crate) fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

/// The first character boundary at or after `at`.
pub(crate) fn ceil(text: &str, at: usize) -> usize {
    text.ceil_char_boundary(at)
}

#[cfg(test)]
mod tests;
