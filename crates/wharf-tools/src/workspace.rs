//! The directories a session works in, each held as a capability: paths resolve inside one of them or not at all.
//!
//! A file of the session's `cwd` is named relative to it, one of a further directory by its absolute path: each file has one
//! name, and tools need not know of how many directories there are.
//!
//! Every access goes from the held descriptor through `openat2` with `RESOLVE_BENEATH`, so what was checked is what is
//! used. A kernel without `openat2` gets a walk of one component at a time that refuses `..` and every symbolic link.

mod guarded;
mod home;
mod place;
mod protected;
mod root;
mod spelling;
mod walk;
mod writer;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Once};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

pub use home::Home;
pub(crate) use place::Place;
pub(crate) use protected::protection;
use root::Root;
pub(crate) use walk::{Closed, Entry, Missed, Shown, Step, Walk, WalkEnd, Walked};
pub(crate) use writer::Prepared;

use wharf_protocol::ToolError;

use crate::guard::Guard;
use crate::name::{quoted, shown};

/// The kernel asks to try again when a rename elsewhere made it unsure that a path stays inside.
const RACE_RETRIES: usize = 16;

/// The directories a session works in, each held as a capability: paths resolve inside one of them or not at all.
#[derive(Debug)]
pub struct Workspace {
    /// The session's `cwd`, from which relative paths start.
    cwd: Arc<Root>,
    /// The directories beside it, whose files are named by absolute paths.
    further: Vec<Arc<Root>>,
    /// Files and directories that tools neither read nor write, also where they lie inside; without symbolic links.
    masked: Vec<PathBuf>,
    has_openat2: bool,
    /// What binds the call that it is for.
    guard: Option<Arc<Guard>>,
}

/// Why a path of a call cannot be used. The texts go to a model.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    #[error("{path}: this is not a path: {why}")]
    Invalid { path: String, why: &'static str },
    #[error(
        "{path}: the path is outside the workspace {roots}. Only files inside can be used, and symbolic links that lead out are not followed"
    )]
    Outside { path: String, roots: String },
    #[error("{path}: the directory {root} cannot be used: {why}. The other directories of this session can")]
    Gone { path: String, root: String, why: String },
    #[error("{path}: not found{hint}")]
    NotFound { path: String, hint: String },
    #[error("{path}: this is {what}, not {wanted}")]
    Kind { path: String, what: &'static str, wanted: &'static str },
    #[error("{path}: protected: {why}. The file tools do not touch it; ask the user to make this change")]
    Protected { path: String, why: &'static str },
    #[error(
        "{path}: not allowed ({rule}), and nothing was done. Symbolic links are followed before a rule is looked at"
    )]
    Denied { path: String, rule: String },
    #[error(
        "{path}: it leads to another file than when this call was judged. Nothing was done; look at it, then call again"
    )]
    Elsewhere { path: String },
    #[error("{path}: the file was changed by somebody else in the meantime. Read it again, then repeat the change")]
    Changed { path: String },
    #[error("{path}: {what} is too large ({size} bytes; at most {limit})")]
    TooLarge { path: String, what: &'static str, size: u64, limit: u64 },
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
}

impl From<PathError> for ToolError {
    fn from(error: PathError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A regular file of the workspace.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) file: File,
    pub(crate) stat: Stat,
    /// Resolved; relative to the workspace, or absolute in a further directory.
    pub(crate) rel: PathBuf,
}

/// A directory of the workspace.
#[derive(Debug)]
pub(crate) struct OpenDir {
    pub(crate) fd: OwnedFd,
    /// Resolved; relative to the workspace and empty for the workspace itself, or absolute in a further directory.
    pub(crate) rel: PathBuf,
}

impl Workspace {
    /// Opens the directory `cwd`.
    pub fn open(cwd: impl AsRef<Path>) -> io::Result<Arc<Self>> {
        Self::open_with(cwd, &[], &[])
    }

    /// Like `open_in`, wherever `cwd` leads.
    pub fn open_with(cwd: impl AsRef<Path>, further: &[PathBuf], masked: &[PathBuf]) -> io::Result<Arc<Self>> {
        Self::open_in(&Home::new(cwd.as_ref(), &[]), further, masked)
    }

    /// Opens the directory that `cwd` names now, with the directories `further` beside it, which are real paths: one that is not there, or is a link by
    /// now, costs only itself. Tools neither read nor write the files and directories `masked` (our own state and configuration),
    /// nor what lies in them. They need not exist yet.
    pub fn open_in(cwd: &Home, further: &[PathBuf], masked: &[PathBuf]) -> io::Result<Arc<Self>> {
        let cwd = Arc::new(Root::open(cwd)?);
        let has_openat2 = cwd.dir().is_ok_and(probe);
        let further = further.iter().map(|path| Arc::new(Root::open_real(path))).collect();
        let masked = masked.iter().map(|path| resolved(path)).collect();
        if !has_openat2 {
            // Workspaces are opened for each look and each call: once is enough.
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                tracing::warn!("no openat2 here: symbolic links and `..` are refused inside workspaces");
            });
        }
        Ok(Arc::new(Self { cwd, further, masked, has_openat2, guard: None }))
    }

    /// The resolved directory that relative paths start from.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.cwd.real
    }

    fn roots(&self) -> impl Iterator<Item = &Root> {
        std::iter::once(&self.cwd).chain(&self.further).map(AsRef::as_ref)
    }

    /// The absolute, resolved path that `path` stands for, for permission rules; it need not exist yet. A tool that
    /// uses the path resolves it again, and never by this text.
    pub fn resolve(&self, path: &str) -> Result<PathBuf, PathError> {
        let (root, inner) = self.find(path)?;
        match self.beneath(root, &inner, OFlags::PATH, Mode::empty()) {
            Ok(fd) => Ok(self.absolute(&self.real(root, &fd, path)?)),
            Err(Errno::NOENT) => Ok(self.absolute(self.locate(path)?.rel())),
            Err(error) => Err(self.refusal(path, error)),
        }
    }

    pub(crate) fn absolute(&self, rel: &Path) -> PathBuf {
        // A name that is absolute already stays what it is.
        if rel.as_os_str().is_empty() { self.cwd.real.clone() } else { self.cwd.real.join(rel) }
    }

    /// The directory of the session that `path` lies in, if that is a further one.
    pub(crate) fn further_top(&self, path: &Path) -> Option<&Path> {
        self.root_of(path).filter(|root| !std::ptr::eq(*root, &*self.cwd)).map(|root| root.real.as_path())
    }

    /// `path` as a text for locations and diffs.
    pub(crate) fn absolute_text(&self, rel: &Path) -> String {
        let path = self.absolute(rel);
        // What is no text is at least told apart, and a tool takes it.
        path.to_str().map_or_else(|| shown(path.as_os_str().as_bytes()), str::to_owned)
    }

    /// The regular file `path`, open for reading.
    pub(crate) fn open_file(&self, path: &str) -> Result<OpenFile, PathError> {
        self.open_found(self.find(path)?, path)
    }

    /// The regular file that the workspace named `rel`.
    pub(crate) fn open_named(&self, rel: &Path) -> Result<OpenFile, PathError> {
        self.open_found(self.find_named(rel)?, &crate::name::of(rel))
    }

    fn open_found(&self, (root, inner): (&Root, PathBuf), path: &str) -> Result<OpenFile, PathError> {
        let open = |flags| self.beneath(root, &inner, flags, Mode::empty()).map_err(|error| self.refusal(path, error));
        // Opening a pipe or a device has effects of its own: look first, and once more at what was opened.
        regular(&stat(&open(OFlags::PATH)?, path)?, path)?;
        let fd = open(OFlags::RDONLY | OFlags::NONBLOCK)?;
        let stat = stat(&fd, path)?;
        regular(&stat, path)?;
        let rel = self.real(root, &fd, path)?;
        self.admit(&rel, path)?;
        Ok(OpenFile { file: File::from(fd), stat, rel })
    }

    /// The regular file that is named `rel`, where there is one that may be read. Says nothing of why not.
    pub(crate) fn peek(&self, rel: &Path) -> Option<OpenFile> {
        let path = || shown(rel.as_os_str().as_bytes());
        let (root, inner) = self.find_named(rel).ok()?;
        let probe = self.beneath(root, &inner, OFlags::PATH, Mode::empty()).ok()?;
        regular(&stat(&probe, "").ok()?, "").ok()?;
        let fd = self.beneath(root, &inner, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).ok()?;
        let stat = stat(&fd, "").ok()?;
        regular(&stat, "").ok()?;
        let rel = self.real(root, &fd, &path()).ok()?;
        self.admit(&rel, &path()).ok()?;
        Some(OpenFile { file: File::from(fd), stat, rel })
    }

    /// What is named `rel`, links not followed at its end.
    pub(crate) fn peek_entry(&self, rel: &Path) -> Option<Stat> {
        let (root, inner) = self.find_named(rel).ok()?;
        let fd = self.beneath(root, &inner, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).ok()?;
        stat(&fd, "").ok()
    }

    /// The directory `path`, open for reading.
    pub(crate) fn open_dir(&self, path: &str) -> Result<OpenDir, PathError> {
        let (root, inner) = self.find(path)?;
        let open = |flags| self.beneath(root, &inner, flags, Mode::empty()).map_err(|error| self.refusal(path, error));
        let kind = FileType::from_raw_mode(stat(&open(OFlags::PATH)?, path)?.st_mode);
        if kind != FileType::Directory {
            return Err(PathError::Kind { path: quoted(path), what: kind_name(kind), wanted: "a directory" });
        }
        let fd = open(OFlags::RDONLY | OFlags::DIRECTORY)?;
        let rel = self.real(root, &fd, path)?;
        self.admit(&rel, path)?;
        Ok(OpenDir { fd, rel })
    }

    /// The directory that is named `rel`, for what stands about other files in it.
    fn open_above(&self, rel: &Path) -> Option<OwnedFd> {
        let root = self.root_of(rel)?;
        let inner = if rel.is_absolute() { root.inner(rel)? } else { rel };
        let at = if inner.as_os_str().is_empty() { Path::new(".") } else { inner };
        self.beneath(root, at, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).ok()
    }

    /// What `path` is, symbolic links followed.
    pub(crate) fn kind(&self, path: &str) -> Result<FileType, PathError> {
        let (root, inner) = self.find(path)?;
        let probe =
            self.beneath(root, &inner, OFlags::PATH, Mode::empty()).map_err(|error| self.refusal(path, error))?;
        Ok(FileType::from_raw_mode(stat(&probe, path)?.st_mode))
    }

    /// The directory that `path` is in and the way in it, spelled as the directory has it: what it leads to is decided when it
    /// is opened.
    fn find(&self, given: &str) -> Result<(&Root, PathBuf), PathError> {
        let invalid = |why| PathError::Invalid { path: quoted(given), why };
        if given.is_empty() {
            return Err(invalid("it is empty"));
        }
        if given.contains('\0') {
            return Err(invalid("it contains a NUL byte"));
        }
        let path = Path::new(given);
        if path.is_relative() {
            // Names that mostly mean something else, unless they are there.
            let is_home = path.starts_with("~");
            if (is_home || given.trim().is_empty())
                && !self.is_there(&self.cwd, path.iter().next().unwrap_or_default().as_ref())
            {
                return Err(if is_home { self.outside(given) } else { invalid("it is empty") });
            }
            return Ok((&self.cwd, self.spelled(&self.cwd, path.to_path_buf())));
        }
        let by_text = self.root_of(path).map(|root| (root, root.inner(path).unwrap_or(Path::new(""))));
        let (root, inner) = by_text.or_else(|| self.root_like(path)).ok_or_else(|| self.outside(given))?;
        self.usable(root, given)?;
        if inner.as_os_str().is_empty() {
            return Ok((root, ".".into()));
        }
        Ok((root, self.spelled(root, inner.to_path_buf())))
    }

    fn usable(&self, root: &Root, given: &str) -> Result<(), PathError> {
        let gone = |why: &str| PathError::Gone {
            path: quoted(given),
            root: shown(root.real.as_os_str().as_bytes()),
            why: why.to_owned(),
        };
        root.dir().map(drop).map_err(gone)
    }

    /// Like `find`, for a name that the workspace itself gave to a file.
    fn find_named(&self, rel: &Path) -> Result<(&Root, PathBuf), PathError> {
        let given = || shown(rel.as_os_str().as_bytes());
        let root = self.root_of(rel).ok_or_else(|| self.outside(&given()))?;
        self.usable(root, &given())?;
        let inner = if rel.is_absolute() { root.inner(rel).unwrap_or(Path::new("")) } else { rel };
        Ok((root, if inner.as_os_str().is_empty() { ".".into() } else { inner.to_path_buf() }))
    }

    /// The innermost of the directories that `path` is in, by its text; a relative path is in none but the first.
    fn root_of(&self, path: &Path) -> Option<&Root> {
        if path.is_relative() {
            return Some(&self.cwd);
        }
        let inside = self.roots().filter_map(|root| Some((root.inner(path)?.components().count(), root)));
        inside.min_by_key(|(depth, _)| *depth).map(|(_, root)| root)
    }

    /// Opens `inner` without ever leaving `root`.
    fn beneath(&self, root: &Root, inner: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let dir = root.dir().map_err(|_| Errno::NOENT)?;
        let mut flags = flags | OFlags::CLOEXEC;
        // `openat2` refuses flags that mean nothing together.
        if !flags.contains(OFlags::PATH) {
            flags |= OFlags::NOCTTY;
        }
        if !self.has_openat2 {
            return step_by_step(dir, inner, flags, mode);
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut opened = Err(Errno::AGAIN);
        for _ in 0..RACE_RETRIES {
            opened = rustix::fs::openat2(dir, inner, flags, mode, resolve);
            if !matches!(opened, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        opened
    }

    /// Where a file that was opened beneath `root` lies: its name.
    fn real(&self, root: &Root, fd: &OwnedFd, path: &str) -> Result<PathBuf, PathError> {
        Ok(self.name(root, &self.inner(root, fd, path)?))
    }

    /// Where a file that was opened beneath `root` lies in it.
    fn inner(&self, root: &Root, fd: &OwnedFd, path: &str) -> Result<PathBuf, PathError> {
        let io = |error: io::Error| PathError::Io { path: quoted(path), source: error };
        let real = name_of(fd).map_err(io)?;
        let dir = root.dir().map_err(|_| self.refusal(path, Errno::NOENT))?;
        // The directory may have been renamed since it was opened.
        let top = name_of(dir).map_err(io)?;
        if self.is_masked(&real) {
            let why = "it belongs to Wharf's own state";
            return Err(PathError::Protected { path: quoted(path), why });
        }
        real.strip_prefix(&top).map(Path::to_path_buf).map_err(|_| self.outside(path))
    }

    /// The one name of the file that lies at `inner` in `root`, whatever directory led to it.
    fn name(&self, root: &Root, inner: &Path) -> PathBuf {
        if std::ptr::eq(root, &*self.cwd) {
            return inner.to_path_buf();
        }
        let absolute = if inner.as_os_str().is_empty() { root.real.clone() } else { root.real.join(inner) };
        absolute.strip_prefix(&self.cwd.real).map(Path::to_path_buf).unwrap_or(absolute)
    }

    /// Why the file `rel` may not be written, if so: in any of the directories that it lies in.
    fn protection(&self, rel: &Path) -> Option<&'static str> {
        let absolute = self.absolute(rel);
        self.roots().filter_map(|root| absolute.strip_prefix(&root.real).ok()).find_map(protection)
    }

    fn is_masked(&self, real: &Path) -> bool {
        self.masked.iter().any(|masked| real.starts_with(masked))
    }

    /// Whether something of Wharf's own lies below a directory.
    pub(crate) fn holds_masked(&self, absolute: &Path) -> bool {
        self.masked.iter().any(|masked| masked.starts_with(absolute))
    }

    /// Whether a walk has to pass over the directory `rel`.
    fn hides(&self, rel: &Path) -> bool {
        !self.masked.is_empty() && self.is_masked(&self.absolute(rel))
    }

    fn outside(&self, path: &str) -> PathError {
        let mut roots = self.cwd.real.to_string_lossy().into_owned();
        for (at, root) in self.further.iter().enumerate() {
            let joint = if at == 0 { " and the further directories " } else { ", " };
            roots.push_str(joint);
            roots.push_str(&root.real.to_string_lossy());
        }
        PathError::Outside { path: quoted(path), roots }
    }

    /// What the kernel's refusal of `path` means for the model.
    fn refusal(&self, path: &str, error: Errno) -> PathError {
        let path_text = || quoted(path);
        match error {
            Errno::XDEV => self.outside(path),
            Errno::NOENT => PathError::NotFound { path: path_text(), hint: self.hint(path) },
            Errno::LOOP => PathError::Kind {
                path: path_text(),
                what: "a symbolic link that leads in a circle or may not be followed",
                wanted: "a file or directory",
            },
            Errno::NOTDIR => PathError::Kind {
                path: path_text(),
                what: "a path through something that is no directory",
                wanted: "a file or directory",
            },
            Errno::NXIO => PathError::Kind { path: path_text(), what: "a socket", wanted: "a file" },
            error => PathError::Io { path: path_text(), source: error.into() },
        }
    }

    /// Names beside a missing file that its author may have meant.
    fn hint(&self, path: &str) -> String {
        const NAMES_MAX: usize = 2000;
        let hint = || -> Option<String> {
            let (root, rel) = self.find(path).ok()?;
            let wanted = rel.file_name()?.to_string_lossy().to_lowercase();
            let parent = rel.parent().unwrap_or(Path::new(""));
            let named = self.name(root, parent);
            let at = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let Ok(fd) = self.beneath(root, at, flags, Mode::empty()) else {
                return Some(format!("; the directory {} does not exist either", shown(named.as_os_str().as_bytes())));
            };
            // Names are content too.
            self.real(root, &fd, path).ok()?;
            let mut close: Vec<(f32, String)> = Vec::new();
            for entry in rustix::fs::Dir::read_from(&fd).ok()?.flatten().take(NAMES_MAX) {
                let name = entry.file_name().to_bytes();
                if matches!(name, b"." | b"..") {
                    continue;
                }
                let lower = String::from_utf8_lossy(name).to_lowercase();
                let likeness = similar::TextDiff::from_chars(wanted.as_str(), lower.as_str()).ratio();
                let contains = lower.contains(&wanted) || wanted.contains(&lower);
                let path = named.join(std::ffi::OsStr::from_bytes(name));
                if (likeness >= 0.6 || contains) && guarded::may_be_named(self, &path) {
                    close.push((likeness, shown(path.as_os_str().as_bytes()).trim_start_matches("./").to_owned()));
                }
            }
            close.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            let names: Vec<String> = close.into_iter().take(3).map(|(_, name)| name).collect();
            (!names.is_empty()).then(|| format!("; did you mean {}?", names.join(", ")))
        };
        hint().unwrap_or_default()
    }
}

/// `path` without symbolic links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let as_far = |above: &Path| Some(above.canonicalize().ok()?.join(path.strip_prefix(above).ok()?));
    path.ancestors().find_map(as_far).unwrap_or_else(|| path.to_path_buf())
}

/// Whether the kernel has `openat2` and lets us use it.
fn probe(dir: &OwnedFd) -> bool {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat2(dir, ".", flags, Mode::empty(), ResolveFlags::BENEATH).is_ok()
}

/// Opens `rel` one component at a time, following nothing.
fn step_by_step(dir: &OwnedFd, rel: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let step = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut here = rustix::fs::openat(dir, ".", step, Mode::empty())?;
    let mut components = rel.components().filter(|component| *component != Component::CurDir).peekable();
    if components.peek().is_none() {
        return rustix::fs::openat(&here, ".", flags | OFlags::NOFOLLOW, mode);
    }
    while let Some(component) = components.next() {
        let Component::Normal(name) = component else { return Err(Errno::XDEV) };
        if components.peek().is_none() {
            return rustix::fs::openat(&here, name, flags | OFlags::NOFOLLOW, mode);
        }
        here = rustix::fs::openat(&here, name, step, Mode::empty())?;
    }
    Err(Errno::NOENT)
}

/// The kernel's own name for what is open.
fn name_of(fd: &OwnedFd) -> io::Result<PathBuf> {
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let name = rustix::fs::readlinkat(CWD, link, Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(name.into_bytes())))
}

fn stat(fd: &OwnedFd, path: &str) -> Result<Stat, PathError> {
    rustix::fs::fstat(fd).map_err(|error| PathError::Io { path: quoted(path), source: error.into() })
}

fn stat_entry(parent: impl AsFd, name: &std::ffi::OsStr) -> Result<Stat, Errno> {
    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn regular(stat: &Stat, path: &str) -> Result<(), PathError> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        kind => {
            let path = quoted(path);
            Err(PathError::Kind { path, what: kind_name(kind), wanted: "a regular file" })
        }
    }
}

pub(crate) fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link that may not be followed",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "something unknown",
    }
}

#[cfg(test)]
mod tests;
