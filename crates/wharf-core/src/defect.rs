//! Replies that neither say nor do anything: nothing at all, reasoning alone, a call that was announced and is not there, a call
//! that stands in the text, calls that the output limit cut off. The model is asked once more, with a word; then the turn ends, saying
//! which setting is likely wrong. A reply that was refused without a word ends it at once: the same request would be refused again.

use serde_json::{Value, json};
use wharf_protocol::event::ReplyDefect;
use wharf_protocol::{ApiError, ErrorCode, StopReason};

/// How a call begins that a server did not take out of the text, and how it ends. No end: with the text.
const MARKS: [(&str, &str); 20] = [
    ("<tool_call>", "</tool_call>"),
    ("<tool_calls>", "</tool_calls>"),
    ("<function_call>", "</function_call>"),
    ("<function_calls>", "</function_calls>"),
    ("<function=", "</function>"),
    ("<invoke name=", "</invoke>"),
    ("<|tool_call|>", ""),
    ("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    ("<|python_tag|>", ""),
    ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
    ("<｜tool_calls_begin｜>", "<｜tool_calls_end｜>"),
    ("<｜DSML｜function_calls>", ""),
    ("<｜DSML｜invoke name=", ""),
    ("<minimax:tool_call>", "</minimax:tool_call>"),
    ("<|tool_call_start|>", "<|tool_call_end|>"),
    ("<|tool_call_begin|>", "<|tool_call_end|>"),
    ("<|START_ACTION|>", "<|END_ACTION|>"),
    ("<|action_start|>", "<|action_end|>"),
    ("[TOOL_CALLS]", ""),
    ("<|channel|>commentary to=", ""),
];

/// Longer text is not looked at for a call in it.
const MAX_MARKUP_BYTES: usize = 256 * 1_024;

/// Whether a text that has just begun may become a call in markup, so that it is not shown yet.
pub(crate) fn may_be_markup(text: &str) -> bool {
    let text = text.trim_start();
    text.len() <= MAX_MARKUP_BYTES && MARKS.iter().any(|(begin, _)| text.starts_with(begin) || begin.starts_with(text))
}

/// Whether a whole text is calls in markup, or ends with one.
fn is_markup(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_MARKUP_BYTES {
        return false;
    }
    let is_whole = MARKS.iter().any(|(begin, end)| text.starts_with(begin) && text.ends_with(end));
    is_whole
        || text.rsplit_once("<tool_call>").and_then(|(_, call)| call.strip_suffix("</tool_call>")).is_some_and(is_call)
}

fn is_call(json: &str) -> bool {
    let call: Option<Value> = serde_json::from_str(json.trim()).ok();
    call.is_some_and(|call| call.get("name").is_some_and(Value::is_string) && call.get("arguments").is_some())
}

/// What is wrong with a reply that has no call.
pub(crate) fn of(text: &str, reasoning: &str, announces_call: bool, stop_reason: StopReason) -> Option<ReplyDefect> {
    if matches!(stop_reason, StopReason::Refusal) {
        return None;
    }
    match () {
        () if is_markup(text) => Some(ReplyDefect::LeakedMarkup),
        () if announces_call => Some(ReplyDefect::NoCall),
        () if !text.trim().is_empty() => None,
        () if !reasoning.trim().is_empty() => Some(ReplyDefect::ReasoningOnly),
        () => Some(ReplyDefect::Empty),
    }
}

/// In words, after "the model's reply".
pub(crate) fn described(defect: ReplyDefect) -> &'static str {
    match defect {
        ReplyDefect::Empty => "was empty: no text and no tool call",
        ReplyDefect::ReasoningOnly => "held reasoning only: no text and no tool call after it",
        ReplyDefect::NoCall => "ended with a tool call, as the server says, and held none",
        ReplyDefect::LeakedMarkup => "was a tool call written as text, not a tool call",
    }
}

/// What the model is told before it is asked once more.
pub(crate) fn word(defect: ReplyDefect) -> String {
    let what = described(defect);
    format!("[Your last reply {what}. Go on: call a tool as a tool call, or answer in plain text.]")
}

/// Why the turn ends when that did not help.
pub(crate) fn error(defect: ReplyDefect, stop_reason: StopReason) -> ApiError {
    let cause = match (defect, stop_reason) {
        (ReplyDefect::Empty | ReplyDefect::ReasoningOnly, StopReason::MaxTokens) => {
            "The output limit was used up before an answer: raise the server's limit of output tokens, or lower `thinking`."
        }
        (ReplyDefect::Empty, _) => {
            "The model's chat template is likely wrong on its server, or a stop word ends each reply at once."
        }
        (ReplyDefect::ReasoningOnly, _) => {
            "The server's reasoning parser likely takes the answer for reasoning, or the chat template does not fit the \
             model: check both (vLLM and SGLang: `--reasoning-parser`; llama.cpp: `--reasoning-format`), or lower `thinking`."
        }
        (ReplyDefect::NoCall | ReplyDefect::LeakedMarkup, _) => {
            "The server's tool parser is likely missing or does not fit the model: check it and the chat template (vLLM: \
             `--enable-auto-tool-choice --tool-call-parser`; SGLang: `--tool-call-parser`; llama.cpp: `--jinja`), or use a \
             model that was made for tools."
        }
    };
    let text = format!("twice in a row the model's reply {}. {cause}", described(defect));
    ApiError::new(ErrorCode::ModelReplyUnusable, text).with_details(json!({ "defect": defect }))
}

/// What the model is told of each call in a reply that the output limit cut off: of none of them it is known whether it is as it was meant.
pub(crate) const CUT_OFF: &str = "the reply was cut off at the output limit, so none of its calls ran. Write in smaller pieces: \
                                  fewer calls in one reply, and a long file in several calls, the first with write_file and the \
                                  others with edit_file.";

/// Why the turn ends when a second reply in a row is cut off in its calls.
pub(crate) fn cut_off() -> ApiError {
    let text = "twice in a row the model's reply was cut off at the output limit in the middle of its tool calls, the second time \
                after it was told to write in smaller pieces. Raise the output limit on the model's server, lower `thinking` (reasoning \
                counts against the limit), ask for smaller steps, or use a model that may write more.";
    ApiError::new(ErrorCode::ModelReplyUnusable, text).with_details(json!({ "defect": "cut_off" }))
}

/// Why the turn ends when a reply was refused without a word.
pub(crate) fn refused(model: &str) -> ApiError {
    let text = format!(
        "{model} refused to answer, or its provider's content filter stopped the reply, without saying why. The same request would be \
         refused again: say it in other words or leave out what may be objected to (what was said before is sent along; `/clear` begins \
         anew), or use another model."
    );
    ApiError::new(ErrorCode::ModelReplyUnusable, text).with_details(json!({ "defect": "refused" }))
}

#[cfg(test)]
mod tests;
