//! What binds a call while it runs: rules that keep files from it, and what was judged and shown before it began.
//!
//! A decision is made about paths as they lead then. Whoever can write in the workspace can put a link in a file's place between the
//! decision and the use: so what is opened is looked at again, from the open file, and has to be what was judged.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use wharf_protocol::ToolError;
use wharf_protocol::permission::Preview;
use wharf_protocol::tool::FileDiff;

/// Longest text and longest patch of one file in a preview, in bytes; a longer one is cut there, never in what is compared.
const FILE_MAX_BYTES: usize = 64 << 10;
/// All of a preview, in bytes, and its files: what is beyond is left out and counted.
const PREVIEW_MAX_BYTES: usize = 512 << 10;
const PREVIEW_MAX_FILES: usize = 100;

/// The rules that keep files from a call.
pub trait FileRules: Send + Sync + 'static {
    /// The rule that denies a file, in words. Its name is relative in the session's `cwd`, absolute in a further directory.
    fn denied(&self, name: &str, absolute: &str) -> Option<String>;

    /// The rule that keeps a file out of searches and listings which do not name it.
    fn hidden(&self, name: &str, absolute: &str) -> Option<String>;
}

/// What binds one call.
#[derive(Default)]
pub struct Guard {
    rules: Option<Box<dyn FileRules>>,
    /// The files and directories that were judged, absolute; `None`: the call was judged by its text.
    judged: Option<HashSet<String>>,
    /// Of the change that was shown.
    digest: Option<String>,
    left_out: Mutex<LeftOut>,
}

#[derive(Debug, Default)]
struct LeftOut {
    entries: usize,
    rules: BTreeSet<String>,
}

/// Why a file may not be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Barred {
    Denied(String),
    /// It is not what was judged.
    Elsewhere,
}

impl Guard {
    #[must_use]
    pub fn new(rules: Option<Box<dyn FileRules>>, judged: Option<Vec<String>>, digest: Option<String>) -> Arc<Self> {
        let judged = judged.map(|paths| paths.into_iter().collect());
        Arc::new(Self { rules, judged, digest, left_out: Mutex::default() })
    }

    /// Whether the call may use a file that it has opened, or would make.
    pub(crate) fn admit(&self, name: &str, absolute: &str) -> Result<(), Barred> {
        if let Some(rule) = self.rules.as_ref().and_then(|rules| rules.denied(name, absolute)) {
            return Err(Barred::Denied(rule));
        }
        match &self.judged {
            Some(judged) if !judged.contains(absolute) => Err(Barred::Elsewhere),
            _ => Ok(()),
        }
    }

    pub(crate) fn has_rules(&self) -> bool {
        self.rules.is_some()
    }

    /// Whether a search passes over an entry; it is counted.
    pub(crate) fn passes_over(&self, name: &str, absolute: &str) -> bool {
        let Some(rule) = self.rules.as_ref().and_then(|rules| rules.hidden(name, absolute)) else { return false };
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        left_out.entries += 1;
        // More rules than these help nobody.
        if left_out.rules.len() < 5 {
            left_out.rules.insert(rule);
        }
        true
    }

    /// What a result says of entries that were passed over.
    pub(crate) fn note(&self) -> Option<String> {
        let left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        let rules: Vec<&str> = left_out.rules.iter().map(String::as_str).collect();
        match left_out.entries {
            0 => None,
            1 => Some(format!("[1 entry is left out by {}]", rules.join(", "))),
            entries => Some(format!("[{entries} entries are left out by {}]", rules.join(", "))),
        }
    }

    /// Refuses a change that is not the one that was shown and approved. Called with what is about to be written, right before.
    pub(crate) fn is_as_shown(&self, diffs: &[FileDiff]) -> Result<(), ToolError> {
        match &self.digest {
            Some(shown) if *shown != digest(diffs) => Err(ToolError::Failed(
                "a file has changed since this change was shown and approved, and the change would be another one now. \
                 Nothing was changed. Read the file again, then repeat the call"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("judged", &self.judged).finish_non_exhaustive()
    }
}

/// What would happen to files, for people: no larger than a preview may be.
pub(crate) fn preview(diffs: Result<Vec<FileDiff>, ToolError>) -> Preview {
    let diffs = match diffs {
        Ok(diffs) => diffs,
        Err(error) => {
            let problem = Some(wharf_foreign::visible::text(&error.to_string()));
            // It must not do something unseen once the reason is gone.
            return Preview { problem, digest: Some(digest(&[])), ..Preview::default() };
        }
    };
    let mut preview = Preview { digest: Some(digest(&diffs)), ..Preview::default() };
    let mut room = PREVIEW_MAX_BYTES;
    for mut diff in diffs {
        let mut is_cut = false;
        let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > FILE_MAX_BYTES);
        if is_long(&diff.old_text) || is_long(&diff.new_text) {
            (diff.old_text, diff.new_text) = (None, None);
        }
        if diff.patch.len() > FILE_MAX_BYTES {
            is_cut = true;
            let end = diff.patch[..diff.patch.floor_char_boundary(FILE_MAX_BYTES)].rfind('\n').map_or(0, |at| at + 1);
            let missing = diff.patch.len() - end;
            diff.patch.truncate(end);
            diff.patch.push_str(&format!("\\ {missing} bytes of this diff are not shown\n"));
        }
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let size = diff.patch.len() + diff.path.len() + text(&diff.old_text) + text(&diff.new_text);
        if size > room || preview.diffs.len() >= PREVIEW_MAX_FILES {
            preview.cut += 1;
            continue;
        }
        room -= size;
        preview.cut += u32::from(is_cut);
        preview.diffs.push(diff);
    }
    preview
}

/// Of what changes, wherever in the file: line numbers may have moved.
fn digest(diffs: &[FileDiff]) -> String {
    let mut hash = Sha256::new();
    for FileDiff { path, patch, .. } in diffs {
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path.as_bytes());
        for line in patch.split_inclusive('\n') {
            hash.update(if line.starts_with("@@ ") { b"@@\n" } else { line.as_bytes() });
        }
        hash.update([0]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
