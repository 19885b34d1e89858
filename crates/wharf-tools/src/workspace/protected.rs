//! Files that start programs when something reads them: the file tools leave them alone.

use std::path::{Component, Path};

/// Start-up files of shells and configuration that names programs to run, by file name.
const FILES: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".kshrc",
    ".mkshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".logout",
    ".xprofile",
    ".xsession",
    ".xinitrc",
    ".pam_environment",
    ".gitconfig",
];

/// Why the file `rel` (resolved, relative to the workspace) may not be written, if so.
pub(crate) fn protection(rel: &Path) -> Option<&'static str> {
    // Some file systems ignore case, so `.GIT/config` is `.git/config` there.
    let names: Vec<String> = rel
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_string_lossy().to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    let has = |name: &str| names.iter().any(|found| found == name);
    if has(".git") {
        return Some("git runs programs that its hooks and configuration name");
    }
    if has(".wharf") {
        return Some("Wharf's own configuration can start programs");
    }
    if has(".ssh") {
        return Some("it decides who may log in, and ssh runs programs that it names");
    }
    let last = names.last()?;
    if FILES.contains(&last.as_str()) {
        return Some("programs read it when they start and run what it says");
    }
    let pairs = || names.windows(2);
    if pairs().any(|pair| pair[0] == ".config" && matches!(pair[1].as_str(), "fish" | "git" | "autostart" | "systemd"))
    {
        return Some("programs read it when they start and run what it says");
    }
    None
}
