//! What of a request is refused before anybody is asked.

use serde_json::Value;
use wharf_protocol::Seq;

use crate::{EngineConfig, EngineError};

/// Longest title, in characters.
const TITLE_CHARS: usize = 200;

pub(super) fn check_cursor(after: Seq, last: Seq, first: Seq) -> Result<(), EngineError> {
    if after > last {
        return Err(EngineError::CursorAhead { after, last });
    }
    if after.next() < first {
        return Err(EngineError::CursorExpired { after, first });
    }
    Ok(())
}

pub(super) fn check_limit(limit: Option<usize>) -> Result<(), EngineError> {
    match limit {
        Some(limit) if !(1..=1_000).contains(&limit) => {
            Err(EngineError::Invalid { field: "limit", reason: format!("{limit} is not in 1..=1000") })
        }
        _ => Ok(()),
    }
}

pub(super) fn check_agents(config: &EngineConfig) -> Result<(), EngineError> {
    if config.agents.is_empty() {
        return Err(EngineError::Invalid { field: "agents", reason: "there must be at least one".to_owned() });
    }
    Ok(())
}

pub(super) fn check_title(title: Option<&str>) -> Result<(), EngineError> {
    match title {
        Some(title) if title.chars().count() > TITLE_CHARS => {
            Err(EngineError::Invalid { field: "title", reason: format!("longer than {TITLE_CHARS} characters") })
        }
        _ => Ok(()),
    }
}

/// A client's value must not make a log that nobody can read back.
pub(super) fn loggable(field: &'static str, value: &Value) -> Result<(), EngineError> {
    wharf_foreign::nesting::logged(value).map_err(|error| EngineError::Invalid { field, reason: error.to_string() })
}
