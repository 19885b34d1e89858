//! `list_dir`: the entries of a directory.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType};
use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::{CallOutcome, Seen, ToolError, ToolKind, ToolOutput};

use super::typed::{About, Subject, TypedTool};
use super::{FILE_TIMEOUT_MS, SEARCH_LIMIT, location, searched};
use crate::arguments::lenient;
use crate::blocking::{Stop, Why};
use crate::workspace::{Entry, PathError, Shown, Step, Walk, WalkEnd, Walked};
use crate::{CallContext, Workspace, name, seen};

const DEPTH_MAX: u64 = 8;
const ENTRIES_MAX: usize = 2000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Default: the workspace.
    #[serde(
        default = "lenient::here",
        alias = "dir",
        alias = "directory",
        alias = "dir_path",
        alias = "file_path",
        deserialize_with = "lenient::directory"
    )]
    #[schemars(with = "String")]
    path: String,
    /// 1 (default) to 8.
    #[serde(default, deserialize_with = "lenient::number")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 8))]
    depth: Option<u64>,
}

pub(super) struct ListDir;

impl TypedTool for ListDir {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "list_dir",
            description: "List a directory, with sizes.",
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
        searched(&context, move |workspace, stop| list(workspace, &arguments, stop)).await
    }
}

fn list(workspace: &Workspace, arguments: &Arguments, stop: &Stop) -> CallOutcome {
    let depth = arguments.depth.unwrap_or(1).clamp(1, DEPTH_MAX) as usize;
    let start = workspace.open_dir(&arguments.path).map_err(|error| match error {
        PathError::Kind { what: "a regular file", .. } => ToolError::Failed(format!("{error}; read_file shows a file")),
        error => error.into(),
    })?;
    let rel = start.rel.clone();
    let mut lines: Vec<String> = Vec::new();
    let walk = Walk { workspace, stop, max_depth: depth, ignored: Shown::Yes };
    let Walked { end, missed } = walk.run(start, &mut |entry| {
        if lines.len() == ENTRIES_MAX {
            return Step::End;
        }
        lines.push(line(entry, depth));
        Step::Continue
    })?;
    if end == WalkEnd::Stopped(Why::Cancelled) {
        return Err(ToolError::stopped());
    }
    let mut result = format!("{}/", name::of(&rel));
    if lines.is_empty() && end == WalkEnd::Complete && missed.is_nothing() {
        result.push_str(" is empty");
    }
    for line in lines {
        result.push('\n');
        result.push_str(&line);
    }
    if end == WalkEnd::Enough {
        result.push_str(&format!("\n[only the first {ENTRIES_MAX} entries; list a subdirectory, or use glob]"));
    }
    if end == WalkEnd::Stopped(Why::OutOfTime) {
        let seconds = SEARCH_LIMIT.as_secs();
        result.push_str(&format!("\n[the listing ended after {seconds} s; list a subdirectory]"));
    }
    for note in missed.notes(false).lines() {
        result.push('\n');
        result.push_str(note);
    }
    let truncated = end != WalkEnd::Complete;
    if let Some(note) = workspace.left_out() {
        result.push_str(&format!("\n{note}"));
    }
    let locations = vec![location(workspace, &rel, None)];
    Ok(ToolOutput { result, truncated, locations, ..ToolOutput::default() })
}

fn line(entry: &Entry<'_>, depth: usize) -> String {
    let indent = "  ".repeat(entry.depth);
    let name = crate::name::shown(entry.name.as_bytes());
    let stat = || rustix::fs::statat(entry.parent.as_fd(), entry.name, AtFlags::SYMLINK_NOFOLLOW).ok();
    let rest = match entry.kind {
        // Where nobody would expect more, nothing is said.
        FileType::Directory if entry.ignored && entry.depth < depth => "/  (ignored, not listed)".to_owned(),
        FileType::Directory => "/".to_owned(),
        FileType::RegularFile => match stat() {
            Some(stat) => {
                format!("  {}{}", size(stat.st_size), if stat.st_mode & 0o111 != 0 { ", executable" } else { "" })
            }
            None => String::new(),
        },
        FileType::Symlink => match rustix::fs::readlinkat(entry.parent.as_fd(), entry.name, Vec::new()) {
            Ok(target) => format!(" -> {}", crate::name::shown(target.as_bytes())),
            Err(_) => "  (symbolic link)".to_owned(),
        },
        kind => format!("  ({})", crate::workspace::kind_name(kind)),
    };
    format!("{indent}{name}{rest}")
}

fn size(bytes: i64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / (1024 * 1024)),
    }
}

#[cfg(test)]
mod tests;
