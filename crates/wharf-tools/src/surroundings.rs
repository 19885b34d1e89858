//! What there is to know of where a session works: instruction files, and the state of the git repository.
//!
//! Strangers write all of it. It is read and never run: no program of the repository is started, nor git itself, and no link leads
//! out of the repository.

mod files;
mod git;
mod index;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Home;

pub use files::{InstructionFiles, InstructionText, Survey};
pub use git::{GitFacts, TIME_LIMIT as GIT_TIME_LIMIT};

/// So many directories above where a session works are looked at for the top of its repository.
const ABOVE_MAX: usize = 64;

/// The top of the git repository that `cwd` lies in: the next directory from there upwards that has a `.git`. One that belongs to somebody else
/// than `cwd` is none: whoever may write to `/tmp` would speak to everybody who works below it.
fn repository(cwd: &Path) -> Option<PathBuf> {
    let owner = cwd.metadata().ok()?.uid();
    let found = cwd.ancestors().take(ABOVE_MAX).find(|above| above.join(".git").symlink_metadata().is_ok())?;
    (found.metadata().ok()?.uid() == owner).then(|| found.to_path_buf())
}

/// The top of the repository, where sessions may work there, else where the session works; and that.
fn top_and_cwd(home: &Home) -> Option<(PathBuf, PathBuf)> {
    let (_, cwd) = home.open().ok()?;
    let top = repository(&cwd).filter(|top| home.at(top).open().is_ok());
    Some((top.unwrap_or_else(|| cwd.clone()), cwd))
}

#[cfg(test)]
mod tests;
