//! What the commands of a script would find: files, directories, programs. Nothing is run.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::FileType;
use wharf_protocol::{Seen, SeenScript, SeenUse};
use wharf_shell::uses::{self, Use, Way};
use wharf_shell::{Command, reads};

use crate::seen;
use crate::workspace::Workspace;

/// So many paths and programs of a script are looked up; one with more is asked.
const LOOKED_UP_MAX: usize = 64;

/// What runs the script.
pub(super) struct Shell {
    /// Where programs are looked for; `None`: somewhere else.
    pub(super) path: Option<String>,
    pub(super) is_bash: bool,
}

/// What was seen of the script's directory, with what its commands use.
pub(super) fn looked_at(workspace: &Workspace, script: &str, shell: &Shell, seen: Seen) -> Seen {
    let reading = wharf_shell::read(script);
    let Some(directory) = seen.paths.first().filter(|_| reading.doubt.is_none()) else { return seen };
    let start = if directory.name == "." { String::new() } else { directory.name.clone() };
    let mut found = SeenScript { has_bash: shell.is_bash, ..SeenScript::default() };
    for command in &reading.commands {
        for used in used(command) {
            let used = Use { path: uses::beneath(&start, &used.path), ..used };
            let is_written_to = used.way == Way::Write;
            let is_known =
                found.uses.iter().any(|seen| seen.written == used.path && seen.is_written_to == is_written_to);
            if !is_known && found.uses.len() < LOOKED_UP_MAX {
                found.uses.push(look_up(workspace, &used));
            }
        }
        let program = command.program().filter(|program| !program.contains('/') && !program.is_empty());
        if let (Some(program), Some(path)) = (program, &shell.path)
            && found.programs.len() < LOOKED_UP_MAX
            && !found.programs.iter().any(|known| known == program)
            && stands_outside(workspace, path, program)
        {
            found.programs.push(program.to_owned());
        }
    }
    Seen { script: Some(found), ..seen }
}

fn used(command: &Command) -> Vec<Use> {
    let mut used = uses::around(command).unwrap_or_default();
    if let Some(reads) = reads::of(command) {
        used.extend(uses::of_reads(command, &reads).unwrap_or_default());
    }
    used
}

fn look_up(workspace: &Workspace, used: &Use) -> SeenUse {
    let is_written_to = used.way == Way::Write;
    let mut seen = SeenUse { written: used.path.clone(), is_written_to, ..SeenUse::default() };
    if !is_as_written(workspace, &used.path) {
        return seen;
    }
    if is_written_to {
        let of_file = seen::written(workspace, std::slice::from_ref(&used.path));
        // Where a file tool would not write, a redirection is asked.
        seen.path = of_file.paths.into_iter().next().filter(|_| workspace.locate(&used.path).is_ok());
        seen.guarded = of_file.guarded.into_iter().next();
        return seen;
    }
    let kind = workspace.kind(&used.path).ok();
    seen.is_directory = kind == Some(FileType::Directory);
    // Who opens a pipe or a device waits, or does something.
    let is_usual = kind.is_none_or(|kind| matches!(kind, FileType::Directory | FileType::RegularFile));
    seen.path = workspace.seen(&used.path).filter(|_| is_usual);
    seen.holds_state = seen.path.as_ref().is_some_and(|path| workspace.holds_masked(Path::new(&path.absolute)));
    if used.way == Way::Enter {
        seen.path = seen.path.filter(|_| workspace.open_dir(&used.path).is_ok());
        seen.foreign = seen.path.as_ref().and_then(|path| workspace.foreign(Path::new(&path.name)));
    }
    seen
}

/// The workspace finds files whose names are spelled otherwise. A program opens what is written.
fn is_as_written(workspace: &Workspace, path: &str) -> bool {
    let absolute = Path::new(path);
    let is_by_text = absolute.is_relative()
        || absolute.starts_with(workspace.root())
        || workspace.further_top(absolute).is_some_and(|top| absolute.starts_with(top));
    is_by_text && !path.starts_with('~') && !path.contains('\\')
}

/// The program that a shell would start by this name, and that nothing in the session's directories can have put there.
fn stands_outside(workspace: &Workspace, path: &str, program: &str) -> bool {
    for directory in path.split(':').map(Path::new) {
        // A relative one is looked up where the script runs.
        if !directory.is_absolute() {
            return false;
        }
        let file = directory.join(program);
        let Ok(about) = file.metadata() else { continue };
        if about.is_file() && about.permissions().mode() & 0o111 != 0 {
            let inside = |path: &Path| workspace.further_top(path).is_some() || path.starts_with(workspace.root());
            return !inside(&file) && file.canonicalize().is_ok_and(|real| !inside(&real));
        }
    }
    false
}
