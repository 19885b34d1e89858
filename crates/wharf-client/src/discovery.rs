//! How a client finds the server of this machine: a file in the state directory, good while its server holds a lock.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wharf_foreign::file;
use wharf_protocol::Timestamp;

use crate::{ApiKey, Auth, ClientError};

/// Name of the file in the state directory.
pub const DISCOVERY_FILE: &str = "server.json";

/// Largest discovery or key file, in bytes.
const FILE_MAX_BYTES: u64 = 64 << 10;

/// What a running server leaves for clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovery {
    pub url: String,
    pub pid: u32,
    pub version: String,
    /// Holds the key, readable by its owner only. Absent: the server wants none.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    pub started_at: Timestamp,
}

impl Discovery {
    /// Locked by the server as long as it lives, however it ends: a file whose server is gone is stale, and nothing may be sent
    /// to whoever took its port.
    pub const LOCK_FILE: &str = "server.lock";

    /// The server that runs on this state directory.
    pub fn find(state_dir: &Path) -> Result<Option<Self>, ClientError> {
        let path = state_dir.join(DISCOVERY_FILE);
        let text = match file::read_text(&path, FILE_MAX_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        if !is_locked(&state_dir.join(Self::LOCK_FILE)) {
            return Ok(None);
        }
        serde_json::from_str(&text).map(Some).map_err(|error| unreadable(&path, &error))
    }

    /// What the server wants to see.
    pub fn auth(&self) -> Result<Auth, ClientError> {
        let Some(path) = &self.key_file else { return Ok(Auth::None) };
        let text = file::read_text(path, FILE_MAX_BYTES).map_err(|error| unreadable(path, &error))?;
        ApiKey::new(&text).map(Auth::Key).map_err(|error| unreadable(path, &error))
    }
}

fn is_locked(path: &Path) -> bool {
    let Ok(file) = file::open(path) else { return false };
    // The lock, if it was free, goes with the file at the end of this function.
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> ClientError {
    ClientError::Connection { target: path.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_file_counts_while_its_server_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Discovery::find(dir.path()), Ok(None));
        let key_file = dir.path().join("key");
        std::fs::write(&key_file, "wharf_abc\n").unwrap();
        let written = Discovery {
            url: "http://127.0.0.1:4096".to_owned(),
            pid: 1,
            version: "1".to_owned(),
            key_file: Some(key_file),
            started_at: Timestamp(0),
        };
        std::fs::write(dir.path().join(DISCOVERY_FILE), serde_json::to_vec(&written).unwrap()).unwrap();
        assert_eq!(Discovery::find(dir.path()), Ok(None), "no lock file");
        let lock = File::create(dir.path().join(Discovery::LOCK_FILE)).unwrap();
        assert_eq!(Discovery::find(dir.path()), Ok(None), "lock not held");
        lock.try_lock().unwrap();
        assert_eq!(Discovery::find(dir.path()), Ok(Some(written.clone())));
        assert_eq!(written.auth(), Ok(Auth::Key(ApiKey::new("wharf_abc").unwrap())));
        drop(lock);
        assert_eq!(Discovery::find(dir.path()), Ok(None), "its server is gone");
    }
}
