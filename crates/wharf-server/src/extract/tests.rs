//! Keys in quotes, parameters without a value, marks before JSON.

use serde_json::Value;

use super::*;

#[test]
fn a_key_in_quotes_is_the_key() {
    for (value, key) in [
        ("abc", Ok("abc")),
        (r#""abc""#, Ok("abc")),
        (r#""a\"b\\c""#, Ok(r#"a"b\c"#)),
        (r#""""#, Ok("")),
        (r#""abc"; sf=1"#, Ok("abc")),
        (r#"a"b"#, Ok(r#"a"b"#)),
        (r#""abc"#, Err("has no closing quote")),
        (r#"""#, Err("has no closing quote")),
        (r#""abc" def"#, Err("has something behind its closing quote")),
        (r#""a\nb""#, Err("has a backslash that stands before neither a quote nor a backslash")),
    ] {
        assert_eq!(unquoted(value).as_deref().map_err(|reason| *reason), key, "{value}");
    }
}

#[test]
fn a_parameter_without_a_value_is_none() {
    for (query, rest) in [
        ("", ""),
        ("after=", ""),
        ("after", ""),
        ("after=&limit=3", "limit=3"),
        ("a=1&after=&b=2", "a=1&b=2"),
        ("q==", "q=="),
        ("&&", ""),
    ] {
        assert_eq!(without_empty(query), rest, "{query:?}");
    }
}

#[test]
fn a_byte_order_mark_before_json_is_skipped() {
    assert_eq!(parse_object::<Value>(b"\xEF\xBB\xBF{\"a\":1}").unwrap()["a"], 1);
    assert!(parse_object::<Value>(b"\xEF\xBB\xBF").is_err());
    assert!(parse_object::<Value>(b"\xEF\xBB\xBF\xEF\xBB\xBF{}").is_err());
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_comes_back_out_of_its_quotes(text in "[ -~]{0,80}") {
            let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            prop_assert_eq!(unquoted(&quoted).unwrap(), text);
        }

        #[test]
        fn headers_and_queries_never_panic(text in ".{0,200}") {
            if let Ok(read) = unquoted(&text) {
                prop_assert!(read.len() <= text.len());
            }
            prop_assert!(without_empty(&text).len() <= text.len());
        }

        #[test]
        fn bodies_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_object::<wharf_protocol::Prompt>(&bytes);
        }

        #[test]
        fn nested_bodies_never_overflow(depth in 0_usize..200_000, open in prop::sample::select(vec!["[", "{\"a\":"])) {
            let text = format!("{{\"content\":{}", open.repeat(depth));
            prop_assert!(parse_object::<wharf_protocol::Prompt>(text.as_bytes()).is_err());
            prop_assert!(parse_object::<serde_json::Map<String, Value>>(text.as_bytes()).is_err());
        }
    }
}
