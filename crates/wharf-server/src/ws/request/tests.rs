//! Requests that are read, errors that name the field, and any bytes.

use super::*;

fn outcome(frame: &str) -> String {
    match read(frame.as_bytes()) {
        Ok(request) => format!("{}: {:?}", request.id, request.action),
        Err(Malformed { id, error }) => format!("{}: {} {}", id.unwrap_or_default(), error.code, error.error),
    }
}

#[test]
fn requests_are_read_and_errors_name_the_field() {
    let frames = [
        r#"{"type":"request","id":"1","timestamp":"2026-11-20T12:25:47.646098","payload":{"action":"ping"}}"#,
        r#"{"id":"1","payload":{"action":"cancel","force":true,"channel":"x"}}"#,
        r#"{"type":"request","id":"1","payload":{"action":"compact","focus":"the names"}}"#,
        r#"{"type":"request","id":"1","payload":{"action":"subscribe","after":3}}"#,
        r#"{"type":"request","id":"1","payload":{"action":"subscribe","after":-3}}"#,
        r#"{"type":"request","id":"1","payload":{"action":"prompt"}}"#,
        r#"{"type":"request","id":"1","payload":{"action":"dance"}}"#,
        r#"{"type":"request","id":"1","payload":{}}"#,
        r#"{"type":"request","id":"1","payload":null}"#,
        r#"{"type":"event","id":"1","payload":{"action":"ping"}}"#,
        r#"{"type":"request","id":7,"payload":{"action":"ping"}}"#,
        r#"{"type":"request","#,
        r#"[1]"#,
        "",
    ];
    let outcomes: Vec<String> = frames.into_iter().map(outcome).collect();
    insta::assert_snapshot!(outcomes.join("\n"));
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    /// JSON that looks like a request in places.
    fn frame() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            any::<i64>().prop_map(|number| number.to_string()),
            "[a-z\\\\u0-9\"]{0,12}".prop_map(|text| format!("{text:?}")),
        ];
        let field = prop::sample::select(vec![
            "id",
            "type",
            "payload",
            "action",
            "session_id",
            "content",
            "after",
            "priority",
            "option",
            "other",
        ]);
        let action = prop::sample::select(super::super::ACTIONS.to_vec()).prop_map(|action| format!("{action:?}"));
        prop_oneof![scalar, action].prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec((field.clone(), inner), 0..6).prop_map(|fields| {
                    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn frames_of_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn frames_that_are_nearly_requests_never_panic(frame in frame()) {
            match read(frame.as_bytes()) {
                Ok(request) => prop_assert!((1..=super::super::ID_BYTES).contains(&request.id.len())),
                Err(malformed) => prop_assert!(malformed.error.error.len() < 1_000 + frame.len()),
            }
        }

        #[test]
        fn deep_frames_are_refused(depth in 200_usize..200_000) {
            let frame = format!("{{\"id\":\"1\",\"payload\":{}", "[".repeat(depth));
            prop_assert!(read(frame.as_bytes()).is_err());
        }
    }
}
