//! The name that a caller means: as a tool printed it, as it stands, or in the other Unicode normal form.
//!
//! Done once, where a path enters (`Workspace::find`), so that rules, tools and editors see the same file. What is found here is
//! only a spelling: the file is opened beneath its root afterwards.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags};
use unicode_normalization::UnicodeNormalization;

use super::{Root, Workspace};

/// Entries of one directory among which the other normal form is looked for; behind them a name counts as it was given.
const ENTRIES_MAX: usize = 20_000;
/// The kernel takes no longer path; a longer one is left to it.
const PATH_MAX_BYTES: usize = 4096;

impl Workspace {
    /// `inner` of `root` as the directory has it, component by component; what is not there stays as it was given.
    pub(super) fn spelled(&self, root: &Root, inner: PathBuf) -> PathBuf {
        let is_plain = |byte: &u8| byte.is_ascii() && *byte != b'\\';
        let bytes = inner.as_os_str().as_bytes();
        if bytes.iter().all(is_plain) || bytes.len() > PATH_MAX_BYTES {
            return inner;
        }
        let mut found = PathBuf::new();
        for component in inner.components() {
            match component {
                Component::Normal(name) if !name.as_bytes().iter().all(is_plain) => {
                    let name = self.spelling(root, &found, name);
                    found.push(name);
                }
                other => found.push(other),
            }
        }
        found
    }

    /// The directory that the absolute `path` is in, where it is spelled another way, and the rest of the path.
    pub(super) fn root_like<'a>(&self, path: &'a Path) -> Option<(&Root, &'a Path)> {
        let rest = |root: &Root| {
            let mut components = path.components();
            let is_like = root
                .real
                .components()
                .all(|wanted| components.next().is_some_and(|given| is_like(given.as_os_str(), wanted.as_os_str())));
            is_like.then_some(components.as_path())
        };
        let found = self.roots().filter_map(|root| Some((root, rest(root)?)));
        found.min_by_key(|(_, rest)| rest.components().count())
    }

    fn spelling(&self, root: &Root, parent: &Path, given: &OsStr) -> OsString {
        let printed = given.to_str().and_then(crate::name::read).map(OsString::from_vec);
        let readings: Vec<OsString> = printed.into_iter().chain([given.to_owned()]).collect();
        let there = readings.iter().find(|name| self.is_there(root, &parent.join(name)));
        let there = there.cloned().or_else(|| readings.iter().find_map(|name| self.twin(root, parent, name)));
        there.unwrap_or_else(|| given.to_owned())
    }

    /// Whether something has this name; where a link leads is not looked at.
    pub(super) fn is_there(&self, root: &Root, inner: &Path) -> bool {
        self.beneath(root, inner, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).is_ok()
    }

    /// The one entry that differs from `name` by its normal form alone. Of two, neither is meant.
    fn twin(&self, root: &Root, parent: &Path, name: &OsStr) -> Option<OsString> {
        let name = name.to_str().filter(|name| !name.is_ascii())?;
        let wanted: String = name.nfc().collect();
        let at = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let fd = self.beneath(root, at, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).ok()?;
        let mut twins = Dir::read_from(&fd).ok()?.flatten().take(ENTRIES_MAX).filter_map(|entry| {
            let found = entry.file_name().to_str().ok().filter(|found| !found.is_ascii())?;
            found.nfc().eq(wanted.chars()).then(|| OsString::from(found))
        });
        let twin = twins.next()?;
        twins.next().is_none().then_some(twin)
    }
}

/// Whether `given` is a spelling of `wanted`.
fn is_like(given: &OsStr, wanted: &OsStr) -> bool {
    let Some(text) = given.to_str() else { return given == wanted };
    let is_twin = |wanted: &str| !text.is_ascii() && text.nfc().eq(wanted.nfc());
    given == wanted
        || crate::name::read(text).is_some_and(|name| name == wanted.as_bytes())
        || wanted.to_str().is_some_and(is_twin)
}
