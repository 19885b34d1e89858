//! Instruction files: the user's own, those from the top of the repository down to where the session works, and those below.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wharf_foreign::visible;
use wharf_protocol::event::InstructionOrigin;

use super::top_and_cwd;
use crate::{Home, Workspace};

/// The instructions of a directory stand in the first of these that is there.
const NAMES: [&str; 2] = ["AGENTS.md", "CLAUDE.md"];

/// Of a longer file the rest is not read.
const FILE_BYTES: usize = 32 << 10;

/// Directories below where a session works that are looked at in one go; more are passed over until a call works in them again.
const BELOW_MAX: usize = 256;

/// Texts that are kept; with more all are forgotten and read again.
const KEPT: usize = 512;

/// A file that changed less than this before it was read may change once more without its times telling, in milliseconds.
const SETTLED_MS: u128 = 100;

/// The texts of instruction files, kept as long as they do not change.
#[derive(Debug, Default)]
pub struct InstructionFiles {
    pub(super) kept: Mutex<HashMap<PathBuf, (Mark, InstructionText)>>,
}

/// An instruction file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstructionText {
    /// Absolute; as it is found, also where it is a link.
    pub path: PathBuf,
    pub origin: InstructionOrigin,
    /// It lies below where the session works.
    pub is_below: bool,
    /// What hides in it is made visible.
    pub text: Arc<str>,
    /// Of the text, in hexadecimal digits.
    pub digest: Arc<str>,
    /// Of the file.
    pub bytes: u64,
    /// So many of them were not read.
    pub left_out_bytes: u64,
}

/// Where to look.
#[derive(Debug)]
pub struct Survey<'a> {
    pub home: &'a Home,
    pub further: &'a [PathBuf],
    /// Ours, and nobody's instructions.
    pub masked: &'a [PathBuf],
    /// The user's own file, wherever it lies.
    pub own: Option<&'a Path>,
    /// Absolute paths that calls have worked on.
    pub touched: &'a [PathBuf],
}

/// What a file looks like from outside: as long as that is the same, so is its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl InstructionFiles {
    /// Those that hold now, in the order in which a reader should meet them. Blocks.
    pub fn find(&self, survey: &Survey<'_>) -> Vec<InstructionText> {
        let mut found = Vec::new();
        if let Some(own) = survey.own
            && let Ok(file) = wharf_foreign::file::open(own)
        {
            found.extend(self.text(own, &file, InstructionOrigin::User, false));
        }
        let Some((top, cwd)) = top_and_cwd(survey.home) else { return found };
        if let Ok(workspace) = Workspace::open_in(&survey.home.at(&top), survey.further, survey.masked) {
            for directory in down(&top, &cwd) {
                found.extend(self.of_directory(&workspace, &directory, false));
            }
            for directory in below(&cwd, survey) {
                found.extend(self.of_directory(&workspace, &directory, true));
            }
        }
        found
    }

    fn of_directory(&self, workspace: &Workspace, directory: &Path, is_below: bool) -> Option<InstructionText> {
        NAMES.iter().find_map(|name| {
            let path = directory.join(name);
            let named = path.strip_prefix(workspace.root()).unwrap_or(&path);
            let opened = workspace.peek(named)?;
            self.text(&path, &opened.file, InstructionOrigin::Workspace, is_below)
        })
    }

    fn text(&self, path: &Path, file: &File, origin: InstructionOrigin, is_below: bool) -> Option<InstructionText> {
        let before = Mark::of(file)?;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.get(path).filter(|(mark, _)| *mark == before).map(|(_, text)| text.clone());
        drop(kept);
        let text = match known {
            Some(known) => known,
            None => {
                let text = read(path, file)?;
                if Mark::of(file) == Some(before) && before.is_settled() {
                    self.keep(path, before, &text);
                }
                text
            }
        };
        (!text.text.trim().is_empty()).then_some(InstructionText { origin, is_below, ..text })
    }

    fn keep(&self, path: &Path, mark: Mark, text: &InstructionText) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(path.to_path_buf(), (mark, text.clone()));
    }
}

impl Mark {
    fn of(file: &File) -> Option<Self> {
        let stat = file.metadata().ok()?;
        Some(Self {
            device: stat.dev(),
            inode: stat.ino(),
            size: stat.size(),
            modified: (stat.mtime(), stat.mtime_nsec()),
            changed: (stat.ctime(), stat.ctime_nsec()),
        })
    }

    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_millis());
        let changed = u128::try_from(self.changed.0).unwrap_or(0) * 1_000
            + u128::try_from(self.changed.1).unwrap_or(0) / 1_000_000;
        changed + SETTLED_MS < now
    }
}

/// The beginning of a file, as text.
fn read(path: &Path, file: &File) -> Option<InstructionText> {
    let bytes = file.metadata().ok()?.len();
    let mut content = Vec::new();
    file.take(FILE_BYTES as u64).read_to_end(&mut content).ok()?;
    let is_cut = bytes > content.len() as u64;
    let content = wharf_foreign::text::without_mark(&content);
    let text = match std::str::from_utf8(content) {
        // A character that the limit cuts is left out with the rest.
        Err(error) if is_cut && error.error_len().is_none() => {
            String::from_utf8_lossy(&content[..error.valid_up_to()]).into_owned()
        }
        _ => String::from_utf8_lossy(content).into_owned(),
    };
    let mut text = visible::text(&text);
    // What hides takes more room once it is seen.
    let cut_again = text.len().saturating_sub(FILE_BYTES);
    text.truncate(text.floor_char_boundary(FILE_BYTES));
    let digest = Sha256::digest(text.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Some(InstructionText {
        path: path.to_path_buf(),
        origin: InstructionOrigin::Workspace,
        is_below: false,
        text: text.into(),
        digest: digest.into(),
        bytes,
        left_out_bytes: bytes.saturating_sub(FILE_BYTES as u64) + cut_again as u64,
    })
}

/// The directories from `top` down to `cwd`, both among them.
fn down(top: &Path, cwd: &Path) -> Vec<PathBuf> {
    let mut way: Vec<PathBuf> =
        cwd.ancestors().take_while(|above| above.starts_with(top)).map(Path::to_path_buf).collect();
    way.reverse();
    way
}

/// The directories below `cwd`, and the further ones with those below them, that lead to what calls have worked on.
fn below(cwd: &Path, survey: &Survey<'_>) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for path in survey.touched {
        let of_further = survey.further.iter().find(|further| path.starts_with(further));
        let way = path.ancestors().take_while(|above| match of_further {
            Some(further) => above.starts_with(further),
            None => above.starts_with(cwd) && *above != cwd,
        });
        for directory in way {
            if all.len() >= BELOW_MAX {
                return all;
            }
            all.insert(directory.to_path_buf());
        }
    }
    all
}
