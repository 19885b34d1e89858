//! Globs as tools read them.

use super::*;

#[test]
fn a_pattern_without_a_slash_matches_at_any_depth() {
    let matches = |pattern: &str, path: &str| glob_matcher(pattern).unwrap().is_match(path);
    assert!(matches("*.rs", "a.rs") && matches("*.rs", "x/y/a.rs") && matches("./*.rs", "x/a.rs"));
    assert!(
        matches("src/*.rs", "src/a.rs") && !matches("src/*.rs", "src/x/a.rs") && !matches("src/*.rs", "y/src/a.rs")
    );
    assert!(matches("src/**/*.{ts,tsx}", "src/a.tsx") && matches("src/**/*.{ts,tsx}", "src/x/y/a.ts"));
    let told = glob_matcher("a[").unwrap_err().to_string();
    assert!(told.contains("not a usable glob") && told.contains("Examples"), "{told}");
    assert!(glob_matcher(" ").is_err());
}
