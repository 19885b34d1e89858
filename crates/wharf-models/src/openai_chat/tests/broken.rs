//! Streams broken by hand, each in one way.

use std::collections::VecDeque;

use expect_test::{Expect, expect};
use serde_json::json;
use wharf_protocol::model::{ModelError, ModelErrorKind};

use super::{Decoder, hear, report};
use crate::reply::MAX_REPLY_BYTES;
use crate::reply::lines::MAX_LINE_BYTES;

fn check(stream: &str, expected: Expect) {
    let whole = hear([stream.as_bytes()]);
    for cut in 0..=stream.len() {
        let (before, after) = stream.as_bytes().split_at(cut);
        assert_eq!(hear([before, after]), whole, "cut at {cut}");
    }
    assert_eq!(hear(stream.as_bytes().chunks(1)), whole, "in single bytes");
    expected.assert_eq(&report(&whole));
}

/// One choice with `delta`, and `more` fields of the choice.
fn chunk(delta: &str, more: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}{more}}}]}}\n\n")
}

fn call(piece: &str) -> String {
    chunk(&format!("{{\"tool_calls\":[{piece}]}}"), "")
}

const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const CALLS: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n";
const LENGTH: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn hello() -> String {
    chunk(r#"{"content":"hello"}"#, "")
}

#[test]
fn characters_may_be_cut() {
    check(
        &format!("{}{STOP}", chunk(r#"{"content":"žluťoučký 🐎 \ud83d\ude00\n"}"#, "")),
        expect![[r#"
              text "žluťoučký 🐎 😀\n"
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn framing_may_be_odd() {
    let tight = "\u{feff}:hi\nevent: message\nid: 7\nretry: 3\nunknown\ndata:{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n\n\n";
    check(
        &format!(
            "{tight}data:  {{\"choices\":\ndata: [{{\"delta\":{{\"content\":\ndata: \"b\"}}}}]}}\n\ndata:\ndata\n\n{STOP}"
        ),
        expect![[r#"
              text "ab"
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn the_end_is_a_finish_reason() {
    check(
        &format!("{}{}", hello(), STOP.trim_end()),
        expect![[r#"
              text "hello"
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn nothing_counts_behind_done() {
    check(
        &format!("{}{STOP}{DONE}data: nonsense\n\n", hello()),
        expect![[r#"
              text "hello"
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn servers_without_finish_reasons_end_with_done_or_with_the_body() {
    check(
        &format!("{}{DONE}", hello()),
        expect![[r#"
              text "hello"
              EndTurn, usage -
        "#]],
    );
    check(
        &hello(),
        expect![[r#"
              text "hello"
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn a_server_that_announces_a_finish_reason_owes_it() {
    check(
        &chunk(r#"{"content":"hel"}"#, r#","finish_reason":null"#),
        expect![[r#"
              text "hel"
              error Connection: the reply ended before the model had finished
        "#]],
    );
    check(
        &format!("{}data: {{\"choices\":[{{\"de", hello()),
        expect![[r#"
              text "hello"
              error Connection: the reply ended before the model had finished
        "#]],
    );
}

#[test]
fn an_empty_stream_is_no_reply() {
    check(
        "",
        expect![[r#"
              error Connection: the reply ended before the model had finished
        "#]],
    );
    check(
        ": only a comment\n\n",
        expect![[r#"
              error Connection: the reply ended before the model had finished
        "#]],
    );
    check(
        DONE,
        expect![[r#"
              error BadReply: the reply is empty
        "#]],
    );
    check(
        STOP,
        expect![[r#"
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn calls_count_by_presence() {
    check(
        &format!("{}{STOP}", call(r#"{"index":0,"id":"a","function":{"name":"ls","arguments":"{}"}}"#)),
        expect![[r#"
              call ls {}
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn calls_may_lack_an_index_or_begin_at_one() {
    let pieces = [
        call(r#"{"id":"a","function":{"name":"one","arguments":"{\"x\""}}"#),
        call(r#"{"function":{"arguments":":1}"}}"#),
        call(r#"{"id":"b","function":{"name":"two","arguments":"{}"}}"#),
    ];
    check(
        &format!("{}{CALLS}", pieces.concat()),
        expect![[r#"
              call one {"x":1}
              call two {}
              EndTurn, usage -
        "#]],
    );
    let both = call(r#"{"function":{"name":"same","arguments":"{}"}},{"function":{"name":"same","arguments":"{}"}}"#);
    check(
        &format!("{both}{CALLS}"),
        expect![[r#"
              call same {}
              call same {}
              EndTurn, usage -
        "#]],
    );
    let first_is_one = [
        call(r#"{"index":1,"id":"a","function":{"name":"one","arguments":""}}"#),
        call(r#"{"index":1,"function":{"arguments":"{\"x\":1}"}}"#),
    ];
    check(
        &format!("{}{CALLS}", first_is_one.concat()),
        expect![[r#"
              call one {"x":1}
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn a_new_id_on_a_used_index_is_a_new_call() {
    let pieces = [
        call(r#"{"index":0,"id":"a","function":{"name":"one","arguments":"{}"}}"#),
        call(r#"{"index":0,"id":"b","function":{"name":"one","arguments":"{\"x\":"}}"#),
        call(r#"{"index":0,"id":"b","function":{"name":"one","arguments":"2}"}}"#),
    ];
    check(
        &format!("{}{CALLS}", pieces.concat()),
        expect![[r#"
              call one {}
              call one {"x":2}
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn names_and_ids_may_be_repeated_or_empty() {
    let pieces = [
        call(r#"{"index":0,"id":"a","type":"function","function":{"name":"write","arguments":"{\"te"}}"#),
        call(r#"{"index":0,"id":"a","type":"function","function":{"name":"write","arguments":"xt\":\"}"}}"#),
        call(r#"{"index":0,"id":"","function":{"name":"","arguments":"\"}"}}"#),
        call(r#"{"index":0,"id":null,"function":{"name":null,"arguments":null}}"#),
        call(r#"{"index":0,"function":null}"#),
    ];
    check(
        &format!("{}{CALLS}", pieces.concat()),
        expect![[r#"
              call write {"text":"}"}
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn interleaved_calls_are_kept_apart() {
    let pieces = [
        call(
            r#"{"index":0,"id":"a","function":{"name":"one","arguments":"{\"x\":"}},{"index":1,"id":"b","function":{"name":"two","arguments":"{\"y\":"}}"#,
        ),
        call(r#"{"index":1,"function":{"arguments":"2}"}},{"index":0,"function":{"arguments":"1}"}}"#),
    ];
    check(
        &format!("{}{CALLS}", pieces.concat()),
        expect![[r#"
              call one {"x":1}
              call two {"y":2}
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn arguments_may_be_an_object_or_nothing_or_encoded_twice() {
    let pieces = [
        call(r#"{"index":0,"id":"a","function":{"name":"object","arguments":{"path":"a \"b\""}}}"#),
        call(r#"{"index":1,"id":"b","function":{"name":"empty","arguments":""}}"#),
        call(r#"{"index":2,"id":"c","function":{"name":"absent"}}"#),
        call(r#"{"index":3,"id":"d","function":{"name":"null","arguments":"null"}}"#),
        call(r#"{"index":4,"id":"e","function":{"name":"twice","arguments":"\"{\\\"a\\\":1}\""}}"#),
        call(r#"{"index":5,"id":"f","function":{"name":"padded","arguments":" {\"a\":1}\n  "}}"#),
    ];
    check(
        &format!("{}{CALLS}", pieces.concat()),
        expect![[r#"
              call object {"path":"a \"b\""}
              call empty {}
              call absent {}
              call null {}
              call twice {"a":1}
              call padded {"a":1}
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn malformed_arguments_are_kept_as_they_came() {
    let pieces = [
        call(r#"{"index":0,"id":"a","function":{"name":"cut","arguments":"{\"path\":\"a"}}"#),
        call(r#"{"index":1,"id":"b","function":{"name":"list","arguments":"[1]"}}"#),
        call(r#"{"index":2,"id":"c","function":{"name":"two","arguments":"{\"a\":1}{\"a\":2}"}}"#),
    ];
    check(
        &format!("{}{CALLS}", pieces.concat()),
        expect![[r#"
              call cut malformed, 10 bytes
              call list malformed, 3 bytes
              call two malformed, 14 bytes
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn a_call_that_the_limit_cut_does_not_run() {
    let begun = call(r#"{"index":0,"id":"a","function":{"name":"delete_all","arguments":""}}"#);
    check(
        &format!("{begun}{LENGTH}"),
        expect![[r#"
              call delete_all malformed, 0 bytes
              MaxTokens, usage -
        "#]],
    );
    check(
        &begun,
        expect![[r#"
              error Connection: the reply ended before the model had finished
        "#]],
    );
}

#[test]
fn only_the_first_choice_counts() {
    let two = r#"data: {"choices":[{"index":1,"delta":{"content":"no"},"finish_reason":"stop"},{"index":0,"delta":{"content":"yes"},"finish_reason":null}]}"#;
    check(
        &format!("{two}\n\n{STOP}{DONE}"),
        expect![[r#"
              text "yes"
              EndTurn, usage -
        "#]],
    );
    check(
        &format!("{two}\n\n"),
        expect![[r#"
              text "yes"
              error Connection: the reply ended before the model had finished
        "#]],
    );
}

#[test]
fn reasoning_has_many_names() {
    let pieces = [
        chunk(r#"{"reasoning_content":"one ","reasoning":"one "}"#, ""),
        chunk(r#"{"reasoning":"two ","content":null}"#, ""),
        chunk(
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"three"}]},{"type":"text","text":"said"}]}"#,
            "",
        ),
        chunk(r#"{"reasoning":{"odd":true},"content":7}"#, ""),
    ];
    check(
        &format!("{}{STOP}", pieces.concat()),
        expect![[r#"
              reasoning 13 bytes
              text "said"
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn reasoning_details_are_put_together_and_kept() {
    let pieces = [
        chunk(r#"{"reasoning_details":[{"type":"reasoning.text","text":"a","index":0,"signature":null}]}"#, ""),
        chunk(r#"{"reasoning_details":[{"type":"reasoning.text","text":"b","index":0,"signature":"s"}]}"#, ""),
        chunk(r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"x","index":1}]}"#, ""),
        chunk(r#"{"reasoning_details":[]}"#, ""),
        hello(),
    ];
    let heard = hear([format!("{}{STOP}", pieces.concat()).as_bytes()]);
    assert_eq!(
        heard.end.unwrap().provider_data,
        Some(json!({ "reasoning_details": [
            { "type": "reasoning.text", "text": "ab", "index": 0, "signature": "s" },
            { "type": "reasoning.encrypted", "data": "x", "index": 1 },
        ] }))
    );
}

#[test]
fn an_error_inside_the_stream_is_an_error() {
    check(
        &format!("{}data: {{\"error\":{{\"message\":\"it\\nbroke\",\"code\":500}}}}\n\n", hello()),
        expect![[r#"
              text "hello"
              error BadReply: it broke
        "#]],
    );
    check(
        &format!(
            "{}{LENGTH}data: {{\"error\":\"too much\",\"choices\":[{{\"delta\":{{\"content\":\"x\"}}}}]}}\n\n{DONE}",
            hello()
        ),
        expect![[r#"
              text "hello"
              error BadReply: too much
        "#]],
    );
    check(
        &format!("{}{{\"error\":{{\"message\":\"unframed\"}}}}\n", hello()),
        expect![[r#"
              text "hello"
              error BadReply: unframed
        "#]],
    );
    check(
        &format!("{}{}", hello(), chunk("{}", r#","finish_reason":"error""#)),
        expect![[r#"
              text "hello"
              error BadReply: the provider ended the reply with an error
        "#]],
    );
    check(
        "data: {\"error\":{\"code\":429,\"message\":\"slow down\"}}\n\n",
        expect![[r#"
              error RateLimited: slow down
        "#]],
    );
    check(
        "data: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
        expect![[r#"
              error Overloaded: Overloaded
        "#]],
    );
    check(
        "data: {\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"too long\"}}\n\n",
        expect![[r#"
              error ContextOverflow { limit: None, asked: None }: too long
        "#]],
    );
}

#[test]
fn a_body_in_place_of_a_stream_is_read() {
    check(
        "{\n  \"error\": {\n    \"message\": \"no such thing\"\n  }\n}\n",
        expect![[r#"
              error BadReply: no such thing
        "#]],
    );
    check(
        "<html><head><title>Sign in</title></head>\n<body>data</body></html>",
        expect![[r#"
              error BadReply: the answer is not a model's reply: Sign in
        "#]],
    );
    check(
        "{\"status\":\"ok\"}",
        expect![[r#"
              error BadReply: the answer is not a model's reply: {"status":"ok"}
        "#]],
    );
    let whole = r#"{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi","tool_calls":[{"id":"a","type":"function","function":{"name":"ls","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
    check(
        whole,
        expect![[r#"
              text "hi"
              call ls {}
              EndTurn, usage 1+2=3
        "#]],
    );
}

#[test]
fn usage_may_be_anywhere_and_odd() {
    let with_usage = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}],"usage":{"prompt_tokens":3,"completion_tokens":1.0,"total_tokens":null}}"#;
    check(
        &format!("{with_usage}\n\n{STOP}data: {{\"choices\":[],\"usage\":{{}}}}\n\n{DONE}"),
        expect![[r#"
              text "a"
              EndTurn, usage 3+1=4
        "#]],
    );
    check(
        &format!(
            "data: {{\"choices\":null,\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":1}}}}\n\n{}{STOP}",
            hello()
        ),
        expect![[r#"
              text "hello"
              EndTurn, usage 1+1=2
        "#]],
    );
}

#[test]
fn nonsense_is_a_bad_reply() {
    check(
        &format!("{}data: nonsense\n\n{STOP}", hello()),
        expect![[r#"
              text "hello"
              error BadReply: the reply holds a line that is not JSON: nonsense
        "#]],
    );
    check(
        &format!("{}data: {{\"choices\":[\n\n{STOP}", hello()),
        expect![[r#"
              text "hello"
              error BadReply: the reply holds a line that is not JSON: {"choices":[
        "#]],
    );
}

#[test]
fn a_refusal_is_said() {
    check(
        &format!("{}{STOP}", chunk(r#"{"refusal":"I cannot help with that."}"#, "")),
        expect![[r#"
              text "I cannot help with that."
              Refusal, usage -
        "#]],
    );
    check(
        &format!("{}{}", hello(), chunk("{}", r#","finish_reason":"content_filter""#)),
        expect![[r#"
              text "hello"
              Refusal, usage -
        "#]],
    );
}

#[test]
fn bytes_that_are_no_text_cost_one_character() {
    let mut stream = b"data: {\"choices\":[{\"delta\":{\"content\":\"a\xff\xc3b\"}}]}\n\n".to_vec();
    stream.extend_from_slice(STOP.as_bytes());
    expect![[r#"
          text "a��b"
          EndTurn, usage -
    "#]]
    .assert_eq(&report(&hear([stream.as_slice()])));
}

fn feed_until_refused(pieces: impl Iterator<Item = Vec<u8>>) -> ModelError {
    let mut decoder = Decoder::default();
    let mut out = VecDeque::new();
    for piece in pieces {
        out.clear();
        if let Err(error) = decoder.feed(&piece, &mut out) {
            return error;
        }
    }
    panic!("nothing was refused");
}

#[test]
fn sizes_are_limited() {
    let long_line =
        std::iter::once(b"data: ".to_vec()).chain(std::iter::repeat_n(vec![b' '; 1 << 20], 2 + (MAX_LINE_BYTES >> 20)));
    let long_event = std::iter::repeat_n(
        [b"data: {\"a\":[".to_vec(), vec![b' '; 1 << 20], b"\n".to_vec()].concat(),
        2 + (MAX_LINE_BYTES >> 20),
    );
    let text = chunk(&format!("{{\"content\":\"{}\"}}", "x".repeat(1 << 20)), "").into_bytes();
    let long_reply = std::iter::repeat_n(text, 2 + (MAX_REPLY_BYTES >> 20));
    let many_calls =
        (0..1_000).map(|at| call(&format!(r#"{{"index":{at},"id":"{at}","function":{{"name":"a"}}}}"#)).into_bytes());
    let long_page = std::iter::repeat_n([b"<p>".to_vec(), vec![b'x'; 1 << 20], b"\n".to_vec()].concat(), 10);
    for (what, error) in [
        ("line", feed_until_refused(long_line)),
        ("event", feed_until_refused(long_event)),
        ("reply", feed_until_refused(long_reply)),
        ("calls", feed_until_refused(many_calls)),
        ("page", feed_until_refused(long_page)),
    ] {
        assert_eq!(error.kind, ModelErrorKind::BadReply, "{what}: {error}");
    }
}
