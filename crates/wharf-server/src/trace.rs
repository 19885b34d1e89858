//! A connection's messages in a file, for whoever looks for a mistake: JSON lines, bounded, for their owner only. What is secret in
//! the protocol is left out; what was said is what a trace is for, and in it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use wharf_protocol::Timestamp;

/// A file that is longer becomes `FILE.1`, in place of the one before; so a connection takes twice as much at most.
const FILE_BYTES: u64 = 16 << 20;
/// Longer messages are cut: how much of them is kept.
const MESSAGE_BYTES: usize = 64 << 10;
/// Files in a directory; of more the oldest are removed.
const FILES: usize = 200;
/// Our names in a directory begin so.
const PREFIX: &str = "acp-";

const HIDDEN: &str = "[hidden]";

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Client,
    Agent,
}

/// One connection's trace.
#[derive(Debug)]
pub struct Trace {
    path: PathBuf,
    limit: u64,
    /// `None`: it cannot be written any more.
    file: Mutex<Option<(File, u64)>>,
}

#[derive(Serialize)]
struct Record<'a> {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Side>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Value>,
    /// What is no JSON, or the beginning of what is too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// What happened to the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
}

impl Trace {
    /// Goes on in a file that is there.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::with_limit(path, FILE_BYTES)
    }

    fn with_limit(path: &Path, limit: u64) -> io::Result<Self> {
        let (file, length) = open(path)?;
        Ok(Self { path: path.to_owned(), limit, file: Mutex::new(Some((file, length))) })
    }

    /// A file of its own for a connection. The directory is made where it is missing, for its owner only.
    pub fn in_directory(dir: &Path, connection: &str) -> io::Result<Self> {
        prepare(dir)?;
        clear(dir)?;
        // In the order in which they were made.
        let at = Timestamp::now().to_string().replace(':', "-");
        Self::open(&dir.join(format!("{PREFIX}{at}-{connection}.jsonl")))
    }

    /// Takes note of a message.
    pub fn message(&self, from: Side, text: &str) {
        let is_long = text.len() > MESSAGE_BYTES;
        let message = (!is_long).then(|| serde_json::from_str::<Value>(text).ok()).flatten().map(|mut message| {
            hide(&mut message);
            message
        });
        // Cut or broken, it cannot be told where its secrets are: only its size is kept where it may hold some.
        let may_tell = !["mcpServers", "\"env\"", "\"headers\""].iter().any(|word| text.contains(word));
        let rest = (message.is_none() && may_tell).then(|| &text[..text.floor_char_boundary(MESSAGE_BYTES)]);
        let at = Timestamp::now().to_string();
        self.write(&Record { at, from: Some(from), bytes: Some(text.len()), message, text: rest, event: None });
    }

    /// Takes note of what happened to the connection.
    pub fn event(&self, event: &str) {
        let at = Timestamp::now().to_string();
        self.write(&Record { at, from: None, bytes: None, message: None, text: None, event: Some(event) });
    }

    fn write(&self, record: &Record<'_>) {
        let Ok(line) = serde_json::to_string(record) else { return };
        let line = without_keys(line) + "\n";
        let mut guard = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.append(&mut guard, line.as_bytes()) {
            tracing::warn!(%error, path = %self.path.display(), "the trace cannot be written any more");
            *guard = None;
        }
    }

    fn append(&self, file: &mut Option<(File, u64)>, line: &[u8]) -> io::Result<()> {
        let Some((open_file, length)) = file else { return Ok(()) };
        if *length > 0 && *length + line.len() as u64 > self.limit {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            fs::rename(&self.path, old)?;
            (*open_file, *length) = open(&self.path)?;
        }
        open_file.write_all(line)?;
        *length += line.len() as u64;
        Ok(())
    }
}

/// A file for its owner only; never through a link that somebody else may have laid.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(nofollow).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "not a file of yours"));
    }
    if metadata.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok((file, metadata.len()))
}

fn prepare(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let metadata = fs::metadata(dir)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others can write into the directory"));
    }
    Ok(())
}

/// Makes room for one more.
fn clear(dir: &Path) -> io::Result<()> {
    let mut names: Vec<_> = fs::read_dir(dir)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(PREFIX))
        .collect();
    names.sort();
    for name in names.iter().take(names.len().saturating_sub(FILES - 1)) {
        fs::remove_file(dir.join(name))?;
    }
    Ok(())
}

/// The values of environment variables and headers, wherever they are passed on; and what calls itself a secret.
fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.to_ascii_lowercase();
                match value {
                    Value::Array(items) if name == "env" || name == "headers" => {
                        for item in items.iter_mut().filter(|item| item.get("name").is_some()) {
                            item["value"] = HIDDEN.into();
                        }
                    }
                    Value::String(text)
                        if ["authorization", "api_key", "apikey", "token", "password", "secret"].contains(&&*name) =>
                    {
                        *text = HIDDEN.to_owned();
                    }
                    other => hide(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

/// Keys of ours are known by their look, wherever they stand.
fn without_keys(mut line: String) -> String {
    const LOOK: &str = "wharf_";
    const SHORTEST: usize = 32;
    let mut from = 0;
    while let Some(at) = line[from..].find(LOOK).map(|at| from + at + LOOK.len()) {
        let length = line[at..].bytes().take_while(u8::is_ascii_alphanumeric).count();
        if length >= SHORTEST {
            line.replace_range(at..at + length, HIDDEN);
        }
        from = at;
    }
    line
}

#[cfg(test)]
mod tests;
