//! A command that is over, told as the outcome of the call that ran it.

use wharf_protocol::{CallOutcome, ToolError, ToolOutput};

use super::{ExecutionEnd, Finished};
use crate::status::describe;

impl Finished {
    /// The outcome of a call that came to this after `after_ms`; its text has no more than `limit` bytes.
    pub fn outcome(self, after_ms: u64, limit: usize) -> CallOutcome {
        let Self { end, captured, strays, survivors } = self;
        let mut text = captured.text;
        if text.is_empty() && matches!(end, ExecutionEnd::Exited(_)) {
            text.push_str("(no output)");
        }
        let mut note = |words: String| {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!("[{words}]"));
        };
        let mut exit_code = None;
        if let ExecutionEnd::Exited(status) = end {
            let (code, words) = describe(status);
            exit_code = Some(code);
            if let Some(words) = words {
                note(words);
            }
            if strays > 0 {
                let (es, were) = if strays == 1 { ("", "was") } else { ("es", "were") };
                note(format!("{strays} background process{es} left by the command {were} stopped"));
            }
        }
        if survivors > 0 {
            note(format!("{survivors} processes could not be stopped: they run as another user"));
        }
        text.truncate(text.floor_char_boundary(limit));
        match end {
            ExecutionEnd::Exited(_) => Ok(ToolOutput {
                exit_code,
                truncated: captured.truncated,
                output_file: captured.file,
                ..ToolOutput::text(text)
            }),
            ExecutionEnd::TimedOut => Err(ToolError::TimedOut { after_ms, output: text }),
            ExecutionEnd::Cancelled => Err(ToolError::Stopped { output: text }),
        }
    }
}
