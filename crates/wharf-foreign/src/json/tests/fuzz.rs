//! Any text, and any JSON.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::super::repair::repaired;
use super::*;

/// JSON of every kind, not deeper than readers take.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Texts that are nearly JSON.
fn nearly() -> impl Strategy<Value = String> {
    let pieces = vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\\",
        "\\u",
        "\\ud83d",
        "\\ude00",
        "\\\"",
        "\n",
        "\t",
        "\u{1b}",
        "null",
        "true",
        "NaN",
        "-Infinity",
        "Inf",
        "-",
        "1",
        "1e999",
        "\"a\"",
        "{}",
        "{\"a\":1}",
        "```",
        "<|call|>",
        "</x",
        "\u{feff}",
        "\u{10f83d}",
        " ",
    ];
    let piece = prop_oneof![select(pieces).prop_map(str::to_owned), any::<char>().prop_map(String::from)];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn valid_json_is_read_as_serde_json_reads_it(value in value(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let plain: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&from_slice::<Value>(text.as_bytes(), BOUNDS).unwrap(), &plain);
        // The repair leaves it alone, too.
        prop_assert_eq!(&repaired(text.as_bytes()).text, &text);
        let document = Document::new(text.as_bytes(), BOUNDS).unwrap();
        let Read { value, has_halves } = document.read::<Value>().unwrap();
        prop_assert!(!has_halves);
        prop_assert_eq!(&value, &plain);
        if let Value::Object(plain) = plain {
            prop_assert_eq!(&object(&text, BOUNDS).unwrap(), &plain);
            prop_assert_eq!(&object(&format!("{{}}{text}"), BOUNDS).unwrap(), &plain);
            prop_assert_eq!(&object(&format!("{text} {text}"), BOUNDS).unwrap(), &plain);
        }
    }

    #[test]
    fn raw_control_characters_mean_what_their_escapes_mean(text in "[a-z\"\n\t\r\\x00\\x1b😀]{0,40}") {
        let written = serde_json::to_string(&text).unwrap();
        let raw = written.replace("\\n", "\n").replace("\\t", "\t").replace("\\u0000", "\0").replace("\\u001b", "\u{1b}");
        prop_assert_eq!(from_slice::<String>(raw.as_bytes(), BOUNDS).unwrap(), text);
    }

    #[test]
    fn a_text_of_escapes_may_be_cut_between_any_two(text in any::<String>(), cut in any::<Index>()) {
        let units: Vec<u16> = text.encode_utf16().collect();
        let (before, after) = units.split_at(cut.index(units.len() + 1));
        let mut joined = Joined::default();
        let mut said = String::new();
        for units in [before, after] {
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04X}")).collect();
            let piece = format!("\"{escapes}\"");
            let document = Document::new(piece.as_bytes(), BOUNDS).unwrap();
            let Read { value, has_halves } = document.read::<String>().unwrap();
            said.push_str(&joined.add(&value, has_halves));
        }
        said.push_str(joined.end());
        prop_assert_eq!(said, text);
    }

    #[test]
    fn anything_is_read_or_refused(text in nearly()) {
        let whole = from_slice::<Value>(text.as_bytes(), BOUNDS);
        if let Ok(plain) = serde_json::from_str::<Value>(&text) {
            prop_assert_eq!(whole.clone().unwrap(), plain);
        }
        if let Err(Unreadable::Malformed(reason)) = whole {
            prop_assert!(!reason.chars().any(char::is_control), "{:?}", reason);
            prop_assert!(reason.chars().count() < 700, "{}", reason);
        }
        let _ = object(&text, BOUNDS);
        let name = marks::tool_name(&text, |name| name == "a");
        prop_assert!(name.len() <= text.len());
        prop_assert!(repaired(text.as_bytes()).text.len() <= 6 * text.len());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = from_slice::<Value>(&bytes, BOUNDS);
        let text = String::from_utf8_lossy(&bytes);
        let _ = object(&text, BOUNDS);
        let _ = visible(&text);
    }
}
