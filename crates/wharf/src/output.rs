//! Standard output and error that may be gone: a closed terminal or pipe ends the output, not the process.

use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

/// Why standard output could not take what was written, the first time.
static FAILURE: OnceLock<(ErrorKind, String)> = OnceLock::new();

/// Writes to standard output; `false` once nobody reads it.
pub fn out(text: &str) -> bool {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => true,
        Err(error) => {
            // The first one says why; those after it follow from it.
            let _ = FAILURE.set((error.kind(), error.to_string()));
            false
        }
    }
}

/// The error with which standard output failed. A reader that left on purpose (`| head`) is none.
pub fn failure() -> Option<anyhow::Error> {
    let (kind, text) = FAILURE.get().filter(|(kind, _)| *kind != ErrorKind::BrokenPipe)?;
    let error = io::Error::new(*kind, text.as_str());
    Some(anyhow::Error::new(error).context("cannot write to standard output"))
}

/// Writes a line to standard error; nobody may be there to read it.
pub fn note(text: &str) {
    let mut line = text.to_owned();
    line.push('\n');
    if crate::journal::add(line.as_bytes()) {
        return;
    }
    // One write, so that lines of several processes do not mix. A terminal that is gone takes no notes.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}
