//! Where keys of providers come from: a variable, a file, or a program. None of them is ever shown or logged.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, Sink};
use tokio::time::timeout;
use wharf_exec::{Piped, Program};
use wharf_foreign::file;
use wharf_models::{ApiKey, KeySource};

/// Longest key, in bytes. Tokens of cloud services take some kilobytes.
const KEY_MAX_BYTES: usize = 16 << 10;

/// How long a program may take to print a key. It may ask its user for a password first.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// `api_key_env`
pub struct VariableKey {
    setting: String,
    name: String,
    value: Option<ApiKey>,
}

/// `api_key_file`
pub struct FileKey {
    setting: String,
    path: PathBuf,
}

/// `api_key_command`
pub struct CommandKey {
    setting: String,
    program: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl VariableKey {
    pub fn new(setting: String, name: String, environment: &BTreeMap<String, String>) -> Self {
        let value = environment.get(&name).and_then(|value| one_line(value).ok());
        Self { setting, name, value }
    }
}

#[async_trait]
impl KeySource for VariableKey {
    async fn key(&self) -> Result<ApiKey, String> {
        let missing = || format!("set the variable {}, which {} names", self.name, self.setting);
        self.value.clone().ok_or_else(missing)
    }

    fn look(&self) -> Result<(), String> {
        let missing = || format!("the variable {}, which {} names, is not set", self.name, self.setting);
        self.value.as_ref().map(drop).ok_or_else(missing)
    }

    fn setting(&self) -> String {
        format!("{} ({})", self.setting, self.name)
    }
}

impl FileKey {
    pub fn new(setting: String, path: PathBuf) -> Self {
        Self { setting, path }
    }

    fn read(&self) -> Result<ApiKey, String> {
        let told = |reason: &str| format!("{}: {} {reason}", self.setting, self.path.display());
        let file = file::open(&self.path).map_err(|error| told(&format!("cannot be read: {error}")))?;
        let mode = file.metadata().map_err(|error| told(&error.to_string()))?.mode();
        if mode & 0o077 != 0 {
            return Err(told("can be read by others: `chmod 600` it; make a new key if others may have seen this one"));
        }
        let text = file::text(&file, KEY_MAX_BYTES as u64).map_err(|error| told(&error.to_string()))?;
        one_line(&text).map_err(told)
    }
}

#[async_trait]
impl KeySource for FileKey {
    async fn key(&self) -> Result<ApiKey, String> {
        self.read()
    }

    fn look(&self) -> Result<(), String> {
        self.read().map(drop)
    }

    fn setting(&self) -> String {
        format!("{} ({})", self.setting, self.path.display())
    }
}

impl CommandKey {
    /// `environment`: the user's, which keepers of passwords need, without other keys.
    pub fn new(
        setting: String,
        command: &[String],
        environment: BTreeMap<String, String>,
    ) -> Result<Self, &'static str> {
        let Some((program, arguments)) = command.split_first().filter(|(program, _)| !program.is_empty()) else {
            return Err("names no program");
        };
        if command.iter().any(|word| word.contains('\0')) {
            return Err("holds a NUL character");
        }
        let program = at_home(Path::new(program), &environment);
        if !program.is_absolute() && program.components().count() > 1 {
            return Err("a program is an absolute path, or a name that is looked for in PATH");
        }
        Ok(Self { setting, program, arguments: arguments.to_vec(), environment })
    }

    /// The program itself: in absolute directories of `PATH` alone, so that nothing of a workspace is taken for it.
    fn found(&self) -> Option<PathBuf> {
        if self.program.is_absolute() {
            return Some(self.program.clone());
        }
        let path = self.environment.get("PATH")?;
        let places = std::env::split_paths(path).filter(|place| place.is_absolute());
        let is_program = |file: &PathBuf| file.metadata().is_ok_and(|file| file.is_file() && file.mode() & 0o111 != 0);
        places.map(|place| place.join(&self.program)).find(is_program)
    }

    fn told(&self, reason: &str) -> String {
        format!("{} (`{}`) {reason}", self.setting, self.program.display())
    }

    async fn run(&self) -> io::Result<(Vec<u8>, Option<String>)> {
        let program = self.found().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let directory = File::open("/")?.into();
        let (arguments, environment) = (self.arguments.clone(), self.environment.clone().into_iter().collect());
        let Piped { stdin, stdout, stderr, mut process } =
            Program { program, arguments, environment, directory }.start(None).await?;
        drop(stdin);
        let mut text = Vec::new();
        let mut stdout = stdout.take(KEY_MAX_BYTES as u64 + 1);
        // What it says of errors may hold anything, and is not kept.
        let (mut nowhere, mut stderr) = (tokio::io::sink(), stderr);
        tokio::select! {
            read = stdout.read_to_end(&mut text) => drop(read?),
            never = drained(&mut stderr, &mut nowhere) => match never {},
        }
        // One that prints for ever is not waited for.
        let failure = if text.len() > KEY_MAX_BYTES { None } else { process.failure().await };
        Ok((text, failure))
    }
}

/// Reads on for as long as somebody wants it to.
async fn drained(from: &mut (impl AsyncRead + Unpin), to: &mut Sink) -> Infallible {
    // Where it ends or breaks, there is nothing more to drain.
    let _ = tokio::io::copy(from, to).await;
    std::future::pending().await
}

#[async_trait]
impl KeySource for CommandKey {
    async fn key(&self) -> Result<ApiKey, String> {
        // Dropped at its limit, the program and all that it started are killed.
        let (text, failure) = match timeout(COMMAND_LIMIT, self.run()).await {
            Ok(Ok(ran)) => ran,
            Ok(Err(error)) => return Err(self.told(&format!("could not be run: {error}"))),
            Err(_) => return Err(self.told(&format!("printed no key within {} s", COMMAND_LIMIT.as_secs()))),
        };
        if text.len() > KEY_MAX_BYTES {
            return Err(self.told(&format!("printed more than {KEY_MAX_BYTES} bytes, which is no key")));
        }
        let text = String::from_utf8(text).map_err(|_| self.told("printed something that is no text"))?;
        if let Some(why) = failure {
            return Err(self.told(&format!("failed ({why}): run it by hand to see more")));
        }
        one_line(&text).map_err(|_| self.told("printed no key, or more than one line"))
    }

    fn look(&self) -> Result<(), String> {
        self.found().map(drop).ok_or_else(|| self.told("is no program that PATH leads to"))
    }

    fn setting(&self) -> String {
        self.setting.clone()
    }
}

/// The key in a text that may have white space around it.
fn one_line(text: &str) -> Result<ApiKey, &'static str> {
    match text.trim() {
        "" => Err("holds no key"),
        key if key.lines().count() > 1 => Err("holds more than one line, and a key is one"),
        key => Ok(ApiKey::new(key)),
    }
}

/// `~/` is the user's home.
pub fn at_home(path: &Path, environment: &BTreeMap<String, String>) -> PathBuf {
    match (path.strip_prefix("~"), environment.get("HOME").filter(|home| !home.is_empty())) {
        (Ok(below), Some(home)) => Path::new(home).join(below),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
