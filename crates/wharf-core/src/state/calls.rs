//! Calls without an outcome: what is to run, how far each has come, and how one is closed.

use serde_json::Value;
use wharf_foreign::json;
use wharf_foreign::nesting::Bounds;
use wharf_protocol::event::{CallErrorReason, Decision, PermissionResolved, ToolCallProgress};
use wharf_protocol::permission::Preview;
use wharf_protocol::{CallId, PermissionId, Seen, Timestamp, ToolError, TurnId};

use crate::describe;
use crate::seen::Bound;

/// So much of a call's output is known here, for the outcome of a call that was cut off. In bytes.
const OUTPUT_TAIL_BYTES: usize = 64 * 1024;

/// Arguments that could not be read are read once more, to say why; of longer ones only that they are too long.
const ARGUMENTS: Bounds = Bounds { length: 1 << 20, depth: json::DEPTH_MAX };

/// A call that has no outcome yet.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) proposal: Proposal,
    pub(crate) stage: CallStage,
    pub(crate) output: OutputTail,
    /// What the question about it showed.
    pub(crate) asked: Option<Asked>,

    // What follows is this process's alone and not on the log.
    /// Set while this process runs it.
    pub(crate) running: Option<RunningCall>,
    /// What it would touch, once that was looked at.
    pub(crate) seen: Option<Seen>,
    /// It is being looked at, with what it would change or without.
    pub(crate) looking: Option<Looking>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Looking {
    pub(crate) preview: bool,
}

/// What the approval of a call holds for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) preview: Option<Preview>,
    /// How the tool was described, where somebody else describes it.
    pub(crate) definition: Option<String>,
}

/// What is to run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Proposal {
    pub(crate) call_id: CallId,
    pub(crate) tool_name: String,
    pub(crate) arguments: Value,
    /// `None`: a client asked for it directly.
    pub(crate) turn_id: Option<TurnId>,
}

/// How far a call has come.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CallStage {
    Proposed,
    Asked(PermissionId),
    Answered(PermissionResolved),
    Begun {
        at: Timestamp,
        read_only: bool,
        /// 2 where it runs once more after a crash.
        attempt: u32,
    },
}

/// A call that may not run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) decision: Decision,
    /// What the model is told.
    pub(crate) told: String,
}

/// A call that the engine runs.
#[derive(Debug, Clone)]
pub(crate) struct RunningCall {
    pub(crate) since: Timestamp,
    pub(crate) timeout_ms: u64,
    /// Since when it is being stopped, and why.
    pub(crate) stopping: Option<(Timestamp, CallErrorReason)>,
}

/// The end of a call's output.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OutputTail {
    /// Length of the whole output, in bytes.
    pub(crate) len: u64,
    pub(crate) text: String,
}

impl OutputTail {
    pub(crate) fn push(&mut self, progress: &ToolCallProgress) {
        self.len = progress.offset.saturating_add(progress.content.len() as u64);
        self.text.push_str(&progress.text());
        if self.text.len() > 2 * OUTPUT_TAIL_BYTES {
            let cut = self.text.ceil_char_boundary(self.text.len() - OUTPUT_TAIL_BYTES);
            self.text.drain(..cut);
        }
    }

    /// At most [`OUTPUT_TAIL_BYTES`] of it.
    pub(crate) fn last(&self) -> &str {
        let from = self.text.len().saturating_sub(OUTPUT_TAIL_BYTES);
        &self.text[self.text.ceil_char_boundary(from)..]
    }
}

impl Call {
    pub(crate) fn new(proposal: Proposal) -> Self {
        let (stage, output) = (CallStage::Proposed, OutputTail::default());
        Self { proposal, stage, output, asked: None, running: None, seen: None, looking: None }
    }

    /// What it may touch and do: what the question showed, or else what was judged.
    pub(crate) fn bound(&self) -> Bound {
        let preview = self.asked.as_ref().and_then(|asked| asked.preview.as_ref());
        let of_seen = || self.seen.as_ref().map(|seen| seen.paths.iter().map(|path| path.absolute.clone()).collect());
        Bound {
            paths: preview.map(|preview| preview.paths.clone()).or_else(of_seen),
            digest: preview.and_then(|preview| preview.digest.clone()),
            is_approved: self.asked.is_some(),
        }
    }

    pub(crate) fn is_begun(&self) -> bool {
        matches!(self.stage, CallStage::Begun { .. })
    }

    pub(crate) fn duration_ms(&self, now: Timestamp) -> u64 {
        match (&self.running, &self.stage) {
            (Some(running), _) => now.ms_since(running.since),
            (None, CallStage::Begun { at, .. }) => now.ms_since(*at),
            (None, _) => 0,
        }
    }
}

/// How a call is closed by the core.
pub(crate) struct CallEnd {
    pub(crate) reason: CallErrorReason,
    pub(crate) told: String,
    pub(crate) output: String,
    pub(crate) decision: Option<Decision>,
}

impl CallEnd {
    pub(crate) fn new(reason: CallErrorReason, told: impl Into<String>) -> Self {
        Self { reason, told: told.into(), output: String::new(), decision: None }
    }
}

impl From<Refusal> for CallEnd {
    fn from(refusal: Refusal) -> Self {
        let Refusal { decision, told } = refusal;
        Self { decision: Some(decision), ..Self::new(CallErrorReason::Denied, told) }
    }
}

impl From<ToolError> for CallEnd {
    fn from(error: ToolError) -> Self {
        let (reason, told, output) = match error {
            ToolError::Failed(told) => (CallErrorReason::Failed, told, String::new()),
            ToolError::Stopped { output } => {
                (CallErrorReason::Cancelled, "stopped, with everything it had started".to_owned(), output)
            }
            ToolError::TimedOut { after_ms, output } => {
                let told = format!("timed out after {after_ms} ms and was stopped, with everything it had started");
                (CallErrorReason::TimedOut, told, output)
            }
        };
        Self { output, ..Self::new(reason, told) }
    }
}

pub(crate) fn not_an_object(raw: &str) -> CallEnd {
    let reason = match json::object(raw, ARGUMENTS) {
        Err(error) => error.to_string(),
        Ok(_) => "the reply ended before they did".to_owned(),
    };
    let told = format!("arguments were not a JSON object: {} ({reason})", describe::excerpt(&json::visible(raw)));
    CallEnd::new(CallErrorReason::Failed, told)
}
