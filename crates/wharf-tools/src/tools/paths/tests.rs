//! Patterns, and paths that look like patterns.

use std::path::Path;

use super::*;

fn has(glob: &str, path: &str) -> bool {
    Paths::new(glob).unwrap().has(Path::new(path))
}

#[test]
fn paths_are_found_as_they_are_written() {
    for path in [
        "app/[id]/page.tsx",
        "app/[user-id]/page.tsx",
        "app/[...slug]/page.tsx",
        "app/[[...slug]]/page.tsx",
        "app/(group)/page.tsx",
        "app/@modal/(..)photo/[id]/page.tsx",
        "{{cookiecutter.slug}}/setup.py",
        "a/{b,c}.rs",
        "a/{b.rs",
        "a/[b.rs",
        "what?.md",
        "a\\b.rs",
        "[!x].md",
        "[]].md",
        "é[ü]{ö}.md",
    ] {
        match Paths::new(path) {
            Ok(paths) => assert!(paths.has(Path::new(path)), "{path}"),
            // A brace that nothing closes is told: it is more often a mistake than a name.
            Err(_) => assert_eq!(path, "a/{b.rs"),
        }
    }
    assert!(has("a/\\{b.rs", "a/{b.rs"));
}

#[test]
fn parts_are_a_pattern_and_parts_a_path() {
    assert!(has("app/[id]/*.tsx", "app/[id]/page.tsx"));
    assert!(has("app/[id]/[a-p]*.{ts,tsx}", "app/[id]/page.tsx"));
    assert!(!has("app/[id]/[a-p]*.{ts,tsx}", "app/[id]/zage.tsx"));
    assert!(has("{{slug}}/[ab]*.py", "{{slug}}/bar.py"));
    assert!(has("[slug].tsx", "deep/down/[slug].tsx"));
    assert!(has("**/[id]/**", "app/[id]/x/y"));
}

#[test]
fn a_pattern_stays_one() {
    assert!(has("[ab].rs", "x/a.rs") && !has("[ab].rs", "x/c.rs") && !has("[ab].rs", "ab.rs"));
    assert!(has("[!a].rs", "b.rs") && !has("[!a].rs", "a.rs"));
    assert!(has("src/{a,b}/*.rs", "src/b/x.rs") && !has("src/{a,b}/*.rs", "src/c/x.rs"));
    assert!(has("{[ab],c}.rs", "a.rs") && has("{[ab],c}.rs", "c.rs") && !has("{[ab],c}.rs", "d.rs"));
    assert!(has("\\[a\\].rs", "[a].rs") && !has("\\[a\\].rs", "a.rs"));
    assert!(has("./src/*.rs", "src/a.rs") && !has("/*.rs", "src/a.rs"));
}

#[test]
fn what_is_too_large_is_refused_with_the_reason() {
    let told = |glob: &str| Paths::new(glob).unwrap_err().to_string();
    let braces = |times: usize| format!("{}a{}", "{".repeat(times), "}".repeat(times));
    assert!(told(&braces(300)).contains("more than 64 opening brackets"));
    assert!(told(&braces(20_000)).contains("longer than 4096 bytes"));
    assert!(told(&"*".repeat(200)).contains("more than 128 wildcards"));
    assert!(told(&braces(20_000)).len() < 500);
    assert!(told(" ").contains("it is empty"));
    assert!(told("a}").contains("is not a usable glob"));
    assert!(Paths::new(&braces(64)).is_ok());
    assert!(Paths::new(&format!("{{{}z}}", "abc,".repeat(1000))).is_ok());
    assert!(Paths::new(&format!("{}x", "[".repeat(64))).is_ok());
}

mod fuzz {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_glob_makes_it_panic(glob in "(?s).{0,80}", path in "(?s).{0,40}") {
            if let Ok(paths) = Paths::new(&glob) {
                let _ = paths.has(Path::new(&path));
            }
        }

        #[test]
        fn no_arrangement_of_special_characters_makes_it_panic(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "{", "}", "[", "]", ",", "*", "**", "**/", "/", "?", "!", "^", "-", "\\", "a", "é", "\u{10ffff}", " ", ".", "..", "\0",
            ]), 0..60),
        ) {
            let glob = parts.concat();
            if let Ok(paths) = Paths::new(&glob) {
                let _ = paths.has(Path::new(&glob));
            }
        }

        #[test]
        fn a_path_is_found_by_its_own_spelling(path in "[a-c\\[\\](){}!^,.@-]{1,20}(/[a-c\\[\\](){}!^,.@-]{1,20}){0,2}") {
            let path = format!("x{path}");
            if let Ok(paths) = Paths::new(&path) {
                proptest::prop_assert!(paths.has(Path::new(&path)), "{}", path);
            }
        }
    }
}
