//! How an editor starts this program: by its name where the search path leads to it, else by where it is.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::is_same_file;
use crate::failure::{Exit, Failure};
use crate::process;

const NAME: &str = "wharf";
pub const ARGUMENTS: [&str; 2] = ["acp", "--start-server"];

/// The command that an editor is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// A name or an absolute path.
    pub command: String,
    /// Where the program is.
    pub binary: PathBuf,
}

impl Launch {
    pub fn find(environment: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let binary = process::program()?;
        Self::of(&binary, environment.get("PATH").map_or("", String::as_str))
    }

    fn of(binary: &Path, search: &str) -> anyhow::Result<Self> {
        // Linux says so of a program that was replaced while it runs.
        if !binary.exists() {
            return Err(Failure::new(Exit::Failed, format!("{} is not there any more", binary.display()))
                .hint("start it from where it is")
                .into());
        }
        if found(NAME, search).is_some_and(|found| is_same_file(&found, binary)) {
            return Ok(Self { command: NAME.to_owned(), binary: binary.to_owned() });
        }
        let Some(command) = binary.to_str() else {
            return Err(Failure::new(Exit::Failed, format!("the path {} is not UTF-8", binary.display()))
                .hint("editors cannot be given it; move wharf, or put it on the PATH")
                .into());
        };
        Ok(Self { command: command.to_owned(), binary: binary.to_owned() })
    }

    /// The whole command, for people and shells.
    pub fn line(&self) -> String {
        format!("{} {}", shell_word(&self.command), ARGUMENTS.join(" "))
    }
}

/// The first program of this name on a search path.
pub fn found(name: &str, search: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    // A relative part depends on where the editor is started.
    let absolute = std::env::split_paths(search).filter(|dir| dir.is_absolute());
    absolute.map(|dir| dir.join(name)).find(is_program)
}

/// One word for a shell, quoted where it has to be.
pub fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%=,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_enough_where_the_path_leads_to_this_very_program() {
        let dir = tempfile::tempdir().unwrap();
        let program = |at: &str| {
            let path = dir.path().join(at);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, at).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let (mine, other) = (program("mine/wharf"), program("other/wharf"));
        let path = |dirs: &[&Path]| dirs.iter().map(|dir| dir.to_str().unwrap()).collect::<Vec<_>>().join(":");
        let (my_dir, other_dir) = (mine.parent().unwrap(), other.parent().unwrap());
        let command = |search: String| Launch::of(&mine, &search).unwrap().command;
        assert_eq!(command(path(&[my_dir, other_dir])), "wharf");
        assert_eq!(command(path(&[other_dir, my_dir])), mine.to_str().unwrap(), "another one comes first");
        assert_eq!(command(String::new()), mine.to_str().unwrap());
        let links = dir.path().join("links");
        std::fs::create_dir(&links).unwrap();
        std::os::unix::fs::symlink(&mine, links.join("wharf")).unwrap();
        assert_eq!(command(path(&[&links])), "wharf");
        assert!(Launch::of(&dir.path().join("gone"), "").is_err());
    }

    #[test]
    fn words_of_a_shell_are_quoted() {
        assert_eq!(shell_word("/usr/bin/wharf"), "/usr/bin/wharf");
        assert_eq!(shell_word("/my dir/it's"), r"'/my dir/it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
