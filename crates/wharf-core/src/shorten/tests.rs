//! Head and tail.

use serde_json::json;
use wharf_protocol::{Seq, Timestamp};

use super::*;

fn said(text: &str, arguments: Value) -> Message {
    Message {
        message_id: "m".parse().unwrap(),
        role: Role::Assistant,
        content: vec![ContentBlock::text(text)],
        reasoning: "hm".to_owned(),
        tool_calls: vec![ToolRequest {
            call_id: "c".parse().unwrap(),
            tool_name: "write".to_owned(),
            arguments,
            provider_data: None,
        }],
        call_id: None,
        tool_name: None,
        is_error: false,
        provider_data: Some(json!({ "signature": "s" })),
        turn_id: None,
        seq: Seq(1),
        created_at: Timestamp(0),
    }
}

#[test]
fn what_is_short_stays_as_it_is() {
    assert_eq!(message(&said(&"a".repeat(256), json!({ "path": "a" })), 256), None);
}

#[test]
fn head_and_tail_stay_and_once_is_enough() {
    let long = format!("head {} tail", "é".repeat(5_000));
    let short = message(&said(&long, json!({ "path": "a" })), 300).unwrap();
    let text = short.content[0].as_text().unwrap();
    assert!(text.starts_with("head é") && text.ends_with("é tail") && text.contains("bytes left out here"), "{text}");
    assert!(text.len() <= 300, "{}", text.len());
    assert_eq!((short.reasoning.as_str(), &short.provider_data), ("", &None), "what belongs to the whole message");
    assert_eq!(message(&short, 300), None, "the second time changes nothing");
}

#[test]
fn arguments_keep_their_names() {
    let arguments = json!({ "path": "a.txt", "content": "x".repeat(9_000), "list": vec!["y".repeat(100); 90] });
    let short = message(&said("", arguments), 1_000).unwrap();
    let shown = &short.tool_calls[0].arguments;
    assert_eq!(shown["path"], "a.txt");
    assert!(shown["content"].as_str().unwrap().contains("bytes left out here"));
    assert_eq!(shown["list"], "[9272 bytes left out to save space]");
    assert_eq!(message(&short, 1_000), None);
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_becomes_short_and_stays_so(text in any::<String>(), times in 1_usize..60, max in 0_u64..4_000) {
            let long = said(&text.repeat(times), json!({ "a": text.repeat(times), "b": [text] }));
            if let Some(short) = message(&long, max) {
                prop_assert!(short.content.iter().map(block_bytes).sum::<u64>() <= max.max(MIN_BYTES));
                prop_assert_eq!(message(&short, max), None);
            }
        }
    }
}
