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
