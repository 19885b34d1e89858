//! What a call of `bash` came to whose server died.

use std::path::Path;

use wharf_protocol::CallId;

use crate::tools::bash_outcome;
use crate::{ToolError, ToolOutput};

/// What is known of a call that a dead server had run.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// What the call came to, where its command had ended by itself or at its own limit.
    pub outcome: Option<Result<ToolOutput, ToolError>>,
    /// What it had put out, within the limit.
    pub output: String,
    pub duration_ms: u64,
}

/// The same as [`wharf_exec::recorded`], told as the tool tells it. Blocks.
#[must_use]
pub fn recorded(output_dir: &Path, call: &CallId, output_limit: usize) -> Option<Recorded> {
    let wharf_exec::Recorded { finished, output, duration_ms } = wharf_exec::recorded(output_dir, call, output_limit)?;
    let outcome = finished.map(|finished| bash_outcome(finished, duration_ms, output_limit));
    Some(Recorded { outcome, output, duration_ms })
}

#[cfg(test)]
mod tests;
