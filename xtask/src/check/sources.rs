//! What docs/style.md asks of files and names, as far as a program can see it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::command::{output_of, program, root};

const MAX_LINES: usize = 800;

/// Words that say nothing about what a type is.
const EMPTY_WORDS: [&str; 6] = ["Manager", "Service", "Helper", "Util", "Processor", "Impl"];

pub fn check() -> Result<()> {
    let mut complaints = Vec::new();
    for path in files()? {
        let text = fs::read_to_string(root().join(&path))?;
        complaints.extend(complaints_about(&path, &text));
    }
    for complaint in &complaints {
        println!("{complaint}");
    }
    ensure!(complaints.is_empty(), "{} complaints about sources", complaints.len());
    Ok(())
}

/// Rust files that git knows or would add.
fn files() -> Result<Vec<PathBuf>> {
    let mut git = program("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "*.rs"]);
    let Some(listed) = output_of(&mut git) else { anyhow::bail!("git does not list the files") };
    Ok(listed.lines().map(PathBuf::from).filter(|path| root().join(path).is_file()).collect())
}

fn complaints_about(path: &Path, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let shown = path.display();
    if !text.starts_with("//!") {
        complaints.push(format!("{shown}: begins without a `//!` line"));
    }
    let lines = text.lines().count();
    // What a program writes, nobody reads from top to bottom.
    if lines > MAX_LINES && !path.ends_with("generated.rs") {
        complaints.push(format!("{shown}: {lines} lines; look for the second responsibility"));
    }
    for (at, line) in text.lines().enumerate() {
        if let Some(name) = type_name(line)
            && let Some(word) = empty_word(name)
        {
            complaints.push(format!("{shown}:{}: {name}: {word} says nothing; see the glossary", at + 1));
        }
    }
    complaints
}

/// The name that a line declares as a type or trait.
fn type_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = ["pub(crate) ", "pub(super) ", "pub "].iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line);
    let rest = ["struct ", "enum ", "trait ", "type ", "union "].iter().find_map(|word| line.strip_prefix(word))?;
    Some(rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(rest))
}

/// The empty word that a name is or ends with; plurals count.
fn empty_word(name: &str) -> Option<&'static str> {
    let singular = name.strip_suffix('s').unwrap_or(name);
    EMPTY_WORDS.into_iter().find(|word| singular.ends_with(word) || name.ends_with(word))
}

#[cfg(test)]
mod tests {
    //! Names that pass and names that do not.

    use super::{complaints_about, empty_word, type_name};

    #[test]
    fn declared_names_are_seen() {
        assert_eq!(type_name("    pub(crate) struct Session<T> {"), Some("Session"));
        assert_eq!(type_name("trait Store: Send {"), Some("Store"));
        assert_eq!(type_name("// struct Manager"), None);
        assert_eq!(empty_word("SessionManager"), Some("Manager"));
        assert_eq!(empty_word("ToolUtils"), Some("Util"));
        assert_eq!(empty_word("Simplicity"), None);
    }

    #[test]
    fn a_file_says_first_what_it_is() {
        assert_eq!(complaints_about("a.rs".as_ref(), "//! A.\n").len(), 0);
        assert_eq!(complaints_about("a.rs".as_ref(), "use x;\n").len(), 1);
        assert_eq!(complaints_about("a.rs".as_ref(), &"//! A.\n".repeat(801)).len(), 1);
    }
}
