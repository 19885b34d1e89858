//! What binds a call's paths, and files that another program runs or trusts.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::{PathError, Workspace, stat_entry};
use crate::guard::{Barred, Guard};
use crate::name::{self, quoted, shown};
use wharf_protocol::{GuardedPath, SeenPath};

/// Directories whose files start programs of editors, agents and git hooks when somebody opens the workspace, commits, or trusts it.
const DIRECTORIES: &[(&str, &str)] = &[
    (".vscode", "editors run the tasks and programs that it names"),
    (".idea", "editors run the configurations that it names"),
    (".run", "editors run the configurations that it names"),
    (".zed", "editors run the tasks and programs that it names"),
    (".fleet", "editors run the configurations that it names"),
    (".devcontainer", "editors run the commands that it names"),
    (".cursor", "agents run the programs that it names"),
    (".claude", "agents run the programs that it names"),
    (".gemini", "agents run the programs that it names"),
    (".codex", "agents run the programs that it names"),
    (".husky", "git hooks run it"),
    (".githooks", "git hooks run it"),
];

/// The same for single files, by name.
const FILES: &[(&str, &str)] = &[
    (".envrc", "direnv runs it"),
    (".mcp.json", "agents run the programs that it names"),
    (".devcontainer.json", "editors run the commands that it names"),
    (".pre-commit-config.yaml", "git hooks run what it names"),
    (".pre-commit-config.yml", "git hooks run what it names"),
    ("lefthook.yml", "git hooks run what it names"),
    (".lefthook.yml", "git hooks run what it names"),
    ("lefthook-local.yml", "git hooks run what it names"),
    (".overcommit.yml", "git hooks run what it names"),
    (".lintstagedrc", "git hooks run what it names"),
    (".lintstagedrc.json", "git hooks run what it names"),
    (".lintstagedrc.js", "git hooks run it"),
    ("lint-staged.config.js", "git hooks run it"),
    (".npmrc", "npm runs the shell and asks the registry that it names"),
    (".yarnrc", "yarn runs the program that it names"),
    (".yarnrc.yml", "yarn runs the program that it names"),
    (".pnpmfile.cjs", "pnpm runs it"),
    (".mise.toml", "mise runs what it names"),
    ("mise.toml", "mise runs what it names"),
    (".gdbinit", "gdb runs it"),
    (".lldbinit", "lldb runs it"),
    (".exrc", "editors run it"),
    (".nvimrc", "editors run it"),
    (".nvim.lua", "editors run it"),
    (".vimrc", "editors run it"),
    (".dir-locals.el", "editors run it"),
];

/// What makes a directory a git repository, whatever its name; its `config` names programs.
const REPOSITORY: [&str; 3] = ["HEAD", "objects", "refs"];

/// Directories above a file that are looked at.
const ABOVE_MAX: usize = 128;

impl Workspace {
    /// The same workspace for one call, bound by `guard`.
    #[must_use]
    pub fn guarded(&self, guard: Arc<Guard>) -> Arc<Self> {
        let (cwd, further) = (Arc::clone(&self.cwd), self.further.clone());
        let (masked, has_openat2) = (self.masked.clone(), self.has_openat2);
        Arc::new(Self { cwd, further, masked, has_openat2, guard: Some(guard) })
    }

    /// What the result says of entries that a search has passed over.
    pub(crate) fn left_out(&self) -> Option<String> {
        self.guard.as_ref()?.note()
    }

    /// Whether the call may use the file `rel`, which was opened or would be made.
    pub(super) fn admit(&self, rel: &Path, path: &str) -> Result<(), PathError> {
        let Some(guard) = &self.guard else { return Ok(()) };
        let SeenPath { name, absolute } = judged(rel, &self.absolute(rel));
        guard.admit(&name, &absolute).map_err(|barred| {
            let path = quoted(path);
            match barred {
                Barred::Denied(rule) => PathError::Denied { path, rule },
                Barred::Elsewhere => PathError::Elsewhere { path },
            }
        })
    }

    /// Whether a walk passes over the entry `rel`, because a rule keeps it from the call.
    pub(super) fn passes_over(&self, rel: &Path) -> bool {
        let Some(guard) = self.guard.as_ref().filter(|guard| guard.has_rules()) else { return false };
        let SeenPath { name, absolute } = judged(rel, &self.absolute(rel));
        guard.passes_over(&name, &absolute)
    }

    /// What `path` leads to, if it can be used at all.
    pub(crate) fn seen(&self, path: &str) -> Option<SeenPath> {
        let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
        let absolute = self.resolve(path).ok()?;
        let name = absolute.strip_prefix(&self.cwd.real).unwrap_or(&absolute);
        Some(judged(name, &absolute))
    }

    /// Which of these files another program runs or trusts.
    pub(crate) fn guarded_of(&self, paths: &[SeenPath]) -> Vec<GuardedPath> {
        let written: BTreeSet<&str> = paths.iter().map(|path| path.name.as_str()).collect();
        let of = |path: &SeenPath| {
            let found = by_name(Path::new(&path.name));
            let (name, why) = found.or_else(|| self.makes_repository(&path.name, &written))?;
            Some(GuardedPath { path: path.name.clone(), name, why: why.to_owned() })
        };
        paths.iter().filter_map(of).collect()
    }

    /// A file of a repository that lies open in the workspace, or that would be one with what is written.
    fn makes_repository(&self, name: &str, written: &BTreeSet<&str>) -> Option<(String, &'static str)> {
        let path = Path::new(name);
        for above in path.ancestors().skip(1).take(ABOVE_MAX) {
            let first = path.strip_prefix(above).ok()?.components().next()?;
            let first = first.as_os_str().to_string_lossy().to_lowercase();
            if !matches!(
                first.as_str(),
                "config" | "head" | "objects" | "refs" | "hooks" | "worktrees" | "commondir" | "config.worktree"
            ) {
                continue;
            }
            let is_written = |part: &str| {
                let part = above.join(part);
                written.iter().any(|other| Path::new(other).starts_with(&part))
            };
            if REPOSITORY.into_iter().all(|part| is_written(part) || self.has(above, part)) {
                return Some((
                    name.to_lowercase(),
                    "the directory is a git repository, and git runs programs that its configuration names",
                ));
            }
        }
        None
    }

    /// Why the directory `rel` is not just a part of the workspace: git takes it, or one above it, for another repository.
    pub(crate) fn foreign(&self, rel: &Path) -> Option<String> {
        let top = self.further_top(rel).map(Path::to_path_buf).unwrap_or_default();
        for above in rel.ancestors().take(ABOVE_MAX).take_while(|above| **above != *top) {
            let name = shown(above.as_os_str().as_bytes());
            if self.has(above, ".git") {
                return Some(format!("{name} is a git repository of its own"));
            }
            if REPOSITORY.into_iter().all(|part| self.has(above, part)) {
                return Some(format!("{name} is a bare git repository"));
            }
        }
        None
    }

    fn has(&self, directory: &Path, name: &str) -> bool {
        self.open_above(directory).is_some_and(|fd| stat_entry(&fd, name.as_ref()).is_ok())
    }
}

/// What of the path another program runs or trusts, in lower case, and why: some file systems ignore case, and characters that are not seen.
fn by_name(rel: &Path) -> Option<(String, &'static str)> {
    let plain = |component: Component<'_>| match component {
        Component::Normal(name) => {
            let name = name.to_string_lossy();
            Some(
                name.chars()
                    .filter(|letter| !wharf_foreign::visible::is_hidden(*letter))
                    .collect::<String>()
                    .to_lowercase(),
            )
        }
        _ => None,
    };
    let names: Vec<String> = rel.components().filter_map(plain).collect();
    let (last, above) = names.split_last()?;
    let directory = DIRECTORIES.iter().find(|(directory, _)| above.iter().any(|name| name == directory));
    let file = || FILES.iter().find(|(file, _)| last == file);
    if let Some((name, why)) = directory.or_else(file) {
        return Some(((*name).to_owned(), why));
    }
    let is_cargo =
        above.last().is_some_and(|name| name == ".cargo") && matches!(last.as_str(), "config" | "config.toml");
    is_cargo.then(|| (".cargo".to_owned(), "cargo runs the programs that it names"))
}

/// Names beside a file that a hint may show: what a rule keeps from the call is not among them.
pub(super) fn may_be_named(workspace: &Workspace, path: &Path) -> bool {
    let path: PathBuf = path.components().filter(|component| *component != Component::CurDir).collect();
    !workspace.passes_over(&path)
}

/// A path in the form that rules judge.
fn judged(relative: &Path, absolute: &Path) -> SeenPath {
    let judged = |path: &Path| name::judged(path.as_os_str().as_bytes());
    SeenPath { name: judged(relative), absolute: judged(absolute) }
}
