//! What strangers write, and what is read.

mod fuzz;

use serde_json::json;

use super::*;

const BOUNDS: Bounds = Bounds { length: 1 << 20, depth: DEPTH_MAX };

fn read(text: &str) -> Result<Value, Unreadable> {
    from_slice(text.as_bytes(), BOUNDS)
}

fn arguments(text: &str) -> Result<Value, String> {
    object(text, BOUNDS).map(Value::Object).map_err(|error| error.to_string())
}

#[test]
fn control_characters_in_strings_are_text() {
    assert_eq!(read("{\"a\tb\":\"\u{1b}[1m\n\r\0\"}"), Ok(json!({ "a\tb": "\u{1b}[1m\n\r\0" })));
    assert_eq!(read("\u{feff}[1]"), Ok(json!([1])));
    assert_eq!(read("[NaN,-Infinity,Infinity,-1,\"NaN\"]"), Ok(json!([null, null, null, -1, "NaN"])));
    let bytes: Value = from_slice(b"[\"a\xffb\"]", BOUNDS).unwrap();
    assert_eq!(bytes, json!(["a\u{fffd}b"]));
}

#[test]
fn halves_of_characters_are_joined_or_replaced() {
    assert_eq!(read(r#"["\ud83d\ude00"]"#), Ok(json!(["😀"])));
    assert_eq!(read(r#"["\ud83d"]"#), Ok(json!(["\u{fffd}"])));
    assert_eq!(
        read(r#"["\ude00\ud83d x\ud83d\u0041\ud83d\ud83d\ude00"]"#),
        Ok(json!(["\u{fffd}\u{fffd} x\u{fffd}A\u{fffd}😀"]))
    );
    assert_eq!(read(r#"{"\ud83d":1}"#), Ok(json!({ "\u{fffd}": 1 })));
    assert!(matches!(read(r#"["\ud83"]"#), Err(Unreadable::Malformed(_))));
    assert_eq!(read(r#"["\ud83d"#), Err(Unreadable::Incomplete));
    assert_eq!(read(r#"["\ud83d\"\\","#), Err(Unreadable::Incomplete));
}

#[test]
fn a_character_may_be_cut_into_two_pieces() {
    let said = |pieces: &[&str]| {
        let (mut joined, mut said) = (Joined::default(), String::new());
        for piece in pieces {
            let document = Document::new(piece.as_bytes(), BOUNDS).unwrap();
            let Read { value, has_halves } = document.read::<String>().unwrap();
            said.push_str(&joined.add(&value, has_halves));
        }
        said.push_str(joined.end());
        said
    };
    assert_eq!(said(&[r#""ok \ud83d""#, r#""\ude00 done""#]), "ok 😀 done");
    assert_eq!(said(&[r#""\ud83d""#, r#""""#, "\"\\ude00\t\""]), "😀\t");
    assert_eq!(said(&[r#""\ud83d""#, r#""x""#, r#""\ude00""#]), "\u{fffd}x\u{fffd}");
    assert_eq!(said(&[r#""\ud83d""#, r#""\ud83d""#]), "\u{fffd}\u{fffd}");
    // What looks like a mark and is none.
    assert_eq!(said(&["\"\u{10f83d}\"", "\"\u{10fe00}\""]), "\u{10f83d}\u{10fe00}");
}

#[test]
fn a_value_may_be_settled_later() {
    let document = Document::new(br#"{"a":["x\ud83d",{"b":"\ude00"}],"c":"ok"}"#, BOUNDS).unwrap();
    let Read { mut value, has_halves } = document.read::<Value>().unwrap();
    assert!(has_halves);
    settle(&mut value);
    assert_eq!(value, json!({ "a": ["x\u{fffd}", { "b": "\u{fffd}" }], "c": "ok" }));
}

#[test]
fn depth_and_size_come_first() {
    let deep = "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX);
    assert_eq!(read(&deep).is_ok(), serde_json::from_str::<Value>(&deep).is_ok());
    assert!(read(&deep).is_ok());
    assert_eq!(read(&format!("[{deep}]")), Err(Unreadable::TooMuch(TooMuch::Depth(DEPTH_MAX))));
    assert_eq!(read(&"[".repeat(1 << 20)), Err(Unreadable::TooMuch(TooMuch::Depth(DEPTH_MAX))));
    assert_eq!(read(&" ".repeat((1 << 20) + 1)), Err(Unreadable::TooMuch(TooMuch::Length(1 << 20))));
    assert_eq!(
        arguments(&format!("{{\"a\":{}}}", "{\"a\":".repeat(300))),
        Err("it is nested deeper than 127 levels".to_owned())
    );
}

#[test]
fn arguments_may_come_early_or_twice() {
    let wanted = Ok(json!({ "path": "a.txt", "limit": 3 }));
    for text in [
        r#"{"path":"a.txt","limit":3}"#,
        r#"{}{"path":"a.txt","limit":3}"#,
        r#"{} {} {"path":"a.txt","limit":3}"#,
        r#"{"path":"a.txt","limit":3}{"path":"a.txt","limit":3}"#,
        "{\"path\":\"a.txt\",\"limit\":3}\n{\"limit\":3,\"path\":\"a.txt\"}",
        r#"{"path":"a.txt"}{"path":"a.txt","limit":3}"#,
        r#"{"path":"a"}{"path":"a.txt","limit":3}"#,
        r#"{"path":"","limit":null}{"path":"a.txt","limit":3}"#,
        r#"{"path":"a.txt","limit":3}{}"#,
        r#"null{"path":"a.txt","limit":3}"#,
        r#"""{"path":"a.txt","limit":3}"#,
        r#""{\"path\":\"a.txt\",\"limit\":3}""#,
        "```json\n{\"path\":\"a.txt\",\"limit\":3}\n```",
        r#"<|message|>{"path":"a.txt","limit":3}<|call|>"#,
        r#"{"path":"a.txt","limit":3}</tool_call>"#,
        "\u{feff}{\"path\":\"a.txt\",\"limit\":3}",
    ] {
        assert_eq!(arguments(text), wanted, "{text}");
    }
    assert_eq!(arguments("{}{}"), Ok(json!({})));
    assert_eq!(arguments("null"), Ok(json!({})));
    assert_eq!(arguments("  "), Ok(json!({})));
}

#[test]
fn arguments_may_hold_raw_control_characters() {
    assert_eq!(arguments("{\"text\":\"a\nb\tc\u{1b}\"}"), Ok(json!({ "text": "a\nb\tc\u{1b}" })));
    assert_eq!(arguments("{}{\"text\":\"a\r\nb\"}"), Ok(json!({ "text": "a\r\nb" })));
    assert_eq!(arguments(r#""{\"text\":\"a\nb\"}""#), Ok(json!({ "text": "a\nb" })));
    assert_eq!(arguments(r#"{"text":"\ud83d"}"#), Ok(json!({ "text": "\u{fffd}" })));
}

#[test]
fn what_cannot_be_read_is_said_with_the_character_made_visible() {
    let told = |text: &str| arguments(text).unwrap_err();
    assert_eq!(
        told("{\"command\":\"a \\\nb\"}"),
        "invalid escape at character 16: `\\n` between `{\"command\":\"a \\` and `b\"}`"
    );
    assert_eq!(told(r#"{"re":"\d+"}"#), r#"invalid escape at character 9: `d` between `{"re":"\` and `+"}`"#);
    assert_eq!(told("{\"a\":1,\u{1b}}"), "key must be a string at character 8: `\\u001b` between `{\"a\":1,` and `}`");
    assert_eq!(told("{\"a\":\u{200b}1}"), "expected value at character 6: `\\u200b` between `{\"a\":` and `1}`");
    assert_eq!(
        told("{\"a\":1\n\n \"b\":2}"),
        "expected `,` or `}` at character 10: `\"` between `{\"a\":1\\n\\n ` and `b\":2}`"
    );
    assert_eq!(told("[1]"), "it is a list");
    assert_eq!(told(r#""[1]""#), "it is a list");
    assert_eq!(told("{\"a\":\"b"), "it ends before the JSON does");
    assert_eq!(told("{\"a\":\"b\t"), "it ends before the JSON does");
    assert_eq!(
        told(r#"{"path":"a"}{"path":"b"}"#),
        "it is two different objects, one after the other: make one call for each"
    );
    assert_eq!(told(&"{}".repeat(300)), "it is more than 256 values");
    assert!(told("nonsense").starts_with("expected ident at character"), "{}", told("nonsense"));
    let long = told(&format!("{{\"a\":\"{}\\x{}\"}}", "x".repeat(9_000), "y".repeat(9_000)));
    assert!(long.len() < 200, "{long}");
}
