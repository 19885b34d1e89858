//! What commands see, and that git neither waits for a person nor obeys a repository inside a repository.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use super::*;

fn of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn keys_do_not_reach_commands() {
    let environment = of(&[
        ("PATH", "/bin"),
        ("LC_ALL", "C.UTF-8"),
        ("OPENAI_API_KEY", "sk-1"),
        ("SSH_AUTH_SOCK", "/tmp/agent"),
        ("BASH_ENV", "/tmp/evil"),
        ("LD_PRELOAD", "/tmp/evil.so"),
        ("GIT_CONFIG_COUNT", "1"),
        ("EDITOR", "vi"),
        ("TERM", "xterm"),
        ("MY_TOOL", "1"),
    ]);
    let mut names: Vec<String> = allowed(&environment, &["MY_TOOL".into()])
        .into_iter()
        .filter(|(name, _)| !name.ends_with("EDITOR"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "DEBIAN_FRONTEND=noninteractive",
            "GCM_INTERACTIVE=never",
            "GH_PROMPT_DISABLED=1",
            "GIT_CONFIG_COUNT=2",
            "GIT_CONFIG_KEY_0=safe.bareRepository",
            "GIT_CONFIG_KEY_1=core.fsmonitor",
            "GIT_CONFIG_VALUE_0=explicit",
            "GIT_CONFIG_VALUE_1=false",
            "GIT_PAGER=cat",
            "GIT_TERMINAL_PROMPT=0",
            "LC_ALL=C.UTF-8",
            "MY_TOOL=1",
            "PAGER=cat",
            "PATH=/bin",
            "SSH_ASKPASS_REQUIRE=never",
            "TERM=dumb",
            "VISUAL=false",
        ]
    );
}

#[test]
fn a_path_is_always_there() {
    let allowed = allowed(&BTreeMap::new(), &[]);
    assert!(allowed.contains(&("PATH".into(), DEFAULT_PATH.into())));
}

#[test]
fn what_the_owner_lets_through_stays() {
    let theirs = [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "user.name"),
        ("GIT_CONFIG_VALUE_0", "Ada"),
        ("GIT_EDITOR", "my-editor"),
    ];
    let also: Vec<String> = theirs.iter().map(|(name, _)| (*name).to_owned()).collect();
    let found: BTreeMap<String, String> = allowed(&of(&theirs), &also).into_iter().collect();
    assert_eq!(found["GIT_CONFIG_COUNT"], "3");
    assert_eq!((found["GIT_CONFIG_KEY_0"].as_str(), found["GIT_CONFIG_VALUE_0"].as_str()), ("user.name", "Ada"));
    assert_eq!(found["GIT_CONFIG_KEY_1"], "safe.bareRepository");
    assert_eq!(found["GIT_EDITOR"], "my-editor");
    // A count that is none, or absurd, is replaced.
    for count in ["-1", "many", "4294967296"] {
        let found: BTreeMap<String, String> =
            allowed(&of(&[("GIT_CONFIG_COUNT", count)]), &["GIT_CONFIG_COUNT".into()]).into_iter().collect();
        assert_eq!(found["GIT_CONFIG_COUNT"], "2", "{count}");
    }
}

#[test]
fn a_terminal_has_editors() {
    let mut environment = allowed(&of(&[("GIT_SEQUENCE_EDITOR", "sed -i 1d")]), &["GIT_SEQUENCE_EDITOR".into()]);
    in_terminal(&mut environment);
    let found: Vec<&str> =
        environment.iter().map(|(name, _)| name.as_str()).filter(|name| name.contains("EDITOR")).collect();
    assert_eq!(found, ["GIT_SEQUENCE_EDITOR"], "only the owner's own");
    assert!(environment.contains(&("TERM".into(), "xterm-256color".into())));
}

/// A command line in `directory`, with what commands get.
fn run(directory: &Path, line: &str) -> Output {
    let home = directory.to_str().unwrap();
    let environment = allowed(&of(&[("PATH", &std::env::var("PATH").unwrap()), ("HOME", home)]), &[]);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).current_dir(directory).env_clear().envs(environment);
    command.stdin(std::process::Stdio::null()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const REPOSITORY: &str = "git init -q . && git config user.name A && git config user.email a@b.c && \
                          git config core.editor 'sleep 600;' && echo 1 > a && git add a && git commit -q -m one && \
                          echo 2 > a && git commit -q -a -m two && echo 3 > a";

#[test]
fn git_does_not_wait_for_an_editor() {
    let dir = tempfile::tempdir().unwrap();
    let made = run(dir.path(), REPOSITORY);
    assert!(made.status.success(), "{}", stderr(&made));
    for line in
        ["git commit -a", "git rebase -i --autostash HEAD~1", "git tag -a v1", "git commit --amend", "git notes add"]
    {
        let output = run(dir.path(), line);
        assert!(!output.status.success(), "{line}");
        assert!(stderr(&output).contains("git commit -m TEXT"), "{line}: {}", stderr(&output));
    }
    let output = run(
        dir.path(),
        "git commit -q -a -m three && GIT_EDITOR=true git commit -q --amend && git config -l --show-scope",
    );
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_repository_inside_a_clone_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let made = run(dir.path(), &format!("{REPOSITORY} && git init -q --bare vendor/b && mkdir vendor/b/tree"));
    assert!(made.status.success(), "{}", stderr(&made));
    let evil = dir.path().join("evil.sh");
    std::fs::write(&evil, format!("#!/bin/sh\ntouch {}/ran\n", dir.path().display())).unwrap();
    std::fs::set_permissions(&evil, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = tree\n\tfsmonitor = {0}\n\tpager = {0}\n\
         \tsshCommand = {0}\n\thooksPath = {1}\n[alias]\n\tstatus = !{0}\n[diff]\n\texternal = {0}\n",
        evil.display(),
        dir.path().display()
    );
    std::fs::write(dir.path().join("vendor/b/config"), config).unwrap();
    let lines = [
        "cd vendor/b && git status",
        "git -C vendor/b status",
        "git -C vendor/b diff",
        "cd vendor/b && git ls-files -m",
        "cd vendor/b/tree && git status",
        "cd vendor/b && git -c color.ui=always status",
    ];
    for line in lines {
        let output = run(dir.path(), line);
        assert!(!dir.path().join("ran").exists(), "{line}: {}", stderr(&output));
    }
    // The clone itself works as ever, also below its own `.git`.
    for line in ["git status", "cd .git && git log --oneline", "git --git-dir=.git status"] {
        let output = run(dir.path(), line);
        assert!(output.status.success(), "{line}: {}", stderr(&output));
    }
}
