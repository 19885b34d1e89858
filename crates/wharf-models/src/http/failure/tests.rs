//! Error bodies of many providers.

use std::collections::BTreeMap;

use expect_test::expect;
use reqwest::header::{HeaderMap, HeaderValue};
use serde::Deserialize;

use super::*;

const ERRORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/errors/http-errors.jsonl");

#[derive(Deserialize)]
struct Recorded {
    provider: String,
    status: u16,
    body: String,
}

fn check(status: u16, body: &str) -> String {
    let error = from_response(status, &HeaderMap::new(), body.as_bytes(), Some("sk-secret-key"));
    format!("{:?}: {}\n", error.kind, error.message)
}

#[test]
fn recorded_errors_are_understood() {
    let Ok(lines) = std::fs::read_to_string(ERRORS) else {
        eprintln!("passed over: no recorded errors at {ERRORS}");
        return;
    };
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut unusual = String::new();
    for line in lines.lines() {
        let Recorded { provider, status, body } = serde_json::from_str(line).unwrap();
        let error = from_response(status, &HeaderMap::new(), body.as_bytes(), None);
        assert!(error.message.len() > " (HTTP 400)".len(), "{line}");
        assert!(error.message.chars().count() <= MAX_MESSAGE_CHARS + 1 && !error.message.contains('\n'), "{line}");
        *kinds.entry(format!("{status} {:?}", error.kind)).or_default() += 1;
        if !matches!(
            (status, error.kind),
            (400 | 404, ModelErrorKind::Refused) | (401 | 403, ModelErrorKind::Unauthorized)
        ) {
            unusual.push_str(&format!("{provider} {status} {:?}: {}\n", error.kind, error.message));
        }
    }
    expect![[r#"
        {
            "400 ContextOverflow { limit: Some(512), asked: Some(2009) }": 1,
            "400 NoSuchModel": 11,
            "400 Refused": 33,
            "400 Unauthorized": 2,
            "401 Unauthorized": 8,
            "403 Unauthorized": 2,
            "404 NoSuchModel": 17,
            "500 ContextOverflow { limit: None, asked: Some(4002) }": 1,
            "500 Refused": 4,
            "501 Refused": 3,
        }
        xai 400 Unauthorized: Incorrect API key provided. You can obtain an API key from https://console.x.ai. (HTTP 400)
        xai 400 NoSuchModel: Model not found: grok-nonexistent-model-for-identity-edge (HTTP 400)
        doubleword 404 NoSuchModel: The model `no-such-embedding-model` does not exist or you do not have access to it. (HTTP 404)
        doubleword 404 NoSuchModel: The model `Qwen/Qwen4-Embedding-Unreleased` does not exist or you do not have access to it. (HTTP 404)
        doubleword 404 NoSuchModel: The model `rig/definitely-not-a-doubleword-model` does not exist or you do not have access to it. (HTTP 404)
        mistral 400 NoSuchModel: Invalid model: no-such-embedding-model (HTTP 400)
        mistral 400 NoSuchModel: Invalid model: definitely-not-a-model (HTTP 400)
        gemini 400 Unauthorized: API key not valid. Please pass a valid API key. (HTTP 400)
        gemini 404 NoSuchModel: models/gemini-nonexistent-model-for-identity-edge is not found for API version v1beta, or is not supported for generateContent. Call ModelService.ListModels to see the list of available models and their supported methods. (HTTP 404)
        gemini 404 NoSuchModel: models/no-such-embedding-model is not found for API version v1beta, or is not supported for embedContent. Call ModelService.ListModels to see the list of available models and their supported methods. (HTTP 404)
        gemini 404 NoSuchModel: models/gemini-nonexistent-rig-test is not found for API version v1beta, or is not supported for generateContent. Call ModelService.ListModels to see the list of available models and their supported methods. (HTTP 404)
        groq 404 NoSuchModel: The model `groq-nonexistent-model-for-identity-edge` does not exist or you do not have access to it. (HTTP 404)
        bedrock 404 NoSuchModel: This model version has reached the end of its life. Please refer to the AWS documentation for more details. (HTTP 404)
        venice 404 NoSuchModel: Specified model not found: no-such-embedding-model. Did you mean: text-embedding-bge-m3, text-embedding-bge-en-icl, text-embedding-qwen3-8b? (HTTP 404)
        venice 404 NoSuchModel: Specified model not found: venice-nonexistent-rig-test. Did you mean: venice-uncensored-1-2, venice-uncensored-role-play? (HTTP 404)
        anthropic 404 NoSuchModel: model: claude-nonexistent-model-for-error-edge (HTTP 404)
        anthropic 404 NoSuchModel: model: claude-nonexistent-model-for-identity-edge (HTTP 404)
        anthropic 404 NoSuchModel: model: claude-nonexistent-rig-test (HTTP 404)
        deepseek 400 NoSuchModel: The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed deepseek-v9-nonexistent. (HTTP 400)
        openai 404 NoSuchModel: The model `text-embedding-nonexistent-model` does not exist or you do not have access to it. (HTTP 404)
        openai 400 NoSuchModel: The requested model 'gpt-nonexistent-model-for-error-edge' does not exist. (HTTP 400)
        openai 404 NoSuchModel: The model `no-such-embedding-model` does not exist or you do not have access to it. (HTTP 404)
        openai 400 NoSuchModel: The model 'rig-nonexistent-image-model' does not exist. (HTTP 400)
        openai 400 NoSuchModel: The model 'dall-e-3' does not exist. (HTTP 400)
        openai 400 NoSuchModel: The requested model 'gpt-nonexistent-model-for-identity-edge' does not exist. (HTTP 400)
        openai 400 NoSuchModel: The requested model 'gpt-4o-mini-nonexistent-rig-test' does not exist. (HTTP 400)
        openrouter 400 NoSuchModel: Model no-such/embedding-model does not exist (HTTP 400)
        openrouter 400 NoSuchModel: openai/gpt-nonexistent-routed-model is not a valid model ID (HTTP 400)
        llamacpp 500 Refused: Cannot use both json_schema and grammar (HTTP 500)
        llamacpp 500 Refused: image input is not supported - hint: if this is unexpected, you may need to provide the mmproj (HTTP 500)
        llamacpp 500 Refused: error: cannot make GET request (HTTP 500)
        llamacpp 400 ContextOverflow { limit: Some(512), asked: Some(2009) }: request (2009 tokens) exceeds the available context size (512 tokens), try increasing it (HTTP 400)
        llamacpp 500 ContextOverflow { limit: None, asked: Some(4002) }: input (4002 tokens) is too large to process. increase the physical batch size (current batch size: 512) (HTTP 500)
        llamacpp 501 Refused: This server does not support embeddings. Start it with `--embeddings` (HTTP 501)
        llamacpp 501 Refused: This server does not support reranking. Start it with `--reranking` (HTTP 501)
        llamacpp 500 Refused: tools param requires --jinja flag (HTTP 500)
        llamacpp 501 Refused: The current model does not support audio input. (HTTP 501)
        cohere 404 NoSuchModel: model 'no-such-embedding-model' not found, make sure the correct model ID was used and that you have access to the model. (HTTP 404)
        cohere 404 NoSuchModel: model 'command-does-not-exist' not found, make sure the correct model ID was used and that you have access to the model. (HTTP 404)
    "#]].assert_eq(&format!("{kinds:#?}\n{unusual}"));
}

#[test]
fn bodies_of_many_shapes() {
    let long = format!("{{\"message\":\"{}\"}}", "word ".repeat(1_000));
    let all = [
        check(400, r#"{"error":{"message":"a\n b","type":"x"}}"#),
        check(400, r#"[{"error":{"message":"in a list","status":"INVALID_ARGUMENT"}}]"#),
        check(422, r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#),
        check(
            400,
            r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"too hot\"}}"}}}"#,
        ),
        check(502, "<html><head><TITLE>502 Bad Gateway</TITLE></head></html>"),
        check(500, ""),
        check(500, "plain \u{7} words"),
        check(401, r#"{"error":"bad key sk-secret-key"}"#),
        check(429, r#"{"error":{"code":"insufficient_quota","message":"no money"}}"#),
        check(402, r#"{"error":{"message":"Insufficient Balance"}}"#),
        check(429, r#"{"error":{"message":"Rate limit reached"}}"#),
        check(413, r#"{"error":{"message":"Request too large"}}"#),
        check(400, r#"{"error":{"message":"This model's maximum context length is 8192 tokens"}}"#),
        check(503, r#"{"error":{"message":"loading model"}}"#),
        check(529, r#"{"error":{"type":"overloaded_error","message":"Overloaded"}}"#),
        check(408, "{}"),
        check(404, r#"{"nested":{"deep":true}}"#),
        check(418, &"[".repeat(10_000)).chars().take(60).collect(),
        format!("\n{} bytes\n", check(400, &long).len()),
    ];
    expect![[r#"
        Refused: a b (HTTP 400)
        Refused: in a list (HTTP 400)
        Refused: field required (HTTP 422)
        Refused: Provider returned error: too hot (HTTP 400)
        Overloaded: 502 Bad Gateway (HTTP 502)
        Overloaded: HTTP 500
        Overloaded: plain ? words (HTTP 500)
        Unauthorized: bad key *** (HTTP 401)
        Refused: no money (HTTP 429)
        Refused: Insufficient Balance (HTTP 402)
        RateLimited: Rate limit reached (HTTP 429)
        ContextOverflow { limit: None, asked: None }: Request too large (HTTP 413)
        ContextOverflow { limit: Some(8192), asked: None }: This model's maximum context length is 8192 tokens (HTTP 400)
        Overloaded: loading model (HTTP 503)
        Overloaded: Overloaded (HTTP 529)
        Timeout: HTTP 408
        NoApi: HTTP 404
        Refused: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
        512 bytes
    "#]]
    .assert_eq(&all.concat());
}

#[test]
fn the_wish_for_a_pause() {
    let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let wish = |headers: &[(&'static str, &'static str)]| {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        retry_after_ms(&headers.collect(), now)
    };
    assert_eq!(wish(&[]), None);
    assert_eq!(wish(&[("retry-after", "2")]), Some(2_000));
    assert_eq!(wish(&[("retry-after", "0.5")]), Some(500));
    assert_eq!(wish(&[("retry-after", "2"), ("retry-after-ms", "30")]), Some(30));
    assert_eq!(wish(&[("retry-after", "Fri, 20 Nov 2026 12:00:10 GMT")]), Some(10_000));
    assert_eq!(wish(&[("retry-after", "Fri, 20 Nov 2026 11:00:00 GMT")]), Some(0));
    assert_eq!(wish(&[("retry-after", "-3")]), Some(0));
    assert_eq!(wish(&[("retry-after", "soon")]), None);
    assert_eq!(wish(&[("retry-after", "1e300")]), Some(0));
    assert_eq!(wish(&[("retry-after", "999999999")]), Some(24 * 60 * 60 * 1_000));
}

#[test]
fn every_way_to_say_that_a_request_is_too_long() {
    let said = |status: u16, text: &str| {
        let body = serde_json::json!({ "error": { "message": text } }).to_string();
        match from_response(status, &HeaderMap::new(), body.as_bytes(), None).kind {
            ModelErrorKind::ContextOverflow { limit, asked } => (limit, asked),
            kind => panic!("{text}: {kind:?}"),
        }
    };
    let (n, m) = (Some(8_192), Some(9_000));
    for (status, text, limit, asked) in [
        (400, "prompt is too long: 9000 tokens > 8192 maximum", n, m),
        (400, "input length and `max_tokens` exceed context limit: 9000 + 100 > 8192, decrease", n, m),
        (
            400,
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            n,
            m,
        ),
        (400, "Your input exceeds the context window of this model.", None, None),
        (
            400,
            "Input tokens exceed the configured limit of 8,192 tokens. Your messages resulted in 9,000 tokens.",
            n,
            m,
        ),
        (400, "Input is too long for requested model.", None, None),
        (400, "prompt tokens (9000) exceed model maximum (8192)", n, m),
        (400, "The input token count (9000) exceeds the maximum number of tokens allowed (8192).", n, m),
        (400, "Request payload size exceeds the limit: 4194304 bytes.", None, None),
        (400, "This model's maximum prompt length is 8192 but the request contains 9000 tokens.", n, m),
        (400, "Please reduce the length of the messages or completion.", None, None),
        (413, "Request too large for model `x` on tokens per minute (TPM): Limit 8192, Requested 9000", n, m),
        (
            400,
            "This endpoint's maximum context length is 8192 tokens. However, you requested about 9000 tokens (1 a)",
            n,
            m,
        ),
        (400, "Input length 9000 exceeds the maximum allowed input length of 8192 tokens.", n, m),
        (422, "The input (9000 tokens) is longer than the model's context length (8192 tokens).", n, m),
        (400, "Requested token count exceeds the model's maximum context length of 8192 tokens.", n, None),
        (400, "maximum context length is 8192 tokens. However, your request has 9000 input tokens.", n, m),
        (
            400,
            "tokens to keep from the initial prompt is greater than the context length (n_keep: 9000 >= n_ctx: 8192)",
            n,
            m,
        ),
        (
            400,
            "Trying to keep the first 9000 tokens when context the overflows: model has a context length of only 8192",
            n,
            m,
        ),
        (400, "prompt too long; exceeded max context length by 808 tokens", None, None),
        (400, "the input length exceeds the context length", None, None),
        (400, "Prompt contains 9000 tokens, too large for model with 8192 maximum context length", n, m),
        (400, "Invalid request: Your request exceeded model token limit: 8192 (requested: 9000)", n, m),
        (400, "Range of input length should be [1, 8192]", n, None),
        (400, "context window exceeds limit (2013)", None, None),
        (400, "Prompt exceeds max length", None, None),
        (400, "Current length is 9000 while limit is 8192", n, m),
        (400, "prompt token count of 9000 exceeds the limit of 8192", n, m),
        (400, "litellm.ContextWindowExceededError: context window exceeded for given call", None, None),
        (422, "`inputs` tokens + `max_new_tokens` must be <= 8192. Given: 9000", n, None),
        (400, "prompt has 9000 tokens, but the configured context size is 8192 tokens", n, m),
        (500, "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it", n, m),
    ] {
        assert_eq!(said(status, text), (limit, asked), "{text}");
    }
    let kind = |status: u16, body: &str| from_response(status, &HeaderMap::new(), body.as_bytes(), None).kind;
    let unknown = ModelErrorKind::ContextOverflow { limit: None, asked: None };
    assert_eq!(kind(400, ""), unknown, "a provider that says nothing");
    assert_eq!(kind(400, r#"{"error":{"code":1261,"message":"Prompt"}}"#), unknown);
    let fields = r#"{"error":{"type":"exceed_context_size_error","message":"no","n_ctx":8192,"n_prompt_tokens":9000}}"#;
    assert_eq!(kind(400, fields), ModelErrorKind::ContextOverflow { limit: n, asked: m });
    for throttle in ["Too many tokens, please wait before trying again.", "Rate limit: maximum context per minute"] {
        let body = serde_json::json!({ "message": throttle }).to_string();
        assert!(!matches!(kind(400, &body), ModelErrorKind::ContextOverflow { .. }), "{throttle}");
        assert!(!matches!(kind(429, &body), ModelErrorKind::ContextOverflow { .. }), "{throttle}");
        assert!(!matches!(in_stream(&body).kind, ModelErrorKind::ContextOverflow { .. }), "{throttle}");
    }
}

#[test]
fn a_wish_in_the_body_is_one_too() {
    let body = br#"{"error":{"code":429,"message":"Slow down.","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"46.5s"}]}}"#;
    let error = from_response(429, &HeaderMap::new(), body, None);
    assert_eq!((error.kind, error.retry_after_ms), (ModelErrorKind::RateLimited, Some(46_500)));
}
