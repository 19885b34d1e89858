//! Results within a limit: the head and the tail of what was put out, the whole of it in a file of ours.

use std::io::Write;

use wharf_exec::output::{OUTPUT_FILE_MAX_BYTES, create, cut};

use wharf_protocol::{ToolError, ToolOutput};

use crate::CallContext;

/// `result` as an output within the call's limit; what does not fit goes into a file.
pub(crate) async fn bounded(result: String, context: &CallContext) -> ToolOutput {
    if result.len() <= context.output_limit {
        return ToolOutput::text(result);
    }
    let limit = context.output_limit;
    let directory = context.output_dir.clone();
    let call = context.call_id.clone();
    let work = move || {
        let kept = OUTPUT_FILE_MAX_BYTES.min(result.len() as u64) as usize;
        let file = create(&directory, call.as_str())
            .and_then(|(mut file, path)| file.write_all(&result.as_bytes()[..kept]).map(|()| path));
        let file = file.map_err(|error| tracing::warn!(call.id = %call, %error, "could not keep a tool's output")).ok();
        let text = cut(&result, limit, file.as_deref());
        Ok(ToolOutput { result: text, truncated: true, output_file: file, ..ToolOutput::default() })
    };
    crate::blocking::change(work).await.unwrap_or_else(|error: ToolError| ToolOutput {
        result: error.to_string(),
        truncated: true,
        ..ToolOutput::default()
    })
}

#[cfg(test)]
mod tests;
