//! `glob`: files by the pattern of their path, newest first.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType};
use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::{CallOutcome, Seen, ToolError, ToolKind, ToolOutput};

use super::paths::Paths;
use super::typed::{About, Subject, TypedTool};
use super::{FILE_TIMEOUT_MS, location, searched};
use crate::arguments::lenient;
use crate::blocking::{Stop, Why};
use crate::workspace::{Shown, Step, Walk, WalkEnd, Walked};
use crate::{CallContext, Workspace, name, seen};

const FILES_DEFAULT: u64 = 200;
const FILES_MAX: u64 = 5000;
/// Matches held while they are sorted.
const FOUND_MAX: usize = 200_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// For example `src/**/*.{ts,tsx}`; without a slash: names at any depth.
    #[serde(alias = "glob", alias = "glob_pattern", alias = "query")]
    pattern: String,
    /// Directory; default: the workspace.
    #[serde(
        default = "lenient::here",
        alias = "dir",
        alias = "directory",
        alias = "target_directory",
        deserialize_with = "lenient::directory"
    )]
    #[schemars(with = "String")]
    path: String,
    /// Most results; default 200.
    #[serde(default, alias = "max_results", alias = "head_limit", deserialize_with = "lenient::number")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 5000))]
    limit: Option<u64>,
}

pub(super) struct Glob;

impl TypedTool for Glob {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "glob",
            description: "Find files by a pattern, newest first; what .gitignore names is left out.",
            category: "search",
            kind: ToolKind::Search,
            read_only: true,
            subject: Some(Subject { name: "pattern", of: |arguments| &arguments.pattern }),
            timeout_ms: FILE_TIMEOUT_MS,
        }
    }

    async fn look(&self, arguments: Arguments, context: &CallContext, _: bool) -> Seen {
        seen::reading(context, vec![start(&context.workspace, &arguments)]).await
    }

    async fn run(&self, arguments: Arguments, context: CallContext) -> CallOutcome {
        searched(&context, move |workspace, stop| find(workspace, &arguments, stop)).await
    }
}

/// The directory of the search: an absolute pattern says itself where to look, where no path does.
fn start(workspace: &Workspace, arguments: &Arguments) -> String {
    let top = workspace.further_top(Path::new(arguments.pattern.trim()));
    let top = top.filter(|_| arguments.path == lenient::here());
    top.map_or_else(|| arguments.path.clone(), |top| top.to_string_lossy().into_owned())
}

fn find(workspace: &Workspace, arguments: &Arguments, stop: &Stop) -> CallOutcome {
    let limit = arguments.limit.unwrap_or(FILES_DEFAULT).clamp(1, FILES_MAX) as usize;
    let pattern = arguments.pattern.trim();
    let start = workspace.open_dir(&start(workspace, arguments))?;
    let base = start.rel.clone();
    let root = workspace.absolute_text(&base);
    let pattern = pattern.strip_prefix(&format!("{}/", root.trim_end_matches('/'))).unwrap_or(pattern);
    let paths = Paths::new(pattern)?;
    let mut found: Vec<((i64, i64), PathBuf)> = Vec::new();
    let walk = Walk { workspace, stop, max_depth: usize::MAX, ignored: Shown::No };
    let Walked { end, missed } = walk.run(start, &mut |entry| {
        let below = entry.rel.strip_prefix(&base).unwrap_or(entry.rel);
        if !matches!(entry.kind, FileType::RegularFile | FileType::Symlink) || !paths.has(below) {
            return Step::Continue;
        }
        let changed = rustix::fs::statat(entry.parent, entry.name, AtFlags::SYMLINK_NOFOLLOW)
            .map_or((0, 0), |stat| changed(&stat));
        found.push((changed, entry.rel.to_path_buf()));
        if found.len() == FOUND_MAX { Step::End } else { Step::Continue }
    })?;
    if end == WalkEnd::Stopped(Why::Cancelled) {
        return Err(ToolError::stopped());
    }
    found.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let total = found.len();
    found.truncate(limit);
    let mut lines: Vec<String> = found.iter().map(|(_, rel)| name::of(rel)).collect();
    if total == 0 {
        lines.push(format!("no file matches {} in {}/", arguments.pattern, name::of(&base)));
    }
    let truncated = total > limit || end != WalkEnd::Complete;
    if total > limit {
        lines.push(format!("[{limit} of {total} files; make the pattern narrower]"));
    }
    if end != WalkEnd::Complete {
        lines.push("[the search was too long and ended early; look in a subdirectory]".into());
    }
    lines.extend(missed.notes(total == 0).lines().map(str::to_owned));
    lines.extend(workspace.left_out());
    let locations = vec![location(workspace, &base, None)];
    Ok(ToolOutput { result: lines.join("\n"), truncated, locations, ..ToolOutput::default() })
}

// The widths of these fields differ between targets.
#[allow(clippy::unnecessary_cast)]
fn changed(stat: &rustix::fs::Stat) -> (i64, i64) {
    (stat.st_mtime as i64, stat.st_mtime_nsec as i64)
}

#[cfg(test)]
mod tests;
