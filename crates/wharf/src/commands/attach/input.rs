//! Where lines come from: an editor with a history, or a file or pipe.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc as std_mpsc;

use anyhow::Context as _;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines, Stdin, Take};
use tokio::sync::mpsc;

use super::screen::Printer;

const HISTORY_LINES: usize = 1_000;

/// Most bytes of a whole piped input.
const PIPED_BYTES: u64 = 64 << 20;

const PROMPT: &str = "› ";

/// What somebody did.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    Line(String),
    /// Ctrl-C
    Interrupt,
    /// Ctrl-D, or the end of the file.
    End,
}

pub enum Input {
    Editor(EditorInput),
    Lines(Box<Lines<BufReader<Take<Stdin>>>>),
}

/// The editor runs in a thread of its own: reading a terminal cannot be called back. It waits for a nod after each line, so
/// that it does not hold the terminal when the process ends.
pub struct EditorInput {
    typed: mpsc::Receiver<Typed>,
    nod: std_mpsc::SyncSender<()>,
    owes_nod: bool,
    _restore: Restore,
}

impl Input {
    pub fn editor(history: &Path) -> anyhow::Result<(Self, Printer)> {
        let config = Config::builder()
            .max_history_size(HISTORY_LINES)?
            .history_ignore_space(true)
            .auto_add_history(false)
            .build();
        let mut editor: Editor<(), FileHistory> = Editor::with_config(config).context("no line editor")?;
        // The first start has no history yet; a damaged one is not worth failing for.
        let _ = editor.load_history(history);
        let printer: Printer = Box::new(editor.create_external_printer().context("no line editor")?);
        let restore = Restore::now()?;
        let (sender, typed) = mpsc::channel(1);
        let (nod, nodded) = std_mpsc::sync_channel(1);
        let history = history.to_owned();
        std::thread::Builder::new()
            .name("wharf-editor".to_owned())
            .spawn(move || edit(editor, &history, &sender, &nodded))
            .context("cannot start a thread")?;
        Ok((Self::Editor(EditorInput { typed, nod, owes_nod: false, _restore: restore }), printer))
    }

    pub fn lines() -> Self {
        Self::Lines(Box::new(BufReader::new(tokio::io::stdin().take(PIPED_BYTES)).lines()))
    }

    /// The next thing that somebody does. May be dropped at any point.
    pub async fn next(&mut self) -> Typed {
        match self {
            Self::Editor(editor) => {
                if std::mem::take(&mut editor.owes_nod) {
                    // The thread takes one nod for each line: there is room for it.
                    let _ = editor.nod.try_send(());
                }
                let typed = editor.typed.recv().await.unwrap_or(Typed::End);
                editor.owes_nod = true;
                typed
            }
            Self::Lines(lines) => match lines.next_line().await {
                Ok(Some(line)) => Typed::Line(line),
                Ok(None) => Typed::End,
                Err(error) => {
                    tracing::warn!(%error, "standard input cannot be read further");
                    Typed::End
                }
            },
        }
    }
}

fn edit(
    mut editor: Editor<(), FileHistory>,
    history: &PathBuf,
    typed: &mpsc::Sender<Typed>,
    nodded: &std_mpsc::Receiver<()>,
) {
    loop {
        let next = match editor.readline(PROMPT) {
            Ok(line) => {
                if !line.trim().is_empty() && editor.add_history_entry(line.as_str()).unwrap_or(false) {
                    // A history that cannot be written is one that is shorter next time.
                    let _ = editor.save_history(history);
                }
                Typed::Line(line)
            }
            Err(ReadlineError::Interrupted) => Typed::Interrupt,
            Err(_) => Typed::End,
        };
        let is_end = next == Typed::End;
        if typed.blocking_send(next).is_err() || is_end || nodded.recv().is_err() {
            return;
        }
    }
}

/// Puts the terminal back as it was: the editor may be in the middle of a line when the process ends.
struct Restore(Option<(OwnedFd, Termios)>);

impl Restore {
    fn now() -> anyhow::Result<Self> {
        use std::os::fd::AsFd;
        let terminal = std::io::stdin().as_fd().try_clone_to_owned()?;
        let settings = tcgetattr(&terminal).context("standard input is no terminal")?;
        Ok(Self(Some((terminal, settings))))
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some((terminal, settings)) = self.0.take() {
            // A terminal that is gone needs no settings.
            let _ = tcsetattr(&terminal, OptionalActions::Drain, &settings);
        }
    }
}
