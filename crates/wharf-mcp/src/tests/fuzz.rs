//! Messages of any shape.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::super::catalogue::{Catalogue, TOOLS_MAX};
use super::super::event_stream::SseReader;
use super::super::message;
use wharf_tools::remote::result;

fn value() -> impl Strategy<Value = Value> {
    let words = vec!["text", "image", "resource", "resource_link", "true", "7", "a\u{1b}", "aGk=", "", "[{}]"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(words).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let names = vec![
            "jsonrpc",
            "id",
            "method",
            "params",
            "result",
            "error",
            "code",
            "message",
            "content",
            "isError",
            "type",
            "text",
            "data",
            "mimeType",
            "uri",
            "resource",
            "blob",
            "tools",
            "name",
            "inputSchema",
            "annotations",
            "readOnlyHint",
            "nextCursor",
            "structuredContent",
            "toolResult",
            "description",
        ];
        let fields = vec((select(names).prop_map(str::to_owned), inner.clone()), 0..6);
        prop_oneof![
            vec(inner, 0..5).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_message_is_read_or_passed_over(message in value()) {
        let text = message.to_string();
        let parsed = message::parse(text.as_bytes());
        // What has a request's number and no method answers it, whatever else it says.
        if message.get("id").is_some_and(Value::is_u64) && message.get("method").is_none() {
            prop_assert!(parsed.is_some());
        }
    }

    #[test]
    fn any_bytes_are_read_or_passed_over(bytes in vec(any::<u8>(), 0..200)) {
        let _ = message::parse(&bytes);
        let _ = message::parse(&[b"{\"id\":1,\"result\":\"", bytes.as_slice(), b"\"}"].concat());
    }

    #[test]
    fn any_result_is_told_with_nothing_hidden(result in value()) {
        let told = result::told(&result);
        prop_assert!(!told.text.is_empty());
        prop_assert!(!told.text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t')), "{:?}", told.text);
    }

    #[test]
    fn any_list_of_tools_is_taken_or_refused(page in value()) {
        let mut catalogue = Catalogue::default();
        let _ = catalogue.add_page(page);
        prop_assert!(catalogue.tools.len() <= TOOLS_MAX);
    }

    #[test]
    fn events_are_the_same_wherever_they_are_cut(text in "(data: ?|event: ?|: |[ab\u{feff}]{0,3}|\r\n|\r|\n){0,30}", cut in any::<Index>()) {
        let bytes = text.as_bytes();
        let whole = SseReader::default().push(bytes);
        let (before, after) = bytes.split_at(cut.index(bytes.len() + 1));
        let mut stream = SseReader::default();
        let mut events = stream.push(before).unwrap();
        events.extend(stream.push(after).unwrap());
        prop_assert_eq!(Ok(events), whole);
    }
}
