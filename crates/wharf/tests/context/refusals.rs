//! Every way in which servers refuse what is too long is followed by one compaction and one repetition.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wharf_protocol::event::CompactReason;
use wharf_protocol::{EventBody, TurnStatus};
use wharf_testkit::{Reply, ScriptedModel};

use crate::Room;

/// Bodies as servers send them; with numbers, without, and in shapes of their own.
fn refusals() -> Vec<(u16, Value)> {
    let error = |text: &str| json!({ "error": { "message": text } });
    vec![
        (
            400,
            json!({ "type": "error", "error": { "type": "invalid_request_error", "message": "prompt is too long: 40000 tokens > 32768 maximum" } }),
        ),
        (
            413,
            json!({ "type": "error", "error": { "type": "request_too_large", "message": "Request exceeds the maximum size" } }),
        ),
        (
            400,
            json!({ "error": { "code": "context_length_exceeded", "message": "Your input exceeds the context window of this model." } }),
        ),
        (400, error("Input is too long for requested model.")),
        (
            400,
            json!({ "error": { "code": 400, "status": "INVALID_ARGUMENT", "message": "The input token count (40000) exceeds the maximum number of tokens allowed (32768)." } }),
        ),
        (
            400,
            json!({ "code": "Client specified an invalid argument", "error": "This model's maximum prompt length is 32768 but the request contains 40000 tokens." }),
        ),
        (400, error("Please reduce the length of the messages or completion.")),
        (413, error("Request too large for model `x` on tokens per minute (TPM): Limit 32768, Requested 40000")),
        (
            400,
            error(
                "This endpoint's maximum context length is 32768 tokens. However, you requested about 40000 tokens (39000 a text, 1000 b tool)",
            ),
        ),
        (422, error("The input (40000 tokens) is longer than the model's context length (32768 tokens).")),
        (
            400,
            error("This model's maximum context length is 32768 tokens. However, your request has 40000 input tokens."),
        ),
        (
            400,
            json!({ "error": { "code": 400, "message": "request (40000 tokens) exceeds the available context size (32768 tokens), try increasing it", "n_ctx": 32768, "n_prompt_tokens": 40000, "type": "exceed_context_size_error" } }),
        ),
        (
            500,
            json!({ "error": { "code": 500, "message": "input (40000 tokens) is too large to process. increase the physical batch size (current batch size: 512)", "type": "server_error" } }),
        ),
        (
            400,
            json!({ "error": "Trying to keep the first 40000 tokens when context the overflows. However, the model is loaded with context length of only 32768 tokens" }),
        ),
        (400, error("prompt too long; exceeded max context length by 7232 tokens")),
        (
            400,
            json!({ "object": "error", "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length", "code": "3051" }),
        ),
        (400, error("Invalid request: Your request exceeded model token limit: 32768 (requested: 40000)")),
        (400, error("Range of input length should be [1, 32768]")),
        (400, error("context window exceeds limit (2013)")),
        (400, json!({ "error": { "code": "1261", "message": "Prompt exceeds max length" } })),
        (400, error("Current length is 40000 while limit is 32768")),
        (400, error("prompt token count of 40000 exceeds the limit of 32768")),
        (400, error("litellm.ContextWindowExceededError: context window exceeded for given call")),
        (422, error("`inputs` tokens + `max_new_tokens` must be <= 32768. Given: 40000")),
        (400, json!({ "message": "too many tokens: total number of tokens in the prompt cannot exceed 32768" })),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_followed_by_one_compaction_and_one_repetition() {
    for (status, body) in refusals() {
        let model = ScriptedModel::start().await;
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let (seen, refusal) = (Arc::clone(&sizes), body.clone());
        model.answer(move |body| {
            let mut seen = seen.lock().unwrap();
            let is_summary = body["messages"].to_string().contains("Sum up everything above");
            if is_summary {
                return Some(Reply::text("Goal: read the files."));
            }
            seen.push(body.to_string().len());
            Some(match seen.len() {
                step @ 1..=6 => Reply::tool("read_file", json!({ "path": format!("f{step}.txt") })),
                7 => Reply::http_error(status, "").with_body(refusal.clone()),
                _ => Reply::text("All is read."),
            })
        });
        let room = Room::start(&model, None).await;
        for step in 1..=6 {
            room.workspace.write(&format!("f{step}.txt"), format!("line {step} of a file that is long\n").repeat(600));
        }
        let session = room.session("small").await.id;
        let turn = room.turn(&session, "read them").await;
        assert_eq!(turn.status, TurnStatus::Completed, "{status} {body}: {:?}", turn.error);
        let sizes = sizes.lock().unwrap().clone();
        assert_eq!(sizes.len(), 8, "{status} {body}: one repetition");
        assert!(sizes[7] < sizes[6], "{status} {body}: {sizes:?}");
        let log = room.log(&session).await;
        let compacted: Vec<_> = log
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::ContextCompacted(compacted) => Some(compacted.reason),
                _ => None,
            })
            .collect();
        assert_eq!(compacted, [CompactReason::Overflow], "{status} {body}");
        model.assert_histories_are_valid();
    }
}
