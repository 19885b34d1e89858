//! The environment of commands: an allow-list out of the server's own, never a provider key.

use std::collections::BTreeMap;

const NAMES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TMPDIR",
    "TZ",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "GOPATH",
    "GOROOT",
    "GOCACHE",
    "GOMODCACHE",
    "JAVA_HOME",
    "NVM_DIR",
    "PYENV_ROOT",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "DENO_DIR",
    "BUN_INSTALL",
    "PNPM_HOME",
    "VOLTA_HOME",
    "GEM_HOME",
    "RBENV_ROOT",
    "DOTNET_ROOT",
    "ANDROID_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NIX_SSL_CERT_FILE",
];

/// What keeps programs from waiting for a person, or drawing on a terminal, that is not there.
const FIXED: &[(&str, &str)] = &[
    ("TERM", "dumb"),
    ("PAGER", "cat"),
    ("GIT_PAGER", "cat"),
    ("GIT_TERMINAL_PROMPT", "0"),
    // What git's own helper would open a window for.
    ("GCM_INTERACTIVE", "never"),
    ("SSH_ASKPASS_REQUIRE", "never"),
    ("GH_PROMPT_DISABLED", "1"),
    ("DEBIAN_FRONTEND", "noninteractive"),
];

/// Editors: only where there is no terminal. In one, a person may type into them with `command_input`.
const EDITORS: &[(&str, &str)] = &[
    ("GIT_EDITOR", NO_EDITOR),
    ("GIT_SEQUENCE_EDITOR", NO_EDITOR),
    // git looks at its own first. Others run these without a shell, so nothing but a program's name is understood.
    ("EDITOR", "false"),
    ("VISUAL", "false"),
];

/// git has a shell run it, with the file's name behind it.
const NO_EDITOR: &str = "echo 'No editor can be opened here: nobody is there to type. Give the text on the command line \
                         (git commit -m TEXT, git merge --no-edit), or keep the proposed text with GIT_EDITOR=true \
                         before the command (GIT_EDITOR=true git rebase --continue).' >&2; false";

/// Settings of git for every command. They stand over those of a repository, which strangers write.
const GIT_SETTINGS: &[(&str, &str)] = &[
    // A directory of a clone that looks like a repository of its own is one only where `--git-dir` names it (git 2.38).
    ("safe.bareRepository", "explicit"),
    // And in an older git at least the program that `git status` would start is not.
    ("core.fsmonitor", "false"),
];

/// Settings that the owner lets through stay; ours come behind them. More than this is no count of git's.
const GIT_CONFIG_MAX: usize = 10_000;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What commands see of `environment`; `also` names further variables that the owner lets through.
pub fn allowed(environment: &BTreeMap<String, String>, also: &[String]) -> Vec<(String, String)> {
    let passes = |name: &str| NAMES.contains(&name) || name.starts_with("LC_") || also.iter().any(|it| it == name);
    let mut allowed: BTreeMap<&str, &str> = environment
        .iter()
        .filter(|(name, value)| passes(name) && !value.contains('\0'))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    allowed.entry("PATH").or_insert(DEFAULT_PATH);
    // An editor that the owner lets through needs nobody, says the owner.
    for (name, value) in EDITORS {
        allowed.entry(name).or_insert(value);
    }
    allowed.extend(FIXED.iter().copied());
    let theirs = allowed.get("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok());
    let theirs = theirs.filter(|count| *count <= GIT_CONFIG_MAX).unwrap_or(0);
    let mut allowed: BTreeMap<String, String> =
        allowed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    allowed.extend(git_settings(theirs));
    allowed.into_iter().collect()
}

/// Our settings of git, behind so many of the owner's.
fn git_settings(behind: usize) -> impl Iterator<Item = (String, String)> {
    let count = ("GIT_CONFIG_COUNT".to_owned(), (behind + GIT_SETTINGS.len()).to_string());
    let settings = GIT_SETTINGS.iter().enumerate().flat_map(move |(at, (key, value))| {
        let at = behind + at;
        [(format!("GIT_CONFIG_KEY_{at}"), (*key).to_owned()), (format!("GIT_CONFIG_VALUE_{at}"), (*value).to_owned())]
    });
    std::iter::once(count).chain(settings)
}

/// What a command needs in an editor's terminal, where the rest of its environment is the editor's.
pub fn quiet() -> Vec<(String, String)> {
    let fixed = EDITORS.iter().chain(FIXED).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    fixed.chain(git_settings(0)).collect()
}

/// `environment` for a command in a terminal of its own: a person can type there.
pub fn in_terminal(environment: &mut Vec<(String, String)>) {
    environment.retain(|(name, value)| name != "TERM" && !EDITORS.contains(&(name.as_str(), value.as_str())));
    environment.push(("TERM".to_owned(), "xterm-256color".to_owned()));
}

#[cfg(test)]
mod tests;
