//! Patterns of ordinary and of hostile size.

use super::*;

#[test]
fn what_people_write_passes() {
    for glob in ["*.rs", "src/**/*.{ts,tsx}", "app/[id]/page.tsx", "**/{test,spec}_*.py", "a?b", "[!a-z]*", "é\\*"] {
        assert_eq!(GLOB.check(glob), Ok(()), "{glob}");
    }
    for regex in [r"fn \w+\(", "(a|b)+", r"^\s*(pub(\([^)]*\))? )?fn", &"(a)|".repeat(200)] {
        assert_eq!(REGEX.check(regex), Ok(()), "{regex}");
    }
}

#[test]
fn what_overflows_a_library_does_not() {
    let deep = |open: &str, close: &str, times: usize| format!("{}a{}", open.repeat(times), close.repeat(times));
    assert_eq!(GLOB.check(&deep("{", "}", 20_000)), Err(TooLarge::Length(4096)));
    assert_eq!(GLOB.check(&deep("{", "}", 300)), Err(TooLarge::Openings(64)));
    assert_eq!(GLOB.check(&"{[}]".repeat(65)), Err(TooLarge::Openings(64)));
    assert_eq!(GLOB.check(&"\\{".repeat(65)), Err(TooLarge::Openings(64)));
    assert_eq!(GLOB.check(&"**/".repeat(65)), Err(TooLarge::Wildcards(128)));
    assert_eq!(GLOB.check(&"é".repeat(2049)), Err(TooLarge::Length(4096)));
    assert_eq!(REGEX.check(&deep("(", ")", 2000)), Err(TooLarge::Openings(1000)));
    assert_eq!(REGEX.check(&"([])]".repeat(501)), Err(TooLarge::Openings(1000)));
    assert_eq!(REGEX.check(&format!("a{}", "*".repeat(2001))), Err(TooLarge::Wildcards(2000)));
}

#[test]
fn names_cost_no_states() {
    assert_eq!(Cost::of("node_modules"), Cost { patterns: 1, states: 0 });
    assert!(Cost::of("*.o").states >= 16);
    let many = (0..3).fold(Cost::default(), |sum, _| sum.plus(Cost::of("*")));
    assert_eq!(many, Cost { patterns: 3, states: 69 });
    assert_eq!(many.minus(Cost { patterns: 5, states: 9 }), Cost { patterns: 0, states: 60 });
    assert!(many.fits(many) && !many.plus(Cost::of("a")).fits(many));
}
