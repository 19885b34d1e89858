//! Standard output and error that may be gone: a closed terminal or pipe ends the output, not the process.

use std::io::{self, Write};

/// Writes to standard output; `false` once nobody reads it.
pub fn out(text: &str) -> bool {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}

/// Writes a line to standard error; nobody may be there to read it.
pub fn note(text: &str) {
    let mut line = text.to_owned();
    line.push('\n');
    // One write, so that lines of several processes do not mix. A terminal that is gone takes no notes.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}
