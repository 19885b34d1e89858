//! Text for terminals: colours where they are wanted, nothing that a model could steer the terminal with.

mod narrator;
mod questions;
mod table;
mod wrap;

use std::io::IsTerminal;

use rustix::fs::FileType;
use wharf_protocol::vocabulary::Colour;

use crate::process;

pub use narrator::Narrator;
pub use questions::{CHOICES, Choice, Terminal, preview_lines, read_choice};
pub use table::table;
pub use wrap::LineWrapper;

/// Colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    coloured: bool,
}

impl Style {
    #[cfg(test)]
    pub fn plain() -> Self {
        Self { coloured: false }
    }

    pub fn for_stdout() -> Self {
        Self { coloured: wants_colour(std::io::stdout().is_terminal()) }
    }

    pub fn for_stderr() -> Self {
        Self { coloured: wants_colour(std::io::stderr().is_terminal()) }
    }

    pub fn is_coloured(self) -> bool {
        self.coloured
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn colour(self, colour: Colour, text: &str) -> String {
        self.paint(colour.sgr(), text)
    }

    fn bold_colour(self, colour: Colour, text: &str) -> String {
        self.paint(&format!("1;{}", colour.sgr()), text)
    }

    pub fn dim(self, text: &str) -> String {
        self.colour(Colour::Muted, text)
    }

    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub fn error(self, text: &str) -> String {
        self.bold_colour(Colour::Danger, text)
    }

    pub fn removed(self, text: &str) -> String {
        self.colour(Colour::Removed, text)
    }

    pub fn added(self, text: &str) -> String {
        self.colour(Colour::Added, text)
    }

    pub fn asks(self, text: &str) -> String {
        self.bold_colour(Colour::Warning, text)
    }
}

/// `NO_COLOR` (no-color.org) wins over `CLICOLOR_FORCE`, which wins over what the output is.
fn wants_colour(is_terminal: bool) -> bool {
    let set = |name: &str| process::variable(name).is_some_and(|value| !value.is_empty());
    if set("NO_COLOR") {
        return false;
    }
    if process::variable("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0") {
        return true;
    }
    is_terminal && process::variable("TERM").is_none_or(|term| term != "dumb")
}

/// Text of models, tools and files as it may be shown: control characters become visible, so that none of it can move the
/// cursor, rename the window, or write into the clipboard.
pub fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' | '\t' => shown.push(c),
            '\r' if rest.peek() == Some(&'\n') => {}
            '\u{0}'..='\u{1f}' => shown.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
            '\u{7f}' => shown.push('\u{2421}'),
            // C1 controls, and marks that turn the direction of what follows.
            '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c if wharf_foreign::visible::is_hidden(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// The first line that says something, cleaned and cut.
pub fn one_line(text: &str, most: usize) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = clean(line).replace('\t', " ");
    if line.chars().count() <= most {
        return line;
    }
    let mut cut: String = line.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// JSON that a terminal may show: what JSON leaves as it is and a terminal would obey is escaped.
pub fn clean_json(json: &str) -> String {
    if !json.chars().any(|c| ('\u{7f}'..='\u{9f}').contains(&c)) {
        return json.to_owned();
    }
    json.chars()
        .map(|c| if ('\u{7f}'..='\u{9f}').contains(&c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() })
        .collect()
}

/// Whether a program feeds standard input: a pipe or a socket, as an editor gives its agent.
pub fn input_is_a_pipe() -> bool {
    let stdin = std::io::stdin();
    let Ok(about) = rustix::fs::fstat(&stdin) else { return false };
    matches!(FileType::from_raw_mode(about.st_mode), FileType::Fifo | FileType::Socket)
}

/// Most blanks before the first word on standard input; what follows more of them is taken as it is.
const BLANK_MAX_BYTES: usize = 4_096;

/// What comes on standard input up to the first byte that is not blank, read byte by byte so that nothing else is taken. Waits for
/// it: whoever holds the other end speaks first. Empty at the end of the input.
pub fn first_bytes() -> rustix::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() < BLANK_MAX_BYTES && bytes.last().is_none_or(u8::is_ascii_whitespace) {
        let mut byte = [0];
        match rustix::io::read(std::io::stdin(), &mut byte) {
            Ok(0) => break,
            Ok(_) => bytes.push(byte[0]),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let stdin = std::io::stdin();
                let mut polled = [rustix::event::PollFd::new(&stdin, rustix::event::PollFlags::IN)];
                rustix::event::poll(&mut polled, None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// Columns of the terminal on standard output.
pub fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|&columns| columns >= 20).unwrap_or(100)
}

#[cfg(test)]
mod tests;
