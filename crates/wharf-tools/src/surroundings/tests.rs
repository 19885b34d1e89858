//! Instruction files in their order and within their limits; repositories of git's own making, hostile ones among them.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use wharf_protocol::event::InstructionOrigin;

use super::git::Repository;
use super::*;
use crate::blocking::Stop;

struct Place {
    dir: TempDir,
    files: InstructionFiles,
}

impl Place {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), files: InstructionFiles::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    fn git(&self, arguments: &str) -> &Self {
        self.git_in("repo", arguments)
    }

    fn git_in(&self, directory: &str, arguments: &str) -> &Self {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.path(directory)).args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "-c",
            "init.defaultBranch=main",
        ]);
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = git.args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "git {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        self
    }

    /// A repository with two files that are committed.
    fn with_repository(self) -> Self {
        self.write("repo/a.txt", "one\n").write("repo/sub/b.txt", "two\n");
        self.git("init -q").git("add .").git("commit -q -m first");
        self
    }

    fn facts(&self, cwd: &str) -> Option<String> {
        GitFacts::default().find(&Home::new(self.path(cwd), &[]), &[])
    }

    fn found(&self, cwd: &str, touched: &[&str]) -> Vec<InstructionText> {
        let touched: Vec<PathBuf> = touched.iter().map(|name| self.path(name)).collect();
        self.find(&Home::new(self.path(cwd), &[]), &[], None, &touched)
    }

    fn find(&self, home: &Home, further: &[PathBuf], own: Option<&Path>, touched: &[PathBuf]) -> Vec<InstructionText> {
        self.files.find(&Survey { home, further, masked: &[self.path("ours")], own, touched })
    }

    /// Which files, without the directory of the test, and what they say.
    fn said(&self, found: &[InstructionText]) -> Vec<String> {
        let name = |path: &Path| path.strip_prefix(self.path("")).unwrap_or(path).display().to_string();
        found.iter().map(|file| format!("{}: {}", name(&file.path), file.text)).collect()
    }
}

#[test]
fn files_stand_from_the_top_of_the_repository_down_and_below_only_where_calls_have_worked() {
    let place = Place::new();
    place.write("AGENTS.md", "outside").write("repo/.git/HEAD", "ref: refs/heads/main");
    place.write("repo/AGENTS.md", "top").write("repo/CLAUDE.md", "not read beside AGENTS.md");
    place
        .write("repo/app/CLAUDE.md", "app")
        .write("repo/app/src/AGENTS.md", "src")
        .write("repo/app/docs/AGENTS.md", "docs");
    place.write("repo/app/src/deep/AGENTS.md", "deep").write("repo/other/AGENTS.md", "beside").write("own.md", "own");
    let found = place.found("repo/app", &[]);
    assert_eq!(place.said(&found), ["repo/AGENTS.md: top", "repo/app/CLAUDE.md: app"]);
    let found = place.found("repo/app", &["repo/app/src/deep/x.rs", "repo/other/y"]);
    assert_eq!(
        place.said(&found),
        [
            "repo/AGENTS.md: top",
            "repo/app/CLAUDE.md: app",
            "repo/app/src/AGENTS.md: src",
            "repo/app/src/deep/AGENTS.md: deep"
        ]
    );
    assert_eq!(found.iter().map(|file| file.is_below).collect::<Vec<_>>(), [false, false, true, true]);
    let home = Home::new(place.path("repo/app/src"), &[]);
    let found =
        place.find(&home, &[place.path("repo/other")], Some(&place.path("own.md")), &[place.path("repo/other/y")]);
    assert_eq!(
        place.said(&found),
        [
            "own.md: own",
            "repo/AGENTS.md: top",
            "repo/app/CLAUDE.md: app",
            "repo/app/src/AGENTS.md: src",
            "repo/other/AGENTS.md: beside"
        ]
    );
    assert_eq!(found[0].origin, InstructionOrigin::User);
    assert!(found[1..].iter().all(|file| file.origin == InstructionOrigin::Workspace));
}

#[test]
fn without_a_repository_only_where_the_session_works() {
    let place = Place::new();
    place.write("AGENTS.md", "above").write("work/AGENTS.md", "here");
    assert_eq!(place.said(&place.found("work", &[])), ["work/AGENTS.md: here"]);
}

#[test]
fn where_sessions_may_not_work_no_instructions_come_from() {
    let place = Place::new();
    place
        .write("repo/.git/HEAD", "ref: refs/heads/main")
        .write("repo/AGENTS.md", "top")
        .write("repo/app/AGENTS.md", "app");
    let home = Home::new(place.path("repo/app"), &[place.path("repo/app")]);
    assert_eq!(place.said(&place.find(&home, &[], None, &[])), ["repo/app/AGENTS.md: app"]);
}

#[test]
fn links_lead_out_of_nothing_and_what_is_no_file_is_passed_over() {
    let place = Place::new();
    place
        .write("secret", "secret")
        .write("repo/.git/HEAD", "ref: refs/heads/main")
        .write("repo/docs/rules.md", "rules");
    place.write("ours/config.toml", "key").write("repo/a/b/x", "");
    symlink("docs/rules.md", place.path("repo/AGENTS.md")).unwrap();
    symlink("../../secret", place.path("repo/a/AGENTS.md")).unwrap();
    symlink(place.path("ours/config.toml"), place.path("repo/a/CLAUDE.md")).unwrap();
    symlink("/proc/self/environ", place.path("repo/a/b/AGENTS.md")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, place.path("repo/a/b/CLAUDE.md"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    assert_eq!(place.said(&place.found("repo", &["repo/a/b/x"])), ["repo/AGENTS.md: rules"]);
}

#[test]
fn a_long_file_is_cut_and_says_so_and_what_hides_is_seen() {
    let place = Place::new();
    place
        .write("long/AGENTS.md", "\u{fc}".repeat(20_000))
        .write("hidden/AGENTS.md", "\u{feff}do\u{200b} not\u{e0041}\u{1b}[2J");
    place.write("empty/AGENTS.md", " \n").write("broken/AGENTS.md", b"ok \xff ok");
    let long = &place.found("long", &[])[0];
    assert_eq!((long.text.len(), long.bytes, long.left_out_bytes), (32 << 10, 40_000, 40_000 - (32 << 10)));
    assert_eq!(place.said(&place.found("hidden", &[])), ["hidden/AGENTS.md: do\\u{200b} not\\u{e0041}\\u{1b}[2J"]);
    assert_eq!(place.said(&place.found("empty", &[])), Vec::<String>::new());
    assert_eq!(place.said(&place.found("broken", &[])), ["broken/AGENTS.md: ok \u{fffd} ok"]);
}

#[test]
fn a_file_is_read_again_when_it_has_changed_and_only_then() {
    let place = Place::new();
    place.write("AGENTS.md", "one");
    // A file that has just changed is not kept: it may change once more in the same instant.
    let old = std::time::SystemTime::now() - Duration::from_secs(60);
    let first = place.found("", &[]);
    assert!(place.files.kept.lock().unwrap().is_empty(), "{first:?}");
    place.write("AGENTS.md", "two");
    let second = place.found("", &[]);
    assert_ne!(first[0].digest, second[0].digest);
    std::fs::File::options().write(true).open(place.path("AGENTS.md")).unwrap().set_modified(old).unwrap();
    place.write("AGENTS.md", "six");
    assert_eq!(place.said(&place.found("", &[])), ["AGENTS.md: six"]);
    std::fs::remove_file(place.path("AGENTS.md")).unwrap();
    assert_eq!(place.found("", &[]), []);
}

#[test]
fn branch_and_changes_are_told() {
    let place = Place::new().with_repository();
    let told = |what: &str| Some(format!("Git branch: {what}"));
    assert_eq!(place.facts("repo/sub"), told("main\nGit status: nothing changed beside what may be staged"));
    place
        .write("repo/a.txt", "other\n")
        .write("repo/sub/c.txt", "")
        .write("repo/new/x/d.txt", "")
        .write("repo/new/e.txt", "");
    place.write("repo/.gitignore", "*.log\n").write("repo/x.log", "");
    std::fs::remove_file(place.path("repo/sub/b.txt")).unwrap();
    let status = "Git status (beside what may be staged): 2 changed, 3 not tracked\n M a.txt\n D sub/b.txt\n?? .gitignore\n?? new/\n?? sub/c.txt";
    assert_eq!(place.facts("repo"), told(&format!("main\n{status}")));
    place.git("checkout -q --detach");
    let detached = place.facts("repo").unwrap();
    assert!(detached.starts_with("Git branch: none (detached at "), "{detached}");
    place.git("checkout -q -b feature/x").write("repo/.git/MERGE_HEAD", "0");
    assert!(place.facts("repo").unwrap().starts_with("Git branch: feature/x, with a merge under way\n"));
    assert_eq!(place.facts(""), None);
}

#[test]
fn a_file_that_only_looks_changed_is_not() {
    let place = Place::new().with_repository();
    let clean = place.facts("repo");
    // Same content, other time: as after a copy of the whole directory.
    place.write("repo/a.txt", "one\n");
    let touched = std::time::SystemTime::now() - Duration::from_secs(3_600);
    std::fs::File::options().write(true).open(place.path("repo/a.txt")).unwrap().set_modified(touched).unwrap();
    assert_eq!(place.facts("repo"), clean);
    // Same size, same second, other content.
    place.write("repo/a.txt", "two\n");
    assert_eq!(
        place.facts("repo").unwrap(),
        "Git branch: main\nGit status (beside what may be staged): 1 changed, 0 not tracked\n M a.txt"
    );
}

#[test]
fn every_version_of_the_index_is_read_and_what_is_not_known_is_left_out() {
    for version in ["2", "3", "4"] {
        let place = Place::new().with_repository();
        place.write("repo/sub/longer-name.txt", "").write("repo/sub/longer-name-2.txt", "").git("add .");
        place
            .git("update-index --force-write-index --index-version 4")
            .git(&format!("update-index --index-version {version}"));
        assert_eq!(
            place.facts("repo").unwrap(),
            "Git branch: main\nGit status: nothing changed beside what may be staged",
            "{version}"
        );
    }
    let place = Place::new().with_repository();
    place.git("update-index --split-index");
    assert_eq!(place.facts("repo").unwrap(), "Git branch: main");
    let place = Place::new().with_repository();
    let index = std::fs::read(place.path("repo/.git/index")).unwrap();
    let whole = index::read(&index);
    for length in 0..index.len() {
        // Between two extensions nothing shows that one is missing; the entries are before them.
        let read = index::read(&index[..length]);
        assert!(read.is_none() || read == whole, "cut at {length}");
    }
    assert_eq!(whole.unwrap().len(), 2);
}

#[test]
fn a_worktree_has_the_branch_of_its_own() {
    let place = Place::new().with_repository();
    place.git("worktree add -q ../tree -b side").write("tree/a.txt", "changed\n");
    let told = place.facts("tree").unwrap();
    assert_eq!(told, "Git branch: side\nGit status (beside what may be staged): 1 changed, 0 not tracked\n M a.txt");
    let home = Home::new(place.path("tree"), &[place.path("tree")]);
    assert_eq!(GitFacts::default().find(&home, &[]), None, "its repository is not where sessions may work");
}

/// Whatever a repository may name to be run, it leaves a mark. First git itself has to fall for it, so that the test can fail.
#[test]
fn no_program_of_the_repository_is_started() {
    let place = Place::new().with_repository();
    let mark = place.path("mark");
    let program = place.path("program");
    std::fs::write(&program, format!("#!/bin/sh\ntouch {}-$1\ncat\n", mark.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |what: &str| format!("{} {what}", program.display());
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = {}\n\tpager = {}\n\teditor = {}\n\tsshCommand = {}\n\thooksPath = {}\n\
         [filter \"x\"]\n\tclean = {}\n\tprocess = {}\n\tsmudge = {}\n\trequired = true\n[diff \"x\"]\n\ttextconv = {}\n\tcommand = {}\n\
         [diff]\n\texternal = {}\n[alias]\n\tstatus = !{}\n[protocol \"ext\"]\n\tallow = always\n\
         [remote \"origin\"]\n\turl = ext::{}\n\tpromisor = true\n\tpartialclonefilter = blob:none\n[extensions]\n\tpartialClone = origin\n",
        run("fsmonitor"),
        run("pager"),
        run("editor"),
        run("ssh"),
        place.path("hooks").display(),
        run("clean"),
        run("process"),
        run("smudge"),
        run("textconv"),
        run("command"),
        run("external"),
        run("alias"),
        run("transport"),
    );
    place.write("repo/.git/config", config).write("repo/.gitattributes", "* filter=x diff=x\n");
    std::fs::create_dir(place.path("hooks")).unwrap();
    for hook in ["post-index-change", "pre-commit", "post-checkout", "fsmonitor-watchman", "reference-transaction"] {
        let path = place.path("hooks").join(hook);
        std::fs::write(&path, format!("#!/bin/sh\ntouch {}-hook-{hook}\n", mark.display())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    place.write("repo/a.txt", "six\n");
    let marks = || {
        let all =
            std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut all: Vec<String> = all.filter(|name| name.starts_with("mark-")).collect();
        all.sort();
        all
    };
    let told = place.facts("repo").unwrap();
    assert_eq!(
        told,
        "Git branch: main\nGit status (beside what may be staged): 1 changed, 1 not tracked\n M a.txt\n?? .gitattributes"
    );
    assert_eq!(marks(), Vec::<String>::new());
    // git's own status starts what the repository names.
    Command::new("git").arg("-C").arg(place.path("repo")).args(["status", "--porcelain"]).output().unwrap();
    assert!(marks().contains(&"mark-fsmonitor".to_owned()), "the trap is none: {:?}", marks());
}

#[test]
fn what_takes_too_long_is_omitted_and_not_tried_again() {
    let place = Place::new().with_repository();
    let facts = GitFacts::default();
    facts.remember_slow(&place.path("repo"));
    let home = Home::new(place.path("repo"), &[]);
    assert_eq!(facts.find(&home, &[]).unwrap(), "Git branch: main");
    let stop = Stop::new(&CancellationToken::new()).within(Duration::ZERO);
    assert!(Repository::find(&home, &[]).unwrap().status(&stop).is_none());
}

#[test]
fn an_index_that_names_files_elsewhere_finds_none() {
    let place = Place::new().with_repository();
    place.write("secret.t", "secret");
    let mut hostile = std::fs::read(place.path("repo/.git/index")).unwrap();
    let at = hostile.windows(5).position(|window| window == b"a.txt").unwrap();
    hostile[at..at + 5].copy_from_slice(b"../.g");
    std::fs::write(place.path("repo/.git/index"), hostile).unwrap();
    // What lies outside is as little there as what does not exist.
    assert!(place.facts("repo").unwrap().contains(" D ../.g"));
}
