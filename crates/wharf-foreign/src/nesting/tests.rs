//! Depths.

use super::*;

#[test]
fn json_is_counted_without_its_strings() {
    let bounds = Bounds { length: 1_000_000, depth: 3 };
    assert_eq!(json(b"[{\"a\":[1,2]},{}]", bounds), Ok(()));
    assert_eq!(json(b"[[[[]]]]", bounds), Err(TooMuch::Depth(3)));
    assert_eq!(json(br#"["[[[[{{{{\"[[[["]"#, bounds), Ok(()));
    assert_eq!(json(b"]]]]}}[[[", bounds), Ok(()));
    assert_eq!(json(&vec![b'['; 500_000], bounds), Err(TooMuch::Depth(3)));
    assert_eq!(json(&vec![b' '; 1_000_001], bounds), Err(TooMuch::Length(1_000_000)));
}

#[test]
fn what_goes_onto_a_log_is_measured_by_its_levels() {
    let nested = |levels: usize| (1..levels).fold(serde_json::json!([]), |inner, _| serde_json::json!([inner]));
    assert_eq!(logged(&serde_json::json!({ "a": [1, { "b": "[[[[" }] })), Ok(()));
    assert_eq!(logged(&nested(LOGGED_DEPTH)), Ok(()));
    assert_eq!(logged(&nested(LOGGED_DEPTH + 1)), Err(TooMuch::Depth(LOGGED_DEPTH)));
    assert_eq!(logged(&serde_json::json!({ "a": nested(LOGGED_DEPTH) })), Err(TooMuch::Depth(LOGGED_DEPTH)));
}
