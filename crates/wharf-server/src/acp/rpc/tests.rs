//! What may stand before a message.

use super::*;

#[test]
fn a_byte_order_mark_before_a_line_is_skipped() {
    let line = "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"session/list\"}";
    let Ok(Incoming::Request { id, method, .. }) = read(line.as_bytes()) else { panic!("not read") };
    assert_eq!((id, method.as_str()), (Id::from_value(&json!(7)).unwrap(), "session/list"));
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_of_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn messages_that_are_nearly_right_are_answered_with_their_id(
            id in prop_oneof![Just("null".to_owned()), any::<i64>().prop_map(|id| id.to_string()), "\"[a-z]{0,20}\"", "[\\[{]{1,300}"],
            version in prop_oneof![Just("\"2.0\""), Just("2.0"), Just("\"1.0\"")],
            method in "[a-z/_$]{0,300}",
            rest in prop_oneof![Just(""), Just(",\"params\":{}"), Just(",\"params\":null"), Just(",\"result\":1"), Just(",\"error\":{}")],
        ) {
            let line = format!("{{\"jsonrpc\":{version},\"id\":{id},\"method\":\"{method}\"{rest}}}");
            match read(line.as_bytes()) {
                Ok(Incoming::Request { id: read, method, .. }) => {
                    prop_assert_eq!(&*read.0, id.as_str());
                    prop_assert!(method.len() <= METHOD_BYTES);
                }
                Ok(_) => prop_assert!(false, "not a request"),
                Err(malformed) => prop_assert!(malformed.id.0.len() <= ID_BYTES),
            }
        }

        #[test]
        fn deep_parameters_never_overflow(depth in 0_usize..200_000) {
            let line = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session/prompt\",\"params\":{{\"a\":{}{}}}}}",
                "[".repeat(depth),
                "]".repeat(depth)
            );
            if let Ok(Incoming::Request { params, .. }) = read(line.as_bytes()) {
                let _ = params.read::<Value>();
            }
        }
    }
}
