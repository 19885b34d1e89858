//! Questions at a terminal. What is a secret is not echoed, and the terminal is as before whatever happens.

use std::io::{self, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use wharf_models::ApiKey;

use crate::failure::{Exit, Failure};
use crate::output::note;
use crate::terminal::{Style, clean};

/// Longest answer, and longest key, in bytes. A longer one is refused.
const ANSWER_BYTES: usize = 16 << 10;

/// How often an empty answer is asked for again.
const ATTEMPTS: usize = 3;

/// Somebody who can be asked, or nobody.
pub struct Asking {
    is_terminal: bool,
}

impl Asking {
    pub fn new() -> Self {
        Self { is_terminal: io::stdin().is_terminal() && io::stderr().is_terminal() }
    }

    pub fn is_possible(&self) -> bool {
        self.is_terminal
    }

    pub fn say(&self, text: &str) {
        note(text);
    }

    /// Nobody can be asked: what is missing, and which flag says it.
    pub fn needed(&self, what: &str, flag: &str) -> anyhow::Result<()> {
        if self.is_terminal {
            return Ok(());
        }
        let failure = Failure::new(Exit::Usage, format!("{what} is needed, and there is no terminal to ask on"));
        Err(failure.hint(format!("{flag} says it")).into())
    }

    /// A line, or what is suggested where it is empty.
    pub fn line(&mut self, question: &str, suggested: Option<&str>) -> anyhow::Result<String> {
        let shown = suggested.map(|text| format!(" [{}]", clean(text))).unwrap_or_default();
        for _ in 0..ATTEMPTS {
            prompt(&format!("{question}{shown}: "))?;
            let line = read_line()?;
            match (line.trim(), suggested) {
                ("", Some(suggested)) => return Ok(suggested.to_owned()),
                ("", None) => {}
                (line, _) => return Ok(line.to_owned()),
            }
        }
        Err(Failure::new(Exit::Usage, "no answer came").into())
    }

    pub fn yes(&mut self, question: &str, suggested: bool) -> anyhow::Result<bool> {
        let choice = if suggested { "Y/n" } else { "y/N" };
        prompt(&format!("{question} [{choice}] "))?;
        let line = read_line()?;
        Ok(match line.trim().to_lowercase().as_str() {
            "" => suggested,
            answer => answer.starts_with('y'),
        })
    }

    /// A key; nothing where the answer is empty.
    pub fn hidden(&mut self, question: &str) -> anyhow::Result<Option<ApiKey>> {
        prompt(&format!("{question}: "))?;
        let silent = Silent::begin()?;
        let read = silent.read_line();
        drop(silent);
        note("");
        let line = read?;
        let key = line.trim();
        Ok((!key.is_empty()).then(|| ApiKey::new(key)))
    }
}

/// `--key-stdin`: one line.
pub fn key_of_input() -> anyhow::Result<ApiKey> {
    let mut text = String::new();
    io::stdin().lock().take(ANSWER_BYTES as u64 + 1).read_to_string(&mut text)?;
    let key = text.trim();
    if key.is_empty() || key.lines().count() > 1 || text.len() > ANSWER_BYTES {
        return Err(Failure::new(Exit::Usage, "standard input is not one key on one line").into());
    }
    Ok(ApiKey::new(key))
}

fn prompt(text: &str) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{}", Style::for_stderr().bold(text))?;
    stderr.flush()
}

fn read_line() -> anyhow::Result<String> {
    let mut line = Vec::new();
    for byte in io::stdin().lock().bytes() {
        match byte? {
            b'\n' => return text(line),
            byte => line.push(byte),
        }
        if line.len() > ANSWER_BYTES {
            return Err(Failure::new(Exit::Usage, "the answer is too long").into());
        }
    }
    Err(Failure::new(Exit::Cancelled, "there was no answer: nothing was written").into())
}

fn text(line: Vec<u8>) -> anyhow::Result<String> {
    Ok(String::from_utf8(line).map_err(|_| Failure::new(Exit::Usage, "the answer is not UTF-8"))?)
}

/// The terminal without echo, for as long as this lives. Keys that would stop the program are read like any other meanwhile: stopped in
/// between, it would leave a terminal that shows nothing.
struct Silent {
    before: Termios,
}

impl Silent {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self { before })
    }

    fn read_line(&self) -> anyhow::Result<String> {
        const INTERRUPT: u8 = 0x03;
        const END: u8 = 0x04;
        const ERASE: u8 = 0x7f;
        const BACKSPACE: u8 = 0x08;
        const KILL: u8 = 0x15;
        let mut line = Vec::new();
        for byte in io::stdin().lock().bytes() {
            match byte? {
                b'\n' | b'\r' => return text(line),
                INTERRUPT | END => break,
                ERASE | BACKSPACE => drop(line.pop()),
                KILL => line.clear(),
                byte => line.push(byte),
            }
            if line.len() > ANSWER_BYTES {
                return Err(Failure::new(Exit::Usage, "this is too long for a key").into());
            }
        }
        Err(Failure::new(Exit::Cancelled, "cancelled: nothing was written").into())
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}
