//! What the model is shown: made smaller on request, and told with what it costs.

use wharf_core::{Answer, Input};
use wharf_protocol::SessionId;
use wharf_protocol::context::{Context, ContextQuery};
use wharf_protocol::rest::{CompactAnswer, CompactSession};

use super::Access;
use crate::EngineError;

/// Longest text that says what a summary is to keep, in bytes.
const FOCUS_BYTES: usize = 4 << 10;

impl Access {
    /// Has the model sum up what was said. What comes of it is on the log.
    pub async fn compact(&self, session: &SessionId, wanted: CompactSession) -> Result<CompactAnswer, EngineError> {
        let focus = wanted.focus.map(|focus| focus.trim().to_owned()).filter(|focus| !focus.is_empty());
        if focus.as_ref().is_some_and(|focus| focus.len() > FOCUS_BYTES) {
            let reason = format!("longer than {FOCUS_BYTES} bytes");
            return Err(EngineError::TooLarge { field: "focus", reason });
        }
        let seq = match self.ask(session, Input::Compact { focus, by: self.caller.by() }).await? {
            Answer::Compacting(seq) => seq,
            other => return Err(EngineError::Internal(format!("a compaction was answered with {other:?}"))),
        };
        Ok(CompactAnswer { status: "compacting".to_owned(), session_id: session.clone(), seq })
    }

    /// What the model would be sent, and what each part of it costs.
    pub async fn context(&self, session: &SessionId, query: ContextQuery) -> Result<Context, EngineError> {
        self.shared.look(session, move |core| core.context(query.full)).await
    }
}
