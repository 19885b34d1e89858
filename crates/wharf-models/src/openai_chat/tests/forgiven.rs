//! Streams with mistakes that have one meaning.

use std::sync::Arc;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use wharf_protocol::ToolSpec;

use super::{Chunks, Decoder, Heard, hear_with, report};

const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn tools() -> Arc<[Arc<ToolSpec>]> {
    let tool = |name: &str| {
        let spec = json!({
            "name": name, "description": "", "category": "", "kind": "other", "source": "builtin", "read_only": true,
            "parameters": {}, "timeout_ms": 1,
        });
        Arc::new(serde_json::from_value(spec).unwrap())
    };
    ["read_file", "ls", "write_file", "ask_user"].map(tool).into()
}

fn heard<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Heard {
    hear_with(Decoder::new(Chunks::default(), tools()), pieces)
}

fn check(stream: &str, expected: Expect) {
    let whole = heard([stream.as_bytes()]);
    for cut in 0..=stream.len() {
        let (before, after) = stream.as_bytes().split_at(cut);
        assert_eq!(heard([before, after]), whole, "cut at {cut}");
    }
    assert_eq!(heard(stream.as_bytes().chunks(1)), whole, "in single bytes");
    expected.assert_eq(&report(&whole));
}

fn data(chunk: &str) -> String {
    format!("data: {chunk}\n\n")
}

fn chunk(delta: &str) -> String {
    data(&format!("{{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}"))
}

fn call(piece: &str) -> String {
    chunk(&format!("{{\"tool_calls\":[{piece}]}}"))
}

/// The calls that the pieces are.
fn calls(pieces: &[&str]) -> Vec<(String, Value)> {
    let stream: String = pieces.iter().map(|piece| call(piece)).collect();
    let reply = heard([format!("{stream}{STOP}").as_bytes()]).end.unwrap();
    let told = |raw: String| Value::String(format!("malformed: {raw}"));
    reply.tool_calls.into_iter().map(|call| (call.tool_name, call.arguments.unwrap_or_else(told))).collect()
}

fn one(name: &str, arguments: Value) -> Vec<(String, Value)> {
    vec![(name.to_owned(), arguments)]
}

#[test]
fn a_delta_wins_over_a_message() {
    let both = |delta: &str, message: &str| {
        data(&format!(
            r#"{{"choices":[{{"index":0,"delta":{{"content":"{delta}"}},"message":{{"content":"{message}"}},"finish_reason":null}}]}}"#
        ))
    };
    check(
        &format!("{}{}{}{STOP}", both("1", "1"), both("1 ", "11 "), both("2", "11 2")),
        expect![[r#"
              text "11 2"
              EndTurn, usage -
        "#]],
    );
    let last = data(r#"{"choices":[{"message":{"content":"a b"},"finish_reason":"stop"}]}"#);
    check(
        &format!("{}{}{last}", chunk(r#"{"content":"a "}"#), chunk(r#"{"content":"b"}"#)),
        expect![[r#"
              text "a b"
              EndTurn, usage -
        "#]],
    );
    // An empty delta beside the only text, and calls that only the message has.
    let only = r#"{"choices":[{"delta":{},"message":{"content":"all","tool_calls":[{"id":"a","function":{"name":"ls","arguments":"{}"}}]},"finish_reason":"stop"}]}"#;
    check(
        &data(only),
        expect![[r#"
              text "all"
              call ls {}
              EndTurn, usage -
        "#]],
    );
    check(
        &format!("{}{}", chunk(r#"{"content":"all"}"#), data(only)),
        expect![[r#"
              text "all"
              call ls {}
              EndTurn, usage -
        "#]],
    );
    let piece = |text: &str| data(&format!(r#"{{"choices":[{{"message":{{"content":"{text}"}}}}]}}"#));
    check(
        &format!("{}{}{DONE}", piece("a"), piece("b")),
        expect![[r#"
              text "ab"
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn an_error_may_have_a_field_or_an_event_of_its_own() {
    let hello = chunk(r#"{"content":"hi"}"#);
    for (end, told) in [
        (r#"error: {"error":{"message":"failed to decode"}}"#, "failed to decode"),
        ("error:failed to decode", "failed to decode"),
        ("error: {\"code\":500,\"message\":\"failed to decode\",\"type\":\"server_error\"}\n\n", "failed to decode"),
        ("event: error\ndata: {\"message\":\"failed to decode\"}\n\n", "failed to decode"),
        ("event: error\ndata: failed to decode\n\n", "failed to decode"),
        ("event:error\ndata:{\"error\":{\"message\":\"failed to decode\"}}\n\n", "failed to decode"),
        ("data: {\"object\":\"error\",\"message\":\"failed to decode\",\"code\":40303}\n\n", "failed to decode"),
        ("data: {\"type\":\"error\",\"error\":{\"message\":\"failed to decode\"}}\n\n", "failed to decode"),
        ("{\n  \"error\": {\n  \"message\": \"failed to decode\"\n  }\n}\n", "failed to decode"),
        ("data: {\"error\":{\"message\":\"failed\tto decode\"}}\n\n", "failed to decode"),
    ] {
        let heard = heard([format!("{hello}{end}").as_bytes()]);
        assert_eq!(heard.end.unwrap_err().message, told, "{end}");
    }
    // Names that say nothing, and a field that is always there.
    check(
        &format!(
            "event: error\n\nevent: ping\ndata: {{}}\n\n{}{STOP}",
            data(r#"{"error":"","choices":[{"delta":{"content":"a"}}]}"#)
        ),
        expect![[r#"
              text "a"
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn a_character_may_be_cut_into_two_escapes() {
    let text = [chunk(r#"{"content":"ok \ud83d"}"#), chunk(r#"{"content":""}"#), chunk(r#"{"content":"\ude00 done"}"#)];
    check(
        &format!("{}{STOP}", text.concat()),
        expect![[r#"
              text "ok 😀 done"
              EndTurn, usage -
        "#]],
    );
    check(
        &format!("{}{}", chunk(r#"{"content":"\ude00 a\ud83d"}"#), STOP),
        expect![[r#"
              text "� a�"
              EndTurn, usage -
        "#]],
    );
    check(
        &format!(
            "{}{}{STOP}",
            chunk(r#"{"reasoning":"\ud83d"}"#),
            chunk(r#"{"reasoning":"\ude00","content":"\ud83d"}"#),
        ),
        expect![[r#"
              reasoning 4 bytes
              text "�"
              EndTurn, usage -
        "#]],
    );
    let wanted = one("ls", json!({ "path": "ok 😀" }));
    // In the outer JSON, in the inner one, and in arguments that are an object.
    for pieces in [
        [
            r#"{"index":0,"id":"a","function":{"name":"ls","arguments":"{\"path\":\"ok \ud83d"}}"#,
            r#"{"index":0,"function":{"arguments":"\ude00\"}"}}"#,
        ],
        [
            r#"{"index":0,"id":"a","function":{"name":"ls","arguments":"{\"path\":\"ok \\ud83d"}}"#,
            r#"{"index":0,"function":{"arguments":"\\ude00\"}"}}"#,
        ],
        [r#"{"index":0,"id":"a","function":{"name":"ls","arguments":{"path":"ok \ud83d\ude00"}}}"#, r#"{"index":0}"#],
    ] {
        assert_eq!(calls(&pieces), wanted, "{pieces:?}");
    }
    assert_eq!(
        calls(&[r#"{"index":0,"id":"a","function":{"name":"ls","arguments":"{\"path\":\"\ud83d\"}"}}"#]),
        one("ls", json!({ "path": "\u{fffd}" }))
    );
    let details = [
        chunk(r#"{"reasoning_details":[{"type":"t","text":"a\ud83d","index":0}]}"#),
        chunk(r#"{"content":"x","reasoning_details":[{"type":"t","text":"\ude00","index":0}]}"#),
    ];
    let reply = heard([format!("{}{STOP}", details.concat()).as_bytes()]).end.unwrap();
    assert_eq!(reply.provider_data, Some(json!({ "reasoning_details": [{ "type": "t", "text": "a😀", "index": 0 }] })));
}

#[test]
fn raw_control_characters_are_text() {
    check(
        &format!("{}{STOP}", chunk("{\"content\":\"a\tb\u{1b}[1m\u{7f}\"}")),
        expect![[r#"
              text "a\tb\u{1b}[1m\u{7f}"
              EndTurn, usage -
        "#]],
    );
    // A raw line end cuts the line, too.
    check(
        &format!("{}{}{STOP}", chunk("{\"content\":\"a\nb\"}"), chunk("{\"content\":\"c\r\nd\"}")),
        expect![[r#"
              text "a\nbc\nd"
              EndTurn, usage -
        "#]],
    );
    assert_eq!(
        calls(&[
            "{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"write_file\",\"arguments\":\"{\\\"text\\\":\\\"a\tb\\nc\\\"}\"}}"
        ]),
        one("write_file", json!({ "text": "a\tb\nc" }))
    );
}

#[test]
fn arguments_may_come_early_and_again() {
    let wanted = one("ls", json!({ "path": "a" }));
    for pieces in [
        // Early.
        &[
            r#"{"index":0,"id":"a","function":{"name":"ls","arguments":"{}"}}"#,
            r#"{"index":0,"function":{"arguments":"{\"path\""}}"#,
            r#"{"index":0,"function":{"arguments":":\"a\"}"}}"#,
        ][..],
        &[
            r#"{"index":0,"id":"a","function":{"name":"ls","arguments":{}}}"#,
            r#"{"index":0,"id":"a","function":{"name":"ls","arguments":"{\"path\":\"a\"}"}}"#,
        ],
        &[
            r#"{"index":0,"function":{"name":"ls","arguments":"{}"}}"#,
            r#"{"index":0,"function":{"name":"ls","arguments":"{\"path\":\"a\"}"}}"#,
        ],
        &[
            r#"{"function":{"name":"ls","arguments":"{}"}}"#,
            r#"{"function":{"name":"ls","arguments":"{\"path\":\"a\"}"}}"#,
        ],
        // Again.
        &[
            r#"{"index":0,"id":"a","function":{"name":"ls","arguments":"{\"path\":"}}"#,
            r#"{"index":0,"function":{"arguments":"\"a\"}"}}"#,
            r#"{"index":0,"id":"a","function":{"name":"ls","arguments":"{\"path\":\"a\"}"}}"#,
        ],
        &[
            r#"{"index":0,"function":{"name":"ls","arguments":"{\"path\":\"a\"}"}}"#,
            r#"{"index":0,"function":{"name":"ls","arguments":"{\"path\":\"a\"}"}}"#,
        ],
        &[r#"{"index":0,"id":"a","function":{"name":"ls","arguments":"{\"path\":\"a\"}<|call|>"}}"#],
    ] {
        assert_eq!(calls(pieces), wanted, "{pieces:?}");
    }
}

#[test]
fn a_name_may_come_in_pieces() {
    let wanted = one("read_file", json!({ "path": "a" }));
    for pieces in [
        &[
            r#"{"index":0,"id":"a","function":{"name":"read_"}}"#,
            r#"{"index":0,"function":{"name":"file","arguments":"{\"path\":\"a\"}"}}"#,
        ][..],
        &[
            r#"{"id":"a","function":{"name":"read"}}"#,
            r#"{"function":{"name":"_"}}"#,
            r#"{"function":{"name":"file"}}"#,
            r#"{"function":{"arguments":"{\"path\":\"a\"}"}}"#,
        ],
        &[
            r#"{"index":0,"id":"a","function":{"name":"read_"}}"#,
            r#"{"index":0,"id":"a","function":{"name":"read_file","arguments":"{\"path\":\"a\"}"}}"#,
        ],
        &[
            r#"{"index":0,"id":"a","function":{"name":"functions."}}"#,
            r#"{"index":0,"function":{"name":"read_file","arguments":"{\"path\":\"a\"}"}}"#,
        ],
        &[
            r#"{"index":0,"id":"a","function":{"name":"read_file<|channel|>commentary","arguments":"{\"path\":\"a\"}"}}"#,
        ],
        &[r#"{"index":0,"id":"a","function":{"name":"functions.read_file","arguments":"{\"path\":\"a\"}"}}"#],
    ] {
        assert_eq!(calls(pieces), wanted, "{pieces:?}");
    }
    // Whole names of two tools are two calls.
    let two = calls(&[r#"{"index":0,"function":{"name":"ls"}}"#, r#"{"index":0,"function":{"name":"ask_user"}}"#]);
    assert_eq!(two, [("ls".to_owned(), json!({})), ("ask_user".to_owned(), json!({}))]);
}

#[test]
fn an_id_decides_over_an_index() {
    let first = r#"{"index":0,"id":"a","function":{"name":"ls","arguments":"{\"path\":\"x\"}"}}"#;
    let wanted = [("ls".to_owned(), json!({ "path": "x" })), ("read_file".to_owned(), json!({ "path": "y" }))];
    let begun = r#"{"index":0,"id":"b","function":{"name":"read_file","arguments":""}}"#;
    for pieces in [
        &[first, begun, r#"{"index":1,"id":"b","function":{"arguments":"{\"path\":\"y\"}"}}"#][..],
        &[
            first,
            begun,
            r#"{"index":1,"function":{"arguments":"{\"path\":"}}"#,
            r#"{"index":1,"function":{"arguments":"\"y\"}"}}"#,
        ],
        &[first, begun, r#"{"index":1,"id":"b","function":{"name":"read_file","arguments":"{\"path\":\"y\"}"}}"#],
        &[first, begun, r#"{"index":1,"id":"made-up","function":{"arguments":"{\"path\":\"y\"}"}}"#],
        &[first, begun, r#"{"id":"b","function":{"arguments":"{\"path\":\"y\"}"}}"#],
        // Indexes that say nothing.
        &[
            r#"{"index":"0","id":"a","function":{"name":"ls","arguments":"{\"path\":\"x\"}"}}"#,
            r#"{"index":"1","id":"b","function":{"name":"read_file"}}"#,
            r#"{"index":"1","function":{"arguments":"{\"path\":\"y\"}"}}"#,
        ],
        &[
            r#"{"index":-1,"id":"a","function":{"name":"ls","arguments":"{\"path\":\"x\"}"}}"#,
            r#"{"index":-1,"id":"b","function":{"name":"read_file"}}"#,
            r#"{"index":-1,"function":{"arguments":"{\"path\":\"y\"}"}}"#,
        ],
        &[
            r#"{"index":null,"id":1,"function":{"name":"ls","arguments":"{\"path\":\"x\"}"}}"#,
            r#"{"index":{},"id":2,"function":{"name":"read_file","arguments":"{\"path\":\"y\"}"}}"#,
        ],
        // One id for all.
        &[
            r#"{"index":0,"id":"c","function":{"name":"ls","arguments":"{\"path\":\"x\"}"}}"#,
            r#"{"index":1,"id":"c","function":{"name":"read_file","arguments":"{\"path\":\"y\"}"}}"#,
        ],
    ] {
        assert_eq!(calls(pieces), wanted, "{pieces:?}");
    }
}

#[test]
fn what_is_not_needed_is_ignored() {
    let hello = chunk(r#"{"content":"hi"}"#);
    for odd in [
        r#"{"usage":"none","choices":[]}"#,
        r#"{"usage":7,"choices":[{"delta":{}}]}"#,
        r#"{"choices":[{"index":"0","delta":{"content":""}}]}"#,
        r#"{"choices":[{"index":-1,"delta":null}]}"#,
        r#"{"choices":[null]}"#,
        r#"{"choices":{"index":0}}"#,
        r#"{"choices":"none"}"#,
        r#"{"choices":[{"delta":"","finish_reason":""}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":null,"content":null}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":"none"}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[null]}}]}"#,
        r#"{"choices":[],"choices":[]}"#,
        r#"{"choices":[{"delta":{},"logprobs":NaN}]}"#,
        r#"{"id":"x"}"#,
        "\"ping\"",
        "ping",
        "null",
        "[]",
        "7",
        "true",
    ] {
        for stream in [format!("{hello}{}{STOP}", data(odd)), format!("{}{hello}{STOP}{}", data(odd), data(odd))] {
            let heard = heard([stream.as_bytes()]);
            assert_eq!(report(&heard), "text \"hi\"\nEndTurn, usage -\n", "{odd}");
        }
    }
    // Behind the end nothing is needed at all.
    for odd in ["nonsense", "{\"choices\":[", "{\"usage\":{\"prompt_tokens\":"] {
        let heard = heard([format!("{hello}{STOP}{}{DONE}", data(odd)).as_bytes()]);
        assert_eq!(report(&heard), "text \"hi\"\nEndTurn, usage -\n", "{odd}");
    }
    // One odd field costs no other.
    let odd = r#"{"usage":"?","choices":[{"index":"0","delta":{"content":["a",{"text":"b"}],"tool_calls":{"id":"x","function":{"name":"ls","arguments":{}}}}}]}"#;
    check(
        &format!("{}{STOP}", data(odd)),
        expect![[r#"
              text "ab"
              call ls {}
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn an_answer_without_a_stream_is_forgiven_the_same() {
    check(
        "{\"usage\":\"none\",\"choices\":[{\"index\":\"0\",\"message\":{\"content\":\"a\tb\"},\"finish_reason\":\"stop\"}]}\n",
        expect![[r#"
              text "a\tb"
              EndTurn, usage -
        "#]],
    );
}

#[test]
fn depth_is_bounded() {
    let deep = "[".repeat(100_000);
    let heard_deep = heard([data(&format!("{{\"x\":{deep}")).as_bytes()]);
    assert_eq!(report(&heard_deep), "error BadReply: a part of the reply is nested deeper than 127 levels\n");
    let arguments = format!("{{\\\"a\\\":{}", "[".repeat(100_000));
    let told = calls(&[&format!(r#"{{"index":0,"id":"a","function":{{"name":"ls","arguments":"{arguments}"}}}}"#)]);
    assert!(told[0].1.as_str().unwrap().starts_with("malformed"));
}
