//! What is shown of long lines.

use super::*;

fn shown(line: &str, needle: &str) -> String {
    let at = line.find(needle).unwrap();
    of(line.as_bytes(), || Some((at, at + needle.len())))
}

#[test]
fn a_match_is_seen_wherever_it_is() {
    let (x, y) = ("x".repeat(10_000), "y".repeat(10_000));
    assert_eq!(shown("a hit", "hit"), "a hit");
    let middle = shown(&format!("{x}hit{y}"), "hit");
    assert_eq!(middle, format!("[line cut, from byte 9851] {}hit{} [line cut]", &x[..150], &y[..347]));
    let last = shown(&format!("{x}hit"), "hit");
    assert_eq!(last, format!("[line cut, from byte 9504] {}hit", &x[..497]));
    let first = shown(&format!("a hit{y}"), "hit");
    assert_eq!(first, format!("a hit{} [line cut]", &y[..495]));
    let letters = shown(&format!("{}hit{}", "é".repeat(4000), "ü".repeat(4000)), "hit");
    assert!(letters.contains("éhitü") && !letters.contains('\u{fffd}'), "{letters}");
    assert!(of(x.as_bytes(), || None).ends_with("x [line cut]"));
}

mod fuzz {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(line in proptest::collection::vec(proptest::prelude::any::<u8>(), 490..1100), start in 0usize..1100, len in 0usize..1100) {
            let start = start.min(line.len());
            let end = (start + len).min(line.len());
            let text = of(&line, || Some((start, end)));
            proptest::prop_assert!(text.len() < 3 * 504 + 60);
        }
    }
}
