//! The directories that a session may work in.

use std::path::{Path, PathBuf};

use wharf_tools::Home;

use crate::{EngineConfig, EngineError};

/// Each is open while the session is live; more are refused.
const FURTHER_MAX: usize = 16;

const FURTHER: &str = "additional_directories";

/// The real directory that `path` leads to, if sessions may work there.
pub(crate) fn real(config: &EngineConfig, field: &'static str, path: &Path) -> Result<PathBuf, EngineError> {
    let invalid = |reason: String| EngineError::Invalid { field, reason };
    if !path.is_absolute() {
        return Err(invalid(format!("{} is not an absolute path", path.display())));
    }
    let real = path.canonicalize().map_err(|error| invalid(format!("{}: {error}", path.display())))?;
    if !real.is_dir() {
        return Err(invalid(format!("{} is not a directory", path.display())));
    }
    check_allowed(config, field, path, &real)?;
    Ok(real)
}

/// How sessions hold the directory that is meant by `path`: its real path. Of one that is not there any more the part that is, is
/// resolved. A relative one stays as it is written, and is no session's.
pub(crate) fn as_stored(path: PathBuf) -> PathBuf {
    if !path.is_absolute() {
        return path;
    }
    let resolved = path.ancestors().find_map(|there| {
        let real = there.canonicalize().ok()?;
        let gone = path.strip_prefix(there).ok()?;
        Some(if gone.as_os_str().is_empty() { real } else { real.join(gone) })
    });
    // Without `.` and doubled slashes, whatever it is.
    resolved.unwrap_or(path).components().collect()
}

fn check_allowed(config: &EngineConfig, field: &'static str, path: &Path, real: &Path) -> Result<(), EngineError> {
    let roots = &config.allowed_roots;
    if roots.is_empty() || roots.iter().any(|root| is_below(real, root)) {
        return Ok(());
    }
    let reason = format!("{} is outside the allowed directories", path.display());
    Err(EngineError::Invalid { field, reason })
}

/// Compares path components, so that `/work-evil` is not below `/work`.
fn is_below(path: &Path, root: &Path) -> bool {
    root.canonicalize().is_ok_and(|root| path.starts_with(root))
}

/// The directory `cwd` of a session, which is to lie in the allowed ones whenever it is used.
pub(crate) fn home(config: &EngineConfig, cwd: &Path) -> Home {
    Home::new(cwd, &config.allowed_roots)
}

/// The real directories that `wanted` adds to `cwd`: each once, and none that lies in another one. Those that the session has,
/// `known`, need not be there: one that is gone is no reason to refuse what it is named along with.
pub(crate) fn further(
    config: &EngineConfig,
    cwd: &Path,
    wanted: Vec<PathBuf>,
    known: &[PathBuf],
) -> Result<Vec<PathBuf>, EngineError> {
    if wanted.len() > FURTHER_MAX {
        let reason = format!("{} directories; at most {FURTHER_MAX} are taken", wanted.len());
        return Err(EngineError::Invalid { field: FURTHER, reason });
    }
    let mut all: Vec<PathBuf> = Vec::new();
    for path in wanted {
        let found = if known.contains(&path) {
            check_allowed(config, FURTHER, &path, &path)?;
            path
        } else {
            real(config, FURTHER, &path)?
        };
        if found.starts_with(cwd) || all.iter().any(|other| found.starts_with(other)) {
            continue;
        }
        all.retain(|other| !other.starts_with(&found));
        all.push(found);
    }
    Ok(all)
}
