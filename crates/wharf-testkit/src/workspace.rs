//! A temporary directory with files in it, removed in the end.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory for one test.
#[derive(Debug)]
pub struct Workspace {
    dir: TempDir,
    path: PathBuf,
}

impl Workspace {
    /// # Panics
    /// When the machine gives no temporary directory.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without its directory has nothing to say")]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("wharf-test-").tempdir().expect("make a temporary directory");
        // Servers answer with resolved paths; a temporary directory may lie behind a link.
        let path = dir.path().canonicalize().expect("resolve the temporary directory");
        Self { dir, path }
    }

    /// Adds a file, and the directories above it.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(path, content);
        self
    }

    /// Writes a file, and the directories above it.
    ///
    /// # Panics
    /// When it cannot be written.
    #[expect(clippy::expect_used, reason = "a test without its files has nothing to say")]
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("make the directories above a file");
        }
        fs::write(path, content).expect("write a file");
    }

    /// What a file holds.
    ///
    /// # Panics
    /// When it cannot be read as text.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        let path = self.path.join(path);
        match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => panic!("read {}: {error}", path.display()),
        }
    }

    #[must_use]
    pub fn exists(&self, path: &str) -> bool {
        self.path.join(path).exists()
    }

    /// The resolved path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the directory where it is, to be looked at.
    pub fn keep(self) -> PathBuf {
        self.dir.keep()
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}
