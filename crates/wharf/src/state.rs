//! The state directory: ours alone. Holds the database, the key, and where the running server is.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use wharf_client::{ApiKey, DISCOVERY_FILE, Discovery};
use wharf_foreign::file;

use crate::failure::{Exit, Failure};

/// A client that looks whether the lock is held holds it for a moment itself.
const LOCK_ATTEMPTS: u32 = 10;
/// So does a process that a server was just starting when it was killed, until it is executed; on a busy machine that takes
/// its time. While no living server is known, it is worth waiting for.
const LOCK_ATTEMPTS_AFTER_DEATH: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Largest key file, in bytes. A larger one is refused.
pub const KEY_MAX_BYTES: u64 = 4_096;

/// Largest verdict on a configuration, in bytes. A larger file is not ours.
const VERDICT_MAX_BYTES: u64 = 1 << 16;

/// The state directory, checked to be ours.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
}

/// `WHARF_STATE_DIR`, `$XDG_STATE_HOME/wharf` or `~/.local/state/wharf`.
pub fn locate(environment: &BTreeMap<String, String>) -> anyhow::Result<PathBuf> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set("WHARF_STATE_DIR") {
        return std::path::absolute(&path).context("WHARF_STATE_DIR");
    }
    let base = set("XDG_STATE_HOME").filter(|path| path.is_absolute());
    match base.or_else(|| Some(set("HOME")?.join(".local").join("state"))) {
        Some(base) => Ok(base.join("wharf")),
        None => Err(Failure::new(Exit::Usage, "there is no home directory for the state")
            .hint("set WHARF_STATE_DIR to a directory of yours")
            .into()),
    }
}

impl StateDir {
    /// Makes the directory where it is missing, for its owner only, and refuses one that others could have prepared.
    pub fn open(path: PathBuf) -> anyhow::Result<Self> {
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&path) {
            return Err(error).with_context(|| format!("cannot make the state directory {}", path.display()));
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&path, flags, Mode::empty())
            .map(File::from)
            .with_context(|| format!("cannot open the state directory {}", path.display()))?;
        let metadata = directory.metadata()?;
        let refused = |why: &str| {
            Failure::new(Exit::Failed, format!("the state directory {} {why}", path.display()))
                .hint("set WHARF_STATE_DIR to a directory of your own")
        };
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            bail!(refused("belongs to somebody else"));
        }
        if metadata.mode() & 0o022 != 0 {
            bail!(refused("can be written by others"));
        }
        if metadata.mode() & 0o055 != 0 {
            directory.set_permissions(std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn database(&self) -> PathBuf {
        self.path.join("wharf.db")
    }

    pub fn key_file(&self) -> PathBuf {
        self.path.join("key")
    }

    pub fn history_file(&self) -> PathBuf {
        self.path.join("history")
    }

    /// The key of this machine's server, made when it is first needed.
    pub fn key(&self) -> anyhow::Result<ApiKey> {
        let path = self.key_file();
        let context = || format!("the key file {}", path.display());
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(nofollow()).open(&path);
        match made {
            Ok(mut file) => {
                let key = new_key()?;
                file.write_all(key.as_bytes())
                    .and_then(|()| file.write_all(b"\n"))
                    .and_then(|()| file.sync_all())
                    .with_context(context)?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(context),
        }
        let file = file::open_no_link(&path).with_context(context)?;
        if file.metadata()?.mode() & 0o077 != 0 {
            bail!(
                Failure::new(Exit::Failed, format!("the key file {} can be read by others", path.display()))
                    .hint("`chmod 600` it, or delete it for a new key if others may have seen it")
            );
        }
        let text = file::text(&file, KEY_MAX_BYTES).with_context(context)?;
        ApiKey::new(&text).with_context(context)
    }

    /// Takes the place of the one server of this directory, as long as the result lives.
    pub fn lock(&self) -> anyhow::Result<ServerLock> {
        let path = self.path.join(Discovery::LOCK_FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nofollow())
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        if !file.metadata()?.is_file() {
            bail!("cannot open {}: is not a regular file", path.display());
        }
        for attempt in 0..LOCK_ATTEMPTS_AFTER_DEATH {
            if attempt >= LOCK_ATTEMPTS && self.server_lives() {
                break;
            }
            match file.try_lock() {
                Ok(()) => return Ok(ServerLock { _file: file, discovery: self.path.join(DISCOVERY_FILE) }),
                Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(std::fs::TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
        let running = Discovery::find(&self.path).ok().flatten();
        let place = running.map_or_else(String::new, |server| format!(" at {} (process {})", server.url, server.pid));
        Err(Failure::new(Exit::Failed, format!("a server is running already{place}"))
            .hint("`wharf attach` connects to it, `wharf stop` stops it; another WHARF_STATE_DIR takes a second one")
            .into())
    }
}

/// What a server made of the configuration when it was last asked to read it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadVerdict {
    /// Process that says so.
    pub pid: u32,
    /// How many times this process was asked, so that a new verdict can be told from an old one.
    pub count: u64,
    /// Whether the file holds now.
    pub is_taken: bool,
    /// For a person: what changed, or why it cannot be used.
    pub text: String,
}

impl StateDir {
    fn verdict_file(&self) -> PathBuf {
        self.path.join("reload.json")
    }

    pub fn say_reload(&self, verdict: &ReloadVerdict) -> anyhow::Result<()> {
        replace(&self.verdict_file(), &serde_json::to_vec(verdict)?)
    }

    /// The last verdict of that process; none while it was not asked.
    pub fn reload_verdict(&self, pid: u32) -> Option<ReloadVerdict> {
        let text = file::read_text(&self.verdict_file(), VERDICT_MAX_BYTES).ok()?;
        serde_json::from_str::<ReloadVerdict>(&text).ok().filter(|verdict| verdict.pid == pid)
    }
}

impl StateDir {
    /// Whether the process that announced itself last is there.
    fn server_lives(&self) -> bool {
        let announced = Discovery::find(&self.path).ok().flatten();
        let pid = announced.and_then(|server| rustix::process::Pid::from_raw(i32::try_from(server.pid).ok()?));
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
    }
}

/// The place of the one server of a state directory. Goes with the process, however that ends.
pub struct ServerLock {
    _file: File,
    discovery: PathBuf,
}

impl ServerLock {
    /// Tells clients where the server is: whole or not at all.
    pub fn announce(&self, discovery: &Discovery) -> anyhow::Result<()> {
        let mut json = serde_json::to_vec_pretty(discovery)?;
        json.push(b'\n');
        replace(&self.discovery, &json)
    }

    /// Nobody is to come any more.
    pub fn withdraw(&self) {
        if let Err(error) = std::fs::remove_file(&self.discovery) {
            // Without the lock the file counts for nothing.
            tracing::debug!(%error, "the discovery file was not removed");
        }
    }
}

/// Writes a file of ours whole or not at all, for its owner only.
fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let new = path.with_extension("json.new");
    // One that a killed server left behind.
    if let Err(error) = std::fs::remove_file(&new)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error).with_context(|| format!("cannot replace {}", new.display()));
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    drop(file);
    std::fs::rename(&new, path).with_context(|| format!("cannot write {}", path.display()))
}

fn nofollow() -> i32 {
    i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0)
}

/// 256 random bits as letters and digits.
fn new_key() -> anyhow::Result<String> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    /// 62^43 is more than 2^256.
    const LENGTH: usize = 43;
    let mut key = String::from("wharf_");
    let mut bytes = [0u8; 64];
    while key.len() < "wharf_".len() + LENGTH {
        getrandom::fill(&mut bytes).context("no random numbers")?;
        // The first 248 values give each letter four times; the rest would make some likelier.
        let letters =
            bytes.iter().filter(|&&byte| byte < 248).map(|&byte| char::from(ALPHABET[usize::from(byte) % 62]));
        key.extend(letters.take("wharf_".len() + LENGTH - key.len()));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &tempfile::TempDir, name: &str) -> anyhow::Result<StateDir> {
        StateDir::open(dir.path().join(name))
    }

    #[test]
    fn the_directory_and_the_key_are_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let state = open(&dir, "a/b").unwrap();
        let key = state.key().unwrap();
        assert_eq!(key.reveal().len(), "wharf_".len() + 43);
        assert_eq!(state.key().unwrap(), key, "the key stays");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(state.path()), mode(&state.key_file())), (0o700, 0o600));
        std::fs::set_permissions(state.key_file(), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(state.key().unwrap_err().to_string().contains("can be read by others"));
    }

    #[test]
    fn what_stands_in_the_place_of_the_key_is_an_error_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let state = open(&dir, "state").unwrap();
        let key = state.key_file();
        let refused = || format!("{:#}", state.key().unwrap_err());
        rustix::fs::mknodat(rustix::fs::CWD, &key, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(refused().contains("is not a regular file"), "{}", refused());
        std::fs::remove_file(&key).unwrap();
        std::fs::create_dir(&key).unwrap();
        assert!(refused().contains("is not a regular file"), "{}", refused());
        std::fs::remove_dir(&key).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &key).unwrap();
        assert!(refused().contains("the key file"), "{}", refused());
        std::fs::remove_file(&key).unwrap();
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key).unwrap().set_len(1 << 40).unwrap();
        assert!(refused().contains("is larger than 4096 bytes"), "{}", refused());
    }

    #[test]
    fn links_and_open_directories_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        assert!(open(&dir, "link").is_err());
        std::fs::set_permissions(dir.path().join("real"), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(open(&dir, "real").unwrap_err().to_string().contains("can be written by others"));
    }

    #[test]
    fn there_is_one_server_for_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let state = open(&dir, "state").unwrap();
        let lock = state.lock().unwrap();
        assert!(state.lock().err().unwrap().to_string().contains("running already"));
        drop(lock);
        assert!(state.lock().is_ok());
    }
}
