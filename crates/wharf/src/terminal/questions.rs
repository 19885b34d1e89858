//! Asking somebody at the terminal, whatever standard input and output are.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};

use tokio::sync::mpsc;
use wharf_foreign::visible::head_and_tail;
use wharf_protocol::PermissionOption;
use wharf_protocol::transcript::QuestionEntry;

use super::{Style, clean, one_line};

/// Lines that were typed and not yet read; somebody who types on while nothing is asked waits.
const TYPED_LINES: usize = 4;

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Answer(PermissionOption),
    /// Not one of the choices.
    Unclear,
}

/// What can be typed, as it is offered.
pub const CHOICES: &str = "[y]es once, [a]lways in this session, [n]o, [never]";

/// Reads `y`, `a`, `n` or `never`, or their words.
pub fn read_choice(line: &str) -> Choice {
    let typed = line.trim().to_lowercase();
    let meant = PermissionOption::ALL.into_iter().find(|option| option.typed().contains(&typed.as_str()));
    meant.map_or(Choice::Unclear, Choice::Answer)
}

/// The terminal that this process was started from, while it is in the foreground there.
pub struct Terminal {
    screen: File,
    lines: Option<mpsc::Receiver<String>>,
    style: Style,
}

/// So many lines of one file's diff are shown before a question: head and tail.
const PREVIEW_LINES: usize = 60;
/// So many files are shown.
const PREVIEW_FILES: usize = 20;
/// So many programs of a command are shown.
const PREVIEW_COMMANDS: usize = 20;

/// What a question is about, to be shown before it. Each foreign line is marked, so that none passes for ours.
pub fn preview_lines(style: Style, question: &QuestionEntry) -> Vec<String> {
    let mut lines = planned_lines(style, question);
    for diff in question.diffs.iter().take(PREVIEW_FILES) {
        for line in head_and_tail(diff.patch.text().trim_end(), PREVIEW_LINES) {
            let line = format!("  | {}", clean(&line));
            lines.push(match line.as_bytes().get(4) {
                Some(b'+') => style.added(&line),
                Some(b'-') => style.removed(&line),
                _ => style.dim(&line),
            });
        }
    }
    let hidden = question.cut + question.diffs.len().saturating_sub(PREVIEW_FILES) as u64;
    if hidden > 0 {
        lines.push(format!("  {hidden} diffs are cut or not shown"));
    }
    if let Some(problem) = &question.problem {
        lines.push(format!("  it would fail at this moment: {}", one_line(problem, 300)));
    }
    for path in question.paths_outside.iter().take(PREVIEW_FILES) {
        lines.push(style.error(&format!("  outside the workspace: {}", one_line(path, 300))));
    }
    lines
}

/// What a shell command would run, where that is more than the one program of the question itself; why it is asked stands beside each.
fn planned_lines(style: Style, question: &QuestionEntry) -> Vec<String> {
    let mut lines = Vec::new();
    let commands = &question.commands;
    if commands.len() > 1 || commands.iter().any(|command| command.started_by.is_some()) {
        for (at, command) in commands.iter().take(PREVIEW_COMMANDS).enumerate() {
            let text = format!("  | {} {}", at + 1, one_line(&command.text, 300));
            let starter = command.started_by.map(|by| format!(", started by {}", by + 1)).unwrap_or_default();
            lines.push(match &command.asked {
                Some(why) => format!("{} {}", clean(&text), style.asks(&format!("({}{starter})", one_line(why, 300)))),
                None => style.dim(&format!("{}{starter}", clean(&text))),
            });
        }
        let hidden = commands.len().saturating_sub(PREVIEW_COMMANDS);
        if hidden > 0 {
            lines.push(format!("  {hidden} further commands are not shown"));
        }
    } else if let Some(why) = commands.first().and_then(|command| command.asked.as_ref()) {
        lines.push(style.dim(&format!("  {}", one_line(why, 300))));
    }
    if let Some(why) = &question.not_understood {
        lines.push(style.error(&format!("  it is not known what it would run: {}", one_line(why, 300))));
    }
    lines
}

impl Terminal {
    /// `None` without a terminal, or in the background of one: reading would stop the process.
    pub fn open() -> Option<Self> {
        let screen = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        let foreground = rustix::termios::tcgetpgrp(&screen).ok()?;
        if foreground != rustix::process::getpgrp() {
            return None;
        }
        Some(Self { screen, lines: None, style: Style::for_stderr() })
    }

    /// Shows a question; the answer comes from [`Terminal::line`].
    pub fn ask(&mut self, question: &str) {
        let choices = self.style.dim(CHOICES);
        let text = format!("{} {}\n  {choices} ", self.style.asks("?"), clean(question));
        self.write(&text);
    }

    pub fn say(&mut self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// The next line that is typed; waits for ever once the terminal is gone.
    pub async fn line(&mut self) -> String {
        if self.lines.is_none() {
            self.lines = self.start_reading();
        }
        let line = match &mut self.lines {
            Some(lines) => lines.recv().await,
            None => None,
        };
        match line {
            Some(line) => line,
            None => std::future::pending().await,
        }
    }

    /// A read of a terminal cannot be called back: the thread ends with the process.
    fn start_reading(&self) -> Option<mpsc::Receiver<String>> {
        let (sender, receiver) = mpsc::channel(TYPED_LINES);
        let keyboard = self.screen.try_clone().ok()?;
        let read = move || {
            for line in BufReader::new(keyboard).lines() {
                let Ok(line) = line else { break };
                if sender.blocking_send(line).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("wharf-terminal".to_owned()).spawn(read).ok()?;
        Some(receiver)
    }

    fn write(&mut self, text: &str) {
        // A terminal that was closed meanwhile answers nothing either; the question then times out.
        let _ = self.screen.write_all(text.as_bytes());
    }
}
