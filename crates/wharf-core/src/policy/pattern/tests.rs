//! Patterns, case by case and at random.

use super::*;

#[test]
fn a_star_behind_a_word_ends_it() {
    let cases = [
        ("ls*", "ls", true),
        ("ls*", "ls -la src", true),
        ("ls*", "ls\t-la", true),
        ("ls*", "lsevil", false),
        ("ls*", "ls-evil", false),
        ("ls*", "ls/../evil", false),
        ("git status*", "git status", true),
        ("git status*", "git status -s", true),
        ("git status*", "git statusx", false),
        ("cargo test*", "cargo test -p x", true),
        ("cargo *", "cargo test", true),
        ("cargo * --lib", "cargo test --lib", true),
        ("cargo test* --lib", "cargo test -p x --lib", true),
        ("cargo test* --lib", "cargo testevil --lib", false),
        ("npm run test:*", "npm run test:unit", true),
        ("./bin/*", "./bin/tool x", true),
        ("ls *a*b*", "ls b a xb c", true),
        ("x *ab* c", "x abab c", true),
        ("*", "anything", true),
        ("größe*", "größer", false),
    ];
    for (pattern, text, covers) in cases {
        assert_eq!(is_match_by_words(pattern, text), covers, "{pattern} {text}");
    }
}

#[test]
fn without_words_a_star_is_any_text() {
    for (pattern, text, covers) in [
        ("src/*", "src/a/b", true),
        ("a*a", "a", false),
        ("a*", "ab", true),
        ("*.env", ".env", true),
        ("*.env", "x.env.bak", false),
    ] {
        assert_eq!(is_match(pattern, text), covers, "{pattern} {text}");
    }
}

mod fuzz {
    use proptest::prelude::*;

    use super::super::*;

    /// The definition, by trying everything.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|at| slow(rest, &text[at..])),
            Some((letter, rest)) => text.first() == Some(letter) && slow(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_is_what_a_search_of_all_ways_finds(pattern in "[ab* ]{0,8}", text in "[ab ]{0,12}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(is_match(&pattern, &text), slow(&p, &t));
            if is_match_by_words(&pattern, &text) {
                prop_assert!(is_match(&pattern, &text), "words only make it stricter");
            }
        }

        /// Half a megabyte: what is not linear does not end.
        #[test]
        fn long_texts_end(pattern in "[ab* é]{0,20}", letter in "[abé ]{1,3}") {
            let text = letter.repeat(500_000 / letter.len());
            let _ = (is_match(&pattern, &text), is_match_by_words(&pattern, &text));
        }
    }
}
