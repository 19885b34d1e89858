//! Where a conversation appears: above the line that is being typed, or plainly on standard output.

use rustyline::ExternalPrinter;

use crate::output;
use crate::terminal::{LineWrapper, Style, columns};

/// Prints above the line editor.
pub type Printer = Box<dyn ExternalPrinter + Send>;

pub struct Screen {
    printer: Option<Printer>,
    wrapper: LineWrapper,
    at_line_start: bool,
    pub style: Style,
}

impl Screen {
    pub fn editor(printer: Printer) -> Self {
        Self {
            printer: Some(printer),
            wrapper: LineWrapper::default(),
            at_line_start: true,
            style: Style::for_stdout(),
        }
    }

    /// Text on standard output, notes on standard error.
    pub fn plain() -> Self {
        Self { printer: None, wrapper: LineWrapper::default(), at_line_start: true, style: Style::for_stderr() }
    }

    pub fn is_interactive(&self) -> bool {
        self.printer.is_some()
    }

    /// The agent's next words.
    pub fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match &mut self.printer {
            None => {
                output::out(text);
                self.at_line_start = text.ends_with('\n');
            }
            Some(printer) => {
                for line in self.wrapper.push(text, columns()) {
                    print(printer, &line);
                }
            }
        }
    }

    /// What follows begins a new line.
    pub fn end_text(&mut self) {
        match &mut self.printer {
            None => {
                if !std::mem::replace(&mut self.at_line_start, true) {
                    output::out("\n");
                }
            }
            Some(printer) => {
                if let Some(line) = self.wrapper.finish() {
                    print(printer, &line);
                }
            }
        }
    }

    /// A line about what happens.
    pub fn note(&mut self, line: &str) {
        self.end_text();
        match &mut self.printer {
            None => output::note(line),
            Some(printer) => print(printer, line),
        }
    }

    /// What a command answers: more than a note, for whoever asked.
    pub fn answer(&mut self, text: &str) {
        self.end_text();
        match &mut self.printer {
            None => {
                output::out(text);
            }
            Some(printer) => print(printer, text.trim_end_matches('\n')),
        }
    }
}

fn print(printer: &mut Printer, line: &str) {
    // The editor ends with the input; what is printed after that has no reader.
    let _ = printer.print(format!("{line}\n"));
}
