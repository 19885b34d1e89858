//! Replacing a file of the user: whole or not at all, through links, with its permissions, and with the old one kept.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Settings are small; a longer file is none.
const FILE_BYTES: u64 = 4 << 20;
/// Links that lead to links.
const LINKS: usize = 40;
/// Old files that are kept side by side.
const BACKUPS: usize = 99;

/// A file as it is, and where it really is.
#[derive(Debug)]
pub struct Change {
    /// Behind the links.
    target: PathBuf,
    /// `None`: there is no file yet.
    found: Option<Found>,
}

#[derive(Debug)]
struct Found {
    text: String,
    mode: u32,
}

/// What was done.
#[derive(Debug)]
pub struct Written {
    /// The file as it was.
    pub backup: Option<PathBuf>,
}

impl Change {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let target = behind_links(path)?;
        let found = match File::open(&target) {
            Ok(file) => Some(Found::read(file).with_context(|| target.display().to_string())?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", target.display())),
        };
        Ok(Self { target, found })
    }

    /// `None`: there is no file yet.
    pub fn text(&self) -> Option<&str> {
        self.found.as_ref().map(|found| found.text.as_str())
    }

    /// Where `path` leads to, if it is a link.
    pub fn linked_to(&self, path: &Path) -> Option<PathBuf> {
        path.is_symlink().then(|| self.target.clone())
    }

    /// Puts a text in the file's place. A file that was changed since it was read is left alone.
    pub fn write(&self, text: &str, is_program: bool) -> anyhow::Result<Written> {
        let dir = self.target.parent().context("it has no directory")?;
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let fresh_mode = if is_program { 0o755 } else { 0o644 };
        let mode = self.found.as_ref().map_or(fresh_mode, |found| found.mode);
        let new = self.beside("wharf-new")?;
        let done = self.replace(&new, text, mode);
        if done.is_err() {
            // It may not have been made.
            let _ = fs::remove_file(&new);
        }
        done
    }

    fn replace(&self, new: &Path, text: &str, mode: u32) -> anyhow::Result<Written> {
        // One that a killed process left; nobody else uses the name.
        let _ = fs::remove_file(new);
        make(new, text, mode).with_context(|| format!("cannot write {}", new.display()))?;
        let now = Self::read(&self.target)?;
        if now.text() != self.text() {
            bail!("it was changed by another program meanwhile; try again");
        }
        let backup = self.keep()?;
        fs::rename(new, &self.target).with_context(|| format!("cannot replace {}", self.target.display()))?;
        Ok(Written { backup })
    }

    /// Copies the file beside itself.
    fn keep(&self) -> anyhow::Result<Option<PathBuf>> {
        let Some(found) = &self.found else { return Ok(None) };
        for number in 1..=BACKUPS {
            let suffix = if number == 1 { "wharf-backup".to_owned() } else { format!("wharf-backup-{number}") };
            let path = self.beside(&suffix)?;
            match make(&path, &found.text, found.mode) {
                Ok(()) => return Ok(Some(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
            }
        }
        bail!("there are {BACKUPS} old files beside it; remove those that you do not need")
    }

    /// A name beside the file's own.
    fn beside(&self, suffix: &str) -> anyhow::Result<PathBuf> {
        let mut name = self.target.file_name().context("it has no name")?.to_owned();
        name.push(".");
        name.push(suffix);
        Ok(self.target.with_file_name(name))
    }
}

impl Found {
    fn read(file: File) -> anyhow::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            bail!("it is not a file");
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            bail!("it belongs to somebody else");
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES {
            bail!("it is longer than {} MiB", FILE_BYTES >> 20);
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            anyhow::anyhow!("line {line}: it is not UTF-8")
        })?;
        Ok(Self { text, mode: metadata.mode() & 0o7777 })
    }
}

/// A new file, synced, with exactly this mode.
fn make(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // Nobody may read what the old file kept to itself, not even for a moment.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Where links lead to, also where nothing is there yet.
fn behind_links(path: &Path) -> anyhow::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(next) => path = path.parent().unwrap_or(Path::new("/")).join(next),
            Err(_) => return Ok(path),
        }
    }
    bail!("{} is a link that leads to itself", path.display())
}

#[cfg(test)]
mod tests;
