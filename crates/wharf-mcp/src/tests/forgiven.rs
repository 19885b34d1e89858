//! What servers send in other words than the protocol's.

use serde_json::{Value, json};

use super::super::catalogue::Catalogue;
use super::super::message::{self, Incoming, RpcError};
use wharf_tools::remote::result;

#[test]
fn a_result_says_what_it_holds() {
    let told = |result: Value| result::told(&result).text;
    for (result, text) in [
        (json!({ "content": "hello" }), "hello"),
        (json!({ "content": { "type": "text", "text": "hello" } }), "hello"),
        (json!({ "content": ["hello", { "type": "text", "text": "you" }] }), "hello\nyou"),
        (json!({ "content": [{ "text": "hello" }] }), "hello"),
        (json!({ "content": [{ "type": "text", "text": { "a": 1 } }, null, 7] }), "{\"a\":1}\n7"),
        (json!({ "content": 7 }), "7"),
        (json!({ "content": { "rows": [1] } }), "{\"rows\":[1]}"),
        (json!("hello"), "hello"),
        (json!(["a", 1]), "[\"a\",1]"),
        (json!({ "toolResult": "hello" }), "hello"),
        (json!({ "toolResult": { "a": 1 }, "_meta": {} }), "{\"a\":1}"),
        (json!({ "rows": 1, "of": 2 }), "{\"rows\":1,\"of\":2}"),
        (json!({ "content": null, "structuredContent": { "a": 1 } }), "{\"a\":1}"),
        (json!({ "content": "a\u{1b}[2J" }), "a\\u{1b}[2J"),
        (json!({ "content": "" }), "(no output)"),
        (json!({ "content": [] }), "(no output)"),
        (json!({ "_meta": { "a": 1 } }), "(no output)"),
        (json!(null), "(no output)"),
    ] {
        assert_eq!(told(result.clone()), text, "{result}");
    }
    for flag in [json!(true), json!("true"), json!(1)] {
        assert!(result::told(&json!({ "content": "no", "isError": flag })).is_error, "{flag}");
    }
    for flag in [json!(false), json!("false"), json!(0), json!(null), json!({})] {
        assert!(!result::told(&json!({ "content": "yes", "isError": flag })).is_error, "{flag}");
    }
}

fn parse(text: &str) -> Option<Vec<Incoming>> {
    message::parse(text.as_bytes())
}

fn answer(outcome: Result<Value, RpcError>) -> Option<Vec<Incoming>> {
    Some(vec![Incoming::Response { id: 7, outcome }])
}

#[test]
fn a_message_may_hold_raw_characters_and_halves() {
    assert_eq!(parse("\u{feff}{\"id\":7,\"result\":\"a\tb\u{1b}\"}"), answer(Ok(json!("a\tb\u{1b}"))));
    assert_eq!(parse(r#"{"id":7.0,"result":"\ud83d x \ud83d\ude00"}"#), answer(Ok(json!("\u{fffd} x 😀"))));
    assert_eq!(parse(r#"{"id":7,"result":NaN,"error":null}"#), answer(Ok(json!(null))));
    let bytes = message::parse(b"{\"id\":7,\"result\":\"a\xff\"}");
    assert_eq!(bytes, answer(Ok(json!("a\u{fffd}"))));
}

#[test]
fn an_error_of_any_shape_answers_its_request() {
    let error = |code, message: &str| answer(Err(RpcError { code, message: message.to_owned() }));
    assert_eq!(parse(r#"{"id":7,"error":{"code":-1,"message":"no"}}"#), error(-1, "no"));
    assert_eq!(parse(r#"{"id":7,"error":"no"}"#), error(0, "no"));
    assert_eq!(parse(r#"{"id":7,"error":{"code":"-5","message":{"why":"no"}}}"#), error(-5, "{\"why\":\"no\"}"));
    assert_eq!(parse(r#"{"id":7,"error":{"code":1.5}}"#), error(0, "{\"code\":1.5}"));
    let deep = format!(r#"{{"id":"7","result":{}}}"#, "[".repeat(200_000) + &"]".repeat(200_000));
    assert_eq!(parse(&deep), error(-32700, "its answer cannot be read: it is nested deeper than 127 levels"));
    let asked = format!(r#"{{"id":7,"method":"ping","params":{}}}"#, "[".repeat(200_000) + &"]".repeat(200_000));
    assert_eq!(parse(&asked), None);
}

#[test]
fn a_tool_is_taken_whatever_is_odd_about_it() {
    let mut catalogue = Catalogue::default();
    let page = json!({ "tools": [
        { "name": "a", "title": 7, "description": ["x"], "inputSchema": "{\"type\":\"object\",\"properties\":{\"p\":{\"type\":\"string\"}}}" },
        { "name": "b", "annotations": { "readOnlyHint": "true", "openWorldHint": 1, "title": null } },
        { "name": "c", "annotations": "none", "inputSchema": [] },
        "d",
        { "name": 7 },
    ] });
    assert_eq!(catalogue.add_page(page), Ok(None));
    let taken: Vec<_> =
        catalogue.tools.iter().map(|tool| (tool.name.as_str(), tool.read_only, tool.open_world)).collect();
    // A promise in other words is none.
    assert_eq!(taken, [("a", false, false), ("b", false, false), ("c", false, false)]);
    assert_eq!(catalogue.tools[0].schema["properties"]["p"]["type"], "string");
    assert_eq!(catalogue.left_out.len(), 2);
}
