//! Tools that somebody else has, an MCP server or a client: their names, descriptions and results are foreign text, which is
//! bounded and made visible before anybody sees it.

pub mod description;
pub mod names;
pub mod result;

use serde_json::Value;
use wharf_foreign::visible;

pub use crate::arguments::fitted;
use wharf_protocol::{CallOutcome, ToolError, ToolOutput};

use crate::CallContext;

/// What a call came to that was answered with `result`, within the call's limit.
pub async fn outcome(result: &Value, context: &CallContext) -> CallOutcome {
    let told = result::told(result);
    if told.is_error {
        return Err(ToolError::Failed(visible::shortened(told.text, context.output_limit)));
    }
    let output = crate::output::bounded(told.text, context).await;
    Ok(ToolOutput { content: told.content, ..output })
}
